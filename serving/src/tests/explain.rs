//! `GET /v1/explain`: the keys that it reads, and how it writes what it is told.

use std::sync::{Arc, Mutex};

use market::{BarState, CandleKey, Commit, InstrumentId, PortfolioId};
use serde_json::json;

use super::{Server, time};
use rows::{
    AsOf, CandleRow, Cell, Column, ColumnType, ExplainQuestion, Explained, ExplainedKey, Explainer,
    Explanation, ExplanationPart, Frontier, ReadFuture, Row, RowChange, key, value,
};

/// Tells of every row the same, or that there is none; keeps what it was asked.
#[derive(Default)]
pub(super) struct Told {
    asked: Mutex<Vec<ExplainQuestion>>,
    answer: Mutex<Option<Explained>>,
}

const TRADES: &[Column] = &[
    value("id", ColumnType::Text, "id"),
    value("price", rows::PRICE, "price"),
    value("moved_to", ColumnType::Instrument, "another instrument").nullable(),
];
const RATES: &[Column] = &[key("pair", ColumnType::Instrument, "an instrument")];

impl Explainer for Told {
    fn explain(&self, question: ExplainQuestion) -> ReadFuture<'static, Explained> {
        self.asked.lock().unwrap().push(question);
        let answer = self.answer.lock().unwrap().clone();
        let answer = answer.unwrap_or_else(|| Explained::Row(Box::new(explanation(&question))));
        Box::pin(async move { Ok(answer) })
    }
}

fn frontier(commit: u64) -> Frontier {
    Frontier { commit: Some(Commit(commit)), at: time("2024-12-01T00:00:00Z") }
}

fn explanation(question: &ExplainQuestion) -> Explanation {
    let trade = |(id, moved_to): &(&str, Option<&str>)| {
        let moved_to = moved_to.map_or(Cell::Null, |name| Cell::Instrument(InstrumentId::of(name)));
        vec![Cell::Text((*id).to_owned()), Cell::Decimal { mantissa: 105, scale: 1 }, moved_to]
    };
    let trades = [("t1", None), ("t2", Some("a:C")), ("t3", None)];
    let pair = |name: &&str| vec![Cell::Instrument(InstrumentId::of(name))];
    let count = CandleRow::COLUMNS.iter().position(|column| column.name == "trades").unwrap();
    let change = RowChange {
        since: frontier(5),
        row: None,
        columns: vec![(count, Cell::Unsigned(1), Cell::Unsigned(2))],
        parts: vec![ExplanationPart::list("causes", TRADES, question, &trades, trade)],
    };
    Explanation {
        frontier: frontier(17),
        through: Some(Commit(16)),
        view: super::views::view("candles"),
        row: None,
        complete: false,
        from_commit: Some(Commit(3)),
        why_incomplete: Some("the log begins late"),
        adds_up: None,
        parts: vec![
            ExplanationPart::list("trades", TRADES, question, &trades, trade),
            ExplanationPart::one("mark", TRADES, None),
            ExplanationPart::list("rates", RATES, question, &["a:B", "a:C"], pair),
        ],
        change: question.since.map(|_| change),
    }
}

/// A server that knows `a:B` and `a:C`, and the explainer of it.
fn server() -> (Server, Arc<Told>) {
    let mut server = Server::new();
    for name in ["a:B", "a:C"] {
        server.bar(name, "1m", "2024-08-09T12:00:00Z", 10, BarState::Final);
    }
    let told = Arc::<Told>::default();
    server.context.explainer = Arc::<Told>::clone(&told);
    (server, told)
}

const BAR: &str = "a:B|1m|2024-08-09T12:00:00Z";

#[tokio::test]
async fn a_key_is_one_text_or_its_columns() {
    let (server, told) = server();
    let bar = ExplainedKey::Bar(CandleKey {
        instrument: InstrumentId::of("a:B"),
        timeframe: "1m".parse().unwrap(),
        open_time: time("2024-08-09T12:00:00Z"),
    });
    for query in [
        "view=candles&key=a:B|1m|2024-08-09T12:00:00Z",
        "key=B|60s|1723204800s",
        "symbol=a:B&timeframe=1m&open_time=2024-08-09T12:00:00Z",
        "instrument=B&open_time=2024-08-09T12:00:00Z&tf=1min",
        "symbol=B&open_time=2024-08-09T12:00:00Z",
    ] {
        let answer = server.ask(&format!("/v1/explain?{query}")).await;
        assert_eq!(answer.status(), 200, "{query}: {}", answer.text());
        assert_eq!(answer.json()["key"], BAR, "{query}");
        assert_eq!(told.asked.lock().unwrap().pop().unwrap().key, bar, "{query}");
    }
    let query = format!("/v1/explain?key={BAR}&as_of=commit:12&vs=commit:5&limit=2&offset=1");
    assert_eq!(server.ask(&query).await.status(), 200);
    let asked = told.asked.lock().unwrap().pop().unwrap();
    assert_eq!(
        (asked.as_of, asked.since),
        (Some(AsOf::Commit(Commit(12))), Some(AsOf::Commit(Commit(5))))
    );
    assert_eq!((asked.limit, asked.offset), (2, 1));
}

