//! Messages that hold several trades.

use super::job::Job;
use super::topics::{Produced, Topic};
use crate::servers;

/// Each row has a position of its own: 4,096 times the offset and one, and its place in the message. Trades without ids
/// are known by it, so none is taken for a copy, also not when the topic is read again.
#[test]
fn rows_of_one_message_have_positions_of_their_own() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = Topic::new(kafka, "several-rows", 1);
    let row = |second: i64, price: &str| {
        format!(r#"{{"ts":{},"px":"{price}","sz":"1"}}"#, 1_767_607_200_000 + second * 1_000)
    };
    let message = |rows: &[String]| {
        format!(r#"{{"arg":{{"channel":"trades","instId":"A"}},"data":[{}]}}"#, rows.join(","))
    };
    let messages = [
        message(&[row(1, "10"), row(1, "10"), row(1, "10")]),
        r#"{"event":"subscribe"}"#.to_owned(),
        message(&[]),
        message(&[row(2, "11"), row(2, "free"), row(3, "12")]),
    ];
    topic.produce(
        messages
            .iter()
            .map(|text| Produced { payload: Some(text.as_bytes()), ..Produced::default() }),
    );
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n\
         [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"{}\"]\nstart = \"earliest\"\n\
         instrument = \"okx:{{symbol}}\"\nrows = [\"data\"]\nunits = {{ time = \"ms\" }}\n\
         columns = {{ symbol = \"$.arg.instId\", time = \"ts\", price = \"px\", size = \"sz\" }}\n\
         where = {{ column = \"$.arg.channel\", equals = \"trades\" }}\n",
        kafka.address, topic.name
    );
    let folder = tempfile::tempdir().unwrap();
    for workers in [1, 2] {
        let job = Job::start(folder.path(), &config, workers);
        let trades = job.wait_for_rows("trades", |rows| rows.len() == 5);
        let positions: Vec<u64> =
            trades.iter().map(|row| row["position"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(positions, [4_096, 4_097, 4_098, 4 * 4_096, 4 * 4_096 + 2]);
        let letters = job.wait_for_rows("dead_letters", |rows| rows.len() == 1);
        assert_eq!(letters[0]["position"], (4 * 4_096 + 1).to_string());
        let detail = letters[0]["detail"].as_str().unwrap();
        assert!(detail.starts_with("row 2 of it: column \"px\": \"free\""), "{detail}");
        assert!(letters[0]["original"].as_str().unwrap().contains("\"offset\":3"), "{letters:?}");
        let summary = job.end();
        assert_eq!([&summary["accepted"], &summary["duplicates"]], [5, 0], "{summary}");
    }
}
