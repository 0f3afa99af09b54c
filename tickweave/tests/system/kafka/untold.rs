//! What a client library says nowhere, or not clearly: times that are not there, messages that cannot be unpacked, topics
//! that are gone or made anew, and transactions that stay open.

use std::collections::BTreeSet;

use rdkafka::producer::Producer;
use serde_json::Value;

use super::capture::{Capture, sink, spread};
use super::crashes::now_ms;
use super::job::{HEAD, Job, source};
use super::made::MINUTE_MS;
use super::topics::{Produced, Topic};
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;
use crate::expected::bars::assert_same;
use crate::servers;

/// The details of the incidents of a kind so far.
fn details(job: &Job, kind: &str) -> Vec<String> {
    let rows = job.rows("incidents").into_iter().filter(|row| row["kind"] == kind);
    rows.map(|row| row["detail"].as_str().unwrap().to_owned()).collect()
}

/// Waits until an incident of a kind says this.
fn wait_for_incident(job: &Job, kind: &str, text: &str) -> Value {
    let is_it = |row: &Value| {
        row["kind"] == kind && row["detail"].as_str().is_some_and(|detail| detail.contains(text))
    };
    let rows = job.wait_for_rows("incidents", |rows| rows.iter().any(is_it));
    rows.into_iter().find(is_it).unwrap()
}

/// Waits until `/health` warns of a check, in these words.
fn wait_for_warning(job: &Job, check: &str, text: &str) {
    let health = || get(job.address, "/health").json();
    let warns = || {
        let own = health()["checks"][check][0].take();
        (own["status"] == "warn" && own["output"].as_str()?.contains(text)).then_some(())
    };
    poll(warns, || format!("{check}: {text}: {:#}", health()));
}

fn wait_for_metric(job: &Job, line: &str) {
    let text = || get(job.address, "/metrics").body;
    poll(|| text().lines().any(|own| own == line).then_some(()), || format!("{line}\n{}", text()));
}

/// Messages without a time cannot be found by one: they are read, and it is said that more is read than was asked for.
/// Messages with times are read as before.
#[test]
fn messages_without_a_time_are_read_from_the_beginning() {
    let Some(kafka) = servers::kafka() else { return };
    let name = "messages_without_a_time_are_read_from_the_beginning";
    let Some(capture) = Capture::read(name) else { return };
    let (untimed, timed) = (Topic::new(kafka, "untimed", 1), Topic::new(kafka, "timed", 1));
    let all = |made| spread(&capture.trades, 1).map(move |message| Produced { made, ..message });
    untimed.produce(all(Some(-1)));
    timed.produce(all(Some(now_ms() - 5 * 24 * 60 * MINUTE_MS)));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&untimed, &timed], "start = \"horizon\"");
    let job = Job::start(folder, &config, 1);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "without times");
    let warning = wait_for_incident(&job, "warning", "carries no time");
    assert_eq!(warning["partition"], "untimed/0");
    assert!(warning["detail"].as_str().unwrap().contains("from its beginning, offset 0"));
    assert_eq!(details(&job, "warning").len(), 1, "nothing of the topic with times");
    assert_eq!(job.end()["records"], capture.count(), "nothing of the topic with times");
}

/// A message, and a batch of some, that the library cannot unpack are left out, told with their offsets, and what
/// follows is read. What a message was that is no trade is told byte by byte.
#[test]
fn what_cannot_be_unpacked_is_left_out_and_told() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("what_cannot_be_unpacked_is_left_out_and_told") else {
        return;
    };
    let topic = Topic::new(kafka, "packed", 1);
    let (first, rest) = capture.trades.split_at(100);
    let large = "x".repeat(1_000_000);
    let zipped = |count| {
        let payload = Some(large.as_bytes());
        (0..count).map(move |_| Produced { payload, ..Produced::default() })
    };
    topic.produce(spread(first, 1));
    topic.produce_packed("zstd", zipped(1));
    topic.produce(spread(&rest[..50], 1));
    topic.produce_packed("zstd", zipped(3)); // one batch
    topic.produce(spread(&rest[50..], 1));
    topic.produce([Produced {
        payload: Some(b"\xff\xfe"),
        key: Some(b"k\x00"),
        header: Some(("h", b"\x01")),
        made: Some(7),
        ..Produced::default()
    }]);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bounds = "start = \"earliest\"\n[source.properties]\n\"message.max.bytes\" = 100000\n\
                  \"fetch.max.bytes\" = 100000\n\"fetch.message.max.bytes\" = 100000\n\
                  \"receive.message.max.bytes\" = 800000";
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], bounds);
    let job = Job::start(folder, &config, 1);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "beside what cannot be unpacked");
    let dead = job.wait_for_rows("dead_letters", |rows| rows.len() == 3);
    let last = capture.trades.len() as u64 + 4;
    for (row, position, original) in [
        (&dead[0], 101, r#"{"last_offset":100,"offset":100}"#.to_owned()),
        (&dead[1], 152, r#"{"last_offset":153,"offset":151}"#.to_owned()),
        (
            &dead[2],
            last + 1,
            format!(
                r#"{{"headers":[["h","AQ=="]],"key":"awA=","offset":{last},"payload":"//4=","payload_bytes":2,"time_ms":7}}"#
            ),
        ),
    ] {
        assert_eq!(row["position"], position.to_string(), "{row}");
        assert_eq!(row["original"], original, "{row}");
    }
    let detail = dead[1]["detail"].as_str().unwrap();
    assert!(detail.contains("offsets 151 to 153 cannot be read: "), "{detail}");
    let gap = wait_for_incident(&job, "gap", "offsets 151 to 153");
    assert_eq!([&gap["lost_from"], &gap["lost_to"]], ["152", "154"]);
    wait_for_metric(
        &job,
        "tickweave_partition_lost_rows_total{source=\"k\",partition=\"packed/0\"} 4",
    );
    assert_eq!(job.provider("k", "state"), "running");
    let summary = job.end();
    assert_eq!([&summary["accepted"], &summary["dead"]], [capture.count(), 3], "{summary}");
}

/// A topic that is deleted and made anew, with as many messages as it had, is read from its beginning, and that is told;
/// positions go on. When it is deleted for good, it is not connected.
#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let Some(kafka) = servers::kafka() else { return };
    let name = "a_topic_that_is_made_anew_is_read_from_its_beginning";
    let Some(capture) = Capture::read(name) else { return };
    let topic = Topic::new(kafka, "anew", 1);
    let half = capture.trades.len() / 2;
    let (first, rest) = capture.trades.split_at(half);
    topic.produce(spread(first, 1));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder, &config, 1);
    job.wait_for_rows("providers", |_| job.provider("k", "rows") == half);
    topic.delete();
    let again = Topic::new(kafka, "anew", 1);
    again.produce(spread(rest, 1));
    again.produce([Produced { payload: Some(b"no trade"), ..Produced::default() }]);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "of both topics");
    let gap = wait_for_incident(&job, "gap", "the topic was deleted and made anew");
    assert!(gap["lost_from"].is_null(), "all had been read: {gap}");
    let dead = job.wait_for_rows("dead_letters", |rows| rows.len() == 1);
    let next = capture.trades.len() + 1;
    assert_eq!(dead[0]["position"], next.to_string(), "positions go on");
    job.wait_for_rows("providers", |_| job.provider("k", "rows_behind") == 0);

    again.delete();
    wait_for_incident(&job, "disconnected", "it does not exist, or not any more");
    job.wait_for_rows("providers", |_| job.provider("k", "state") == "disconnected");
    wait_for_warning(&job, "sources", "not connected: k");
    wait_for_metric(&job, "tickweave_partition_connected{source=\"k\",partition=\"anew/0\"} 0");
    let summary = job.end();
    assert_eq!([&summary["accepted"], &summary["dead"]], [capture.count(), 1], "{summary}");
}

