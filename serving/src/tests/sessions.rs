//! `session=`: bars of regular and extended hours, and what is filled around closed ones.

use std::collections::BTreeMap;

use market::{
    BarState, Calendar, Candle, CandleKey, Cause, CauseKind, EventTime, IdScope, NameOrder, Origin,
    PartitionId, Price, Quantity, SessionKind, Side, SourceId, Timeframe, Trade, TradeId, Updates,
};
use proptest::prelude::*;
use serde_json::json;

use super::{Server, time};

/// A bar of IBM that opens at this time of New York's clocks, and closes at this price.
fn put(server: &Server, timeframe: &str, open: &str, price: i64, state: BarState) {
    let seconds = if open.len() == "2024-11-27T15:30".len() { ":00" } else { "" };
    server.bar("nyse:IBM", timeframe, &format!("{open}{seconds}-05:00"), price, state);
}

async fn asked(server: &Server, query: &str) -> Vec<String> {
    server.closes(&format!("/v1/candles/IBM?{query}")).await
}

/// Hours from the eve of Thanksgiving to the Monday after it; Friday is a half day.
fn hours() -> Server {
    let server = Server::new();
    for (price, open) in (1..).zip([
        "2024-11-27T15:30",    // the last regular half hour
        "2024-11-27T16:00:10", // after the prints of the close
        "2024-11-27T20:00",    // closed
        "2024-11-29T08:00",
        "2024-11-29T10:30",
        "2024-11-29T12:30", // until 13:00
        "2024-11-29T13:00:10",
        "2024-12-02T09:00", // until 09:30
        "2024-12-02T09:30",
    ]) {
        put(&server, "1h", open, price, BarState::Final);
    }
    server
}

#[tokio::test]
async fn bars_below_a_day_lie_in_one_session() {
    let server = hours();
    let regular =
        ["11-27T20:30 1", "11-29T15:30 5", "11-29T17:30 6", "12-02T14:30 9"].map(str::to_owned);
    for word in ["regular", "rth"] {
        assert_eq!(asked(&server, &format!("tf=1h&session={word}")).await, regular);
    }
    assert_eq!(
        asked(&server, "tf=1h&session=extended").await,
        ["11-27T21:00 2", "11-29T13:00 4", "11-29T18:00 7", "12-02T14:00 8"]
    );
    assert_eq!(asked(&server, "tf=1h&session=all").await.len(), 9);
    assert_eq!(asked(&server, "tf=1h&session=eth&limit=1").await, ["12-02T14:00 8"]);
    let first = "tf=1h&session=rth&limit=1&from=2024-11-28T00:00:00Z";
    assert_eq!(asked(&server, first).await, ["11-29T15:30 5"]);

    let answer = server.ask(&format!("/v1/candles/IBM?{first}")).await.json();
    assert_eq!((&answer["session"], &answer["more"]), (&json!("regular"), &json!(true)));
    let answer = server.ask("/v1/candles/IBM?tf=1h").await.json();
    assert_eq!(answer.get("session"), None, "answers without sessions are what they were");
    let wrong = server.ask("/v1/candles/IBM?tf=1h&session=lunch").await;
    assert_eq!((wrong.status(), &wrong.json()["code"]), (400, &json!("validation.session")));
}

#[tokio::test]
async fn a_market_without_sessions_is_in_a_regular_one() {
    let server = Server::new();
    server.bar("x:A", "1m", "2024-08-09T12:00:00Z", 1, BarState::Final);
    assert_eq!(server.closes("/v1/candles/x:A?session=regular").await, ["08-09T12:00 1"]);
    assert_eq!(server.closes("/v1/candles/x:A?session=extended").await, [] as [&str; 0]);
}

