//! A job that is started again from the horizon: bars that it cannot make whole replace none that are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::capture::sink;
use super::crashes::now_ms;
use super::job::Job;
use super::made::{COLUMNS, MINUTE_MS, Made};
use super::topics::Topic;
use crate::expected::bars::{Bars, assert_same, of_json};
use crate::servers;

const PARTITIONS: i32 = 2;

/// The bars that the topic of a sink holds, by the newest message of each key.
pub(super) fn folded(topic: &Topic<'_>) -> Bars {
    let mut newest = BTreeMap::new();
    for message in topic.read() {
        newest.insert(message.key, message.payload);
    }
    let rows = newest.into_values().flatten();
    rows.map(|row| of_json(&serde_json::from_str::<Value>(&row).unwrap())).collect()
}

/// Hours and minutes of three hours, a horizon of 30 minutes, which lies in the middle of an hour. Whether the job is
/// configured to make the hour whole or not, and whatever it shows, its topic keeps what the first run had right.
#[test]
fn a_restart_from_the_horizon_replaces_no_bar_by_a_part_of_it() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "restarted", PARTITIONS);
    let out = Topic::new(kafka, "restarted-candles", 1);
    // The horizon lies at half past in an earlier hour, whenever this runs.
    let horizon_minutes = (now_ms() / MINUTE_MS + 30) % 60 + 60;
    let span_ms = 180 * MINUTE_MS;
    let made = Made { first_ms: now_ms() - span_ms, span_ms, count: 6_000 };
    made.produce(&topic, PARTITIONS);
    let mut wanted = made.bars("1m", 1);
    wanted.extend(made.bars("1h", 60));

    let folder = tempfile::tempdir().unwrap();
    let config = |start: &str, job: &str| {
        format!(
            "[job]\ntimeframes = [\"1m\", \"1h\"]\nindicators = []\nreject_after = \"10m\"\n\
             correction_horizon = \"{horizon_minutes}m\"\n{job}[outliers]\nbars = 0\n\
             [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"restarted\"]\n\
             start = \"{start}\"\n{COLUMNS}{}",
            kafka.address,
            sink(kafka, "restarted")
        )
    };
    let run = |start: &str, more: &str| -> (Bars, Vec<Value>) {
        let job = Job::start(folder.path(), &config(start, more), 2);
        job.wait_for_rows("providers", |_| job.provider("k", "rows_behind") == 0);
        // All that was read is bound when rounds change nothing more.
        let mut before = Vec::new();
        let rows = job.wait_for_rows("candles?numbers=string", |rows| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            !rows.is_empty() && std::mem::replace(&mut before, rows.to_vec()) == rows
        });
        let bars = rows.iter().map(of_json).collect();
        job.end();
        (bars, rows)
    };

    let (first, rows) = run("earliest", "");
    assert_same(&first, &wanted, "the first run");
    assert!(rows.iter().all(|row| row["state"] != "partial"));
    assert_same(&folded(&out), &wanted, "the topic of the first run");

    let partial = |row: &&Value| row["state"] == "partial";
    let whole =
        |rows: &[Value]| -> Bars { rows.iter().filter(|row| !partial(row)).map(of_json).collect() };
    let (second, rows) = run("horizon", "");
    let hours = |bars: &Bars| bars.keys().filter(|(_, timeframe, _)| timeframe == "1h").count();
    let (kept, all) = (whole(&rows), hours(&wanted));
    assert!(second.len() < wanted.len(), "it began later");
    for (key, bar) in &kept {
        assert_eq!(bar, &wanted[key], "{key:?} after a restart");
    }
    // The hours of now and of the horizon, and the one between where there is one, of each symbol.
    assert!((10..all).contains(&hours(&kept)), "{} of {all} hours", hours(&kept));
    assert_same(&folded(&out), &wanted, "the topic after a restart");

    let (_, rows) = run("horizon", "read_back = \"0s\"\n");
    let cut = rows.iter().filter(partial).filter(|row| row["timeframe"] == "1h").count();
    assert_eq!(hours(&whole(&rows)) + cut, hours(&kept), "the hour of the horizon was cut");
    assert!(cut >= 5, "of each symbol: {cut}");
    for (key, bar) in &whole(&rows) {
        assert_eq!(bar, &wanted[key], "{key:?} after a restart that cut an hour");
    }
    assert_same(&folded(&out), &wanted, "the topic after a restart that cut an hour");
}