/// A job whose topic does not exist is not ready, and ends in order.
#[test]
fn a_topic_that_is_not_there_is_waited_for() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "absent", 1);
    topic.delete();
    let folder = tempfile::tempdir().unwrap();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "");
    let mut run = Job::begin(folder.path(), &config, 1);
    let address = run.address();
    let why = || get(address, "/health").json()["checks"]["sources"][0].take();
    let warns = || {
        let why = why();
        (why["status"] == "warn" && why["output"].as_str()?.contains("partitions of absent"))
            .then_some(())
    };
    poll(warns, || why().to_string());
    assert_eq!(get(address, "/health/ready").status, 503);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

/// What an open transaction holds back is told while it does, and read when it ends.
#[test]
fn an_open_transaction_is_told() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("an_open_transaction_is_told") else { return };
    let topic = Topic::new(kafka, "open", 1);
    let (first, rest) = capture.trades.split_at(1_000);
    topic.produce(spread(first, 1));
    let transaction = topic.begin(spread(&rest[..10], 1));
    topic.produce(spread(&rest[10..], 1)); // behind it
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let group = "start = \"earliest\"\ngroup = \"last\"";
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], group);
    let job = Job::start(folder, &config, 1);
    let held = rest.len();
    job.wait_for_rows("providers", |_| {
        let now = ["rows", "rows_behind", "rows_held"].map(|column| job.provider("k", column));
        now == [1_000, 0, held]
    });
    wait_for_metric(
        &job,
        &format!("tickweave_partition_rows_held{{source=\"k\",partition=\"open/0\"}} {held}"),
    );
    wait_for_incident(
        &job,
        "warning",
        &format!("holds back what follows, {held} offsets from 1000 on"),
    );
    wait_for_warning(&job, "sources", "an open transaction holds back up to");
    transaction.commit_transaction(std::time::Duration::from_secs(60)).unwrap();
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "after the transaction");
    job.wait_for_rows("providers", |_| job.provider("k", "rows_held") == 0);
    wait_for_incident(&job, "warning", "no transaction holds back");
    job.end();
    // What was read is committed when the job ends, not only every few seconds.
    assert_eq!(topic.committed("last", 1), capture.trades.len() as i64);
}

/// The topic of a sink is deleted and made anew while nothing changes: it gets everything again.
#[test]
fn a_topic_of_a_sink_that_is_made_anew_gets_everything() {
    let Some(kafka) = servers::kafka() else { return };
    let name = "a_topic_of_a_sink_that_is_made_anew_gets_everything";
    let Some(capture) = Capture::read(name) else { return };
    let (topic, out) = (Topic::new(kafka, "kept", 1), Topic::new(kafka, "kept-candles", 1));
    topic.produce(spread(&capture.trades[..200], 1));
    let folder = tempfile::tempdir().unwrap();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder.path(), &(config + &sink(kafka, "kept")), 1);
    let bars = job.wait_for_trades(folder.path(), 200).len();
    let keys = |topic: &Topic<'_>| -> usize {
        topic.read().into_iter().map(|message| message.key).collect::<BTreeSet<_>>().len()
    };
    poll(|| (keys(&out) == bars).then_some(()), || format!("{} of {bars}", keys(&out)));
    out.delete();
    let again = Topic::new(kafka, "kept-candles", 1);
    poll(|| (keys(&again) == bars).then_some(()), || format!("{} of {bars}", keys(&again)));
    assert!(again.read().iter().all(|message| message.header("kind") == "resync"));
    job.wait_for_rows("sinks", |rows| rows[0]["resyncs"] == 1 && rows[0]["state"] == "running");
    job.end();
}
