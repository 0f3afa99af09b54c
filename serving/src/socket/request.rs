//! Requests of a client over a WebSocket. Pure: text in, request out.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};
use crate::query::shown;
use crate::subscribe::{RESUME, VIEW};
use rows::View;

/// A request.
#[derive(Debug)]
pub(super) enum ClientRequest {
    /// Subscribes to a view.
    Subscribe(Member),
    /// Subscribes to several views in one cut.
    SubscribeGroup {
        /// The client's name of the group.
        group: Arc<str>,
        /// At least one, at most [`MEMBERS_MAX`].
        members: Vec<Member>,
        /// The token of a cut.
        resume: Option<String>,
    },
    /// Lets more messages with rows be sent.
    Credit {
        /// The client's name of the subscription.
        sub: Arc<str>,
        /// How many.
        messages: u64,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The client's name of the subscription.
        sub: Arc<str>,
    },
    /// Lists the subscriptions and the views.
    List,
    /// Asks for a pong with the present frontier.
    Ping,
}

/// A view that a client wants to follow.
#[derive(Debug)]
pub(super) struct Member {
    /// The client's name of the subscription.
    pub(super) sub: Arc<str>,
    /// The view.
    pub(super) view: &'static View,
    /// Filters and options, as in the query of `/stream`: [`SUBSCRIPTION`](crate::subscribe::SUBSCRIPTION).
    pub(super) pairs: Vec<(String, String)>,
    /// So many messages with rows may be sent at first.
    pub(super) credit: Option<u64>,
}

/// The operations.
pub(super) const OPS: [&str; 5] = ["subscribe", "unsubscribe", "credit", "list", "ping"];

/// The most views of a group.
pub(super) const MEMBERS_MAX: usize = 16;
/// The most messages that a client allows at a time.
const CREDIT_MAX: u64 = 1_000_000;

/// The most bytes of a subscription's name.
const SUB_MAX: usize = 128;

/// Finds the view of a name; the error lists the possible names.
pub(super) type ViewByName<'a> = &'a dyn Fn(&str) -> Result<&'static View, Problem>;

/// Parses a message. Its `id` (null without one) is returned also if the rest is wrong.
pub(super) fn read(text: &str, view: ViewByName<'_>) -> (Value, Result<ClientRequest, Problem>) {
    let mut object = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (Value::Null, Err(wrong("", "the message is no JSON object".to_owned()))),
        Err(error) => {
            return (Value::Null, Err(wrong("", format!("the message is no JSON: {error}"))));
        }
    };
    let id = object.remove("id").unwrap_or(Value::Null);
    (id, parse(object, view))
}

fn parse(mut object: Map<String, Value>, view: ViewByName<'_>) -> Result<ClientRequest, Problem> {
    let op = text(&mut object, "op")?;
    match op.as_str() {
        "subscribe" if object.contains_key("group") => group(object, view),
        "subscribe" => member(object, view).map(ClientRequest::Subscribe),
        "credit" => {
            let messages = credit(&mut object, "n")?;
            let absent = || wrong("n", format!("`n` is absent: from 1 to {CREDIT_MAX}"));
            Ok(ClientRequest::Credit {
                sub: text(&mut object, "sub")?.into(),
                messages: messages.ok_or_else(absent)?,
            })
        }
        "unsubscribe" => Ok(ClientRequest::Unsubscribe { sub: text(&mut object, "sub")?.into() }),
        "list" => Ok(ClientRequest::List),
        "ping" => Ok(ClientRequest::Ping),
        _ => {
            let detail = format!("`{}` is not one of {}", shown(&op), OPS.join(", "));
            let allowed = OPS.map(str::to_owned).to_vec();
            let pointer = "#/op".to_owned();
            Err(Problem::invalid(vec![FieldError { pointer, code: "enum", detail, allowed }]))
        }
    }
}

/// One view.
fn member(mut object: Map<String, Value>, view: ViewByName<'_>) -> Result<Member, Problem> {
    let name = text(&mut object, VIEW.name)?;
    let view = view(&name)?;
    let sub = match object.contains_key("sub") {
        true => named(&mut object, "sub")?,
        false => name.into(),
    };
    let credit = credit(&mut object, "credit")?;
    let filter = match object.remove("filter") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(filter)) => filter,
        Some(_) => return Err(wrong("filter", "is no JSON object".to_owned())),
    };
    let pairs = object.into_iter().chain(filter).filter(|(_, value)| !value.is_null());
    let pairs = pairs.map(|(name, value)| plain(&name, &value).map(|text| (name, text)));
    Ok(Member { sub, view, pairs: pairs.collect::<Result<_, _>>()?, credit })
}

