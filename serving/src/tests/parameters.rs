//! Every endpoint parses its parameters as it declares them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Answer, Controlled, Server, app, process, rules, views};
use node_api::ingest::Keeping;

use crate::{CountRange, Endpoint, ParameterPlace, ParameterType, ROUTES, RouteParameter};

/// It reads a view of its own; paths with any view are asked of `candles`.
const EVENTS: &str = "/streaming/events";

/// All endpoints that answer plain requests: `/ws` and `/ws/streaming` speak WebSocket only.
fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    let all = ROUTES.iter().flat_map(|entry| entry.endpoints);
    all.filter(|endpoint| !endpoint.path.starts_with("/ws"))
}

fn of_place(
    endpoint: &Endpoint,
    place: ParameterPlace,
) -> impl Iterator<Item = &'static RouteParameter> + use<> {
    endpoint.parameters.iter().filter(move |parameter| parameter.place == place)
}

fn of_query(endpoint: &Endpoint) -> impl Iterator<Item = &'static RouteParameter> + use<> {
    of_place(endpoint, ParameterPlace::Query)
}

/// A server that takes rows, knows `a:B` and `a:C`, and ends subscriptions at once.
fn server() -> Server {
    let (mut server, _) = process::server();
    server.context.keeping = Keeping::Disk;
    server.context.closing = watch::channel(true).1;
    server.context.control = Arc::new(Controlled { has_state: true, ..Controlled::default() });
    for name in ["a:B", "a:C"] {
        server.context.catalog.resolve(name).unwrap();
    }
    rules::with_alerts(&mut server);
    server
}

/// The answer to a query beside what the endpoint requires; `header` replaces one of the request.
async fn ask(
    server: &Server,
    endpoint: &Endpoint,
    query: &str,
    header: Option<(&str, &str)>,
) -> Answer {
    let mut query = query.to_owned();
    for required in of_query(endpoint).filter(|parameter| parameter.required) {
        let name = required.name;
        if !query.starts_with(&format!("{name}=")) {
            query.push_str(&format!("&{name}={}", samples(required)[0]));
        }
    }
    if endpoint.path == "/v1/explain" {
        query.push_str(rest_of_key(&query));
    }
    let path = endpoint.path.replace("{symbol}", "a:B").replace("{view}", "candles");
    let path = path.replace("{problem}", "validation").replace("{file}", "main.js");
    let path = path.replace("{name}", "up");
    let method = endpoint.methods[0].as_str();
    let mut request = warp::test::request().method(method).path(&format!("{path}?{query}"));
    let has_body = ["POST", "PUT"].contains(&method);
    let content = has_body.then_some(("content-type", "application/json"));
    for (name, value) in content.filter(|_| header.is_none()).into_iter().chain(header) {
        request = request.header(name, value);
    }
    Answer(request.body(rules::body(endpoint.path)).reply(&app(&server.context)).await)
}

/// What a query lacks to name a row: a whole key, or the other columns of it.
fn rest_of_key(query: &str) -> &'static str {
    let has = |names: &[&str]| names.iter().any(|name| query.starts_with(&format!("{name}=")));
    match () {
        () if has(&["key"]) => "",
        () if has(&["symbol", "instrument"]) => "&open_time=2024-08-09T12:00:00Z",
        () if has(&["open_time"]) => "&symbol=a:B",
        () if has(&["timeframe", "tf"]) => "&symbol=a:B&open_time=2024-08-09T12:00:00Z",
        () if query.starts_with("view=positions") => "&key=p|a:B",
        () => "&key=a:B|1m|2024-08-09T12:00:00Z",
    }
}

/// Two possible values.
fn samples(parameter: &RouteParameter) -> [String; 2] {
    let [one, other] = match parameter.kind {
        ParameterType::Symbol => ["a:B", "a:C"],
        ParameterType::Timeframe => ["1m", "1h"],
        ParameterType::Time => ["2024-01-01T00:00:00Z", "1704110400s"],
        ParameterType::PastState => ["commit:3", "1704110400s"],
        ParameterType::MinFrontier => ["1", "beef-17"],
        ParameterType::Count(range) | ParameterType::Milliseconds(range) => {
            return [range.least, range.most].map(|number| number.to_string());
        }
        ParameterType::Word { words, .. } => [words[0], words[1]],
        ParameterType::Duration => ["36500d", "876000h"],
        ParameterType::Cursor => ["*", "*"],
        ParameterType::Name(what) if what.contains("`open_time`") => ["open_time", "-open_time"],
        ParameterType::Name(what) if what.contains("`trade`") => ["candles", "trade"],
        ParameterType::Name("a view that can be explained") => ["candles", "positions"],
        ParameterType::RowKey => ["a:B|1m|2024-08-09T12:00:00Z", "a:B|1m|2024-08-09T12:01:00Z"],
        ParameterType::Name("a view") => ["candles", "sources"],
        ParameterType::Name("`all`, or `source:` and a name") => ["all", "source:a"],
        ParameterType::Name("a type of rows") => ["trade", "fill"],
        ParameterType::Name("a scope of the key") => ["read", "ingest"],
        ParameterType::Name("an indicator that is computed") => ["sma20", "bb"],
        ParameterType::Name("an output of an indicator that is computed") => ["sma", "upper"],
        ParameterType::Columns => ["timeframe", "state"],
        ParameterType::ColumnText => ["open", "final"],
        ParameterType::Text | ParameterType::ResumeToken => ["x", "y"],
        other => panic!("write here which values {other:?} has"),
    };
    [one.to_owned(), other.to_owned()]
}