#[tokio::test]
async fn an_explanation_is_one_object() {
    let (server, _) = server();
    let answer =
        server.ask(&format!("/v1/explain?key={BAR}&vs=commit:5&limit=2&numbers=string")).await;
    assert_eq!(answer.header("x-commit"), "17");
    let json = answer.json();
    assert_eq!(
        (&json["view"], &json["through"], &json["row"]),
        (&json!("candles"), &json!(16), &json!(null))
    );
    assert_eq!((&json["complete"], &json["from_commit"]), (&json!(false), &json!(3)));
    assert_eq!(
        (&json["why_incomplete"], &json["adds_up"]),
        (&json!("the log begins late"), &json!(null))
    );
    let trades = json!([
        { "id": "t1", "price": "10.5", "moved_to": null },
        { "id": "t2", "price": "10.5", "moved_to": "a:C" },
    ]);
    assert_eq!((&json["trades"], &json["mark"]), (&trades, &json!(null)));
    assert_eq!(json["rates"], json!([{ "pair": "a:B" }, { "pair": "a:C" }]));
    let change = &json["change"];
    assert_eq!((&change["since"]["commit"], &change["row"]), (&json!(5), &json!(null)));
    assert_eq!(change["columns"], json!({ "trades": { "then": 1, "now": 2 } }));
    assert_eq!(change["causes"], trades);
    assert_eq!(json["more"], json!(["trades", "change.causes"]));
}

#[tokio::test]
async fn errors_say_what_is_possible() {
    let (server, told) = server();
    for (query, status, code) in [
        ("view=indicators&key=x".to_owned(), 400, "validation.view"),
        ("view=candels&key=x".to_owned(), 400, "validation.view"),
        (String::new(), 400, "validation.key"),
        ("symbol=a:B".to_owned(), 400, "validation.key"),
        ("key=a:B".to_owned(), 400, "validation.key"),
        ("key=a:B|7m|2024-08-09T12:00:00Z".to_owned(), 400, "validation.key"),
        ("key=a:B|1m|noon".to_owned(), 400, "validation.key"),
        (format!("key={BAR}&symbol=a:B"), 400, "validation.key"),
        (format!("key={BAR}&portfolio=p"), 400, "validation.portfolio"),
        (format!("key={BAR}&limit=0"), 400, "validation.limit"),
        ("key=a:D|1m|2024-08-09T12:00:00Z".to_owned(), 404, "unknown-symbol"),
        (format!("key={BAR}&vs=commit:9999999"), 425, "frontier-not-reached"),
    ] {
        let answer = server.ask(&format!("/v1/explain?{query}")).await;
        let (got, json) = (answer.status(), answer.json());
        assert_eq!((got, &json["code"]), (status, &json!(code)), "{query}: {}", answer.text());
    }
    assert!(told.asked.lock().unwrap().is_empty());
    for (explained, status, code) in [
        (Explained::NoRow(frontier(17)), 404, "unknown-row"),
        (Explained::TooManyRecords { most: 7 }, 400, "too-many-bars"),
        (
            Explained::SinceIsLater { since: frontier(9), frontier: frontier(8) },
            400,
            "validation.vs",
        ),
    ] {
        *told.answer.lock().unwrap() = Some(explained);
        let answer = server.ask("/v1/explain?key=a:B|1m|2024-08-09T12:01:00Z").await;
        assert_eq!((answer.status(), &answer.json()["code"]), (status, &json!(code)));
        if status == 404 {
            assert_eq!(answer.json()["suggestions"], json!([BAR]), "the row before it");
        }
    }
}

/// Of other instruments a limited key sees no names and no rows.
#[tokio::test]
async fn a_limited_key_explains_what_it_may_see() {
    let (server, told) = server();
    let limits = node_api::RowLimits {
        symbols: Some(vec!["a:B".to_owned()]),
        portfolios: Some(vec!["mine".to_owned()]),
        ..node_api::RowLimits::default()
    };
    let server = server.of_key(&[node_api::Scope::Read], limits);
    let answer = server.ask(&format!("/v1/explain?key={BAR}")).await;
    let json = answer.json();
    assert_eq!(json["trades"][1], json!({ "id": "t2", "price": 10.5, "moved_to": null }));
    assert_eq!(json["rates"], json!([{ "pair": "a:B" }]));
    let other = server.ask("/v1/explain?key=a:C|1m|2024-08-09T12:00:00Z").await;
    assert_eq!((other.status(), &other.json()["code"]), (404, &json!("unknown-symbol")));
    told.asked.lock().unwrap().clear();
    for (portfolio, status) in [("mine", 200), ("yours", 404)] {
        let answer = server.ask(&format!("/v1/explain?view=positions&key={portfolio}|a:B")).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
    let asked = told.asked.lock().unwrap();
    let mine = PortfolioId::of("mine");
    assert!(matches!(asked[0].key, ExplainedKey::Position { portfolio, .. } if portfolio == mine));
    assert_eq!(asked.len(), 1, "nobody is asked of what the key may not see");
}
