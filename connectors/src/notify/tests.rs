//! What is told of batches, by a channel that takes, delays and refuses; and what a configuration is refused for.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use market::{Commit, EventTime, TimeUnit};
use serde_json::{Value, json};

use super::channel::{Channel, SendError};
use super::config::NotifySettings;
use super::notice::Notice;
use super::outbox::{NoticeWriter, Outboxes};
use crate::sink::{
    BatchKind, EarlierStart, EarlierStarts, Encoding, SinkBatch, SinkError, SinkOutcomes,
    SinkRecord, SinkWriter,
};
use crate::{SinkBuildContext, sinks};

type Answers = VecDeque<Result<(), SendError>>;

/// Keeps what it is given, and answers as it is told; then it takes everything.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<Notice>, Answers)>>);

impl Channel for Kept {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let mut kept = self.0.lock().unwrap();
        kept.1.pop_front().unwrap_or(Ok(())).inspect(|()| kept.0.push(notice.clone()))
    }
}

/// A sink of one view, and what it has told.
struct Told {
    outboxes: Outboxes,
    kept: Kept,
    view: &'static str,
}

const AT: &str = "2026-01-05T14:40:00Z";

fn settings(written: Value) -> NotifySettings {
    NotifySettings::split(&mut written.as_object().unwrap().clone()).unwrap()
}

impl Told {
    fn new(view: &'static str, written: Value) -> Told {
        Told { outboxes: Outboxes::new(settings(written)), kept: Kept::default(), view }
    }

    fn writer(&self) -> NoticeWriter<Kept> {
        self.outboxes.writer(self.view, self.kept.clone(), "somebody")
    }

    fn answers(&self, answers: impl IntoIterator<Item = Result<(), SendError>>) {
        self.kept.0.lock().unwrap().1 = answers.into_iter().collect();
    }

    /// Writes a batch; gives what was told of it as `type key`, and the outcomes.
    fn batch(
        &self,
        kind: BatchKind,
        commit: u64,
        records: &[SinkRecord],
    ) -> (Vec<String>, SinkOutcomes) {
        let (mut writer, batch) = (self.writer(), batch(self.view, kind, commit, records));
        writer.write(&batch).unwrap();
        (self.told(), writer.take_outcomes())
    }

    fn told(&self) -> Vec<String> {
        let notices = std::mem::take(&mut self.kept.0.lock().unwrap().0);
        notices.iter().map(|notice| format!("{} {}", notice.kind.name(), notice.key)).collect()
    }
}

fn batch<'a>(
    view: &'a str,
    kind: BatchKind,
    commit: u64,
    records: &'a [SinkRecord],
) -> SinkBatch<'a> {
    let (run, after, commit) = ("2026-01-05T14:00:00Z", None, Commit(commit));
    let at = EventTime::parse(AT, TimeUnit::Rfc3339).unwrap();
    SinkBatch { run, view, kind, after, commit, at, part: 0, last: true, records }
}

fn alert(key: &str, state: &str, commits: (u64, u64), open_time: &str) -> String {
    let changes = if state == "raised" { 1 } else { 2 };
    json!({
        "instrument": "x:A", "timeframe": "1m", "open_time": open_time, "rule": key, "state": state, "settled": "open",
        "raised_at": AT, "price": 1.5, "value": null, "first_commit": commits.0, "last_commit": commits.1,
        "changes": changes,
    })
    .to_string()
}

fn record(key: &str, now: Option<String>, before: Option<String>) -> SinkRecord {
    SinkRecord { key: key.to_owned(), now, before }
}

const NEW: &str = "2026-01-05T14:38:00Z";
const OLD: &str = "2026-01-05T13:38:00Z";

fn raised(key: &str, commit: u64, open_time: &str) -> SinkRecord {
    record(key, Some(alert(key, "raised", (commit, commit), open_time)), None)
}

