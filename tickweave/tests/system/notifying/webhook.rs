//! Webhooks: signed, retried, refused.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::end_to_end::binary::{poll, tickweave};

use super::job::Job;
use super::receiver::{Receiver, Request};

fn sinks(receiver: &Receiver, more: &str) -> String {
    format!(
        r#"
[[sink]]
name = "hook"
kind = "webhook"
views = ["alerts"]
url = "http://{}/alerts"
secret_env = "HOOK_SECRET"
headers = {{ X-Team = "desk", Authorization = {{ env = "HOOK_TOKEN" }} }}
{more}
[[sink]]
name = "bars"
kind = "file"
views = ["candles"]
path = "bars.ndjson"
"#,
        receiver.address
    )
}

const SECRETS: [(&str, &str); 2] =
    [("HOOK_SECRET", "hush-hush-hush"), ("HOOK_TOKEN", "Bearer hunter2")];

/// Asserts that a request carries what it must.
fn assert_signed(request: &Request) {
    let value = &request.headers["tickweave-signature"];
    let time = value.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    let secret = SECRETS[0].1.as_bytes();
    assert_eq!(*value, connectors::notify::signature(secret, time, request.body.as_bytes()));
    assert_eq!(request.headers["idempotency-key"], request.json()["id"].as_str().unwrap());
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        [&*request.headers["x-team"], &request.headers["authorization"]],
        ["desk", "Bearer hunter2"]
    );
    assert_eq!(request.path, "/alerts");
}

#[test]
fn an_alert_is_told_as_often_as_it_takes_and_its_withdrawal_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let receiver = Receiver::start(move |_| match down.load(Ordering::SeqCst) {
        true => (500, ""),
        false => (204, ""),
    });
    let job = Job::start(folder, &sinks(&receiver, ""), &[], &SECRETS);
    job.trade("trade", "us:AAPL", "120.50");
    let tries = receiver.wait_for(2);
    job.wait_for_sink("hook", |sink| sink["state"] == "retrying" && sink["messages"] == 0);
    // Meanwhile others are not held up.
    job.trade("trade", "us:MSFT", "99.00");
    let bars = || fs::read_to_string(folder.join("bars.ndjson")).unwrap_or_default();
    poll(|| bars().contains("us:MSFT").then_some(()), bars);
    is_down.store(false, Ordering::SeqCst);
    job.wait_for_sink("hook", |sink| sink["messages"] == 1 && sink["state"] == "running");
    let raised = receiver.requests().last().unwrap().clone();
    assert!(tries.iter().all(|request| request.body == raised.body), "{tries:#?}");

    job.trade("correct", "us:AAPL", "100.00");
    job.wait_for_sink("hook", |sink| sink["messages"] == 2);
    let withdrawn = receiver.requests().last().unwrap().clone();
    [&raised, &withdrawn].into_iter().for_each(assert_signed);
    let (raised, withdrawn) = (raised.json(), withdrawn.json());
    assert_eq!([&raised["type"], &withdrawn["type"]], ["raised", "withdrawn"]);
    assert_eq!(withdrawn["withdraws"], raised["id"]);
    assert_eq!(raised["row"]["price"].to_string(), "120.5");
    assert_eq!((&raised["row"]["rule"], &withdrawn["before"]), (&"high".into(), &raised["row"]));
    assert_eq!(raised["key"], withdrawn["key"]);
    assert!(withdrawn["commit"].as_u64() > raised["commit"].as_u64());
    let (_, err) = job.stop();
    assert!(err.contains("500") && !err.contains("hush-hush") && !err.contains("hunter2"), "{err}");
}

#[test]
fn what_a_receiver_refuses_is_a_dead_letter_also_in_a_replay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let receiver = Receiver::start(|request| match request.body.contains("us:BAD") {
        true => (400, ""),
        false => (200, ""),
    });
    let job = Job::start(folder, &sinks(&receiver, ""), &["--record", "live.rec"], &SECRETS);
    job.trade("trade", "us:BAD", "120.50");
    let letters = job.wait_for("dead_letters", |rows| !rows.is_empty());
    let letter = &letters[0];
    assert_eq!(
        [&letter["source"], &letter["partition"], &letter["reason"]],
        ["sink:hook", "alerts", "undelivered"]
    );
    assert_eq!(letter["detail"], "it answers 400 Bad Request: words");
    let original: serde_json::Value =
        serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
    assert_eq!(original, receiver.requests()[0].json());
    assert_eq!(letter["position"].as_str().unwrap(), original["commit"].to_string());
    // It goes on, and the sink is not at fault.
    job.trade("trade", "us:AAPL", "130.00");
    receiver.wait_for(2);
    job.wait_for_sink("hook", |sink| sink["rejected"] == 1 && sink["messages"] == 1);
    let health = job.wait_for("health", |rows| !rows.is_empty());
    assert!(
        health.iter().any(|row| row["check"] == "sinks" && row["status"] == "pass"),
        "{health:?}"
    );
    let (summary, _) = job.stop();
    assert_eq!(
        summary["refusals"]["rows"].as_u64().unwrap_or(0),
        0,
        "no input was refused: {summary}"
    );
    let again = tickweave(folder, &["replay", "live.rec", "--json", "--digest"]).json();
    assert_eq!(again["views"], summary["views"]);
}

#[test]
fn a_receiver_with_a_certificate_of_its_own_is_known_by_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (receiver, certificate) = Receiver::start_tls();
    fs::write(folder.join("ca.pem"), certificate).unwrap();
    let port = receiver.address.port();
    let sink = |name: &str, more: &str| {
        format!(
            "[[sink]]\nname = \"{name}\"\nkind = \"webhook\"\nviews = [\"alerts\"]\nurl = \"https://localhost:{port}/{name}\"\n{more}\n"
        )
    };
    let sinks = sink("known", "ca_file = \"ca.pem\"") + &sink("unknown", "give_up_after = \"1s\"");
    let job = Job::start(folder, &sinks, &[], &[]);
    job.trade("trade", "us:AAPL", "120.50");
    job.wait_for_sink("known", |sink| sink["messages"] == 1);
    let letters = job.wait_for("dead_letters", |rows| !rows.is_empty());
    let detail = letters[0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("given up after 1s: ") && detail.contains("certificate"),
        "{detail}"
    );
    assert!(receiver.requests().iter().all(|request| request.path == "/known"));
    job.stop();
}
