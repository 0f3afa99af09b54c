//! What a topic has done while a job with state was not running. Messages have no ids, so one that is read twice counts
//! twice.

use serde_json::json;

use super::topics::{Produced, Topic};
use crate::servers;
use crate::state::sources::{incidents, is_refused, job, wait_for_each_once, wait_until_connected};
use crate::state::{end, kill, start};

/// Produces trades of one minute each.
fn produce(topic: &Topic<'_>, numbers: std::ops::Range<u64>) {
    let message = |number: u64| {
        let time = format!("2026-01-05T10:{number:02}:00Z");
        json!({"time": time, "price": 10, "size": 1}).to_string()
    };
    let messages: Vec<String> = numbers.map(message).collect();
    topic.produce(
        messages
            .iter()
            .map(|message| Produced { payload: Some(message.as_bytes()), ..Produced::default() }),
    );
}

#[test]
fn a_topic_is_read_on_from_where_it_began_or_what_it_lacks_is_told() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "read-on", 1);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(
        folder,
        &format!(
            "kind = \"kafka\"\nservers = \"{}\"\ntopics = [\"read-on\"]\nstart = \"latest\"",
            kafka.address
        ),
    );
    produce(&topic, 0..10); // before it begins, so it is not read
    let (run, address) = start(folder, 1, &[]);
    wait_until_connected(address);
    kill(run);
    // Before its first row was read.
    produce(&topic, 10..20);
    let (run, address) = start(folder, 3, &[]);
    wait_for_each_once(address, 10);
    kill(run);

    produce(&topic, 20..30);
    topic.delete_before(0, 25);
    is_refused(folder, &["nothing before offset 25, and 20 was to be read next"]);
    let (run, address) = start(folder, 2, &["--accept-gaps"]);
    wait_for_each_once(address, 15);
    assert_eq!(incidents(address, "gap").len(), 1);
    kill(run);

    topic.delete();
    let topic = Topic::new(kafka, "read-on", 1);
    produce(&topic, 30..35);
    is_refused(folder, &["the topic was deleted and made anew"]);
    let (run, address) = start(folder, 2, &["--accept-gaps"]);
    wait_for_each_once(address, 20);
    kill(run);
    // Positions are offsets and something from now on.
    produce(&topic, 35..40);
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 25);
    produce(&topic, 40..45);
    wait_for_each_once(address, 30);
    kill(run);
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 30);
    end(run);
}
