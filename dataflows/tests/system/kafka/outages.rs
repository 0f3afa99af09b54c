//! A broker that goes away, or freezes, while a job catches up: nothing that waits in it is too late.
//!
//! In CI a few seconds and some ten thousand trades; `scripts/outages` runs it with 600,000 trades, outages of 40 s
//! and the settings that jobs have by default.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use super::crashes::now_ms;
use super::job::Job;
use super::topics::{Produced, Topic};
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;
use crate::expected::bars::{Bars, assert_same, of_csv};
use crate::servers::Server;

const SYMBOLS: usize = 5;
const PARTITIONS: i32 = 4;
const MINUTE_MS: i64 = 60_000;

/// How long, and of how much.
struct Scale {
    trades: usize,
    outage: Duration,
    /// What the source says of time; nothing: the defaults.
    source: &'static str,
}

impl Scale {
    fn asked() -> Scale {
        match std::env::var_os("TICKWEAVE_OUTAGES_WHOLE") {
            Some(_) => Scale { trades: 600_000, outage: Duration::from_secs(40), source: "" },
            None => Scale {
                trades: 120_000,
                outage: Duration::from_secs(6),
                source: "idle_timeout = \"2s\"\n",
            },
        }
    }
}

/// A trade every few milliseconds of five hours until now; each is a whole number of cents.
struct Made {
    first_ms: i64,
    count: usize,
}

impl Made {
    fn trade(&self, at: usize) -> (usize, i64, i64) {
        let span_ms = 5 * 60 * MINUTE_MS;
        let time_ms = self.first_ms + (at as i64 * span_ms) / self.count as i64;
        (at % SYMBOLS, time_ms, 10_000 + (at as i64 * 7_919) % 1_000)
    }

    fn message(&self, at: usize) -> String {
        let (symbol, time_ms, cents) = self.trade(at);
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        format!(
            "{{\"symbol\":\"S{symbol}\",\"time\":{time_ms},\"id\":{at},\"price\":\"{price}\",\"size\":\"1\"}}"
        )
    }

    /// The minutes, folded by hand: open, high, low, close, sum and number.
    fn minutes(&self) -> Bars {
        let mut folded: BTreeMap<(usize, i64), [i64; 6]> = BTreeMap::new();
        for at in 0..self.count {
            let (symbol, time_ms, cents) = self.trade(at);
            let key = (symbol, time_ms - time_ms.rem_euclid(MINUTE_MS));
            let bar = folded.entry(key).or_insert([cents, cents, cents, cents, 0, 0]);
            let [open, high, low, _, sum, trades] = *bar;
            *bar = [open, high.max(cents), low.min(cents), cents, sum + cents, trades + 1];
        }
        let money = |cents: i64| {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let bar = |[open, high, low, close, sum, trades]: [i64; 6]| {
            let [open, high, low, close, sum] = [open, high, low, close, sum].map(money);
            [open, high, low, close, trades.to_string(), sum, trades.to_string()]
        };
        let named = |(symbol, open)| (format!("o:S{symbol}"), "1m".to_owned(), open);
        folded.into_iter().map(|(key, values)| (named(key), bar(values))).collect()
    }
}

#[test]
fn a_broker_that_is_away_in_a_catch_up_delays_and_loses_nothing() {
    let scale = Scale::asked();
    let Some(kafka) = Server::start("kafka") else { return };
    let made = Made { first_ms: now_ms() - 5 * 60 * MINUTE_MS, count: scale.trades };
    let topic = Topic::new(&kafka, "outage", PARTITIONS);
    let messages: Vec<String> = (0..made.count).map(|at| made.message(at)).collect();
    topic.produce(messages.iter().enumerate().map(|(at, message)| Produced {
        partition: at as i32 % PARTITIONS,
        payload: Some(message.as_bytes()),
        made: None,
    }));
    let wanted = made.minutes();
    // Little is fetched ahead, so that most is still in the broker when it goes.
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nrecords = 500\n[outliers]\nbars = 0\n\
         [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"outage\"]\nstart = \"earliest\"\n\
         format = \"json\"\ninstrument = \"o:{{symbol}}\"\nunits = {{ time = \"ms\" }}\n{}\
         columns = {{ symbol = \"symbol\", time = \"time\", id = \"id\", price = \"price\", size = \"size\" }}\n\
         [source.properties]\n\"fetch.message.max.bytes\" = \"10000\"\n\"queued.max.messages.kbytes\" = \"10\"\n\
         \"queued.min.messages\" = \"100\"\n",
        kafka.address, scale.source
    );
    for (outage, away, back) in [
        ("killed", Server::kill as fn(&Server), Server::restart as fn(&Server)),
        ("frozen", Server::freeze, Server::thaw),
    ] {
        for workers in [1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let job = Job::start(folder.path(), &config, workers);
            let read = || job.provider("k", "rows").as_u64().unwrap_or(0);
            poll(|| (read() > made.count as u64 / 20).then_some(()), || read().to_string());
            away(&kafka);
            job.wait_for_rows("providers", |_| job.provider("k", "state") == "disconnected");
            let left = job.provider("k", "rows_behind").as_u64().unwrap();
            assert!(left > 0, "{outage}: all had been read before");
            sleep(scale.outage);
            back(&kafka);
            poll(|| (read() == made.count as u64).then_some(()), || read().to_string());
            job.wait_for_rows("providers", |_| job.provider("k", "rows_behind") == 0);
            let path = "/v1/views/candles?format=csv&numbers=string&limit=10000";
            let is_whole = || of_csv(get(job.address, path).body.as_bytes());
            assert!(
                job.rows("too_late").is_empty(),
                "{outage}: {:?}",
                job.rows("too_late").first()
            );
            assert_same(&is_whole(), &wanted, &format!("{outage}, {workers} workers"));
            let summary = job.end();
            assert_eq!(summary["accepted"], made.count, "{outage}: {summary}");
        }
    }
}
