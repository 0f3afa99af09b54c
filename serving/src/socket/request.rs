//! Requests of a client over a WebSocket. Pure: text in, request out.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};
use crate::query::shown;
use crate::subscribe::VIEW;
use rows::View;

/// A request.
#[derive(Debug)]
pub(super) enum ClientRequest {
    /// Subscribes to a view.
    Subscribe {
        /// The client's name of the subscription.
        sub: Arc<str>,
        /// The view.
        view: &'static View,
        /// Filters and options, as in the query of `/stream`: [`SUBSCRIPTION`](crate::subscribe::SUBSCRIPTION).
        pairs: Vec<(String, String)>,
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

/// The operations.
pub(super) const OPS: [&str; 4] = ["subscribe", "unsubscribe", "list", "ping"];

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
        "subscribe" => {
            let name = text(&mut object, VIEW.name)?;
            let view = view(&name)?;
            let sub = match object.contains_key("sub") {
                true => text(&mut object, "sub")?,
                false => name,
            };
            if sub.len() > SUB_MAX {
                return Err(wrong("sub", format!("is longer than {SUB_MAX} bytes")));
            }
            let filter = match object.remove("filter") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(filter)) => filter,
                Some(_) => return Err(wrong("filter", "is no JSON object".to_owned())),
            };
            let pairs = object.into_iter().chain(filter).filter(|(_, value)| !value.is_null());
            let pairs = pairs.map(|(name, value)| plain(&name, &value).map(|text| (name, text)));
            Ok(ClientRequest::Subscribe {
                sub: sub.into(),
                view,
                pairs: pairs.collect::<Result<_, _>>()?,
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
        let Ok(ClientRequest::Subscribe { sub, view, mut pairs }) = request else {
            panic!("{request:?}")
        };
        assert_eq!((id, &*sub, view.name), (Value::from(7), "c1", "candles"));
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
        ] {
            assert!(read(text).1.is_err(), "{text}");
        }
        assert_eq!(read(r#"{"op":"shout","id":"x"}"#).0, Value::from("x"));
    }
}
