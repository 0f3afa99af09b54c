//! The OpenAPI 3.1 document.

use serde_json::{Map, Value, json};
use warp::http::Method;

use super::super::Endpoint;
use super::schemas::{reference, row_name, schemas, visible_views};
use crate::Context;
use crate::client::Access;
use crate::page::FILES;
use crate::parameter::{CountRange, ParameterPlace, ParameterType, RouteParameter};
use crate::problem::KINDS;

/// The document of these endpoints, as this process serves them.
pub(crate) fn openapi<'a>(
    context: &Context,
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let item = paths.entry(endpoint.path.to_owned()).or_insert_with(|| json!({}));
        for method in endpoint.methods {
            item[method.as_str().to_ascii_lowercase()] = operation(context, endpoint, method);
        }
    }
    let views = visible_views(context);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tickweave",
            "version": context.version,
            "description": "Views of a running job. Each answer says up to which commit it is complete; every error is a problem \
                            (RFC 9457). Subscriptions are described by /asyncapi.json.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(&views),
            "securitySchemes": {
                "key": {
                    "type": "http", "scheme": "bearer",
                    "description": "an API key, where the server has keys (`tickweave keys create`)",
                },
                "ticket": {
                    "type": "apiKey", "in": "query", "name": "ticket",
                    "description": "for browsers, which cannot send headers with every request: POST /v1/tickets",
                },
            },
        },
    })
}

fn operation(context: &Context, endpoint: &Endpoint, method: &Method) -> Value {
    let mut operation = json!({
        "operationId": operation_id(endpoint.path, method),
        "summary": endpoint.doc,
        "parameters": parameters(context, endpoint),
        "responses": responses(context, endpoint, method),
        // Where the server has no keys, none is needed.
        "security": match endpoint.access {
            Access::Open => json!([]),
            _ => json!([{ "key": [] }, { "ticket": [] }, {}]),
        },
        "x-needs": endpoint.access.name(),
    });
    if let Some(body) = endpoint.parameters.iter().find(|one| one.place == ParameterPlace::Body) {
        let types = media_types(endpoint, "Content-Type");
        let schema = |media: &str| match body.kind {
            ParameterType::JsonObject => json!({ "schema": { "type": "object" } }),
            _ => body_schema(media),
        };
        let content = types.iter().map(|media| ((*media).to_owned(), schema(media)));
        operation["requestBody"] = json!({
            "required": body.required,
            "description": body.doc,
            "content": content.collect::<Map<String, Value>>(),
        });
    }
    operation
}

/// `get_v1_views_view` of `GET /v1/views/{view}`.
fn operation_id(path: &str, method: &Method) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    let method = method.as_str().to_ascii_lowercase();
    if words.is_empty() {
        format!("{method}_index")
    } else {
        format!("{method}_{}", words.join("_"))
    }
}

/// What of a body a schema can say: rows are checked one by one, and refused rows are in the answer.
fn body_schema(media: &str) -> Value {
    let schema = match media {
        "application/json" => json!({ "type": "array", "items": { "type": "object" } }),
        _ => json!({ "type": "string" }),
    };
    json!({ "schema": schema })
}

/// The media types that a header of an endpoint may have.
fn media_types(endpoint: &Endpoint, header: &str) -> &'static [&'static str] {
    let found = endpoint.parameters.iter().find(|parameter| parameter.name == header);
    match found.map(|parameter| parameter.kind) {
        Some(ParameterType::MediaTypes(types)) => types,
        _ => &[],
    }
}

/// Headers that OpenAPI describes elsewhere, or that HTTP clients send by themselves, for what they can read.
const ELSEWHERE: [&str; 4] = ["Accept", "Accept-Encoding", "Content-Type", "Authorization"];

fn parameters(context: &Context, endpoint: &Endpoint) -> Vec<Value> {
    let own = endpoint.parameters.iter();
    let own = own.filter(|one| one.place != ParameterPlace::Body && !ELSEWHERE.contains(&one.name));
    own.map(|own| parameter(context, own)).collect()
}

fn parameter(context: &Context, parameter: &RouteParameter) -> Value {
    let RouteParameter { name, aliases, place, kind, several, required, doc } = *parameter;
    if kind == ParameterType::ColumnText {
        // Any column of the view is a parameter of its own.
        return json!({
            "name": "column", "in": "query", "required": false, "description": doc,
            "style": "form", "explode": true,
            "schema": { "type": "object", "additionalProperties": { "type": "string" } },
        });
    }
    let own = schema(context, kind);
    let schema = match several {
        true => json!({ "type": "array", "items": own, "minItems": 1 }),
        false => own,
    };
    let doc = match aliases {
        [] => doc.to_owned(),
        _ => format!("{doc} (also `{}`)", aliases.join("`, `")),
    };
    let mut described = json!({
        "name": name, "in": place.name(), "required": required, "description": doc, "schema": schema
    });
    if several && place == ParameterPlace::Query {
        (described["style"], described["explode"]) = ("form".into(), false.into());
    }
    described
}

