//! The OpenAPI document is true: every route is in it as it is declared, and every answer is one that it describes.

use std::collections::BTreeSet;

use serde_json::Value;
use warp::http::Method;

use super::{Answer, Server, app, process, rules};
use crate::page::{DOCS, FILES};
use crate::{ParameterPlace, ParameterType, ROUTES};

async fn document(server: &Server) -> Value {
    server.ask("/openapi.json").await.json()
}

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let server = Server::new();
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for endpoint in ROUTES.iter().flat_map(|entry| entry.endpoints) {
        paths.insert(endpoint.path);
        for method in endpoint.methods {
            let described = &document["paths"][endpoint.path][method.as_str().to_ascii_lowercase()];
            assert_eq!(described["summary"], endpoint.doc, "{}", endpoint.path);
            assert!(ids.insert(described["operationId"].as_str().unwrap().to_owned()));
            for parameter in endpoint.parameters {
                if ["Accept", "Accept-Encoding", "Content-Type"].contains(&parameter.name) {
                    continue;
                }
                if parameter.place == ParameterPlace::Body {
                    assert_eq!(described["requestBody"]["description"], parameter.doc);
                    continue;
                }
                let name = if parameter.name == "{column}" { "column" } else { parameter.name };
                let all = described["parameters"].as_array().unwrap();
                let found = all
                    .iter()
                    .find(|one| one["name"] == name && one["in"] == parameter.place.name());
                assert!(found.is_some(), "{}: {name}", endpoint.path);
            }
        }
    }
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, paths);
    for view in server.context.views.views {
        let name = view.name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        let name = name.collect::<String>() + "Row";
        let properties = &document["components"]["schemas"][name]["properties"];
        assert!(view.columns.iter().all(|column| properties[column.name].is_object()), "{view:?}");
    }
}

/// All references lead somewhere.
#[tokio::test]
async fn references_are_resolved() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").map(|to| to.as_str().unwrap().to_owned()));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let server = Server::new();
    for path in ["/openapi.json", "/asyncapi.json"] {
        let document = server.ask(path).await.json();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 5, "{found:?}");
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{path}: {to}");
        }
    }
}

/// The answer of each endpoint that answers plain requests has a status and a type that the document has for it.
#[tokio::test]
async fn answers_are_as_described() {
    let (mut server, _) = process::server();
    server.context.closing = tokio::sync::watch::channel(true).1;
    server.context.catalog.resolve("a:B").unwrap();
    rules::with_alerts(&mut server);
    let document = document(&server).await;
    let app = app(&server.context);
    for endpoint in ROUTES.iter().flat_map(|entry| entry.endpoints) {
        let path = endpoint.path.replace("{operation}", "1");
        let path = path.replace("{symbol}", "a:B").replace("{view}", "candles");
        let path = path.replace("{problem}", "validation").replace("{file}", "main.js");
        let path = path.replace("{name}", "up");
        let required = endpoint.parameters.iter().filter(|parameter| parameter.required);
        let query = required.filter(|parameter| parameter.place == ParameterPlace::Query);
        let value = |kind| match kind {
            ParameterType::Word { words, .. } => words[0],
            _ => "candles",
        };
        let query = query.map(|one| format!("{}={}", one.name, value(one.kind)));
        let mut query: Vec<String> = query.collect();
        if endpoint.path == "/v1/explain" {
            query.push("key=a:B|1m|2024-08-09T12:00:00Z".to_owned()); // or its columns by themselves
        }
        for (query, is_right) in [(query.join("&"), true), ("wrong=1".to_owned(), false)] {
            for method in endpoint.methods {
                if endpoint.path.starts_with("/ws") && is_right {
                    continue;
                }
                let request = warp::test::request().method(method.as_str());
                let mut request = request.path(&format!("{path}?{query}"));
                if method == Method::POST || method == Method::PUT {
                    request = request.header("content-type", "application/json");
                    request = request.body(rules::body(endpoint.path));
                }
                let answer = Answer(request.reply(&app).await);
                let status = answer.status();
                let of = &document["paths"][endpoint.path][method.as_str().to_ascii_lowercase()];
                let responses = &of["responses"];
                let described = match &responses[status.to_string()] {
                    Value::Null => &responses["default"],
                    described => described,
                };
                assert_eq!(status < 400, is_right, "{} {query}: {}", endpoint.path, answer.text());
                assert!(status >= 400 || responses[status.to_string()].is_object(), "{status}");
                let media = answer.0.headers()["content-type"].to_str().unwrap();
                let media = media.split(';').next().unwrap();
                let types = described["content"].as_object().unwrap();
                assert!(types.contains_key(media), "{method} {}: {media}", endpoint.path);
            }
        }
    }
}

/// What the page of the interface loads is there, and all that it loads is ours.
#[tokio::test]
async fn the_page_of_the_interface_is_whole() {
    let server = Server::new();
    let answer = server.ask("/docs").await;
    assert_eq!((answer.status(), answer.text()), (200, DOCS));
    for file in ["docs.css", "docs.js"] {
        assert!(DOCS.contains(&format!("\"/page/{file}\"")));
        assert!(FILES.iter().any(|known| known.name == file));
    }
    assert!(!DOCS.contains("http:") && !DOCS.contains("https:"));
}
