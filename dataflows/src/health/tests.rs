//! Rules of health, one by one.

use super::input::{RefusedLately, RefusedShare};
use super::monitor::Changes;
use super::*;
use crate::publish::MemoryPart;

fn at(secs: i64) -> EventTime {
    EventTime(secs * 1_000_000_000)
}

fn source(name: &str) -> SourceSeen {
    SourceSeen {
        name: name.to_owned(),
        is_required: true,
        is_reached: true,
        ..SourceSeen::default()
    }
}

fn seen(sources: Vec<SourceSeen>) -> Seen {
    Seen {
        at: at(10_000),
        workers: 2,
        failed: false,
        over_budget: None,
        reused: None,
        sources,
        sinks: Vec::new(),
        commit: Some(Commit(7)),
    }
}

/// The status of a check, and why.
fn check(seen: &Seen, name: &str) -> (Status, String) {
    let checks = seen.checks().into_iter();
    let found = checks.into_iter().find(|(own, _)| *own == name);
    let (_, check) = found.unwrap();
    (check.status, check.output)
}

#[test]
fn what_is_as_it_should_be_passes() {
    let seen = seen(vec![source("a")]);
    assert!(seen.checks().iter().all(|(_, check)| check.status == Status::Pass));
    assert_eq!(seen.readiness(), Readiness::Ready);
}

#[test]
fn a_sink_that_does_not_answer_is_a_warning() {
    let mut seen = seen(Vec::new());
    let (name, view, state) = ("out".to_owned(), "candles", SinkState::Waiting);
    seen.sinks = vec![SinkSeen { name, view, state, last_error: None }];
    let why = "no answer for more than 3 s: `candles` to out";
    assert_eq!(check(&seen, "sinks"), (Status::Warn, why.to_owned()));
}

#[test]
fn what_is_held_back_is_a_warning_when_it_lasts() {
    for (by, what) in [
        (HeldBy::Transaction, "an open transaction"),
        (HeldBy::HalfLine, "a line without its end"),
        (HeldBy::OpenQuote(17), "a quote that is opened on line 17 and not closed"),
    ] {
        let held = |secs| {
            let held = Some((4, by, Duration::from_secs(secs)));
            SourceSeen { held, ..source("k") }
        };
        assert_eq!(check(&seen(vec![held(10)]), "sources").0, Status::Pass);
        let why = format!(
            "{what} holds back up to 4 rows of k for 11 s (see the views `sources` and `incidents`)"
        );
        assert_eq!(check(&seen(vec![held(11)]), "sources"), (Status::Warn, why));
    }
}

#[test]
fn a_required_source_must_be_reached_once() {
    let error = Some("connection refused".to_owned());
    let away = SourceSeen { is_reached: false, error, ..source("away") };
    let mut seen = seen(vec![source("a"), away]);
    let why = "not reached yet: away (connection refused)".to_owned();
    assert_eq!(check(&seen, "sources"), (Status::Warn, why.clone()));
    assert_eq!(seen.readiness(), Readiness::NotYet(why));
    seen.sources[1].is_required = false;
    assert_eq!(seen.readiness(), Readiness::Ready);

    seen.sources[1] = SourceSeen { is_down: true, ..source("away") };
    let why = "not connected: away (see the view `incidents`)".to_owned();
    assert_eq!(check(&seen, "sources"), (Status::Warn, why));
    assert_eq!(seen.readiness(), Readiness::Ready, "what is there can be asked for");

    let failure = Some("no such topic".to_owned());
    seen.sources[1] = SourceSeen { failure, ..source("away") };
    let why = "cannot be read, and is tried again: away (no such topic)".to_owned();
    assert_eq!(check(&seen, "sources"), (Status::Warn, why.clone()));
    assert_eq!(seen.readiness(), Readiness::NotYet(why), "its bars wait for it");
    seen.sources[1].is_given_up = true;
    let why = "not waited for any more: away (`give_up_after`)".to_owned();
    assert_eq!(seen.readiness(), Readiness::NotYet(why));
    seen.sources[1].is_required = false;
    assert_eq!(seen.readiness(), Readiness::Ready);

    let largest = MemoryPart { name: "history", bytes: 7 };
    seen.over_budget = Some(OverBudget { bytes: 9, limit: 8, largest });
    let (status, why) = check(&seen, "sources");
    assert_eq!(status, Status::Fail);
    assert!(
        why.contains("`limits.state_bytes` allows 8; the largest part is `history` with 7: lower"),
        "{why}"
    );
    assert!(matches!(seen.readiness(), Readiness::NotYet(_)));
}

