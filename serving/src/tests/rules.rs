//! Rules over HTTP, and the acknowledging of alerts; behind them a job whose rules change at once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use market::{Commit, InstrumentId};
use node_api::{
    AlertAcknowledgement, ListedRule, PutOutcome, PutRule, RowLimits, RuleError, RuleFuture,
    RuleOrigin, RulesApi, Scope,
};
use rows::Cell;
use serde_json::{Value, json};

use super::{Answer, Rows, Server, app, time, views};
use crate::routes::controls;

/// A rule, and the acknowledgement of an alert that it has raised.
pub(super) const RULE: &str = r#"{"threshold":{"series":"close","above":1.0}}"#;
pub(super) const ACKNOWLEDGEMENT: &str =
    r#"{"instrument":"a:B","timeframe":"1m","open_time":"2024-08-09T12:00:00Z","rule":"up"}"#;

/// A body that a path takes.
pub(super) fn body(path: &str) -> &'static str {
    match path {
        "/v1/alerts/acknowledge" => ACKNOWLEDGEMENT,
        "/v1/rules/{name}" => RULE,
        _ => "[]",
    }
}

/// A job of which the rule `up` was put and `fixed` is configured. What is asked for is at once so.
pub(super) struct Ruled {
    put: Mutex<BTreeMap<String, (String, String)>>,
    rows: Arc<Rows>,
}

impl Ruled {
    pub(super) fn of(rows: &Arc<Rows>) -> Ruled {
        let up = ("up".to_owned(), (RULE.to_owned(), "key 7".to_owned()));
        Ruled { put: Mutex::new(BTreeMap::from([up])), rows: Arc::clone(rows) }
    }

    fn commit(&self) -> Commit {
        Commit(self.rows.commit.load(Ordering::SeqCst))
    }

    fn listed(&self, name: &str, (rule, by): &(String, String)) -> ListedRule {
        let (since, at) = (self.commit(), time("2024-12-01T00:00:00Z"));
        let origin = RuleOrigin::RunTime { since, at, by: by.clone() };
        ListedRule { name: name.to_owned(), rule: rule.clone(), origin, problem: None }
    }
}

impl RulesApi for Ruled {
    fn rules(&self) -> Vec<ListedRule> {
        let put = self.put.lock().unwrap();
        let put = put.iter().map(|(name, rule)| self.listed(name, rule));
        let fixed = ListedRule {
            name: "fixed".to_owned(),
            rule: RULE.to_owned(),
            origin: RuleOrigin::Configuration,
            problem: None,
        };
        [fixed].into_iter().chain(put).collect()
    }

    fn put(&self, name: String, rule: Vec<u8>, by: String) -> RuleFuture<'_, PutRule> {
        Box::pin(async move {
            if name == "fixed" {
                return Err(RuleError::Configured(name));
            }
            let rule = String::from_utf8(rule).unwrap();
            if !rule.contains("threshold") {
                return Err(RuleError::Invalid("a rule has exactly one of `cross`, …".to_owned()));
            }
            let now = (rule, by);
            let before = self.put.lock().unwrap().insert(name.clone(), now.clone());
            let outcome = match before {
                None => PutOutcome::Created,
                Some((before, _)) if before == now.0 => PutOutcome::Unchanged,
                Some(_) => PutOutcome::Replaced,
            };
            Ok(PutRule { outcome, rule: self.listed(&name, &now) })
        })
    }

    fn delete(&self, name: String, _by: String) -> RuleFuture<'_, Commit> {
        Box::pin(async move {
            match self.put.lock().unwrap().remove(&name) {
                Some(_) => Ok(self.commit()),
                None => Err(RuleError::Unknown { name, known: vec!["down".to_owned()] }),
            }
        })
    }

    fn acknowledge(&self, alert: AlertAcknowledgement) -> RuleFuture<'_, Commit> {
        Box::pin(async move {
            let AlertAcknowledgement { instrument, open_time, rule, by, note, .. } = alert;
            let text = |text: String| if text.is_empty() { Cell::Null } else { Cell::Text(text) };
            let mut others = self.rows.others.lock().unwrap();
            let named = others.entry("alerts").or_default().iter_mut().filter(|row| {
                row[0] == Cell::Instrument(instrument)
                    && row[2] == Cell::Time(open_time)
                    && row[3] == Cell::Text(rule.clone())
            });
            for row in named {
                row.truncate(5);
                row.extend([Cell::Time(time("2024-12-01T00:00:01Z")), text(by.clone())]);
                row.push(text(note.clone()));
            }
            Ok(self.commit())
        })
    }
}

