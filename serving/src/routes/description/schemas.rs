//! JSON schemas of what is sent: rows of views, frontiers, errors.

use serde_json::{Map, Value, json};

use crate::Context;
use crate::problem::KINDS;
use rows::{Column, ColumnType, View};

/// All schemas, by name.
pub(super) fn schemas(views: &[&View]) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("Frontier".to_owned(), frontier());
    all.insert("Problem".to_owned(), problem());
    for view in views {
        all.insert(row_name(view), row(view));
    }
    all
}

/// The views that the client may see.
pub(super) fn visible_views(context: &Context) -> Vec<&'static View> {
    let visible = context.client.visible();
    context.views.views.iter().filter(|view| visible.has_view(view)).collect()
}

/// A reference to one of them.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The name of the schema of a view's rows: `CandlesRow`.
pub(super) fn row_name(view: &View) -> String {
    let words = view.name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.chain(["Row".to_owned()]).collect()
}

fn frontier() -> Value {
    json!({
        "type": "object",
        "description": "the point up to which an answer is complete",
        "required": ["run", "commit", "at"],
        "properties": {
            "run": { "type": "string", "description": "the start of the process that counts the commits" },
            "commit": { "type": ["integer", "null"], "minimum": 0, "description": "none before the first" },
            "at": { "type": ["string", "null"], "description": "the system time of the commit, RFC 3339" },
        },
    })
}

fn problem() -> Value {
    let types: Vec<String> =
        KINDS.iter().map(|kind| format!("/docs/problems/{}", kind.name)).collect();
    let strings = json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "type": "object",
        "description": "an error (RFC 9457); `type` leads to what can be done about it",
        "required": ["type", "title", "status", "detail", "code", "retryable"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "code": { "type": "string" },
            "retryable": { "type": "boolean", "description": "whether the same request may succeed later" },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": { "type": "string" },
                        "code": { "type": "string" },
                        "detail": { "type": "string" },
                        "allowed": strings,
                    },
                },
            },
            "suggestions": strings,
            "routes": strings,
        },
    })
}

/// A row of a view. `fields` may leave out all columns but those of the key.
fn row(view: &View) -> Value {
    let keys = view.columns.iter().filter(|column| column.is_key).map(|column| column.name);
    let properties = view.columns.iter().map(|column| (column.name.to_owned(), cell(column)));
    json!({
        "type": "object",
        "description": view.doc,
        "required": keys.collect::<Vec<_>>(),
        "properties": properties.collect::<Map<String, Value>>(),
    })
}

/// A cell. Decimals are exact: numbers, or strings with `numbers=string`.
fn cell(column: &Column) -> Value {
    let mut kinds = match column.column_type {
        ColumnType::Unsigned => vec!["integer"],
        ColumnType::Number => vec!["number", "string"],
        ColumnType::Decimal(_) => vec!["number", "string"],
        _ => vec!["string"],
    };
    if column.is_nullable {
        kinds.push("null");
    }
    let mut schema = json!({ "type": kinds, "description": column.doc });
    if let ColumnType::Word(words) = column.column_type {
        let words = words.iter().map(|word| json!(word));
        let null = column.is_nullable.then_some(Value::Null);
        schema["enum"] = words.chain(null).collect();
    }
    schema
}
