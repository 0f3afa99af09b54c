//! Rules that are put at run time, and alerts that are acknowledged, are there after a kill, on any number of workers.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{JOB, end, job, kill, start, wait_for_records, wait_until_ready};
use crate::end_to_end::binary::{poll, tickweave};
use crate::end_to_end::http::{Answer, get, send};

const FIXED: &str =
    "[[rule]]\nname = \"fixed\"\nthreshold = { series = \"close\", above = 108.0 }\n";
const HIGH: &str =
    r#"{"settle":"at_once","timeframes":["1s"],"threshold":{"series":"sma3","above":110.0}}"#;

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    send(address, request.as_bytes()).unwrap_or_else(|| panic!("no answer to {path}"))
}

/// Whole rows of a view, of one rule.
fn rows_of(address: SocketAddr, view: &str, rule: &str) -> Vec<Value> {
    let answer = get(address, &format!("/v1/views/{view}?rule={rule}&limit=10000"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["rows"].as_array().unwrap().clone()
}

fn some_rows(address: SocketAddr, view: &str, rule: &str) -> Vec<Value> {
    let rows = || Some(rows_of(address, view, rule)).filter(|rows| !rows.is_empty());
    poll(rows, || format!("rows of {rule}"))
}

fn acknowledge(address: SocketAddr, alert: &Value, note: &str) -> Answer {
    let body = json!({
        "instrument": alert["instrument"], "timeframe": alert["timeframe"], "open_time": alert["open_time"],
        "rule": alert["rule"], "note": note, "by": "Ada",
    });
    ask(address, "POST", "/v1/alerts/acknowledge", &body.to_string())
}

#[test]
fn rules_and_acknowledgements_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, &format!("{JOB}{FIXED}"));
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    wait_for_records(address, 3_000);
    let put = ask(address, "PUT", "/v1/rules/high", HIGH);
    assert_eq!(put.status, 201, "{}", put.body);
    assert_eq!(put.json()["kept"], true, "{}", put.body);
    let since = put.json()["since_commit"].as_u64().unwrap();
    let again = ask(address, "PUT", "/v1/rules/high", HIGH);
    assert_eq!((again.status, &again.json()["has_changed"]), (200, &json!(false)));
    assert_eq!(again.json()["since_commit"], since, "it is as it was");
    // Bars that were there before raise alerts now.
    let alerts = some_rows(address, "alerts", "high");
    assert!(alerts.len() > 10, "{alerts:?}");
    assert!(alerts.iter().all(|alert| alert["first_commit"].as_u64() >= Some(since)), "{alerts:?}");
    let metrics = get(address, "/metrics").body;
    let raised = format!("tickweave_alerts_raised_total{{rule=\"high\"}} {}", alerts.len());
    assert!(metrics.contains(&raised), "{metrics}");
    let done = acknowledge(address, &alerts[0], "seen");
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.json()["alert"]["acknowledged_by"], "Ada");
    let fixed = some_rows(address, "alerts", "fixed");
    assert_eq!(acknowledge(address, &fixed[0], "").status, 200);

    let refused = ask(address, "PUT", "/v1/rules/fixed", HIGH);
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("configured-rule")));
    let wrong = ask(address, "PUT", "/v1/rules/x", &HIGH.replace("sma3", "sma4"));
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    assert!(wrong.body.contains("`sma4` is not among job.indicators (sma3)"), "{}", wrong.body);

    let all = |address| ["high", "fixed"].map(|rule| rows_of(address, "alerts", rule));
    let before = all(address);
    assert_eq!(before[0].iter().filter(|row| row["note"] == "seen").count(), 1);
    kill(run);

    let (run, address) = start(folder, 3, &["--record", "all.rec", "--digest"]);
    wait_until_ready(address);
    assert_eq!(all(address), before);
    let shown = get(address, "/v1/rules/high").json();
    assert_eq!((&shown["since_commit"], &shown["counts"]), (&json!(since), &json!(true)));
    let higher = HIGH.replace("110.0", "112.0");
    let replaced = ask(address, "PUT", "/v1/rules/high", &higher);
    assert_eq!((replaced.status, &replaced.json()["has_changed"]), (200, &json!(true)));
    let withdrawn =
        || rows_of(address, "alerts", "high").iter().any(|row| row["state"] == "withdrawn");
    poll(|| withdrawn().then_some(()), || "alerts are withdrawn".to_owned());
    let gone =
        rows_of(address, "alerts", "high").into_iter().find(|row| row["state"] == "withdrawn");
    let late = acknowledge(address, &gone.unwrap(), "late");
    assert_eq!((late.status, &late.json()["code"]), (409, &json!("alert-withdrawn")));
    let before = all(address);
    run.signal("TERM");
    let ran = run.end().json();
    let again = tickweave(folder, &["replay", "all.rec", "--json", "--digest"]).json();
    assert_eq!(again["views"], ran["views"], "a replay changes the rules in the same commits");

    // From the checkpoint of the end.
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    assert_eq!(all(address), before);
    assert!(!rows_of(address, "signals", "high").is_empty());
    let deleted = ask(address, "DELETE", "/v1/rules/high", "");
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(ask(address, "DELETE", "/v1/rules/high", "").status, 404);
    poll(
        || rows_of(address, "signals", "high").is_empty().then_some(()),
        || "the status of the rule is gone".to_owned(),
    );
    let alerts = rows_of(address, "alerts", "high");
    assert!(alerts.iter().all(|alert| alert["state"] == "withdrawn"), "{alerts:?}");
    kill(run);
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    assert_eq!(get(address, "/v1/rules/high").status, 404);
    assert_eq!(rows_of(address, "alerts", "high"), alerts);
    end(run);
}

/// A rule of the configuration counts before one of the same name that was put; and a name that is new in the
/// configuration gets no number that a rule has which was put since the last start.
#[test]
fn the_configuration_counts_before_rules_that_were_put() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, JOB);
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    wait_for_records(address, 3_000);
    for name in ["high", "other"] {
        assert_eq!(ask(address, "PUT", &format!("/v1/rules/{name}"), HIGH).status, 201);
    }
    let other = some_rows(address, "alerts", "other").len();
    kill(run);

    let configured = FIXED.replace("fixed", "new") + &FIXED.replace("fixed", "high");
    job(folder, &format!("{JOB}{configured}"));
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    let shown = get(address, "/v1/rules").json();
    let origins: Vec<_> = shown["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (&rule["name"], &rule["origin"]))
        .collect();
    let (by_file, by_client) = (json!("configuration"), json!("run time"));
    let names = ["new", "high", "other"].map(Value::from);
    assert_eq!(origins, [(&names[0], &by_file), (&names[1], &by_file), (&names[2], &by_client)]);
    assert_eq!(rows_of(address, "alerts", "other").len(), other);
    let [new, high] = ["new", "high"].map(|rule| some_rows(address, "alerts", rule));
    assert_eq!(new.len(), high.len());
    assert!(
        high.iter().any(|alert| alert["timeframe"] == "1m"),
        "the rule that was put watches 1s"
    );
    run.signal("TERM");
    let ran = run.end();
    assert!(ran.err.contains("rule `high` is in the configuration, which counts"), "{}", ran.err);
}
