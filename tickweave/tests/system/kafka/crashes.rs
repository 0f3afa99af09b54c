//! The job and the broker, killed in the middle.

use std::thread;

use super::capture::{Capture, assert_is_view, sink, spread};
use super::job::{HEAD, Job, source};
use super::topics::{Produced, Topic};
use crate::expected::bars::assert_same;
use crate::servers::{self, Server};

const HOUR: i64 = 3_600_000;

pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A job that is killed and started again reads as far back as corrections reach, and no farther: the bars are as
/// if nothing had been.
#[test]
fn a_job_that_is_killed_makes_its_bars_anew() {
    let Some(kafka) = servers::kafka() else { return };
    let Some(capture) = Capture::read("a_job_that_is_killed_makes_its_bars_anew") else { return };
    let topic = Topic::new(kafka, "killed", 2);
    // Received two days ago, a day before the horizon.
    let old = capture.trades[0].replace("BTCUSDT", "OLDUSDT").replace("btcusdt", "oldusdt");
    let old = Produced {
        payload: Some(old.as_bytes()),
        made: Some(now_ms() - 48 * HOUR),
        ..Produced::default()
    };
    topic.produce([old; 50]);
    let half = capture.frames.len() / 2;
    topic.produce(spread(&capture.frames[..half], 2));

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned() + &source(kafka, "k", &[&topic], "start = \"horizon\"");
    let job = Job::start(folder, &config, 2);
    job.wait_for_trades(folder, capture.count() / 10);
    thread::scope(|scope| {
        scope.spawn(|| topic.produce(spread(&capture.frames[half..], 2)));
        job.kill();
    });
    let job = Job::start(folder, &config, 3);
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "after kill -9");
    assert_eq!(job.end()["accepted"], capture.count(), "nothing from before the horizon");
}

/// A broker that is killed in the middle of the load, and comes back: nothing differs on either side, and the log has it once.
#[test]
fn a_broker_that_is_killed_comes_back() {
    let Some(capture) = Capture::read("a_broker_that_is_killed_comes_back") else { return };
    let Some(kafka) = Server::start("kafka") else { return };
    let (topic, out) = (Topic::new(&kafka, "away", 2), Topic::new(&kafka, "back-candles", 2));
    let (first, rest) = capture.frames.split_at(capture.frames.len() / 3);
    topic.produce(spread(first, 2));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = HEAD.to_owned()
        + &source(&kafka, "k", &[&topic], "start = \"earliest\"")
        + &sink(&kafka, "back");
    let job = Job::start(folder, &config, 2);
    let kinds = |job: &Job, kind: &str| {
        let rows = job.rows("incidents").into_iter();
        rows.filter(|row| row["kind"] == kind && row["source"] == "k").count()
    };
    job.wait_for_rows("incidents", |_| kinds(&job, "connected") == 2);
    thread::scope(|scope| {
        // Waits for the broker when it is away, as producers do.
        scope.spawn(|| topic.produce(spread(rest, 2)));
        kafka.kill();
        job.wait_for_rows("incidents", |_| kinds(&job, "disconnected") == 2);
        job.wait_for_rows("providers", |rows| {
            let own = rows.iter().find(|row| row["name"] == "k").unwrap();
            own["state"] == "disconnected" && own["connected"] == 0 && own["disconnects"] == 2
        });
        kafka.restart();
    });
    let found = job.wait_for_trades(folder, capture.count());
    assert_same(&found, &capture.wanted, "after the broker was away");
    job.wait_for_rows("incidents", |_| kinds(&job, "connected") == 4);
    job.wait_for_rows("providers", |rows| {
        rows.iter()
            .any(|row| row["name"] == "k" && row["state"] == "running" && row["connected"] == 2)
    });
    let all = ["connected", "disconnected", "gap", "failed"].map(|kind| kinds(&job, kind));
    assert_eq!(all, [4, 2, 0, 0], "each is reported once: {:#?}", job.rows("incidents"));
    let of_http = job.rows("candles?numbers=string");
    job.end();
    assert_is_view(out.read(), of_http);
}