fn withdrawn(key: &str, commits: (u64, u64), open_time: &str) -> SinkRecord {
    let before = alert(key, "raised", (commits.0, commits.0), open_time);
    record(key, Some(alert(key, "withdrawn", commits, open_time)), Some(before))
}

#[test]
fn raises_are_told_while_their_bar_is_young_and_withdrawals_of_what_was_told() {
    let told = Told::new("alerts", json!({}));
    let (first, outcomes) =
        told.batch(BatchKind::Snapshot, 5, &[raised("a", 3, NEW), raised("b", 4, OLD)]);
    assert_eq!(first, ["raised a"]);
    assert_eq!((outcomes.messages, outcomes.skipped), (1, 1));
    // The bar became final: that is not told.
    let settled = alert("a", "raised", (3, 3), NEW).replace("open\"", "final\"");
    let update = record("a", Some(settled), Some(alert("a", "raised", (3, 3), NEW)));
    assert_eq!(told.batch(BatchKind::Changes, 6, std::slice::from_ref(&update)).0, [""; 0]);
    let (last, outcomes) = told.batch(
        BatchKind::Changes,
        7,
        &[withdrawn("a", (3, 7), OLD), withdrawn("b", (4, 7), OLD)],
    );
    assert_eq!(last, ["withdrawn a"], "b was never told");
    assert_eq!(outcomes.skipped, 1);
    // A view that is sent again tells nothing again, and what is new in it.
    let again = [
        record("a", withdrawn("a", (3, 7), NEW).now, None),
        raised("c", 7, NEW),
        raised("d", 9, NEW),
    ];
    assert_eq!(told.batch(BatchKind::Resync, 9, &again).0, ["raised d"]);
    let with_updates = Told::new("alerts", json!({"updates": true}));
    assert_eq!(with_updates.batch(BatchKind::Changes, 6, &[update]).0, ["updated a"]);
}

#[test]
fn a_start_that_goes_on_tells_what_the_one_before_has_not() {
    let earlier = |delivered: Option<u64>| EarlierStarts {
        starts: vec![EarlierStart { run: "before".to_owned(), first: Commit(0), end: Commit(5) }],
        delivered: delivered.map(Commit),
    };
    let rows = [
        raised("a", 3, NEW),
        record("b", withdrawn("b", (2, 4), NEW).now, None),
        record("c", withdrawn("c", (2, 6), NEW).now, None),
        record("d", withdrawn("d", (5, 6), NEW).now, None),
        raised("e", 6, NEW),
    ];
    let in_order = Told::new("alerts", json!({}));
    in_order.outboxes.goes_on(&earlier(Some(4)));
    assert_eq!(in_order.batch(BatchKind::Snapshot, 6, &rows).0, ["withdrawn c", "raised e"]);
    // After a crash nobody knows, so it may come twice, under the id that it had.
    let crashed = Told::new("alerts", json!({}));
    crashed.outboxes.goes_on(&earlier(None));
    let mut writer = crashed.writer();
    writer.write(&batch("alerts", BatchKind::Snapshot, 6, &rows)).unwrap();
    let notices = crashed.kept.0.lock().unwrap().0.clone();
    let told: Vec<_> = notices.iter().map(|notice| (&*notice.key, &*notice.run)).collect();
    let own = "2026-01-05T14:00:00Z";
    assert_eq!(told, [("a", "before"), ("b", "before"), ("c", own), ("e", own)]);
    let first = Told::new("alerts", json!({}));
    let mut of_before = batch("alerts", BatchKind::Changes, 3, &rows[..1]);
    of_before.run = "before";
    first.writer().write(&of_before).unwrap();
    assert_eq!(first.kept.0.lock().unwrap().0[0].id, notices[0].id);
}

