//! What topics may hold and lose.

use std::collections::BTreeMap;

use super::capture::{Capture, spread};
use super::job::{HEAD, Job, source};
use super::topics::{Produced, Topic};
use crate::end_to_end::binary::poll;
use crate::expected::bars::assert_same;
use crate::servers;

/// Every tenth message is poison: all of them are dead letters with a reason, and the rest is exact.
#[test]
fn poison_is_reported_and_harms_nobody() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("poison_is_reported_and_harms_nobody") else { return };
    let frame = &capture.trades[0];
    let no_price = frame.replace("\"p\":\"", "\"p\":\"x");
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(2_000_000));
    let poisons: [Option<&[u8]>; 6] = [
        None, // a tombstone
        Some(b"\xff\xfe"),
        Some(&frame.as_bytes()[..frame.len() / 2]),
        Some(no_price.as_bytes()),
        Some(b""),
        Some(b"[]"),
    ];
    let topic = Topic::new(kafka, "poison", 2);
    let tenth = capture.trades.chunks(9).zip(poisons.iter().cycle());
    let messages = tenth.clone().flat_map(|(nine, poison)| {
        let good = nine.iter().map(|frame| Some(frame.as_bytes()));
        good.chain([*poison]).map(|payload| Produced { payload, ..Produced::default() })
    });
    topic.produce(messages);
    topic.produce([Produced { payload: Some(large.as_bytes()), ..Produced::default() }]);
    let poisoned = tenth.count() + 1;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder, &config, 2);
    let dead = job.wait_for_rows("dead_letters", |rows| rows.len() == poisoned);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "beside poison");
    let mut reasons = BTreeMap::new();
    for row in &dead {
        assert!(row["source"] == "k" && row["partition"] == "poison/0", "{row}");
        assert!(row["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{row}");
        *reasons.entry(row["reason"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert!(reasons.len() > 1, "{reasons:?}");
    let summary = job.end();
    assert_eq!(
        [&summary["accepted"], &summary["dead"]],
        [capture.count(), poisoned as u64],
        "{summary}"
    );
}

/// Partitions that a topic gains while it is read are read from their beginning; a group is committed how far.
#[test]
fn new_partitions_are_read() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("new_partitions_are_read") else { return };
    let topic = Topic::new(kafka, "grows", 1);
    let (first, rest) = capture.trades.split_at(capture.trades.len() / 2);
    topic.produce(spread(first, 1));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let start = "start = \"horizon\"\ngroup = \"watched\"";
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], start);
    let job = Job::start(folder, &config, 2);
    job.wait_for_trades(folder, first.len() as u64);
    topic.grow(3);
    topic.produce(
        spread(rest, 2).map(|message| Produced { partition: message.partition + 1, ..message }),
    );
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "with new partitions");
    assert_eq!(job.provider("k", "partitions"), 3);
    // Others see how far it has read, under the name that it was given.
    let committed = || topic.committed("watched", 3);
    poll(|| (committed() == capture.trades.len() as i64).then_some(()), || committed().to_string());
    job.end();
}

/// Offsets that transactions take, and messages of those that were aborted, are neither rows nor gaps.
#[test]
fn aborted_transactions_are_no_gaps() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("aborted_transactions_are_no_gaps") else { return };
    let topic = Topic::new(kafka, "transactions", 1);
    let (first, rest) = capture.trades.split_at(capture.trades.len() / 2);
    topic.transact(true, spread(first, 1));
    let never: Vec<String> = first.iter().map(|frame| frame.replace("BTCUSDT", "NEVER")).collect();
    topic.transact(false, spread(&never, 1));
    topic.transact(true, spread(rest, 1));
    topic.transact(false, spread(&never[..10], 1));

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder, &config, 2);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "of committed transactions");
    job.wait_for_rows("providers", |_| job.provider("k", "rows_behind") == 0);
    assert_eq!(job.provider("k", "gaps"), 0);
    let summary = job.end();
    assert_eq!(summary["records"], capture.count(), "{summary}");
}

/// What retention took before the start that is asked for is an error that says what to do; what it takes later is a
/// gap, and what is left is read.
#[test]
fn what_retention_took_is_reported() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("what_retention_took_is_reported") else { return };
    let topic = Topic::new(kafka, "retained", 1);
    topic.produce(spread(&capture.trades[..1_000], 1));
    topic.delete_before(0, 400);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for start in ["horizon", "2026-01-01T00:00:00Z"] {
        let start = format!("start = \"{start}\"");
        let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], &start);
        let wanted = [
            "`k`: retained/0 was to be read from",
            "nothing before offset 400",
            "start = \"earliest\"",
        ];
        Job::begin(folder, &config, 1).end().failed(1, &wanted);
    }

    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder, &config, 1);
    job.wait_for_rows("providers", |_| job.provider("k", "rows") == 600);
    job.signal("STOP");
    topic.produce(spread(&capture.trades[1_000..9_000], 1));
    topic.delete_before(0, 8_500);
    job.signal("CONT");
    let gaps = job.wait_for_rows("incidents", |rows| rows.iter().any(|row| row["kind"] == "gap"));
    let gap = gaps.iter().find(|row| row["kind"] == "gap").unwrap();
    let (from, to) = (gap["lost_from"].as_u64().unwrap(), gap["lost_to"].as_u64().unwrap());
    assert!(from > 1_000 && to == 8_500, "positions are offsets and one: {gap}");
    let read = 9_000 - 400 - (to + 1 - from);
    job.wait_for_rows("providers", |_| {
        let now = ["rows", "gaps", "rows_behind"].map(|column| job.provider("k", column));
        now == [read, 1, 0]
    });
    assert_eq!(job.end()["accepted"], read);
}
