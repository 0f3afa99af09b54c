//! The page: who gets it, what it may do, and that it is all there.

use super::Server;
use crate::page::{FILES, PAGE};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

#[tokio::test]
async fn browsers_get_the_page_and_all_others_the_index() {
    let server = Server::new();
    for (accept, path, page) in [
        (BROWSER, "/", true),
        ("text/html", "/", true),
        ("*/*", "/", false),
        ("application/json", "/", false),
        ("application/json, text/plain, */*", "/", false),
        (BROWSER, "/?format=json", false),
        ("*/*", "/?format=html", true),
    ] {
        let answer = server.ask_with("GET", path, &[("accept", accept)]).await;
        let kind = if page { "text/html; charset=utf-8" } else { "application/json" };
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (200, kind),
            "{accept} {path}"
        );
        assert_eq!(answer.header("vary"), "accept");
    }
    assert_eq!(server.ask("/").await.json()["name"], "tickweave");
    assert_eq!(server.ask_with("GET", "/", &[("accept", "image/png")]).await.status(), 406);
    assert_eq!(server.ask("/?format=xml").await.json()["code"], "validation.format");
}

#[tokio::test]
async fn the_page_loads_and_runs_nothing_but_its_own_files() {
    let server = Server::new();
    let headers = [("accept", BROWSER), ("host", "127.0.0.1:8080")];
    let page = server.ask_with("GET", "/", &headers).await;
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let odd = [("accept", BROWSER), ("host", "a;script-src *")];
    let odd = server.ask_with("GET", "/", &odd).await;
    assert!(!odd.header("content-security-policy").contains('*'));
    for text in FILES.iter().map(|file| file.text).chain([PAGE]) {
        assert!(!text.contains("https://"), "the page needs nobody else");
        assert!(!text.contains("style=\"") && !text.contains("onclick=\""), "it would be refused");
    }
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there() {
    let server = Server::new();
    let quoted = |text: &str, before: &str| -> Vec<String> {
        let found = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        found.map(str::to_owned).collect()
    };
    let mut named = quoted(PAGE, "\"/page/");
    assert!(named.len() >= 2, "{named:?}");
    for file in FILES {
        named.extend(quoted(file.text, "from \"./"));
    }
    for name in named {
        let answer = server.ask(&format!("/page/{name}")).await;
        assert_eq!(answer.status(), 200, "{name}");
        let kind = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert!(answer.header("content-type").starts_with(kind), "{name}");
    }
    let answer = server.ask("/page/man.js").await;
    assert_eq!((answer.status(), &answer.json()["suggestions"][0]), (404, &"main.js".into()));
}

#[tokio::test]
async fn symbols_are_listed_by_name() {
    let server = Server::new();
    for name in ["us:B", "a:B", "us:A"] {
        server.context.catalog.resolve(name).unwrap();
    }
    let all = server.ask("/v1/symbols").await.json();
    let names: Vec<_> = all["symbols"].as_array().unwrap().iter().map(|s| &s["symbol"]).collect();
    assert_eq!(names, ["a:B", "us:A", "us:B"]);
    assert_eq!(all["timeframes"], serde_json::json!(["1m", "1h", "4h", "1d"]));
    let us = &all["symbols"][1];
    assert_eq!((us["price_decimals"].as_u64(), us["size_decimals"].as_u64()), (Some(2), Some(0)));
    let two = server.ask("/v1/symbols?limit=2").await.json();
    assert_eq!((two["symbols"].as_array().unwrap().len(), &two["more"]), (2, &true.into()));
    assert_eq!(all["more"], false);
}
