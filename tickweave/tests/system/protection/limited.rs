//! Keys that are limited to some views, symbols and portfolios: what they read, follow and send.

use std::io::Read;

use serde_json::{Value, json};

use super::{ask, begin, create, everything, post, run};
use crate::end_to_end::binary::{poll, tickweave};

const MORE: &str = "\
[http.limits]
request_burst = 100000
[[instrument]]
pattern = \"a:*\"
quote = \"USD\"
";

/// Trades of two instruments, and fills of them in two portfolios.
fn rows() -> String {
    let mut rows = Vec::new();
    for (number, (symbol, portfolio)) in
        [("a:SEEN", "mine"), ("a:HIDDEN", "theirs")].iter().enumerate()
    {
        for minute in 0..3 {
            let id = format!("{number}{minute}");
            let time = format!("2026-01-05T10:0{minute}:00Z");
            rows.push(json!({
                "type": "trade", "instrument": symbol, "id": id, "time": time, "price": "2", "quantity": "1"
            }));
            rows.push(json!({
                "type": "fill", "portfolio": portfolio, "instrument": symbol, "id": id, "time": time,
                "price": "2", "quantity": "1"
            }));
        }
        // One that is too odd to be taken: it is a dead letter.
        rows.push(json!({
            "type": "fill", "portfolio": portfolio, "instrument": symbol, "id": "bad", "time": "never",
            "price": "2", "quantity": "1"
        }));
    }
    Value::from(rows).to_string()
}

/// The views of which some row has this text.
fn naming(all: &[(String, Value)], text: &str) -> Vec<String> {
    let named = all.iter().filter(|(_, rows)| rows.to_string().contains(text));
    named.map(|(view, _)| view.clone()).collect()
}

#[test]
fn a_limited_key_reads_and_follows_what_it_may_see_and_sends_what_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = create(folder, &["--scopes", "read,ingest"]);
    let symbol = create(folder, &["--scopes", "read,ingest", "--symbol", "a:SEEN"]);
    let portfolio = create(folder, &["--scopes", "read,ingest", "--portfolio", "mine"]);
    let view = create(folder, &["--scopes", "read", "--view", "candles"]);
    let (going, address) = run(folder, MORE, &[]);
    let posted = post(address, &all, &rows());
    assert_eq!((posted.status, &posted.json()["rejected"]), (202, &json!(2)), "{posted:?}");

    let is_valued = |all: &Vec<(String, Value)>| {
        let views = naming(all, "theirs");
        ["positions", "portfolios", "dead_letters"]
            .iter()
            .all(|view| views.iter().any(|own| own == view))
    };
    let seen = poll(
        || Some(everything(address, &all)).filter(is_valued),
        || format!("portfolios are valued: {:?}", naming(&everything(address, &all), "theirs")),
    );
    for text in ["a:HIDDEN", "a:SEEN", "mine"] {
        assert!(naming(&seen, text).len() >= 3, "{text}: {seen:?}");
    }
    let of_symbol = everything(address, &symbol);
    assert_eq!(naming(&of_symbol, "HIDDEN"), [""; 0]);
    assert!(naming(&of_symbol, "a:SEEN").contains(&"trades".to_owned()));
    let of_portfolio = everything(address, &portfolio);
    assert_eq!(naming(&of_portfolio, "theirs"), [""; 0]);
    assert!(naming(&of_portfolio, "mine").contains(&"positions".to_owned()));
    assert!(naming(&of_portfolio, "a:HIDDEN").contains(&"candles".to_owned()), "of the market all");
    let of_view = everything(address, &view);
    assert_eq!(of_view.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["candles"]);

    // What is followed is limited alike, also if others follow the same.
    for (key, hidden) in [(&all, false), (&symbol, true), (&all, false)] {
        let mut stream = begin(address, key, "GET /stream?view=candles,trades");
        let mut text = String::new();
        let mut part = [0; 4096];
        while text.matches("\"last\":true").count() < 2 {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        assert!(text.contains("a:SEEN"), "{text}");
        assert_eq!(!text.contains("HIDDEN"), hidden, "{text}");
    }

    // A key sends rows of its own only, all of a body or none.
    let trade = |symbol: &str| {
        let time = "2026-01-05T10:05:00Z";
        json!({ "type": "trade", "instrument": symbol, "id": "x", "time": time, "price": "2", "quantity": "1" })
    };
    let odd = |symbol: &str| json!({ "type": "trade", "instrument": symbol, "price": "much" });
    let fill = |portfolio: &str, kind: &str| {
        let time = "2026-01-05T10:05:00Z";
        json!({ "type": kind, "portfolio": portfolio, "instrument": "a:SEEN", "id": "x", "time": time,
                "price": "2", "quantity": "1" })
    };
    for (key, rows, status) in [
        (&symbol, vec![trade("a:SEEN")], 202),
        (&symbol, vec![trade("a:SEEN"), trade("a:HIDDEN")], 403),
        // What cannot be read is refused without a reason, unless it names what the key is for.
        (&symbol, vec![odd("a:SEEN")], 422),
        (&symbol, vec![odd("a:HIDDEN")], 403),
        (&symbol, vec![json!({ "type": "trade" })], 403),
        (&symbol, vec![fill("theirs", "fill")], 202),
        // The fill that is corrected or busted may be of any instrument.
        (&symbol, vec![fill("mine", "fill_correct")], 403),
        (&symbol, vec![json!({ "type": "bust", "portfolio": "mine", "id": "x" })], 403),
        (&portfolio, vec![trade("a:HIDDEN")], 202),
        (&portfolio, vec![fill("mine", "fill")], 202),
        (&portfolio, vec![fill("theirs", "fill")], 403),
        (&portfolio, vec![fill("theirs", "fill_correct")], 403),
        (&portfolio, vec![json!({ "type": "bust", "portfolio": "theirs", "id": "x" })], 403),
    ] {
        let answer = post(address, key, &Value::from(rows.clone()).to_string());
        assert_eq!(answer.status, status, "{rows:?}: {answer:?}");
    }
    assert_eq!(ask(address, &symbol, "GET /metrics", None).status, 403);

    // Keys of requests are of those who send them: by name, so that a key that replaces another may send again.
    let other = tickweave(folder, &["keys", "create", "--name", "other", "--scopes", "ingest"]);
    let other = other.out.trim().to_owned();
    let rows = Value::from(vec![trade("a:SEEN")]).to_string();
    for (key, is_replayed) in [(&all, false), (&all, true), (&symbol, true), (&other, false)] {
        let with_key = format!("{key}\r\nIdempotency-Key: order-1");
        let sent = || {
            let answer = ask(address, &with_key, "POST /api/streaming/process", Some(&rows));
            Some(answer).filter(|answer| answer.status != 401)
        };
        let answer = poll(sent, || "the key counts".to_owned());
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.headers.contains_key("idempotency-replayed"), is_replayed, "{answer:?}");
    }
    going.signal("INT");
    assert_eq!(going.end().code, Some(0));
}
