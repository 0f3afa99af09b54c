//! A cancel of an old trade that was the close of its bars: which rows of candles, indicators, alerts and
//! revisions it changes, exactly those, and at every timeframe.

mod input;
mod reference;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::ingest::recording::Recording;
use dataflows::run::{RunOptions, replay_recording};
use market::Commit;
use operators::NoStates;

use super::binary::{Going, poll, tickweave};
use super::http::get;
use super::views_in;
use input::{CANCELLED, CLOCK, CONFIG, NEW_CLOSE, OLD_CLOSE, TOUCHED, csv, time, trades};
use reference::{Bar, TIMEFRAMES, bars, holding, numbers};
use rows::{Row, Rows, changed, column, rows};

/// All views as the files say, by name.
type Views = BTreeMap<String, String>;

#[test]
fn a_cancel_that_moves_a_close_restates_exactly_what_depends_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), CONFIG).unwrap();
    let replay = |cancelled: bool, workers: &str| {
        fs::write(folder.join("trades.csv"), csv(cancelled, "")).unwrap();
        let args = ["replay", "job.toml", "-w", workers, "--out", "out", "--json"];
        let ran = tickweave(folder, &args).json();
        (ran["commits"].clone(), views_in(&folder.join("out")))
    };
    let (commits, before) = replay(false, "1");
    let (same_commits, after) = replay(true, "1");
    assert_eq!(commits, same_commits);
    let changed = assert_restated(&before, &after, |_| true);
    assert_eq!(changed.base, changed.larger, "every commit of files ends a round");
    for workers in ["2", "3"] {
        assert_eq!(replay(false, workers).1, before, "{workers} workers");
        assert_eq!(replay(true, workers).1, after, "{workers} workers");
    }
}

#[test]
fn a_live_job_restates_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), CONFIG).unwrap();
    // The last trade is due days later, so the source does not end while the test runs.
    let last = "2024-03-24T00:00:00Z,CLOCK,last,trade,1,1\n";
    fs::write(folder.join("trades.csv"), csv(true, last)).unwrap();
    let args = ["run", "job.toml", "--record", "live.rec", "--out", "after", "--json", "-w", "2"];
    let mut run = Going::start(folder, &args);
    let address = run.address();
    let revisions = || get(address, "/v1/views/revisions").json();
    let all = |shown: &serde_json::Value| shown["rows"].as_array().map(Vec::len) == Some(3);
    poll(|| all(&revisions()).then_some(()), || revisions().to_string());
    run.signal("TERM");
    run.end().json();
    let after = views_in(&folder.join("after"));

    // The same commits up to the one before the cancel.
    let commits = column(&after["revisions.csv"], "commit");
    let cancel: u64 = commits.iter().map(|commit| commit.parse().unwrap()).min().unwrap();
    for workers in 1..=3 {
        let recording = Recording::open(&folder.join("live.rec")).unwrap();
        let mut raw = RawConfig::parse(&recording.header().config, "recorded").unwrap();
        raw.job.workers = workers;
        let out = folder.join(format!("before{workers}"));
        let until = Some(Commit(cancel - 1));
        let options = RunOptions { until, out: Some(out.clone()), ..RunOptions::default() };
        let registries = recording.header().registries.clone();
        let config = raw.check_with(Path::new("."), registries).unwrap();
        let states = Arc::new(NoStates);
        replay_recording(&config, recording, states, &options, &Stop::default()).unwrap();
        // The clock goes on meanwhile.
        let changed = assert_restated(&views_in(&out), &after, |row| row["instrument"] != CLOCK);
        assert!(changed.base == cancel && changed.larger >= cancel, "a round may end later");
    }
}

/// The commits that restated: the base bars, and the larger ones with all that is judged per round.
struct Restated {
    base: u64,
    larger: u64,
}

