//! Seven minutes of a perpetual, captured, through topics.

use std::io::BufRead;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use super::job::{HEAD, Job, source};
use super::topics::{Found, Produced, Topic};
use crate::expected::bars::{Bars, assert_same, expected, trades};
use crate::expected::data::{gunzip, shared};
use crate::servers;

/// The frames of a capture, and the bars that must come of its trades.
pub(super) struct Capture {
    /// Frames of every kind, as they were received.
    pub(super) frames: Vec<String>,
    /// Of those the trades alone.
    pub(super) trades: Vec<String>,
    pub(super) wanted: Bars,
}

impl Capture {
    /// The capture; none where the shared data is not.
    pub(super) fn read(test: &str) -> Option<&'static Capture> {
        static READ: OnceLock<Option<Capture>> = OnceLock::new();
        READ.get_or_init(|| shared(test).map(|shared| Capture::from(&shared))).as_ref()
    }

    fn from(shared: &Path) -> Capture {
        let path = shared.join("binance_ws_raw_hftbacktest/usdm_btcusdt_20230405.dat.gz");
        let frames: Vec<String> = gunzip(&path).lines().map(Result::unwrap).collect();
        let is_trade = |frame: &&String| frame.contains("\"e\":\"trade\"");
        let trades = frames.iter().filter(is_trade).cloned().collect();
        let mut wanted = expected(shared, "binance_usdm_btcusdt_20230405_1s", "1s", "binance");
        let name = "binance_usdm_btcusdt_20230405_60s";
        wanted.extend(expected(shared, name, "1m", "binance"));
        let capture = Capture { frames, trades, wanted };
        assert_eq!(capture.trades.len() as u64, capture.count());
        capture
    }

    /// How many trades it has.
    pub(super) fn count(&self) -> u64 {
        trades(&self.wanted, "1s")
    }
}

/// Frames, one after the other to each of so many partitions.
pub(super) fn spread(frames: &[String], partitions: i32) -> impl Iterator<Item = Produced<'_>> {
    (0..).zip(frames).map(move |(at, frame): (i32, _)| Produced {
        partition: at % partitions,
        payload: Some(frame.as_bytes()),
        made: None,
    })
}

/// The newest message of each key, but for tombstones.
fn folded(messages: Vec<Found>) -> Vec<Value> {
    let mut rows = std::collections::BTreeMap::new();
    for message in messages {
        rows.insert(message.key, message.payload);
    }
    let left = rows.into_values().flatten();
    left.map(|row| serde_json::from_str(&row).unwrap()).collect()
}

/// All frames, spread over the partitions of two topics, on one to three workers, and out again as a topic: over HTTP
/// and folded from that topic, the bars are those that are expected.
#[test]
fn in_and_out() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("in_and_out") else { return };
    let half = capture.frames.len() / 2;
    let one = Topic::new(kafka, "in-one", 3);
    one.produce(spread(&capture.frames[..half], 3));
    let other = Topic::new(kafka, "in-other", 2);
    other.produce(spread(&capture.frames[half..], 2));

    for workers in [1, 2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let out = Topic::new(kafka, &format!("out-{workers}-candles"), 2);
        let sink = format!(
            "[[sink]]\nname = \"bars\"\nkind = \"kafka\"\nservers = \"{}\"\ntopic = \"out-{workers}-{{view}}\"\n\
             views = [\"candles\"]\nnumbers = \"string\"\n",
            kafka.address
        );
        let start = "start = \"earliest\"\ngroup = \"watched\"";
        let config = HEAD.to_owned() + &source(kafka, "k", &[&one, &other], start) + &sink;
        let job = Job::start(folder, &config, workers);
        let found = job.wait_for_trades(folder, capture.count());
        assert_same(&found, &capture.wanted, &format!("{workers} workers"));
        let provider = |column| job.provider("k", column);
        assert_eq!([provider("partitions"), provider("connected")], [5, 5], "{workers} workers");
        let of_http = job.rows("candles?numbers=string");
        let summary = job.end();
        assert_eq!(summary["accepted"], capture.count(), "{summary}");
        assert_eq!(summary["dead"], 0, "{summary}");

        let messages = out.read();
        let header = |message: &Found, name: &str| {
            let of_name = message.headers.iter().find(|(own, _)| own == name);
            of_name.unwrap_or_else(|| panic!("no {name} in {message:?}")).1.clone()
        };
        let run = header(&messages[0], "run");
        assert!(messages.iter().all(|message| header(message, "view") == "candles"
            && header(message, "run") == run
            && header(message, "commit").parse::<u64>().is_ok()));
        let key = |row: &Value| {
            row["instrument"].to_string()
                + &row["timeframe"].to_string()
                + &row["open_time"].to_string()
        };
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_key(key);
            rows
        };
        let (folded, of_http) = (sorted(folded(messages)), sorted(of_http));
        assert_eq!(folded.len(), capture.wanted.len(), "bars of the topic");
        for (folded, of_http) in folded.iter().zip(&of_http) {
            for column in [
                "instrument",
                "timeframe",
                "open_time",
                "open",
                "high",
                "low",
                "close",
                "volume",
                "notional",
                "trades",
            ] {
                assert_eq!(folded[column], of_http[column], "{column} of {folded} and {of_http}");
            }
        }
    }
}

/// Four providers bring the same trades, each in another order: every trade counts once.
#[test]
fn redundant_producers() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("redundant_producers") else { return };
    let count = capture.trades.len();
    let topics: Vec<Topic<'_>> =
        (0..4).map(|n| Topic::new(kafka, &format!("redundant-{n}"), 2)).collect();
    let mut config = HEAD.to_owned();
    for (rank, topic) in topics.iter().enumerate() {
        // In steps that share no factor with the count, all are met once.
        let step = (1..count).filter(|step| gcd(*step, count) == 1).nth(rank * 997).unwrap();
        let order = (0..count).map(|at| &capture.trades[at * step % count]);
        topic.produce(order.enumerate().map(|(at, frame)| Produced {
            partition: i32::from(at % 2 == 1),
            payload: Some(frame.as_bytes()),
            made: None,
        }));
        let more = format!("rank = {rank}\nstart = \"earliest\"");
        config += &source(kafka, &format!("k{rank}"), &[topic], &more);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let job = Job::start(folder, &config, 2);
    let rows = |job: &Job| -> u64 {
        let rows = job.rows("providers");
        rows.iter()
            .filter(|row| row["kind"] == "kafka")
            .map(|row| row["rows"].as_u64().unwrap())
            .sum()
    };
    job.wait_for_rows("providers", |_| rows(&job) == 4 * count as u64);
    assert_same(&job.bars(folder), &capture.wanted, "four producers");
    let summary = job.end();
    assert_eq!([&summary["accepted"], &summary["duplicates"]], [count, 3 * count], "{summary}");
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
