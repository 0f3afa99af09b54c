//! What is configured, without a server.

use std::sync::Arc;

use market::Catalog;
use serde_json::{Value, json};

use super::KafkaSource;
use super::sink::KafkaSink;
use crate::registry::{BuildContext, SinkBuildContext, TypedSink, TypedSource};
use crate::sink::Encoding;
use crate::source::{Source, Start};

fn build(more: Value) -> Result<KafkaSource, String> {
    let mut config = json!({
        "servers": "127.0.0.1:9092", "topics": ["a", "b.c"], "instrument": "x:{symbol}",
        "columns": {"time": "t", "symbol": "s", "price": "p", "size": "q"},
    });
    let written = config.as_object_mut().unwrap();
    written.extend(more.as_object().unwrap().clone());
    let catalog = Arc::new(Catalog::new(Vec::new(), 10));
    let context = BuildContext { name: "k".to_owned(), folder: "/nowhere".into(), catalog };
    KafkaSource::build(written.clone(), context).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(more: Value, wanted: &[&str]) -> String {
    let Err(error) = build(more) else { panic!("it is taken") };
    for wanted in wanted {
        assert!(error.contains(wanted), "`{wanted}` is not in {error}");
    }
    error
}

#[test]
fn partitions_have_names_without_a_server() {
    let source = build(json!({})).unwrap();
    let names = [0, 1, 2, 7].map(|partition| source.partition_name(partition));
    assert_eq!(names, ["a/0", "b.c/0", "a/1", "b.c/3"]);
    assert_eq!(source.partitions(), Vec::<u32>::new());
    assert_eq!(source.start(), Start::Horizon);
    assert!(source.is_replayable() && source.is_endless());
    assert_eq!(build(json!({"start": "earliest"})).unwrap().start(), Start::Earliest);
}

#[test]
fn what_is_wrong_is_said() {
    refused(json!({"topics": []}), &["`topics` is empty"]);
    refused(json!({"topics": ["a", "a"]}), &["names \"a\" twice"]);
    refused(json!({"topics": ["a b"]}), &["\"a b\" cannot be a topic"]);
    refused(json!({"servers": "broker"}), &["`servers` has \"broker\"", "host:port"]);
    refused(json!({"start": "newest"}), &["`start` is \"newest\"", "horizon"]);
    refused(json!({"group": ""}), &["`group` is empty"]);
    refused(json!({"format": "fields"}), &["has no fields"]);
    refused(json!({"topic": "a"}), &["unknown field `topic`"]);
}

#[test]
fn properties_are_handed_over_but_for_those_of_the_contract() {
    build(json!({"properties": {"fetch.wait.max.ms": 20, "ssl": {"ca": {"location": "/ca.pem"}}}}))
        .unwrap();
    for (name, value, why) in [
        ("enable.auto.commit", json!(true), "positions belong to the job"),
        ("auto.offset.reset", json!("latest"), "write `start`"),
        ("group.id", json!("g"), "write `group`"),
        ("bootstrap.servers", json!("a:1"), "write `servers`"),
        ("plugin.library.paths", json!("/tmp/x.so"), "no foreign code"),
    ] {
        refused(json!({"properties": {name: value}}), &[name, "cannot be set", why]);
    }
    refused(json!({"properties": {"no.such": 1}}), &["no.such", "No such configuration property"]);
    refused(
        json!({"properties": {"security": {"protocol": "tls"}}}),
        &["security.protocol", "tls"],
    );
    refused(json!({"properties": {"debug": []}}), &["`debug`", "neither a text"]);
}

#[test]
fn secrets_are_named_by_where_they_are_and_never_shown() {
    let sasl = |password: Value| {
        json!({"properties": {
            "security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "u",
            "sasl": {"password": password},
        }})
    };
    let error = refused(sasl(json!("hunter2")), &["sasl.password", "env", "file"]);
    assert!(!error.contains("hunter2"), "{error}");

    // Mistyped names are not known to be those of secrets, and other clients have names of their own.
    for name in ["sasl.pasword", "sasl.pass", "ssl.key.pass-word", "sasl.jaas.config"] {
        let error = refused(json!({"properties": {name: "hunter2"}}), &[name]);
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = refused(json!({"servers": "u:hunter2@broker:9092"}), &["`servers` has an `@`"]);
    assert!(!error.contains("hunter2"), "{error}");

    let missing = build(sasl(json!({"env": "TICKWEAVE_TEST_NO_SUCH_VARIABLE"}))).unwrap();
    let error = missing.discover().unwrap_err().to_string();
    assert!(error.contains("no variable TICKWEAVE_TEST_NO_SUCH_VARIABLE"), "{error}");
    let missing = build(sasl(json!({"file": "password"}))).unwrap();
    let error = missing.discover().unwrap_err().to_string();
    assert!(error.contains("cannot read /nowhere/password"), "{error}");
}

fn sink(config: Value, views: &[&str]) -> Result<KafkaSink, String> {
    let context = SinkBuildContext {
        name: "k".to_owned(),
        folder: "/nowhere".into(),
        views: views.iter().map(|view| (*view).to_owned()).collect(),
        columns: Vec::new(),
        encoding: Encoding::Upserts,
    };
    let config = serde_json::from_value(config).map_err(|error| error.to_string())?;
    KafkaSink::build(config, context).map_err(|error| error.to_string())
}

#[test]
fn a_sink_is_checked_without_a_server() {
    let with = |topic: &str, properties: Value| json!({"servers": "127.0.0.1:9092", "topic": topic, "properties": properties});
    assert!(sink(with("a.{view}", json!({"linger.ms": 5})), &["candles", "alerts"]).is_ok());
    for (config, views, wanted) in [
        (with("a", json!({})), &["candles", "alerts"][..], "`topic` must contain `{view}`"),
        (with("a/{view}", json!({})), &["candles"], "\"a/candles\" cannot be a topic"),
        (with("a", json!({"acks": 1})), &["candles"], "must be confirmed by all"),
        (with("a", json!({"transactional.id": "x"})), &["candles"], "batches are no transactions"),
        (with("a", json!({"ssl.key.password": "hunter2"})), &["candles"], "is a secret"),
    ] {
        let Err(error) = sink(config, views) else { panic!("it is taken") };
        assert!(
            error.contains(wanted) && !error.contains("hunter2"),
            "`{wanted}` is not in {error}"
        );
    }
}