/// Asserts which rows differ between all views before and after the cancel; of rows that are `compared`.
fn assert_restated(before: &Views, after: &Views, compared: impl Fn(&Row) -> bool) -> Restated {
    let read = |views: &Views, view: &str, key: &[&str]| {
        let mut rows = rows(&views[&format!("{view}.csv")], key);
        rows.retain(|_, row| compared(row));
        rows
    };
    let both = |view: &str, key: &[&str]| (read(before, view, key), read(after, view, key));
    const BAR: [&str; 3] = ["instrument", "timeframe", "open_time"];

    let (none, revisions) = both("revisions", &BAR);
    assert!(none.is_empty(), "{none:#?}");
    let restated = assert_revisions(&revisions);
    assert_candles(&both("candles", &BAR));
    assert_indicators(&both("indicators", &[&BAR[..], &["indicator", "output"]].concat()));
    assert_alerts(&both("alerts", &[&BAR[..], &["rule"]].concat()), restated.larger);
    for view in ["conflicts.csv", "dead_letters.csv", "too_late.csv", "unmatched.csv"] {
        assert_eq!(before[view], after[view]);
        assert_eq!(before[view].lines().count(), 1, "{view} has no rows: {}", before[view]);
    }
    restated
}

/// The touched bar of each timeframe, and its place among the bars.
fn touched() -> [(&'static str, i64, usize); 3] {
    TIMEFRAMES.map(|(name, secs)| (name, secs, usize::try_from(TOUCHED / secs).unwrap()))
}

fn key(timeframe: &str, open_ms: i64) -> Vec<String> {
    ["x:TOUCHED", timeframe, &time(open_ms)].map(str::to_owned).to_vec()
}

/// One row per timeframe: the touched bar.
fn assert_revisions(revisions: &Rows) -> Restated {
    let mut commits = Vec::new();
    for (timeframe, secs, at) in touched() {
        let row = &revisions[&key(timeframe, bars(&trades(true), secs)[at].open_ms)];
        for (bar, when) in [(false, "before"), (true, "after")]
            .map(|(cancelled, when)| (bars(&trades(cancelled), secs)[at].clone(), when))
        {
            let Bar { open, high, low, close, volume, trades, .. } = bar;
            for (name, number) in [
                ("open", open),
                ("high", high),
                ("low", low),
                ("close", close),
                ("volume", volume),
                ("trades", trades),
            ] {
                assert_eq!(row[&format!("{name}_{when}")], number.to_string(), "{name}_{when}");
            }
        }
        let closes = [&row["close_before"], &row["close_after"]];
        assert_eq!(closes, [&OLD_CLOSE.to_string(), &NEW_CLOSE.to_string()], "{timeframe}");
        assert_eq!(
            [&*row["revision"], &*row["cause"], &*row["cause_id"]],
            ["1", "cancel", CANCELLED]
        );
        commits.push(row["commit"].parse().unwrap());
    }
    assert_eq!(revisions.len(), touched().len(), "{revisions:#?}");
    assert_eq!(commits[1], commits[2], "all larger bars of a round change together");
    Restated { base: commits[0], larger: commits[1] }
}

/// The touched bar of each timeframe changes, and only in what the trade had a part in.
fn assert_candles((before, after): &(Rows, Rows)) {
    let mut want = BTreeSet::new();
    for (timeframe, secs, at) in touched() {
        for (rows, cancelled) in [(before, false), (after, true)] {
            let bars = bars(&trades(cancelled), secs);
            let own = rows.keys().filter(|key| key[0] == "x:TOUCHED" && key[1] == timeframe);
            assert_eq!(own.count(), bars.len(), "{timeframe}");
            for (place, bar) in bars.iter().enumerate() {
                let row = &rows[&key(timeframe, bar.open_ms)];
                let restated = cancelled && place == at;
                let Bar { open, high, low, close, volume, notional, trades, last_ms, .. } = bar;
                for (name, number) in [
                    ("open", open),
                    ("high", high),
                    ("low", low),
                    ("close", close),
                    ("volume", volume),
                    ("notional", notional),
                    ("trades", trades),
                ] {
                    assert_eq!(row[name], number.to_string(), "{name} of {row:?}");
                }
                assert_eq!(row["last_time"], time(*last_ms));
                assert_eq!(row["state"], if restated { "revised" } else { "final" }, "{row:?}");
                assert_eq!(row["cause_id"], if restated { CANCELLED } else { "" }, "{row:?}");
            }
        }
        let key = key(timeframe, bars(&trades(true), secs)[at].open_ms);
        let differs = |name: &&String| before[&key][*name] != after[&key][*name];
        let columns: BTreeSet<&str> =
            before[&key].keys().filter(differs).map(String::as_str).collect();
        let expected = "cause cause_id close high last_time notional revision state trades volume";
        assert_eq!(columns, expected.split(' ').collect(), "{timeframe}");
        want.insert(key);
    }
    assert_eq!(changed(before, after), want);
}

/// Every number of every bar is, bit for bit, what a plain fold over all trades gives, with the cancelled one and
/// without it; so exactly those change that really depend on the close that moved.
fn assert_indicators((before, after): &(Rows, Rows)) {
    let mut want = BTreeSet::new();
    for (timeframe, secs, at) in touched() {
        let [old, new] = [false, true].map(|cancelled| bars(&trades(cancelled), secs));
        let (old_numbers, new_numbers) = (numbers(&old), numbers(&new));
        for (name, was) in &old_numbers {
            let now = &new_numbers[name];
            let mut differ = Vec::new();
            for (place, bar) in old.iter().enumerate() {
                let mut key = key(timeframe, bar.open_ms);
                key.extend([name.0, name.1].map(str::to_owned));
                for (rows, number) in [(before, was[place]), (after, now[place])] {
                    let shown = rows.get(&key).map(|row| row["value"].parse::<f64>().unwrap());
                    assert_eq!(shown.map(f64::to_bits), number.map(f64::to_bits), "{key:?}");
                }
                if was[place] != now[place] {
                    differ.push(place);
                    want.insert(key);
                }
            }
            let what = format!("{name:?} of {timeframe}: {differ:?}");
            assert_eq!(differ.first(), Some(&at), "{what}");
            match name.0 {
                // A window of five bars holds the touched one in five places.
                "sma5" | "bb5_2" => assert_eq!(differ, (at..at + 5).collect::<Vec<_>>(), "{what}"),
                // A recurrence forgets by rounding alone: some hundred bars later its states are equal in every
                // bit. After the touched bar there are six hundred seconds, but only ten minutes.
                _ if timeframe == "1s" => {
                    let last = differ[differ.len() - 1];
                    assert!((at + 50..at + 250).contains(&last), "{what}");
                }
                _ if timeframe == "1m" => {
                    assert_eq!(differ, (at..old.len()).collect::<Vec<_>>(), "{what}");
                }
                _ => {}
            }
        }
    }
    assert_eq!(changed(before, after), want);
}

/// An alert is raised where its rule holds. Those that only the old close upheld are withdrawn and stay as rows;
/// those that the new one calls for are raised, all by the commit of the cancel.
fn assert_alerts((before, after): &(Rows, Rows), commit: u64) {
    let commit = commit.to_string();
    let mut want = BTreeSet::new();
    for (timeframe, secs, at) in touched() {
        let [old, new] = [false, true].map(|cancelled| bars(&trades(cancelled), secs));
        let (held, holds) = (holding(&old), holding(&new));
        let key_of = |(place, rule): &(usize, &str)| {
            let mut key = key(timeframe, old[*place].open_ms);
            key.push((*rule).to_owned());
            key
        };
        let own = before.keys().filter(|key| key[0] == "x:TOUCHED" && key[1] == timeframe);
        let raised: BTreeSet<Vec<String>> = held.iter().map(key_of).collect();
        assert_eq!(own.cloned().collect::<BTreeSet<_>>(), raised, "{timeframe}");
        for alert in held.difference(&holds) {
            let (was, now) = (&before[&key_of(alert)], &after[&key_of(alert)]);
            assert_eq!([&*was["state"], &*was["changes"]], ["raised", "1"], "{was:?}");
            let changed = [("state", "withdrawn"), ("last_commit", &*commit), ("changes", "2")];
            let mut expected = was.clone();
            expected.extend(changed.map(|(name, text)| (name.to_owned(), text.to_owned())));
            assert_eq!(*now, expected);
            want.insert(key_of(alert));
        }
        for alert in holds.difference(&held) {
            let now = &after[&key_of(alert)];
            let shown = ["state", "settled", "first_commit", "last_commit", "changes"];
            let expected = ["raised", "final", &commit, &commit, "1"];
            assert_eq!(shown.map(|name| now[name].as_str()), expected, "{now:?}");
            want.insert(key_of(alert));
        }
        // At the touched bar itself the old close broke out, and the new one is low.
        assert!(held.contains(&(at, "high")) && !holds.contains(&(at, "high")), "{timeframe}");
        assert!(!held.contains(&(at, "low")) && holds.contains(&(at, "low")), "{timeframe}");
        // The old high kept later bars from breaking out.
        let later = |(place, rule): &&(usize, &str)| *place > at && *rule == "high";
        assert!(holds.difference(&held).any(|alert| later(&alert)), "{timeframe}");
    }
    assert_eq!(changed(before, after), want);
}
