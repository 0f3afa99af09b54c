//! Jobs that are started again and again, from the horizon: the topic of a sink stays whole, and what only the slower of
//! two providers has is in time.
//!
//! In CI twice; `scripts/outages` does it ten times.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::capture::sink;
use super::crashes::now_ms;
use super::job::Job;
use super::made::{COLUMNS, MINUTE_MS, Made, SYMBOLS, cents_of, money, price};
use super::restarts::folded;
use super::topics::{Produced, Topic};
use crate::end_to_end::binary::poll;
use crate::expected::bars::{Bars, assert_same, of_json};
use crate::servers;

/// How often the job is started again.
fn restarts() -> usize {
    if std::env::var_os("TICKWEAVE_OUTAGES_WHOLE").is_some() { 10 } else { 2 }
}

/// A trade: symbol, time and cents.
type Trade = (usize, i64, i64);

/// Trades by their ids, and what was made of them.
#[derive(Default)]
struct Tape {
    trades: BTreeMap<usize, Trade>,
    next: usize,
    /// The bars, by symbol and open time, that have lost trades.
    amended: BTreeSet<(usize, i64)>,
}

impl Tape {
    /// Produces so many trades, evenly from one time to another.
    fn trade(&mut self, topic: &Topic<'_>, count: usize, from_ms: i64, to_ms: i64) {
        let messages: Vec<(i64, String)> = (0..count)
            .map(|at| {
                let (id, time_ms) = (self.next, from_ms + (to_ms - from_ms) * at as i64 / count as i64);
                let (symbol, cents) = (id % SYMBOLS, cents_of(id));
                self.trades.insert(id, (symbol, time_ms, cents));
                self.next += 1;
                let price = price(cents);
                let message = json!({"symbol": format!("S{symbol}"), "time": time_ms, "id": id, "price": price, "size": "1"});
                (time_ms, message.to_string())
            })
            .collect();
        topic.produce(messages.iter().enumerate().map(|(at, (time_ms, message))| Produced {
            partition: at as i32 % 2,
            payload: Some(message.as_bytes()),
            made: Some(*time_ms),
            ..Produced::default()
        }));
    }

    /// Cancels all trades of a symbol in a minute.
    fn cancel(&mut self, topic: &Topic<'_>, symbol: usize, minute_ms: i64) {
        let is_in = |trade: &Trade| trade.0 == symbol && minute(trade.1) == minute_ms;
        let ids: Vec<usize> =
            self.trades.iter().filter(|(_, trade)| is_in(trade)).map(|(id, _)| *id).collect();
        assert!(!ids.is_empty(), "nothing to cancel");
        self.amended.insert((symbol, minute_ms));
        let messages: Vec<String> = ids
            .iter()
            .map(|id| {
                let (_, time_ms, _) = self.trades.remove(id).unwrap();
                json!({"kind": "cancel", "symbol": format!("S{symbol}"), "time": time_ms, "id": id})
                    .to_string()
            })
            .collect();
        topic.produce(
            messages.iter().map(|message| Produced {
                payload: Some(message.as_bytes()),
                ..Produced::default()
            }),
        );
    }

    /// The bars of a minute and of an hour.
    fn bars(&self) -> Bars {
        let mut bars = Bars::new();
        for (timeframe, span_ms) in [("1m", MINUTE_MS), ("1h", 60 * MINUTE_MS)] {
            // By symbol and open time: time, id and cents of its trades.
            let mut folded: BTreeMap<_, Vec<(i64, usize, i64)>> = BTreeMap::new();
            for (id, (symbol, time_ms, cents)) in &self.trades {
                let open = time_ms - time_ms.rem_euclid(span_ms);
                folded.entry((*symbol, open)).or_default().push((*time_ms, *id, *cents));
            }
            for ((symbol, open), mut trades) in folded {
                trades.sort_unstable();
                let cents: Vec<i64> = trades.iter().map(|(.., cents)| *cents).collect();
                let (open_cents, close_cents) = (cents[0], cents[cents.len() - 1]);
                let (high, low) = (cents.iter().max().unwrap(), cents.iter().min().unwrap());
                let [a, b, c, d, sum] =
                    [open_cents, *high, *low, close_cents, cents.iter().sum()].map(money);
                let count = cents.len().to_string();
                let bar = [a, b, c, d, count.clone(), sum, count];
                bars.insert((format!("o:S{symbol}"), timeframe.to_owned(), open), bar);
            }
        }
        bars
    }
}

fn minute(time_ms: i64) -> i64 {
    time_ms - time_ms.rem_euclid(MINUTE_MS)
}