#[test]
fn a_message_is_tried_until_it_is_taken_refused_or_given_up_and_none_comes_twice() {
    let told = Told::new("alerts", json!({}));
    let records = ["a", "b", "c"].map(|key| raised(key, 2, NEW));
    let later = || SendError::later("down");
    told.answers([Ok(()), Err(later()), Err(SendError::Never("no".to_owned())), Ok(())]);
    let batch = batch("alerts", BatchKind::Changes, 2, &records);
    let mut writer = told.writer();
    let error = writer.write(&batch).unwrap_err();
    assert!(matches!(error, SinkError::Retry { .. }), "{error:?}");
    drop(writer); // as after every error
    let mut writer = told.writer();
    writer.write(&batch).unwrap();
    assert_eq!(told.told(), ["raised a", "raised c"]);
    let outcomes = writer.take_outcomes();
    assert_eq!((outcomes.messages, outcomes.rejected.len()), (2, 1));
    let rejection = &outcomes.rejected[0].rejection;
    assert_eq!((&*rejection.reason.to_string(), &*rejection.detail), ("undelivered", "no"));
    let original: Value = serde_json::from_str(rejection.original.as_deref().unwrap()).unwrap();
    assert_eq!((&original["key"], &original["row"]["rule"]), (&json!("b"), &json!("b")));

    let impatient = Told::new("alerts", json!({"give_up_after": "1s"}));
    impatient.answers([Err(later())]);
    let mut writer = impatient.writer();
    writer.write(&batch).unwrap_err();
    impatient.answers([Err(later())]);
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    writer.write(&batch).unwrap();
    assert_eq!(impatient.told(), ["raised b", "raised c"]);
    let rejected = writer.take_outcomes().rejected;
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].rejection.detail, "given up after 1s: down");
}

#[test]
fn what_is_beyond_the_bound_is_told_as_a_number() {
    let told = Told::new("alerts", json!({"per_minute": 2}));
    let records: Vec<_> = (0..5).map(|n| raised(&format!("r{n}"), 2, NEW)).collect();
    let (first, outcomes) = told.batch(BatchKind::Changes, 2, &records);
    assert_eq!(first, ["raised r0", "raised r1"]);
    assert_eq!((outcomes.messages, outcomes.held_back), (2, 3));
    let (none, outcomes) = told.batch(BatchKind::Changes, 3, &[withdrawn("r4", (2, 3), NEW)]);
    assert_eq!((none, outcomes.skipped), (vec![], 1), "nobody was told that r4 was raised");
    let mut writer = told.writer();
    writer.close().unwrap();
    let notice = told.kept.0.lock().unwrap().0.remove(0);
    let message: Value = serde_json::from_str(&notice.envelope()).unwrap();
    assert_eq!((&message["type"], &message["count"]), (&json!("held_back"), &json!(3)));
    assert_eq!(message["by_rule"], json!({"r2": 1, "r3": 1, "r4": 1}));
    assert_eq!(notice.headline(), "3 changes of alerts were held back (r2: 1, r3: 1, r4: 1)");
}

#[test]
fn rows_of_other_views_are_added_removed_and_on_request_updated() {
    let row = |text: &str| Some(json!({"check": "sinks", "status": text}).to_string());
    let told = Told::new("health", json!({"updates": true}));
    let (first, _) = told.batch(BatchKind::Snapshot, 0, &[record("sinks", row("pass"), None)]);
    let (change, _) =
        told.batch(BatchKind::Changes, 1, &[record("sinks", row("fail"), row("pass"))]);
    let (end, _) = told.batch(BatchKind::Changes, 2, &[record("sinks", None, row("fail"))]);
    assert_eq!([first, change, end], [["added sinks"], ["updated sinks"], ["removed sinks"]]);
    let log = Told::new("incidents", json!({}));
    log.outboxes.goes_on(&EarlierStarts {
        starts: vec![EarlierStart { run: "r".to_owned(), first: Commit(0), end: Commit(5) }],
        delivered: None,
    });
    let line = |commit: u64| {
        record(&format!("{commit}|a|0"), Some(json!({"commit": commit}).to_string()), None)
    };
    let (told, outcomes) = log.batch(BatchKind::Snapshot, 6, &[line(4), line(6)]);
    assert_eq!((told, outcomes.skipped), (vec!["added 6|a|0".to_owned()], 1));
}