/// A row of `alerts` at a bar of a minute.
fn alert(name: &str, open: &str, rule: &str, state: &'static str) -> Vec<Cell> {
    vec![
        Cell::Instrument(InstrumentId::of(name)),
        Cell::Timeframe("1m".parse().unwrap()),
        Cell::Time(time(open)),
        Cell::Text(rule.to_owned()),
        Cell::Word(state),
        Cell::Null,
        Cell::Null,
        Cell::Null,
    ]
}

/// The job has alerts: three of `a:B`, of which one is withdrawn, and one of `a:C`.
pub(super) fn with_alerts(server: &mut Server) {
    server.context.views = views::WITH_ALERTS;
    ["a:B", "a:C"].iter().for_each(|name| drop(server.context.catalog.resolve(name).unwrap()));
    let alerts = vec![
        alert("a:B", "2024-08-09T12:00:00Z", "up", "raised"),
        alert("a:B", "2024-08-09T12:01:00Z", "up", "withdrawn"),
        alert("a:B", "2024-08-09T12:02:00Z", "fixed", "raised"),
        alert("a:C", "2024-08-09T12:00:00Z", "up", "raised"),
    ];
    server.rows.others.lock().unwrap().insert("alerts", alerts);
}

async fn send(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = warp::test::request().method(method).path(path);
    let request = request.header("content-type", "application/json").body(body);
    let answer = Answer(request.reply(&app(&server.context)).await);
    (answer.status(), answer.json())
}

#[tokio::test]
async fn rules_are_put_replaced_and_deleted() {
    let server = Server::new();
    let all = server.ask("/v1/rules").await.json();
    assert_eq!(
        all["rules"][0],
        json!({
            "name": "fixed", "origin": "configuration", "counts": true,
            "rule": { "threshold": { "series": "close", "above": 1.0 } },
        })
    );
    let (status, put) = send(&server, "PUT", "/v1/rules/far%20up", RULE).await;
    assert_eq!((status, &put["name"], &put["origin"]), (201, &json!("far up"), &json!("run time")));
    assert_eq!((&put["since_commit"], &put["put_by"]), (&json!(17), &Value::Null));
    assert_eq!((&put["kept"], &put["has_changed"]), (&json!(false), &json!(true)), "no state");
    let (status, again) = send(&server, "PUT", "/v1/rules/far%20up", RULE).await;
    assert_eq!((status, &again["has_changed"]), (200, &json!(false)));
    let other = RULE.replace("1.0", "2.0");
    let (status, replaced) = send(&server, "PUT", "/v1/rules/far%20up", &other).await;
    assert_eq!((status, &replaced["has_changed"]), (200, &json!(true)));
    let shown = server.ask("/v1/rules/far%20up").await.json();
    assert_eq!(shown["rule"]["threshold"]["above"], 2.0);
    let (status, deleted) = send(&server, "DELETE", "/v1/rules/far%20up", "").await;
    assert_eq!((status, deleted), (200, json!({ "name": "far up", "deleted_commit": 17 })));
    assert_eq!(server.ask("/v1/rules/far%20up").await.status(), 404);
}

#[tokio::test]
async fn what_is_no_rule_is_refused_with_what_is_possible() {
    let server = Server::new();
    for (method, name, body, status, code) in [
        ("PUT", "fixed", RULE, 409, "configured-rule"),
        ("PUT", "x", "{}", 422, "invalid-rule"),
        ("DELETE", "down2", "", 404, "unknown-path"),
        ("PUT", "%", RULE, 404, "unknown-path"),
    ] {
        let (found, problem) = send(&server, method, &format!("/v1/rules/{name}"), body).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{problem}");
    }
    let (_, problem) = send(&server, "DELETE", "/v1/rules/dwn", "").await;
    assert_eq!(problem["suggestions"], json!(["down"]));
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(send(&server, "PUT", "/v1/rules/x", &large).await.0, 413);
    let text = warp::test::request().method("PUT").path("/v1/rules/x").body(RULE);
    assert_eq!(text.reply(&app(&server.context)).await.status(), 415);
    assert_eq!(send(&server, "PUT", "/v1/rules", RULE).await.0, 405);
}