#[tokio::test]
async fn nothing_is_filled_while_the_market_is_closed() {
    let server = hours();
    let filled = asked(&server, "tf=1h&fill=previous&from=2024-11-27T20:30:00Z").await;
    assert_eq!(
        filled[..7],
        [
            "11-27T20:30 1",
            "11-27T21:00 2",
            "11-27T22:00 2~",
            "11-27T23:00 2~",
            "11-28T00:00 2~",
            "11-28T01:00 3", // a trade at night has its bar
            "11-29T09:00 3~",
        ]
    );
    // Friday from 04:00 to 17:00 in 14 bars, Monday from 04:00 to 09:30 in six, one more follows.
    assert_eq!(filled.len(), 6 + 14 + 6 + 1);
    assert_eq!(filled[19..21], ["11-29T21:00 7~", "12-02T09:00 7~"]);
    let backwards = asked(&server, "tf=1h&fill=previous&limit=8").await;
    assert_eq!(backwards, filled[filled.len() - 8..]);

    assert_eq!(
        asked(&server, "tf=1h&session=rth&fill=previous").await,
        [
            "11-27T20:30 1",
            "11-29T14:30 1~",
            "11-29T15:30 5",
            "11-29T16:30 5~",
            "11-29T17:30 6",
            "12-02T14:30 9"
        ]
    );
    let seconds = "tf=1m&fill=previous&to=2025-06-01T00:00:00Z&limit=2";
    put(&server, "1m", "2024-11-29T16:59", 7, BarState::Final);
    *server.rows.at.lock().unwrap() = time("2026-01-01T00:00:00Z");
    assert_eq!(asked(&server, seconds).await, ["05-30T23:58 7~", "05-30T23:59 7~"]);
}

#[tokio::test]
async fn days_that_are_filled_are_trading_days() {
    let server = Server::new();
    put(&server, "1d", "2024-11-27T04:00", 7, BarState::Final);
    put(&server, "1d", "2024-12-03T04:00", 8, BarState::Final);
    assert_eq!(
        asked(&server, "tf=1d&fill=previous").await,
        ["11-27T09:00 7", "11-29T09:00 7~", "12-02T09:00 7~", "12-03T09:00 8"]
    );
}

/// Parts of Wednesday, of four hours.
fn parts(server: &Server, last: BarState) {
    put(server, "4h", "2024-11-27T08:00", 1, BarState::Final);
    put(server, "4h", "2024-11-27T09:30", 5, BarState::Final);
    put(server, "4h", "2024-11-27T13:30", 3, last);
}

fn revise(server: &Server, open: &str, kind: CauseKind) {
    let mut candles = server.rows.candles.lock().unwrap();
    let key = candles.keys().find(|key| key.open_time == time(open)).copied().unwrap();
    let candle = candles.get_mut(&key).unwrap();
    let origin = Origin {
        rank: 0,
        order: NameOrder::default(),
        source: SourceId(0),
        partition: PartitionId(0),
        position: 0,
    };
    let cause = Cause { kind, id: TradeId::Number(7), sequence: 0, origin };
    *candle = Candle { state: BarState::Revised, revision: 2, cause: Some(cause), ..*candle };
}

#[tokio::test]
async fn a_regular_day_is_the_union_of_its_parts() {
    let server = Server::new();
    parts(&server, BarState::Provisional);
    let day = async |session: &str| {
        let path = format!("/v1/candles/IBM?tf=1d&session={session}");
        server.ask(&path).await.json()["candles"][0].clone()
    };
    let regular = day("regular").await;
    assert_eq!(regular["open_time"], "2024-11-27T09:00:00Z", "04:00, when the trading day begins");
    assert_eq!(regular["end_time"], "2024-11-29T09:00:00Z", "no session on Thanksgiving Day");
    let values = ["open", "high", "low", "close", "volume", "trades"];
    let values = values.map(|name| regular[name].as_u64().unwrap_or(0));
    assert_eq!(values, [5, 5, 3, 3, 4, 2]);
    // Its last part is not final, and nothing came after 16:00.
    assert_eq!((&regular["state"], &regular["revision"]), (&json!("open"), &json!(0)));
    assert_eq!(day("extended").await["open"], json!(1));

    // All parts are final, but the last part ends at 16:00, and so does the session.
    parts(&server, BarState::Final);
    assert_eq!(day("regular").await["state"], "final");
    assert_eq!(day("extended").await["state"], "open", "it goes on until 20:00");
    put(&server, "4h", "2024-11-27T20:00", 9, BarState::Open);
    assert_eq!(day("extended").await["state"], "provisional", "something later was seen");
    put(&server, "1d", "2024-11-27T04:00", 9, BarState::Final);
    assert_eq!(day("extended").await["state"], "final", "the whole day is");

    revise(&server, "2024-11-27T14:30:00Z", CauseKind::Cancel);
    revise(&server, "2024-11-27T18:30:00Z", CauseKind::Trade);
    let regular = day("regular").await;
    let history = ["state", "revision", "cause"].map(|name| regular[name].clone());
    assert_eq!(history, [json!("revised"), json!(4), json!("cancel")]);
}