/// The values of a parameter.
fn schema(context: &Context, kind: ParameterType) -> Value {
    match kind {
        ParameterType::Count(range) | ParameterType::Milliseconds(range) => {
            let CountRange { least, most, default } = range;
            json!({ "type": "integer", "minimum": least, "maximum": most, "default": default })
        }
        ParameterType::Word { words, default: Some(default) } => {
            json!({ "type": "string", "enum": words, "default": default })
        }
        ParameterType::Word { words, default: None } => json!({ "type": "string", "enum": words }),
        ParameterType::Timeframe => {
            let timeframes: Vec<String> =
                context.timeframes.iter().map(ToString::to_string).collect();
            json!({ "type": "string", "enum": timeframes })
        }
        ParameterType::Name("a view") => {
            json!({ "type": "string", "enum": context.view_names().collect::<Vec<_>>() })
        }
        ParameterType::Name("a file of the page") => {
            json!({ "type": "string", "enum": FILES.iter().map(|file| file.name).collect::<Vec<_>>() })
        }
        ParameterType::Name("a kind of error") => {
            json!({ "type": "string", "enum": KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>() })
        }
        ParameterType::Time => {
            json!({ "type": "string", "examples": ["2026-01-05T14:30:00Z", "1767623400s"] })
        }
        ParameterType::PastState => {
            json!({ "type": "string", "examples": ["2026-01-05T14:30:00Z", "commit:1234"] })
        }
        ParameterType::VisibleAscii(most) => {
            json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": "^[!-~]+$" })
        }
        _ => json!({ "type": "string" }),
    }
}

/// The answers: those that are no error, and one for all errors.
fn responses(context: &Context, endpoint: &Endpoint, method: &Method) -> Value {
    let problem = json!({
        "description": "an error",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let mut responses = Map::from_iter([("default".to_owned(), problem)]);
    for (status, content_types) in successes(endpoint, method) {
        let content = content_types.iter().map(|content_type| {
            let media = content_type.to_string();
            let schema = match *content_type {
                "application/json" | "application/health+json" => {
                    answer_schema(context, endpoint.path)
                }
                _ => json!({ "type": "string" }),
            };
            (media, json!({ "schema": schema }))
        });
        let content: Map<String, Value> = content.collect();
        let mut response = json!({ "description": endpoint.doc });
        if !content.is_empty() {
            response["content"] = content.into();
        }
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// The statuses of answers that are no error, each with the types of its content.
fn successes(endpoint: &Endpoint, method: &Method) -> Vec<(u16, Vec<&'static str>)> {
    let json = || vec!["application/json"];
    let is_cached = endpoint.parameters.iter().any(|one| one.kind == ParameterType::EntityTags);
    match (endpoint.path, media_types(endpoint, "Accept")) {
        ("/ws" | "/ws/streaming", _) => vec![(101, Vec::new())],
        ("/stream", _) => vec![(200, vec!["text/event-stream"])],
        ("/health" | "/streaming/health" | "/health/live" | "/health/ready", _) => {
            vec![(200, vec!["application/health+json"]), (503, vec!["application/health+json"])]
        }
        ("/page/{file}", _) => vec![(200, vec!["text/css", "text/javascript"])],
        ("/docs/problems" | "/docs/problems/{problem}", _) => vec![(200, vec!["text/plain"])],
        ("/docs", _) => vec![(200, vec!["text/html"])],
        ("/api/streaming/process", _) => vec![(202, json())],
        ("/v1/rules/{name}", _) if method == Method::PUT => vec![(200, json()), (201, json())],
        ("/v1/tickets", _) => vec![(201, json())],
        ("/streaming/drain", _) => vec![(202, json())],
        ("/streaming/control", _) => vec![(200, json()), (202, json())],
        (_, []) => vec![(200, json())],
        (_, types) if is_cached => vec![(200, types.to_vec()), (304, Vec::new())],
        (_, types) => vec![(200, types.to_vec())],
    }
}

/// What of an answer in JSON is the same for all of its path.
fn answer_schema(context: &Context, path: &str) -> Value {
    let rows = |list: &str, view: &str| {
        let visible = context.client.visible();
        let view = context.views.named(view).filter(|view| visible.has_view(view));
        let rows = view.map(|view| reference(&row_name(view)));
        let rows = rows.unwrap_or_else(|| json!({ "type": "object" }));
        let envelope = json!({
            "type": "object",
            "required": ["frontier", list, "more"],
            "properties": {
                "frontier": reference("Frontier"),
                (list): { "type": "array", "items": rows },
                "more": { "type": "boolean", "description": "whether `limit` left any out" },
            },
        });
        // The second with `shape=rows`.
        json!({ "anyOf": [envelope, { "type": "array", "items": rows }] })
    };
    match path {
        "/v1/views/{view}" | "/v1/latest" => rows("rows", ""),
        "/v1/candles/{symbol}" => rows("candles", "candles"),
        "/v1/indicators/{symbol}" => rows("indicators", "indicators"),
        "/v1/explain" => explanation(),
        _ => json!({ "type": "object" }),
    }
}

/// An explanation; its lists are as the view has them.
fn explanation() -> Value {
    let nullable = |kind: &str, doc: &str| json!({ "type": [kind, "null"], "description": doc });
    json!({
        "type": "object",
        "required": [
            "view", "key", "frontier", "through", "row", "complete", "from_commit", "why_incomplete", "adds_up",
            "sums", "removed", "more",
        ],
        "properties": {
            "view": { "type": "string" },
            "key": { "type": "string", "description": "the key of the row, its columns joined by `|`" },
            "frontier": reference("Frontier"),
            "through": nullable("integer", "the commit whose end the row shows"),
            "row": nullable("object", "the row, if there is one"),
            "complete": { "type": "boolean", "description": "whether the lists have all that is behind the row" },
            "from_commit": nullable("integer", "the first commit of which the log has records, if it begins late"),
            "why_incomplete": nullable("string", "why the lists may lack some"),
            "adds_up": nullable("boolean", "whether the listed records make exactly the row"),
            "sums": { "type": "object" },
            "removed": { "type": "array", "items": { "type": "object" } },
            "change": { "type": "object", "description": "what has changed since `vs`" },
            "more": { "type": "array", "items": { "type": "string" }, "description": "lists that `limit` cut off" },
        },
    })
}