#[test]
fn losses_are_warned_of_for_an_hour() {
    let lost = |secs, rows, is_uncounted| {
        let lost = Some(LostSeen { rows, is_uncounted, last: at(secs) });
        seen(vec![SourceSeen { lost, ..source("k") }])
    };
    let lately = |rows, is_uncounted| check(&lost(10_000 - 3_599, rows, is_uncounted), "losses");
    let (status, why) = lately(130_725, false);
    assert!(status == Status::Warn && why.starts_with("k lost 130725 rows; the last at "), "{why}");
    let (_, why) = lately(2, true);
    assert!(why.starts_with("k lost 2 rows, and others, nobody knows how many; "), "{why}");
    // Such as of a file that was truncated: it has no server, and nobody counts what was in it.
    let (_, why) = lately(0, true);
    assert!(why.starts_with("k lost rows, nobody knows how many; "), "{why}");
    assert_eq!(check(&lost(10_000 - 3_600, 2, false), "losses").0, Status::Pass);
}

#[test]
fn ids_that_are_used_again_are_warned_of_for_an_hour() {
    let again = |secs| Seen { reused: Some(("again".to_owned(), at(secs))), ..seen(Vec::new()) };
    assert_eq!(check(&again(10_000 - 3_599), "ids"), (Status::Warn, "again".to_owned()));
    assert_eq!(check(&again(10_000 - 3_600), "ids").0, Status::Pass);
}

#[test]
fn input_of_which_half_is_refused_is_warned_of() {
    let refused = |refused| seen(vec![SourceSeen { refused, ..source("k") }, source("fine")]);
    assert_eq!(check(&refused(None), "input").0, Status::Pass);
    let half = RefusedLately::Share { refused: 100, rows: 200 };
    let (status, why) = check(&refused(Some(half)), "input");
    assert_eq!(status, Status::Warn);
    assert!(why.contains("100 of 200 rows of k in the last minute; "), "{why}");
    let (_, why) = check(&refused(Some(RefusedLately::All(12))), "input");
    assert!(why.contains("all of the last 12 rows of k; "), "{why}");

    let mut share = RefusedShare::default();
    assert_eq!(share.take(at(0), 0, 0), None);
    assert_eq!(share.take(at(1), 99, 90), None, "few");
    let most = RefusedLately::Share { refused: 900, rows: 1_000 };
    assert_eq!(share.take(at(2), 1_000, 900), Some(most));
    assert_eq!(
        share.take(at(3), 1_300, 900),
        Some(RefusedLately::Share { refused: 900, rows: 1_300 })
    );
    for secs in 4..100 {
        share.take(at(secs), 1_300, 900);
    }
    assert_eq!(share.take(at(100), 1_400, 900), None, "none of the last minute");
}

/// However slowly its rows come.
#[test]
fn a_source_all_of_whose_rows_are_refused_is_told() {
    let mut share = RefusedShare::default();
    let told: Vec<_> = (1..=12).map(|row| share.take(at(row as i64 * 1_000), row, row)).collect();
    assert!(told[..9].iter().all(Option::is_none), "{told:?}");
    assert_eq!(told[9..], [10, 11, 12].map(|rows| Some(RefusedLately::All(rows))));
    // One that is accepted ends it, and it begins anew.
    assert_eq!(share.take(at(13_000), 13, 12), None);
    assert_eq!(share.take(at(14_000), 22, 21), None);
    assert_eq!(share.take(at(15_000), 23, 22), Some(RefusedLately::All(10)));
}

#[test]
fn sinks_that_fail_fail_and_those_that_retry_warn() {
    let sink = |state, error: Option<&str>| SinkSeen {
        name: "bars".to_owned(),
        view: "candles",
        state,
        last_error: error.map(str::to_owned),
    };
    let with = |sinks| Seen { sinks, ..seen(Vec::new()) };
    assert_eq!(check(&with(vec![sink(SinkState::Running, None)]), "sinks").0, Status::Pass);
    let retrying = sink(SinkState::Retrying, Some("timed out"));
    let why = "tried again: `candles` to bars: timed out".to_owned();
    assert_eq!(check(&with(vec![retrying.clone()]), "sinks"), (Status::Warn, why));
    let failed = sink(SinkState::Failed, Some("too large"));
    let why = "failed, and not tried again: `candles` to bars: too large".to_owned();
    let both = with(vec![retrying, failed]);
    assert_eq!(check(&both, "sinks"), (Status::Fail, why));
    assert_eq!(both.readiness(), Readiness::Ready);
}

#[test]
fn what_lasts_is_logged_once_when_it_begins_and_once_when_it_ends() {
    let mut changes = Changes::default();
    let mut logged = Vec::new();
    let statuses =
        [(0, 2, Status::Warn), (2, 5, Status::Pass), (5, 20, Status::Warn), (20, 40, Status::Pass)];
    for (from, to, status) in statuses {
        for secs in from..to {
            if changes.is_news(at(secs), "sources", status) {
                logged.push((secs, status));
            }
        }
    }
    assert_eq!(logged, [(8, Status::Warn), (23, Status::Pass)]);
    assert!(changes.is_news(at(40), "sinks", Status::Fail), "at once");
    assert!(!changes.is_news(at(41), "sinks", Status::Fail));
}
