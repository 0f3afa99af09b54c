//! `/streaming/events`: conditions on rows of a log; and `/stream` for `EventSource`.

use node_api::{RowLimits, Scope};
use rows::Cell;
use serde_json::{Value, json};

use super::{Server, time};

/// Five events: two trades, a cancel without a time, an alert, an incident of no instrument.
fn server() -> Server {
    let server = Server::new();
    let [b, c] = ["us:B", "us:C"].map(|name| server.context.catalog.resolve(name).unwrap().id);
    let price = |mantissa: i128| Cell::Decimal { mantissa, scale: 2 };
    let at = |text: &str| Cell::Time(time(text));
    let source = |name: &str| Cell::Text(name.to_owned());
    let event = |commit, kind, of, time, price, source| {
        let (timeframe, state) = (Cell::Null, Cell::Null);
        vec![Cell::Unsigned(commit), Cell::Word(kind), of, timeframe, state, time, price, source]
    };
    let (b, c, none) = (Cell::Instrument(b), Cell::Instrument(c), || Cell::Null);
    let rows = vec![
        event(3, "trade", b.clone(), at("2024-08-09T12:00:00Z"), price(1_050), source("x")),
        event(4, "trade", c, at("2024-08-09T12:00:01Z"), price(99), source("y")),
        event(4, "cancel", b.clone(), none(), none(), source("x")),
        event(5, "alert", b, at("2024-08-09T12:00:00Z"), price(1_051), none()),
        event(6, "incident", none(), none(), none(), source("y")),
    ];
    server.rows.others.lock().unwrap().insert("events", rows);
    server
}

/// The commit and type of each event.
async fn asked(query: &str) -> Vec<String> {
    let answer = server().ask(&format!("/streaming/events?cursor=*&{query}")).await;
    let json = answer.json();
    assert_eq!(answer.status(), 200, "{query}: {json}");
    assert_eq!(json["view"], "events");
    let rows = json["rows"].as_array().unwrap();
    let text = |row: &Value| format!("{} {}", row["commit"], row["type"].as_str().unwrap());
    rows.iter().map(text).collect()
}

#[tokio::test]
async fn events_are_selected_by_type_instrument_source_time_and_bounds() {
    let (first, second, cancel, alert, incident) =
        ("3 trade", "4 trade", "4 cancel", "5 alert", "6 incident");
    for (query, want) in [
        ("limit=9", vec![first, second, cancel, alert, incident]),
        ("sort=-commit&limit=2", vec![incident, alert]),
        ("type=trade,incident", vec![first, second, incident]),
        ("symbol=us:B", vec![first, cancel, alert]),
        ("provider=y", vec![second, incident]),
        ("source=x&type=trade", vec![first]),
        ("from=2024-08-09T12:00:01Z", vec![second]),
        ("to=2024-08-09T12:00:01Z", vec![first, alert]),
        ("time[gte]=2024-08-09T12:00:01Z", vec![second]),
        ("price[gte]=10.5", vec![first, alert]),
        ("price[gt]=10.500", vec![alert]),
        ("price[lt]=10.5", vec![second]),
        ("price[gte]=0.99&price[lte]=10.50", vec![first, second]),
        ("commit[gt]=4", vec![alert, incident]),
        ("type=", vec![]),
    ] {
        if query == "type=" {
            let answer = server().ask("/streaming/events?type=").await;
            assert_eq!(answer.status(), 400, "a column that is never empty");
            continue;
        }
        assert_eq!(asked(query).await, want, "{query}");
    }
}

#[tokio::test]
async fn a_bound_that_is_none_is_refused() {
    for (query, pointer, code) in [
        ("price[gte]=much", "#/query/price[gte]", "format"),
        ("price[gte]=1&price[gte]=2", "#/query/price[gte]", "repeated"),
        ("commit[lt]=-1", "#/query/commit[lt]", "format"),
        ("time[lt]=noon", "#/query/time[lt]", "format"),
        ("type[gte]=trade", "#/query/type[gte]", "unknown"),
        ("price[near]=1", "#/query/price[near]", "unknown"),
        ("size[gte]=1", "#/query/size[gte]", "unknown"),
        ("type=trad", "#/query/type", "enum"),
    ] {
        let answer = server().ask(&format!("/streaming/events?{query}")).await;
        let json = answer.json();
        assert_eq!(answer.status(), 400, "{query}: {json}");
        let error = &json["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{query}");
    }
}

/// Events of no instrument may be of any, or of any portfolio.
#[tokio::test]
async fn limited_keys_see_events_of_their_instruments_only() {
    let server = server();
    let one = |name: &str| Some([name.to_owned()].into());
    let of_symbol = RowLimits { symbols: one("us:B"), ..RowLimits::default() };
    let of_portfolio = RowLimits { portfolios: one("p"), ..RowLimits::default() };
    for (limits, want) in [(of_symbol, 3), (of_portfolio, 4), (RowLimits::default(), 5)] {
        let holder = server.of_key(&[Scope::Read], limits);
        let json = holder.ask("/streaming/events?cursor=*").await.json();
        assert_eq!(json["rows"].as_array().unwrap().len(), want, "{json}");
    }
}

/// `EventSource` shows no answer but 200, and comes again until it gets 204.
#[tokio::test]
async fn a_browser_is_told_why_it_may_not_follow_and_stops() {
    let server = server();
    let typed = server.ask("/stream?view=nope").await;
    assert_eq!(typed.status(), 404);
    for (query, status) in [("view=nope", 404), ("view=candles&stat=x", 400), ("", 400)] {
        let path = format!("/stream?event_names=message&{query}");
        let told = server.ask(&path).await;
        assert_eq!((told.status(), told.header("content-type")), (200, "text/event-stream"));
        let text = told.text();
        assert!(!text.contains("event:"), "{text}");
        let data = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["type"], &data["reconnect"]), (&json!("error"), &json!(false)));
        assert_eq!(data["problem"]["status"], status, "{data}");
        let id = text.lines().find_map(|line| line.strip_prefix("id:")).unwrap();
        let again = server.ask_with("GET", &path, &[("last-event-id", id)]).await;
        assert_eq!(again.status(), 204);
    }
}