#[tokio::test]
async fn an_alert_that_is_raised_can_be_acknowledged() {
    let mut server = Server::new();
    with_alerts(&mut server);
    let path = "/v1/alerts/acknowledge";
    let noted = ACKNOWLEDGEMENT.replace("\"up\"", "\"up\",\"note\":\"seen\",\"by\":\"Ada\"");
    let (status, first) = send(&server, "POST", path, &noted).await;
    assert_eq!((status, &first["has_changed"]), (200, &json!(true)), "{first}");
    assert_eq!(first["alert"]["acknowledged_at"], "2024-12-01T00:00:01Z");
    assert_eq!(
        (&first["alert"]["acknowledged_by"], &first["alert"]["note"], &first["alert"]["state"]),
        (&json!("Ada"), &json!("seen"), &json!("raised"))
    );
    let (status, again) = send(&server, "POST", path, &noted).await;
    assert_eq!((status, &again["has_changed"]), (200, &json!(false)));
    let (status, other) = send(&server, "POST", path, ACKNOWLEDGEMENT).await;
    assert_eq!((status, &other["alert"]["note"]), (200, &Value::Null), "by somebody else");

    let withdrawn = ACKNOWLEDGEMENT.replace("12:00:00", "12:01:00");
    let (status, problem) = send(&server, "POST", path, &withdrawn).await;
    assert_eq!((status, &problem["code"]), (409, &json!("alert-withdrawn")));
    let (status, problem) =
        send(&server, "POST", path, &ACKNOWLEDGEMENT.replace("12:00:00", "12:02:00")).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown-alert")));
    assert_eq!(problem["suggestions"][0], "fixed 2024-08-09T12:02:00Z", "{problem}");
    for (from, to, status, pointer) in [
        ("\"1m\"", "\"7m\"", 400, "#/body/timeframe"),
        ("2024-08-09T12:00:00Z", "noon", 400, "#/body/open_time"),
        ("\"up\"", &format!("\"up\",\"note\":\"{}\"", "n".repeat(1_001)), 400, "#/body/note"),
    ] {
        let body = ACKNOWLEDGEMENT.replace(from, to);
        let (found, problem) = send(&server, "POST", path, &body).await;
        assert_eq!((found, &problem["errors"][0]["pointer"]), (status, &json!(pointer)));
    }
    let (status, _) = send(&server, "POST", path, &ACKNOWLEDGEMENT.replace("a:B", "a:X")).await;
    assert_eq!(status, 404);
    assert_eq!(send(&server, "POST", path, "{\"rules\":1}").await.1["code"], "unreadable-body");
}

/// Who acknowledges is the holder of the key, who acknowledges what they see alone.
#[tokio::test]
async fn a_limited_key_acknowledges_what_it_sees() {
    let mut server = Server::new();
    with_alerts(&mut server);
    let limits = RowLimits { symbols: Some(vec!["a:B".to_owned()]), ..RowLimits::default() };
    let holder = server.of_key(&[Scope::Control], limits);
    let path = "/v1/alerts/acknowledge";
    let (status, answer) = send(&holder, "POST", path, ACKNOWLEDGEMENT).await;
    assert_eq!((status, &answer["alert"]["acknowledged_by"]), (200, &json!("key 1")), "{answer}");
    let (status, problem) =
        send(&holder, "POST", path, &ACKNOWLEDGEMENT.replace("\"up\"", "\"up\",\"by\":\"Ada\""))
            .await;
    assert_eq!((status, &problem["errors"][0]["allowed"]), (400, &json!(["key 1"])));
    let (status, problem) =
        send(&holder, "POST", path, &ACKNOWLEDGEMENT.replace("a:B", "a:C")).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown-symbol")));
    // Rules are about the whole process.
    assert_eq!(send(&holder, "PUT", "/v1/rules/x", RULE).await.0, 403);
    let whole = server.of_key(&[Scope::Control], RowLimits::default());
    let (status, put) = send(&whole, "PUT", "/v1/rules/x", RULE).await;
    assert_eq!((status, &put["put_by"]), (201, &json!("key 1")));
}

#[test]
fn changes_of_rules_and_alerts_are_audited() {
    use warp::http::Method;
    for (method, path, is_audited) in [
        (Method::PUT, "/v1/rules/x", true),
        (Method::DELETE, "/v1/rules/x", true),
        (Method::GET, "/v1/rules/x", false),
        (Method::POST, "/v1/alerts/acknowledge", true),
        (Method::POST, "/api/streaming/process", false),
    ] {
        assert_eq!(controls(&method, path), is_audited, "{method} {path}");
    }
}