/// Bars that the topic holds are never less than they were, but for cancels; what was cancelled while the job was away
/// goes from it, and it is the view whenever the job has caught up.
#[test]
fn a_compacted_topic_stays_whole() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "again", 2);
    let out = Topic::new(kafka, "again-candles", 1);
    let mut tape = Tape::default();
    let began_ms = now_ms();
    tape.trade(&topic, 5_400, began_ms - 180 * MINUTE_MS, began_ms);
    let folder = tempfile::tempdir().unwrap();
    let config = |start: &str| {
        format!(
            "[job]\ntimeframes = [\"1m\", \"1h\"]\nindicators = []\nreject_after = \"10m\"\n\
             correction_horizon = \"90m\"\n[outliers]\nbars = 0\n\
             [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"again\"]\n\
             start = \"{start}\"\nformat = \"json\"\ninstrument = \"o:{{symbol}}\"\nunits = {{ time = \"ms\" }}\n\
             columns = {{ kind = \"kind\", symbol = \"symbol\", time = \"time\", id = \"id\", price = \"price\", size = \"size\" }}\n\
             {}replace_earlier = true\n",
            kafka.address,
            sink(kafka, "again")
        )
    };
    for time in 0..=restarts() {
        let job =
            Job::start(folder.path(), &config(if time == 0 { "earliest" } else { "horizon" }), 2);
        let wait = |wanted: &Bars, what: &str| {
            let is_whole = || (folded(&out) == *wanted).then_some(());
            poll(is_whole, || {
                assert_same(&folded(&out), wanted, what);
                job.state("sinks")
            });
            for row in job.rows("candles?numbers=string") {
                let (key, bar) = of_json(&row);
                assert!(row["state"] == "partial" || wanted[&key] == bar, "{what}: {row}");
            }
        };
        wait(&tape.bars(), &format!("start {time}"));
        tape.trade(&topic, 7, now_ms() - 1_000, now_ms());
        wait(&tape.bars(), &format!("live rows of start {time}"));
        match time % 2 {
            0 => drop(job.end()),
            _ => drop(job.kill()),
        }
        // While it is away, a minute of a symbol goes, and others come.
        let gone_ms = minute(began_ms - (10 + 5 * time as i64) * MINUTE_MS);
        tape.cancel(&topic, time % SYMBOLS, gone_ms);
        tape.trade(&topic, 11, now_ms() - 2_000, now_ms());
    }

    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for message in out.read() {
        let parts: Vec<&str> = message.key.split('|').collect();
        let open_ms =
            market::EventTime::parse(parts[2], market::TimeUnit::Rfc3339).unwrap().0 / 1_000_000;
        let symbol: usize = parts[0].trim_start_matches("o:S").parse().unwrap();
        let is_amended = parts[1] == "1h" || tape.amended.contains(&(symbol, open_ms));
        let row =
            message.payload.map(|row| serde_json::from_str::<serde_json::Value>(&row).unwrap());
        let trades = row.map_or(0, |row| row["trades"].as_u64().unwrap());
        let before = newest.insert(message.key.clone(), trades).unwrap_or(0);
        assert!(
            is_amended || trades >= before,
            "{} had {before} trades, then {trades}",
            message.key
        );
    }
}

/// Of two providers the second brings what the first lacks, at less than a hundredth of its pace.
#[test]
fn what_only_a_slow_provider_has_is_in_time_at_each_start() {
    let Some(kafka) = servers::kafka() else { return };
    let span_ms = 180 * MINUTE_MS;
    let made = Made { first_ms: now_ms() - span_ms, span_ms, count: 6_000 };
    let (fast, slow) = (Topic::new(kafka, "pace-fast", 1), Topic::new(kafka, "pace-slow", 1));
    made.produce_those(&fast, |at| at % 10 != 3);
    made.produce_those(&slow, |at| at % 10 == 3 || at % 10 == 7);
    let wanted = made.bars("1m", 1);
    let source = |name: &str, rank: u8, properties: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"pace-{name}\"]\n\
             rank = {rank}\nstart = \"horizon\"\n{COLUMNS}{properties}",
            kafka.address
        )
    };
    // A batch of messages each half a second.
    let throttled = "[source.properties]\n\"fetch.message.max.bytes\" = \"10000\"\n\
                     \"queued.max.messages.kbytes\" = \"10\"\n\"queued.min.messages\" = \"10\"\n\
                     \"fetch.queue.backoff.ms\" = \"500\"\n";
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\ncorrection_horizon = \"4h\"\n[outliers]\nbars = 0\n{}{}",
        source("fast", 0, ""),
        source("slow", 1, throttled)
    );
    for time in 0..=restarts() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job::start(folder.path(), &config, 1 + time % 3);
        job.wait_for_rows("providers", |_| job.provider("fast", "rows") == 5_400);
        let slow_rows = job.provider("slow", "rows").as_u64().unwrap();
        assert!(slow_rows < 600, "start {time}: not slow: {slow_rows} of 1200");
        job.wait_for_rows("providers", |_| job.provider("slow", "caught_up") == "yes");
        let found = job.wait_for_rows("candles?numbers=string", |rows| {
            rows.iter().map(of_json).collect::<Bars>() == wanted
        });
        assert_eq!(found.len(), wanted.len());
        assert_eq!(job.rows("too_late"), Vec::<serde_json::Value>::new(), "start {time}");
        match time % 2 {
            0 => assert_eq!(job.end()["accepted"], made.count, "start {time}"),
            _ => drop(job.kill()),
        }
    }
}
