//! A broker that goes away, or freezes, while a job catches up: nothing that waits in it is too late.
//!
//! In CI a few seconds and some ten thousand trades; `scripts/outages` runs it with 600,000 trades, outages of 40 s
//! and the settings that jobs have by default.

use std::thread::sleep;
use std::time::Duration;

use super::crashes::now_ms;
use super::job::Job;
use super::made::{COLUMNS, MINUTE_MS, Made};
use super::topics::Topic;
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;
use crate::expected::bars::{assert_same, of_csv};
use crate::servers::Server;

const PARTITIONS: i32 = 4;

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

#[test]
fn a_broker_that_is_away_in_a_catch_up_delays_and_loses_nothing() {
    let scale = Scale::asked();
    let Some(kafka) = Server::start("kafka") else { return };
    let span_ms = 5 * 60 * MINUTE_MS;
    let made = Made { first_ms: now_ms() - span_ms, span_ms, count: scale.trades };
    let topic = Topic::new(&kafka, "outage", PARTITIONS);
    made.produce(&topic, PARTITIONS);
    let wanted = made.bars("1m", 1);
    // Of each partition a batch of messages is fetched, and half a second later the next one, so that most is still in
    // the broker when it goes, however slow this test is.
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nrecords = 500\n[outliers]\nbars = 0\n\
         [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"outage\"]\nstart = \"earliest\"\n\
         {}{COLUMNS}\
         [source.properties]\n\"fetch.message.max.bytes\" = \"10000\"\n\"queued.max.messages.kbytes\" = \"10\"\n\
         \"queued.min.messages\" = \"100\"\n\"fetch.queue.backoff.ms\" = \"500\"\n",
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
            poll(|| (read() > made.count as u64 / 50).then_some(()), || read().to_string());
            kafka.freeze(); // at once; what follows takes its time
            away(&kafka);
            job.wait_for_rows("providers", |_| job.provider("k", "state") == "disconnected");
            let left = job.provider("k", "rows_behind").as_u64().unwrap();
            assert!(left > 0, "{outage}: all had been read before");
            sleep(scale.outage);
            back(&kafka);
            // The small batches take long on a busy machine, but each comes within the bound of a poll.
            while read() < made.count as u64 {
                let before = read();
                poll(
                    || (read() > before).then_some(()),
                    || {
                        format!(
                            "{outage}, {workers} workers: {before} rows: {}",
                            job.state("providers")
                        )
                    },
                );
            }
            assert_eq!(read(), made.count as u64, "{outage}: read twice");
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