/// The name by which a query gives a parameter.
fn name(parameter: &RouteParameter) -> &'static str {
    match parameter.kind {
        ParameterType::ColumnText => "state",
        _ => parameter.name,
    }
}

/// A query that gives a parameter this value, and another one without which it is refused.
fn given(endpoint: &Endpoint, parameter: &RouteParameter, value: &str) -> String {
    let beside = match parameter.name {
        "wait_ms" if of_query(endpoint).any(|other| other.name == "wait") => "&wait=visible",
        "wait_ms" if of_query(endpoint).any(|other| other.name == "min_frontier") => {
            "&min_frontier=1"
        }
        _ => "",
    };
    format!("{}={value}{beside}", name(parameter))
}

/// The errors of an answer as pairs of pointer and code.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

#[test]
fn names_are_unique_and_paths_declare_their_segments() {
    for endpoint in ROUTES.iter().flat_map(|entry| entry.endpoints) {
        let segments = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{'));
        let segments: Vec<_> = segments.map(|part| part.trim_end_matches('}')).collect();
        let declared = of_place(endpoint, ParameterPlace::Path).map(|parameter| parameter.name);
        assert_eq!(declared.collect::<Vec<_>>(), segments, "{}", endpoint.path);
        let mut names = BTreeSet::new();
        for parameter in endpoint.parameters {
            assert!(parameter.doc.len() > 10, "{parameter:?}");
            for name in parameter.aliases.iter().chain([&parameter.name]) {
                let is_new = names.insert((parameter.place.name(), *name));
                assert!(is_new, "{} declares `{name}` twice", endpoint.path);
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused() {
    let server = server();
    let mut asked = 0;
    for endpoint in endpoints() {
        for parameter in of_query(endpoint) {
            let [one, other] = samples(parameter);
            for again in parameter.aliases.iter().copied().chain([name(parameter)]) {
                let query = format!("{}={one}&{again}={other}", name(parameter));
                let answer = ask(&server, endpoint, &query, None).await;
                assert_eq!(answer.status(), 400, "{} {query}", endpoint.path);
                let want = (format!("#/query/{again}"), "repeated".to_owned());
                let errors = errors(&answer);
                assert!(errors.contains(&want), "{} {query}: {errors:?}", endpoint.path);
                asked += 1;
            }
        }
    }
    assert!(asked > 50, "{asked}");
}

#[tokio::test]
async fn an_undeclared_parameter_is_refused_with_the_declared_ones() {
    let server = server();
    for endpoint in endpoints() {
        let answer = ask(&server, endpoint, "undeclared=1", None).await;
        assert_eq!(answer.status(), 400, "{}", endpoint.path);
        let (columns, own): (Vec<&RouteParameter>, Vec<&RouteParameter>) = of_query(endpoint)
            .partition(|parameter| matches!(parameter.kind, ParameterType::ColumnText));
        let mut known: Vec<&str> = own.iter().map(|parameter| parameter.name).collect();
        if !columns.is_empty() {
            let of_events = endpoint.path == EVENTS;
            let all = views::view(if of_events { "events" } else { "candles" })
                .columns
                .iter()
                .map(|column| column.name);
            known.extend(all.filter(|name| !own.iter().any(|one| one.is_named(name))));
        }
        let problem = answer.json();
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!("#/query/undeclared"), &json!("unknown"))
        );
        let allowed = if known.is_empty() { Value::Null } else { json!(known) };
        assert_eq!(error["allowed"], allowed, "{}", endpoint.path);
    }
}

/// A request may name thousands of things that there are not, and its answer is no longer than another.
#[tokio::test]
async fn so_many_errors_are_told_and_no_more() {
    let server = server();
    let names: Vec<String> = (0..5_000).map(|number| format!("n{number}")).collect();
    let values = format!("state={}", vec!["finl"; 900].join(","));
    for query in [names.join("&"), values, "a&".repeat(5_000)] {
        let answer = server.ask(&format!("/v1/views/candles?{query}")).await;
        assert_eq!(answer.status(), 400);
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap().len();
        assert_eq!(errors, 16, "{query:.40}");
        assert!(answer.text().len() < 100_000, "{} bytes", answer.text().len());
        assert!(problem["suggestions"].as_array().is_none_or(|all| all.len() <= 16));
    }
}

#[tokio::test]
async fn possible_values_are_taken_and_several_only_where_declared() {
    let server = server();
    for endpoint in endpoints() {
        // The view of this test has no portfolios, and its rows do not say their commit.
        let mut lacks = vec!["portfolio", "since"];
        if endpoint.path == EVENTS {
            lacks.push("sort"); // by commit, which other paths do not have
        }
        for parameter in of_query(endpoint).filter(|parameter| !lacks.contains(&parameter.name)) {
            let mut values = samples(parameter).to_vec();
            let both = values.join(",");
            if let ParameterType::Word { words, default } = parameter.kind {
                values.extend(words.iter().map(|&word| word.to_owned()));
                assert!(default.is_none_or(|default| words.contains(&default)), "{parameter:?}");
            }
            for value in values {
                let query = given(endpoint, parameter, &value);
                let answer = ask(&server, endpoint, &query, None).await;
                let is_taken = (200..300).contains(&answer.status());
                assert!(is_taken, "{} {query}: {}", endpoint.path, answer.text());
            }
            if parameter.kind == ParameterType::ResumeToken {
                continue; // whoever shows what is no token is told so in the answer, and begins anew
            }
            let query = given(endpoint, parameter, &both);
            let answer = ask(&server, endpoint, &query, None).await;
            let is_taken = (200..300).contains(&answer.status());
            assert_eq!(is_taken, parameter.several, "{} {query}", endpoint.path);
        }
    }
}

#[tokio::test]
async fn numbers_outside_their_bounds_are_refused_with_the_bounds() {
    let server = server();
    let mut asked = 0;
    for endpoint in endpoints() {
        for parameter in of_query(endpoint) {
            let (ParameterType::Count(range) | ParameterType::Milliseconds(range)) = parameter.kind
            else {
                continue;
            };
            let CountRange { least, most, default } = range;
            assert!((least..=most).contains(&default), "{parameter:?}");
            let mut outside = vec![(most + 1).to_string(), "-1".to_owned(), "x".to_owned()];
            outside.extend(least.checked_sub(1).map(|below| below.to_string()));
            for value in outside {
                let query = given(endpoint, parameter, &value);
                let answer = ask(&server, endpoint, &query, None).await;
                let problem = answer.json();
                let bounds = format!("{least} to {most}");
                assert_eq!(problem["errors"][0]["code"], "range", "{} {query}", endpoint.path);
                assert_eq!(problem["errors"][0]["allowed"], json!([bounds]));
                assert!(problem["detail"].as_str().unwrap().ends_with(&bounds), "{problem}");
                asked += 1;
            }
        }
    }
    assert!(asked > 20, "{asked}");
}

#[tokio::test]
async fn media_types_are_those_that_headers_declare() {
    let server = server();
    for endpoint in endpoints() {
        for header in of_place(endpoint, ParameterPlace::Header) {
            let ParameterType::MediaTypes(types) = header.kind else { continue };
            for media in types {
                let answer = ask(&server, endpoint, "", Some((header.name, media))).await;
                let is_taken = (200..300).contains(&answer.status());
                assert!(is_taken, "{} {media}: {}", endpoint.path, answer.text());
            }
            let answer = ask(&server, endpoint, "", Some((header.name, "image/png"))).await;
            assert!([406, 415].contains(&answer.status()), "{}", endpoint.path);
            let problem = answer.json();
            assert_eq!(problem["errors"][0]["allowed"], json!(types), "{}", endpoint.path);
            let pointer = format!("#/header/{}", header.name.to_lowercase());
            assert_eq!(problem["errors"][0]["pointer"], pointer);
        }
    }
}

#[tokio::test]
async fn the_index_lists_all_parameters() {
    let index = Server::new().ask("/").await.json();
    let links = index["links"].as_array().unwrap();
    for (link, endpoint) in links.iter().zip(ROUTES.iter().flat_map(|entry| entry.endpoints)) {
        let listed = link["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let listed: Vec<_> = listed.iter().map(|one| one["name"].as_str().unwrap()).collect();
        let declared: Vec<_> = endpoint.parameters.iter().map(|one| one.name).collect();
        assert_eq!((&link["path"], listed), (&json!(endpoint.path), declared));
    }
    let candles = links.iter().find(|link| link["path"] == "/v1/candles/{symbol}").unwrap();
    let parameters = candles["parameters"].as_array().unwrap();
    let named = |name: &str| parameters.iter().find(|one| one["name"] == name).unwrap();
    let limit = json!({
        "name": "limit", "in": "query", "type": "count", "least": 1, "most": 10_000, "default": 500,
        "several": false, "required": false, "doc": named("limit")["doc"],
    });
    assert_eq!(*named("limit"), limit);
    assert_eq!(named("fill")["values"], json!(["none", "previous", "prev"]));
    assert_eq!(named("fill")["default"], "none");
    assert_eq!(
        (&named("timeframe")["aliases"], &named("symbol")["in"]),
        (&json!(["tf"]), &json!("path"))
    );
}