#[test]
fn what_is_wrong_in_a_configuration_is_told_and_no_secret_is_shown() {
    let build = |kind: &str, written: Value| {
        let context = SinkBuildContext {
            name: "s".to_owned(),
            folder: Path::new("/nowhere").to_owned(),
            views: vec!["alerts".to_owned()],
            columns: ["rule", "price"].map(str::to_owned).to_vec(),
            encoding: Encoding::Deltas,
        };
        sinks().build(kind, written, context).map(drop).map_err(|error| error.to_string())
    };
    let url = "https://example.org/a";
    let email = |more: Value| {
        let mut written =
            json!({"host": "mail.example.org", "from": "a@example.org", "to": ["b@example.org"]});
        written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        written
    };
    for (kind, written, wanted) in [
        ("webhook", json!({}), "a URL is needed"),
        ("webhook", json!({"url": "ftp://a"}), "must begin with https://"),
        ("webhook", json!({"url": "https://u:hunter2@a"}), "before `@`"),
        ("webhook", json!({"url": url, "url_env": "A"}), "write one"),
        ("webhook", json!({"url": url, "headers": {"X-Api-Key": "hunter2"}}), "may be a secret"),
        ("webhook", json!({"url": url, "headers": {"Host": "a"}}), "set by the sink"),
        (
            "webhook",
            json!({"url": url, "timeout": "1h"}),
            "`timeout`: 1h is not between 100ms and 1m",
        ),
        ("webhook", json!({"url": url, "per_minute": 0}), "`per_minute`"),
        (
            "webhook",
            json!({"url": url, "template": "{\"a\": \"{{ row.rule }}\"}"}),
            "makes no JSON",
        ),
        ("webhook", json!({"url": url, "template": "{{ row.nope }}"}), "no column `nope`"),
        ("webhook", json!({"url": url, "secret": "hunter2"}), "unknown field `secret`"),
        ("slack", json!({"url": "https://hooks.slack.com/services/hunter2"}), "`url_env`"),
        ("alertmanager", json!({"url": url, "labels": {"instrument": "a"}}), "cannot be one"),
        ("alertmanager", json!({"url": url, "labels": {"1a": "a"}}), "cannot be one"),
        ("alertmanager", json!({"url": url, "resend": "1s"}), "`resend`"),
        ("email", email(json!({"tls": "none"})), "another one"),
        ("email", email(json!({"to": []})), "needs 1 to 50"),
        ("email", email(json!({"from": "a@example.org\nBcc: b@example.org"})), "is no address"),
        ("email", email(json!({"user": "a"})), "`password_env`"),
        ("email", email(json!({"body": "\n{{ row.price - 2 }}"})), "`body`, line 2"),
    ] {
        let error = build(kind, written.clone()).expect_err(&written.to_string());
        assert!(error.contains(wanted), "{written}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let fine = [
        (
            "webhook",
            json!({"url": url, "secret_env": "A", "headers": {"Authorization": {"env": "B"}}}),
        ),
        (
            "webhook",
            json!({"url_file": "a", "template": "x {{ row.price|float * 2 }}", "content_type": "text/plain"}),
        ),
        ("slack", json!({"url_env": "A", "template": "*{{ row.rule }}* {{ before.price }}"})),
        ("alertmanager", json!({"url": "http://127.0.0.1:9093/prefix", "stands_for": "2h"})),
        (
            "email",
            email(
                json!({"user": "a", "password_file": "b", "subject": "{{ type }} {{ row.rule }}"}),
            ),
        ),
        (
            "email",
            json!({"host": "127.0.0.1", "tls": "none", "from": "a@example.org", "to": ["B <b@example.org>"]}),
        ),
    ];
    for (kind, written) in fine {
        build(kind, written.clone()).unwrap_or_else(|error| panic!("{written}: {error}"));
    }
}
