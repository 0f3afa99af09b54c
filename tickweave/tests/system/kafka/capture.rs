//! Seven minutes of a perpetual, captured, through topics.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use super::job::{HEAD, Job, source};
use super::topics::{Found, Produced, Topic};
use crate::expected::bars::{Bars, assert_same, expected, trades};
use crate::expected::data::{gunzip, shared};
use crate::servers::{self, Server};

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
        ..Produced::default()
    })
}

/// A sink of candles to `TOPIC-candles`.
pub(super) fn sink(server: &Server, topic: &str) -> String {
    format!(
        "[[sink]]\nname = \"bars\"\nkind = \"kafka\"\nservers = \"{}\"\ntopic = \"{topic}-{{view}}\"\n\
         views = [\"candles\"]\nnumbers = \"string\"\n",
        server.address
    )
}

/// Asserts that the newest messages of each key are the rows that HTTP has answered, and that all name their run.
pub(super) fn assert_is_view(messages: Vec<Found>, of_http: Vec<Value>) {
    let run = messages[0].header("run").to_owned();
    let mut newest = BTreeMap::new();
    for message in messages {
        assert_eq!([message.header("view"), message.header("run")], ["candles", &run]);
        assert!(message.header("commit").parse::<u64>().is_ok(), "{message:?}");
        newest.insert(message.key, message.payload);
    }
    let rows = newest.into_values().flatten().map(|row| serde_json::from_str(&row).unwrap());
    let by_key = |rows: Vec<Value>| -> BTreeMap<String, Value> {
        let key = |row: &Value| {
            ["instrument", "timeframe", "open_time"].map(|column| row[column].to_string())
        };
        rows.into_iter().map(|row| (key(&row).concat(), row)).collect()
    };
    let (folded, of_http) = (by_key(rows.collect()), by_key(of_http));
    assert!(folded.keys().eq(of_http.keys()), "{} and {} bars", folded.len(), of_http.len());
    for (key, row) in &folded {
        for column in ["open", "high", "low", "close", "volume", "notional", "trades"] {
            assert_eq!(row[column], of_http[key][column], "{column} of {row}");
        }
    }
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
        let start = "start = \"earliest\"\ngroup = \"watched\"";
        let config = HEAD.to_owned()
            + &source(kafka, "k", &[&one, &other], start)
            + &sink(kafka, &format!("out-{workers}"));
        let job = Job::start(folder, &config, workers);
        let found = job.wait_for_trades(folder, capture.count());
        assert_same(&found, &capture.wanted, &format!("{workers} workers"));
        let provider = |column| job.provider("k", column);
        assert_eq!([provider("partitions"), provider("connected")], [5, 5], "{workers} workers");
        let of_http = job.rows("candles?numbers=string");
        let summary = job.end();
        assert_eq!(summary["accepted"], capture.count(), "{summary}");
        assert_eq!(summary["dead"], 0, "{summary}");

        assert_is_view(out.read(), of_http);
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
            ..Produced::default()
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
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "four producers");
    let summary = job.end();
    assert_eq!([&summary["accepted"], &summary["duplicates"]], [count, 3 * count], "{summary}");
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