#[tokio::test]
async fn a_union_is_read_at_one_frontier() {
    let server = Server::new();
    parts(&server, BarState::Final);
    // Each cut of these tests is followed by a commit, so what is read beside the cut has another frontier.
    for commit in ["17", "18"] {
        let answer = server.ask("/v1/candles/IBM?tf=1d&session=regular").await;
        assert_eq!((answer.status(), answer.header("x-commit")), (200, commit));
    }
    assert_eq!(server.rows.scans.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_closing_auction_counts_to_the_regular_day() {
    let trades = [
        ("2023-11-22T14:30:00.000Z", 19_050, 1_000_000),
        ("2023-11-22T20:59:59.900Z", 19_120, 100),
        ("2023-11-22T21:00:00.052Z", 19_131, 9_000_000), // the auction, 52 ms after the bell
        ("2023-11-22T21:00:31.000Z", 19_145, 200),
        ("2023-11-24T14:30:00.000Z", 19_087, 1_000_000), // a half day
        ("2023-11-24T17:59:59.999Z", 18_990, 100),
        ("2023-11-24T18:00:00.000Z", 18_997, 4_000_000),
        ("2023-11-24T21:59:00.000Z", 19_010, 8),
    ];
    let server = having(&trades.map(|(at, price, size)| (time(at), price, size)));
    let shown = async |query: &str| {
        let answer = server.ask(&format!("/v1/candles/IBM?{query}")).await.json();
        let one = |bar: &serde_json::Value| format!("{} {}", bar["close"], bar["volume"]);
        answer["candles"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(shown("tf=1d&session=regular").await, ["191.31 10000100", "189.97 5000100"]);
    assert_eq!(shown("tf=1d&session=extended").await, ["191.45 200", "190.1 8"]);
    assert_eq!(shown("tf=1w&session=regular").await, ["189.97 15000200"]);
    let minutes = server.closes("/v1/candles/IBM?tf=1m&session=regular").await;
    assert_eq!(minutes[1], "11-22T20:59 191.31", "the last minute of the session");
}

fn copies_of_the_last(server: &Server, copies: i64) {
    let mut candles = server.rows.candles.lock().unwrap();
    let (key, candle) = candles.last_key_value().map(|(key, candle)| (*key, *candle)).unwrap();
    for copy in 1..=copies {
        candles.insert(CandleKey { open_time: EventTime(key.open_time.0 + copy), ..key }, candle);
    }
}

#[tokio::test]
async fn what_is_read_for_an_answer_is_bounded() {
    let server = Server::new();
    put(&server, "1m", "2024-11-27T09:30", 1, BarState::Final);
    put(&server, "1m", "2024-11-27T20:00", 2, BarState::Final);
    // So many bars while the market is closed cannot be, but nobody knows without reading them.
    copies_of_the_last(&server, 200_000);
    let answer = server.ask("/v1/candles/IBM?tf=1m&session=regular").await;
    assert_eq!((answer.status(), &answer.json()["code"]), (400, &json!("too-many-bars")));
    assert!(answer.text().contains("more than 200000 bars of 1m"), "{}", answer.text());
    let less = "/v1/candles/IBM?tf=1m&session=regular&to=2024-11-28T00:00:00Z";
    assert_eq!(server.closes(less).await, ["11-27T14:30 1"]);
}

/// Bars of all timeframes of trades at these minutes of a week, each at a price of its own.
fn traded(minutes: &[i64]) -> Server {
    let trades = (1..).zip(minutes).map(|(number, minute)| (at(*minute), 100 * number, 1));
    having(&trades.collect::<Vec<_>>())
}

/// Bars of all timeframes of trades: time, price in hundredths, size.
fn having(trades: &[(EventTime, i64, i64)]) -> Server {
    let mut server = Server::new();
    server.context.timeframes.extend(["2d", "1w", "1M"].map(|tf| tf.parse::<Timeframe>().unwrap()));
    let instrument = server.context.catalog.resolve("nyse:IBM").unwrap();
    let calendar = Calendar::named("us-equities").unwrap();
    for (number, (time, price, size)) in (1..).zip(trades) {
        let trade = Trade {
            instrument: instrument.id,
            spec: instrument.spec,
            scope: IdScope(0),
            id: TradeId::Number(number),
            time: *time,
            sequence: number,
            is_positional: false,
            price: Price(*price),
            quantity: Quantity(*size),
            side: Side::Unknown,
            updates: Updates::ALL,
        };
        for timeframe in server.context.timeframes.clone() {
            let bucket = calendar.bucket(timeframe, trade.time);
            let key = CandleKey { instrument: instrument.id, timeframe, open_time: bucket.open };
            let mut candles = server.rows.candles.lock().unwrap();
            let candle = candles.entry(key).or_insert_with(|| Candle {
                bar: market::Bar::empty(instrument.spec, bucket.end),
                state: BarState::Final,
                revision: 0,
                cause: None,
            });
            candle.bar.add(&trade);
        }
    }
    server
}

fn at(minute: i64) -> EventTime {
    EventTime(time("2024-11-25T00:00:00Z").0 + minute * 60_000_000_000)
}

/// The same, read slowly: the trades of a kind of session, by bar.
fn slowly(
    minutes: &[i64],
    timeframe: &str,
    kind: SessionKind,
    (from, to): (Option<i64>, Option<i64>),
    limit: usize,
) -> Vec<String> {
    let calendar = Calendar::named("us-equities").unwrap();
    let timeframe: Timeframe = timeframe.parse().unwrap();
    let mut closes: BTreeMap<EventTime, (EventTime, usize)> = BTreeMap::new();
    for (number, minute) in (1..).zip(minutes) {
        let open = calendar.bucket(timeframe, at(*minute)).open;
        let asked = from.is_none_or(|from| at(from) <= open) && to.is_none_or(|to| open < at(to));
        if asked && calendar.session(at(*minute)) == kind {
            let close = closes.entry(open).or_insert((EventTime::NEVER, 0));
            *close = (*close).max((at(*minute), number));
        }
    }
    let shown = |(open, (_, number)): (&EventTime, &(EventTime, usize))| {
        format!("{} {number}", &open.rfc3339()[5..16])
    };
    let mut all: Vec<String> = closes.iter().map(shown).collect();
    match from {
        Some(_) => all.truncate(limit),
        None => drop(all.drain(..all.len().saturating_sub(limit))),
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn sessions_are_what_they_are_defined_to_be(
        minutes in prop::collection::vec(0..14_400_i64, 0..120),
        timeframe in prop::sample::select(vec!["1m", "1h", "4h", "1d", "2d", "1w", "1M"]),
        kind in prop::sample::select(vec![SessionKind::Regular, SessionKind::Extended]),
        from in prop::option::of(0..14_400_i64),
        to in prop::option::of(0..14_400_i64),
        limit in 1..20_usize,
    ) {
        prop_assume!(from.is_none() || to.is_none() || from <= to);
        let server = traded(&minutes);
        let part = |name, minute: Option<i64>| {
            minute.map_or(String::new(), |minute| format!("&{name}={}", at(minute).rfc3339()))
        };
        let query = format!("tf={timeframe}&session={}&limit={limit}", kind.name());
        let path = format!("/v1/candles/IBM?{query}{}{}", part("from", from), part("to", to));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(server.closes(&path));
        prop_assert_eq!(&got, &slowly(&minutes, timeframe, kind, (from, to), limit), "{}", path);
        let more = slowly(&minutes, timeframe, kind, (from, to), 1_000).len() > got.len();
        prop_assert_eq!(&runtime.block_on(server.ask(&path)).json()["more"], more, "{}", path);
    }
}
