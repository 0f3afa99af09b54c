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
        recording: RecordingState::Written,
        state: StateSeen::Off,
        names: Vec::new(),
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
    let kind = "file".to_owned();
    seen.sinks = vec![SinkSeen { name, kind, view, state, last_error: None }];
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
fn a_log_that_cannot_be_written_fails_and_a_checkpoint_warns() {
    let mut seen = seen(vec![source("a")]);
    let state = |seen: &Seen| {
        let checks = seen.checks_beside().into_iter();
        let (_, check) = checks.into_iter().find(|(name, _)| *name == "state").unwrap();
        (check.status, check.output)
    };
    assert_eq!(state(&seen), (Status::Pass, "no state is kept".to_owned()));
    seen.state = StateSeen::LogHeld("it is full".to_owned(), std::time::Duration::from_secs(3));
    let waits = "it is full; sources wait for it for 3 s".to_owned();
    assert_eq!(state(&seen), (Status::Fail, waits));
    let not_yet = "sources wait for the log of the state: it is full".to_owned();
    assert_eq!(seen.readiness(), Readiness::NotYet(not_yet));
    for why in [StateSeen::NoCheckpoint, StateSeen::NotCopied] {
        seen.state = why("it is full".to_owned());
        let (status, output) = state(&seen);
        assert_eq!(status, Status::Warn);
        assert!(output.ends_with("it is full"), "{output}");
        assert_eq!(seen.readiness(), Readiness::Ready);
    }
}

#[test]
fn a_recording_that_cannot_be_written_fails() {
    let mut seen = seen(vec![source("a")]);
    assert_eq!(seen.checks().len(), 7, "rows of the view `health`");
    let recording = |seen: &Seen| {
        let [(name, check), ..] = &seen.checks_beside()[..] else { panic!("some") };
        (*name, check.status, check.output.clone())
    };
    assert_eq!(recording(&seen), ("recording", Status::Pass, "commits are recorded".to_owned()));
    let why = "the disk is full".to_owned();
    seen.recording = RecordingState::Held { why: why.clone(), since: std::time::Instant::now() };
    let waits = "the disk is full; sources wait for it for 0 s".to_owned();
    assert_eq!(recording(&seen), ("recording", Status::Fail, waits));
    let not_yet = "sources wait for the recording: the disk is full".to_owned();
    assert_eq!(seen.readiness(), Readiness::NotYet(not_yet));
    seen.recording = RecordingState::Lost { why };
    let stops = "the disk is full; the run stops".to_owned();
    assert_eq!(recording(&seen), ("recording", Status::Fail, stops));
}

#[test]
fn names_that_are_nearly_used_up_are_a_warning() {
    let mut seen = seen(Vec::new());
    let catalog = market::Catalog::new(Vec::new(), 10);
    let names = |seen: &Seen| {
        let (name, check) = seen.checks_beside().remove(2);
        assert_eq!(name, "names");
        (check.status, check.output)
    };
    for count in 0..=10 {
        seen.names = catalog.name_counts().to_vec();
        let why = match count {
            ..9 => (Status::Pass, "there is room for names".to_owned()),
            _ => (
                Status::Warn,
                format!(
                    "{count} instruments of the 10 that `limits.instruments` (--max-instruments) allows; rows of those \
                     beyond become dead letters"
                ),
            ),
        };
        assert_eq!(names(&seen), why);
        let _ = catalog.resolve(&format!("x:S{count}"));
    }
}

#[test]
fn what_is_wrong_with_a_source_is_its_state_and_since_when() {
    let mut since = components::Since::default();
    let mut own = SourceSeen {
        kind: "kafka".to_owned(),
        state: "running",
        is_reached: false,
        last_error: Some("refused".to_owned()),
        ..source("k")
    };
    let mut at_secs = |own: &SourceSeen, all_pause, secs| {
        let [shown] = &since.sources(std::slice::from_ref(own), all_pause, at(secs))[..] else {
            panic!("one source")
        };
        (shown.state, shown.since)
    };
    assert_eq!(at_secs(&own, false, 1), ("not_reached", at(1)));
    assert_eq!(at_secs(&own, true, 2), ("not_reached", at(1)));
    own.is_reached = true;
    assert_eq!(at_secs(&own, false, 3), ("running", at(3)));
    assert_eq!(at_secs(&own, true, 4), ("paused", at(4)));
    own.is_down = true;
    assert_eq!(at_secs(&own, true, 5), ("disconnected", at(5)));
    own.failure = Some("no".to_owned());
    assert_eq!(at_secs(&own, false, 6), ("failed", at(6)));
    own.is_given_up = true;
    assert_eq!(at_secs(&own, false, 7), ("given_up", at(7)));
    let healed = SourceSeen { held: Some((1, HeldBy::HalfLine, Duration::from_secs(11))), ..own };
    let healed = SourceSeen { failure: None, is_given_up: false, is_down: false, ..healed };
    assert_eq!(at_secs(&healed, false, 8), ("held_back", at(8)));
    let ended = SourceSeen { state: "ended", ..healed };
    assert_eq!(at_secs(&ended, true, 9), ("ended", at(9)));
    assert_eq!(at_secs(&ended, true, 10), ("ended", at(9)));
    let [shown] = &since.sources(&[ended], false, at(11))[..] else { panic!("one source") };
    assert_eq!((&*shown.name, &*shown.kind), ("k", "kafka"));
    assert_eq!(shown.last_error.as_deref(), Some("refused"));
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
        kind: "file".to_owned(),
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