/// Several views in one cut: `subs` has an object for each.
fn group(mut object: Map<String, Value>, view: ViewByName<'_>) -> Result<ClientRequest, Problem> {
    let group = named(&mut object, "group")?;
    let resume = match object.remove("resume") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(token),
        Some(_) => return Err(wrong("resume", "`resume` is no text".to_owned())),
    };
    let Some(Value::Array(subs)) = object.remove("subs") else {
        return Err(wrong("subs", "`subs` is no list: it has an object for each view".to_owned()));
    };
    if subs.is_empty() || subs.len() > MEMBERS_MAX {
        let detail = format!("a group has 1 to {MEMBERS_MAX} views, and this {}", subs.len());
        return Err(wrong("subs", detail));
    }
    if let Some(unknown) = object.keys().next() {
        let detail =
            format!("`{}` is not known of a group (known: group, subs, resume)", shown(unknown));
        return Err(wrong(unknown, detail));
    }
    let mut members: Vec<Member> = Vec::with_capacity(subs.len());
    for sub in subs {
        let Value::Object(sub) = sub else {
            return Err(wrong("subs", "a view of a group is no JSON object".to_owned()));
        };
        let member = member(sub, view)?;
        if member.credit.is_some() {
            return Err(wrong("credit", "a view of a group has no credit of its own".to_owned()));
        }
        if member.pairs.iter().any(|(name, _)| RESUME.is_named(name)) {
            return Err(wrong("resume", "a group has one token, beside `group`".to_owned()));
        }
        if members.iter().any(|known| known.sub == member.sub) {
            return Err(wrong("sub", format!("`{}` is there twice", shown(&member.sub))));
        }
        members.push(member);
    }
    Ok(ClientRequest::SubscribeGroup { group, members, resume })
}

/// The client's name of a subscription or group.
fn named(object: &mut Map<String, Value>, field: &str) -> Result<Arc<str>, Problem> {
    let name = text(object, field)?;
    match name.len() > SUB_MAX {
        true => Err(wrong(field, format!("is longer than {SUB_MAX} bytes"))),
        false => Ok(name.into()),
    }
}

/// How many messages with rows may be sent, if that is said.
fn credit(object: &mut Map<String, Value>, field: &str) -> Result<Option<u64>, Problem> {
    let value = match object.remove(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_u64().filter(|messages| (1..=CREDIT_MAX).contains(messages)) {
        Some(messages) => Ok(Some(messages)),
        None => Err(wrong(field, format!("`{field}` is no whole number from 1 to {CREDIT_MAX}"))),
    }
}

/// A required text field.
fn text(object: &mut Map<String, Value>, name: &str) -> Result<String, Problem> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(name, format!("`{name}` is no text"))),
        None => Err(wrong(name, format!("`{name}` is absent"))),
    }
}

/// A value as in a query string; the values of a list are joined by commas.
fn plain(name: &str, value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Array(values) if values.iter().all(|value| !value.is_array()) => {
            let values = values.iter().map(|value| plain(name, value));
            Ok(values.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        _ => Err(wrong(name, format!("`{name}` is neither a value nor a list of values"))),
    }
}

/// An error of a field.
pub(super) fn wrong(field: &str, detail: String) -> Problem {
    let pointer = format!("#/{field}");
    Problem::invalid(vec![FieldError { pointer, code: "format", detail, allowed: Vec::new() }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rows::{CandleRow, Row, ViewKind};

    static CANDLES: View = View {
        name: "candles",
        kind: ViewKind::Keyed,
        columns: CandleRow::COLUMNS,
        doc: "",
        history: false,
        recorded: false,
    };

    fn read(text: &str) -> (Value, Result<ClientRequest, Problem>) {
        super::read(text, &|name| match name {
            "candles" => Ok(&CANDLES),
            _ => Err(wrong("view", format!("no view is named `{name}`"))),
        })
    }

    #[test]
    fn lists_and_values_become_pairs() {
        let (id, request) = read(
            r#"{"op":"subscribe","id":7,"view":"candles","sub":"c1","conflate_ms":100,"snapshot":false,
                "filter":{"symbol":["a:X","a:Y"],"timeframe":"1m","state":null}}"#,
        );
        let Ok(ClientRequest::Subscribe(Member { sub, view, mut pairs, credit })) = request else {
            panic!("{request:?}")
        };
        assert_eq!((id, &*sub, view.name, credit), (Value::from(7), "c1", "candles", None));
        pairs.sort();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let want = [
            ("conflate_ms", "100"),
            ("snapshot", "false"),
            ("symbol", "a:X,a:Y"),
            ("timeframe", "1m"),
        ];
        assert_eq!(pairs, want);
    }

    #[test]
    fn errors_of_requests_keep_the_id() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"op":1}"#,
            r#"{"op":"shout"}"#,
            r#"{"op":"subscribe"}"#,
            r#"{"op":"subscribe","view":"cnadles"}"#,
            r#"{"op":"subscribe","view":"candles","filter":[]}"#,
            r#"{"op":"subscribe","view":"candles","symbol":{"a":1}}"#,
            r#"{"op":"unsubscribe"}"#,
            r#"{"op":"credit","sub":"a"}"#,
            r#"{"op":"credit","sub":"a","n":0}"#,
            r#"{"op":"subscribe","view":"candles","credit":1.5}"#,
            r#"{"op":"subscribe","group":"g"}"#,
            r#"{"op":"subscribe","group":"g","subs":[]}"#,
            r#"{"op":"subscribe","group":"g","subs":[1]}"#,
            r#"{"op":"subscribe","group":"g","subs":[{"view":"candles"},{"view":"candles"}]}"#,
            r#"{"op":"subscribe","group":"g","subs":[{"view":"candles","credit":3}]}"#,
            r#"{"op":"subscribe","group":"g","subs":[{"view":"candles","resume":"x"}]}"#,
            r#"{"op":"subscribe","group":"g","subs":[{"view":"candles"}],"view":"candles"}"#,
        ] {
            assert!(read(text).1.is_err(), "{text}");
        }
        assert_eq!(read(r#"{"op":"shout","id":"x"}"#).0, Value::from("x"));
    }
}
