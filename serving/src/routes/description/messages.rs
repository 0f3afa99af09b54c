//! The AsyncAPI 3.0 document: what is sent over `/ws` and `/stream`.

use serde_json::{Map, Value, json};

use super::schemas::{reference, schemas, visible_views};
use crate::Context;

/// The document of the messages of subscriptions.
pub(crate) fn asyncapi(context: &Context) -> Value {
    let views = visible_views(context);
    let (sent, asked, answers) = (sent(), asked(), answers());
    let refer = |names: &Map<String, Value>, channel: &str| -> Vec<Value> {
        let names = names.keys();
        names
            .map(|name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") }))
            .collect()
    };
    let messages = |of: &[&Map<String, Value>]| -> Map<String, Value> {
        let names = of.iter().flat_map(|names| names.keys());
        let refer = |name: &String| json!({ "$ref": format!("#/components/messages/{name}") });
        names.map(|name| (name.clone(), refer(name))).collect()
    };
    let all = sent.clone().into_iter().chain(asked.clone()).chain(answers.clone());
    let all: Map<String, Value> = all.collect();
    let told = [refer(&sent, "socket"), refer(&answers, "socket")].concat();
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Tickweave", "version": context.version },
        "channels": {
            "socket": { "address": "/ws", "messages": messages(&[&sent, &answers, &asked]) },
            "stream": { "address": "/stream", "messages": messages(&[&sent]) },
        },
        "operations": {
            "ask": {
                "action": "send", "channel": { "$ref": "#/channels/socket" }, "messages": refer(&asked, "socket")
            },
            "follow": {
                "action": "receive", "channel": { "$ref": "#/channels/socket" }, "messages": told
            },
            "stream": {
                "action": "receive", "channel": { "$ref": "#/channels/stream" }, "messages": refer(&sent, "stream")
            },
        },
        "components": { "messages": all, "schemas": schemas(&views) },
    })
}

/// Fields of an object, each with its schema; those with a name that ends in `?` may be absent.
fn object(fields: &[(&str, Value)]) -> Value {
    let required = fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?'));
    let properties =
        fields.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone()));
    json!({
        "type": "object",
        "required": required.collect::<Vec<_>>(),
        "properties": properties.collect::<Map<String, Value>>(),
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn whole() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn list() -> Value {
    json!({ "type": "array", "items": { "type": "object" } })
}

/// A message with its type, and these fields besides those that all of a subscription have.
fn message(kind: &str, doc: &str, more: &[(&str, Value)]) -> (String, Value) {
    let common = [
        ("type", json!({ "const": kind })),
        ("sub", text()),
        ("group?", text()),
        ("seq", whole()),
        ("frontier", reference("Frontier")),
    ];
    let fields: Vec<(&str, Value)> = common.into_iter().chain(more.iter().cloned()).collect();
    (kind.to_owned(), json!({ "name": kind, "summary": doc, "payload": object(&fields) }))
}

/// What the server sends about views.
fn sent() -> Map<String, Value> {
    let token = || ("resume", text());
    let maybe_token = || ("resume?", text());
    let truth = || json!({ "type": "boolean" });
    let snapshot = [("part", whole()), ("last", truth()), ("rows", list()), maybe_token()];
    let diffs =
        json!({ "type": "array", "items": { "type": "array", "minItems": 2, "maxItems": 2 } });
    let after = json!({ "type": ["integer", "null"] });
    let update =
        [("after", after), ("upserts?", list()), ("deletes?", list()), ("diffs?", diffs), token()];
    let resync = [("resumed", json!({ "const": false })), ("reason", text())];
    let closing = object(&[
        ("type", json!({ "const": "closing" })),
        ("code?", whole()),
        ("reason", text()),
        ("reconnect", truth()),
        ("reconnect_after_ms", json!({ "type": ["integer", "null"] })),
    ]);
    let closing =
        json!({ "name": "closing", "summary": "the connection ends", "payload": closing });
    Map::from_iter([
        message("snapshot", "rows at a frontier, in parts", &snapshot),
        message("update", "the net change since the message before", &update),
        message("progress", "nothing has changed up to a frontier", &[maybe_token()]),
        message(
            "resumed",
            "what was missed follows",
            &[("resumed", json!({ "const": true })), token()],
        ),
        message("cut", "all views of a group are of this commit", &[maybe_token()]),
        message("resync", "a snapshot follows, and why", &resync),
        ("closing".to_owned(), closing),
    ])
}

/// What the server says over `/ws` besides.
fn answers() -> Map<String, Value> {
    let answer = |kind: &str, name: &str, doc: &str, more: &[(&str, Value)]| {
        let common = [("type", json!({ "const": kind }))];
        let fields: Vec<(&str, Value)> = common.into_iter().chain(more.iter().cloned()).collect();
        (name.to_owned(), json!({ "name": name, "summary": doc, "payload": object(&fields) }))
    };
    let id = || ("id", json!({}));
    let names = || json!({ "type": "array", "items": text() });
    let welcome = [
        ("version", text()),
        ("run", text()),
        ("frontier", reference("Frontier")),
        ("ops", names()),
        ("limits", json!({ "type": "object" })),
    ];
    let subscribed = [
        id(),
        ("sub?", text()),
        ("view?", text()),
        ("key?", names()),
        ("group?", text()),
        ("members?", list()),
        ("subs", names()),
    ];
    let problem = [id(), ("problem", reference("Problem"))];
    Map::from_iter([
        answer("welcome", "welcome", "the first message", &welcome),
        answer("subscribed", "subscribed", "what begins, and all that is followed", &subscribed),
        answer(
            "unsubscribed",
            "unsubscribed",
            "what has ended",
            &[id(), ("sub", text()), ("subs", names())],
        ),
        answer(
            "credited",
            "credited",
            "more may be sent",
            &[id(), ("sub", text()), ("n", whole())],
        ),
        answer(
            "list",
            "listed",
            "what is followed, and could be",
            &[id(), ("subs", names()), ("views", names())],
        ),
        answer(
            "pong",
            "pong",
            "the present frontier",
            &[id(), ("frontier", reference("Frontier"))],
        ),
        answer("error", "error", "why a request was refused", &problem),
    ])
}

/// What a client sends over `/ws`.
fn asked() -> Map<String, Value> {
    let ask = |op: &str, name: &str, doc: &str, more: &[(&str, Value)]| {
        let common = [("op", json!({ "const": op })), ("id?", json!({}))];
        let fields: Vec<(&str, Value)> = common.into_iter().chain(more.iter().cloned()).collect();
        (name.to_owned(), json!({ "name": name, "summary": doc, "payload": object(&fields) }))
    };
    let one = [
        ("view", text()),
        ("sub?", text()),
        ("filter?", json!({ "type": "object" })),
        ("resume?", text()),
        ("credit?", whole()),
    ];
    let group = [("group", text()), ("subs", list()), ("resume?", text())];
    Map::from_iter([
        ask("subscribe", "subscribe", "follows a view", &one),
        ask("subscribe", "subscribe_group", "follows several views in one cut", &group),
        ask("unsubscribe", "unsubscribe", "ends a subscription or group", &[("sub", text())]),
        ask(
            "credit",
            "credit",
            "lets more messages with rows be sent",
            &[("sub", text()), ("n", whole())],
        ),
        ask("list", "list", "asks what is followed", &[]),
        ask("ping", "ping", "asks for a pong with the present frontier", &[]),
    ])
}
