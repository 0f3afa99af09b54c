//! More than the job can take at once.

use super::job::{Job, source};
use super::topics::{Produced, Topic};
use crate::servers;

/// 200 MB wait in the topic and the job takes them slowly, a few in a commit: it fetches no more than it takes, and
/// in the end has all.
#[test]
fn what_waits_in_the_topic_does_not_wait_in_memory() {
    const MESSAGES: usize = 40_000;
    const BYTES: usize = 5_000;
    const PEAK: u64 = 150_000_000;
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "faster", 2);
    let pad = "x".repeat(BYTES);
    // The same hundred trades again and again, so that the job itself holds little.
    let trades: Vec<String> = (0..100)
        .map(|id| {
            format!(
                r#"{{"stream":"x@trade","data":{{"e":"trade","E":1700000000000,"T":1700000000000,"s":"X","t":{id},"p":"1","q":"1","X":"MARKET","m":true,"pad":"{pad}"}}}}"#
            )
        })
        .collect();
    topic.produce((0..MESSAGES).map(|at| Produced {
        partition: i32::from(at % 2 == 1),
        payload: Some(trades[at % 100].as_bytes()),
        ..Produced::default()
    }));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[commit]\nrecords = 8\n[limits]\n\
                  in_flight_records = 1000\n"
        .to_owned()
        + &source(kafka, "k", &[&topic], "start = \"earliest\"");
    let job = Job::start(folder, &config, 1);
    job.wait_for_rows("providers", |_| job.provider("k", "rows") == MESSAGES);
    #[cfg(target_os = "linux")]
    assert!(job.peak_memory() < PEAK, "{} bytes", job.peak_memory());
    let summary = job.end();
    assert_eq!([&summary["accepted"], &summary["duplicates"]], [100, MESSAGES - 100], "{summary}");
}
