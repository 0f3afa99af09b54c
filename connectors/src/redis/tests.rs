use std::path::PathBuf;
use std::sync::Arc;

use market::Catalog;
use serde_json::{Value, json};

use crate::registry::{BuildContext, SinkBuildContext};
use crate::sink::Encoding;

/// What is wrong with a source, if anything.
fn source(kind: &str, config: Value) -> Option<String> {
    let catalog = Arc::new(Catalog::new(Vec::new(), 10));
    let context = BuildContext { name: "s".to_owned(), folder: PathBuf::new(), catalog };
    crate::sources().build(kind, config, context).err().map(|error| error.to_string())
}

fn sink(kind: &str, config: Value) -> Option<String> {
    let views = vec!["candles".to_owned()];
    let (name, folder, encoding) = ("s".to_owned(), PathBuf::new(), Encoding::Upserts);
    let columns = Vec::new();
    let context = SinkBuildContext { name, folder, views, columns, encoding };
    crate::sinks().build(kind, config, context).err().map(|error| error.to_string())
}

/// With one key written otherwise.
fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

#[track_caller]
fn assert_says(error: Option<String>, want: &str) {
    let error = error.unwrap_or_else(|| panic!("nothing is wrong, and should be: {want}"));
    assert!(error.contains(want), "`{want}` is not in {error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn what_is_wrong_with_a_source_is_said_without_a_server() {
    let good = json!({
        "url": "redis://127.0.0.1:1", "user": "me", "password_env": "NOT_SET", "streams": ["a"], "payload": "data",
        "codec": "binance-stream", "start": "horizon",
    });
    assert_eq!(source("redis-streams", good.clone()), None);
    for (key, value, want) in [
        ("url", json!("redis://me:hunter2@h"), "`password_env`"),
        ("url", json!("redis://hunter2@h"), "`password_env`"),
        ("url", json!("redis://me%3Ahunter2@h"), "`password_env`"),
        ("url", json!("redis://h/?password=hunter2"), "`password_env`"),
        ("url", json!("redis://me:hunter2@h:x"), "`password_env`"),
        ("url", json!("redis://h:x"), "`url` cannot be read"),
        ("url", json!("http://h"), "`url` cannot be read"),
        ("url", json!("unix:///tmp/redis"), "must begin with redis:// or rediss://"),
        ("password_file", json!("p"), "both given"),
        ("ca_file", json!("ca.pem"), "does not begin with rediss://"),
        ("streams", json!([]), "`streams` is empty"),
        ("streams", json!(["a", "a"]), "`streams` names \"a\" twice"),
        ("streams", json!([""]), "holds an empty name"),
        ("start", json!("newest"), "write earliest, latest, horizon, or a time"),
        ("payload", Value::Null, "name the one that holds the message as `payload`"),
        ("batch", json!(0), "it must be from 1 to 1024"),
        ("channels", json!(["a"]), "unknown field `channels`"),
        ("codec", json!("x"), "binance-stream"),
    ] {
        assert_says(source("redis-streams", with(&good, key, value)), want);
    }
    let good = json!({"url": "rediss://h", "ca_file": "ca.pem", "channels": ["a"], "codec": "binance-stream"});
    assert_eq!(source("redis-pubsub", good.clone()), None);
    assert_says(source("redis-pubsub", with(&good, "channels", json!([]))), "nothing to listen to");
    assert_says(source("redis-pubsub", with(&good, "patterns", json!(["a", "a"]))), "twice");
    assert_says(source("redis-pubsub", with(&good, "streams", json!(["a"]))), "unknown field");
}

#[test]
fn what_is_wrong_with_a_sink_is_said_without_a_server() {
    let good = json!({"url": "redis://127.0.0.1:1"});
    for (kind, key, value, want) in [
        ("redis-hash", "prefix", json!(""), "`prefix` is empty"),
        ("redis-hash", "max_length", json!(5), "unknown field"),
        ("redis-streams", "max_length", json!(0), "at least one entry"),
        ("redis-pubsub", "key_parts", json!(0), "leave it out"),
        ("redis-pubsub", "url", json!("redis://u:hunter2@h"), "`password_env`"),
    ] {
        assert_eq!(sink(kind, good.clone()), None);
        assert_says(sink(kind, with(&good, key, value)), want);
    }
}
