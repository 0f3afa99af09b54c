//! Whether a topic is the one that it was, by its id, which the client library tells in its log alone.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Makes the library report the ids of topics, besides what was asked for. It goes on where it was in a topic that was
/// deleted and made anew, and says so nowhere but in its log.
pub(super) fn report_topic_ids(config: &mut ClientConfig) {
    let asked = config.get("debug").filter(|asked| !asked.is_empty());
    let debug = asked.map_or_else(|| "metadata".to_owned(), |asked| format!("{asked},metadata"));
    config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
}

/// The topic and its new id of a line `… Topic NAME changed id from ID to ID`.
pub(super) fn topic_id(line: &str) -> Option<(&str, &str)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = ids.split_once(" to ")?;
    Some((topic, id.trim())).filter(|(_, id)| *id != NO_TOPIC_ID)
}

/// What a broker that gives no ids says; also of a topic that is not there.
const NO_TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_tells_the_id_of_a_topic() {
        let line = |from: &str, to: &str| {
            format!("[thrd:main]: Topic a.b-c changed id from {from} to {to}")
        };
        let id = "z4Nj8vPPQKG0zvk3Rvx6aA";
        assert_eq!(topic_id(&line(NO_TOPIC_ID, id)), Some(("a.b-c", id)));
        assert_eq!(topic_id(&line(id, NO_TOPIC_ID)), None, "a broker without ids");
        assert_eq!(topic_id("[thrd:main]: Topic a.b-c partition 0 Leader 1 Epoch 0"), None);
    }
}
