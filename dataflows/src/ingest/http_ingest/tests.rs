//! The HTTP ingest as a client and as the sequencer see it.

use std::time::Instant;

use connectors::Row;
use market::{InputEvent, InstrumentRule, RejectionReason, Span};
use node_api::ingest::{PostKey, PostedFormat};

use super::accept::HeldNames;
use super::*;
use crate::ingest::event_queues::{EventReceiver, event_queue};
use crate::ingest::input::SourceEvent;
use operators::ReadFrom;

/// An HTTP ingest of at most 5 rows a request, 2 instruments, and 10 s ahead. It is the first source.
fn unopened() -> HttpIngest {
    let quoted = InstrumentRule {
        pattern: "us:*".to_owned(),
        quote: Arc::from("USD"),
        ..InstrumentRule::any()
    };
    let catalog = Arc::new(Catalog::new(vec![quoted], 2));
    let limits = HttpIngestLimits { body_bytes: 1 << 20, body_rows: 5 };
    HttpIngest::new(limits, 0, catalog, Ahead::OfSystem(Span::secs(10)))
}

/// An HTTP ingest whose queue has room for so many bodies, opened at second 1000.
fn open(room: usize) -> (HttpIngest, EventReceiver) {
    let api = unopened();
    let (to, rows) = event_queue(room);
    api.run(Generation(0xbeef));
    api.open(to, at(1_000), 0);
    (api, rows)
}

/// The rows of the next body, if there is one.
fn next_rows(events: &mut EventReceiver) -> Option<Vec<Row>> {
    match events.recv_until(Instant::now())? {
        (0, SourceEvent::Posted { rows, .. }) => Some(rows),
        other => panic!("{other:?}"),
    }
}

/// Waits for the rows of the next body.
async fn wait_for_rows(events: &mut EventReceiver) -> Vec<Row> {
    loop {
        match next_rows(events) {
            Some(rows) => return rows,
            None => tokio::task::yield_now().await,
        }
    }
}

fn at(secs: i64) -> EventTime {
    EventTime(secs * 1_000_000_000)
}

fn binding(commit: u64, secs: i64, position: u64) -> Binding {
    Binding {
        commit: Commit(commit),
        at: at(secs),
        round: true,
        positions: vec![vec![position]],
        watermarks: vec![None],
        read_from: ReadFrom::default(),
    }
}

/// Trades of these prices, at second 1000.
fn trades(prices: &[&str]) -> PostedBody {
    let row = |price: &&str| {
        format!(
            r#"{{"type":"trade","instrument":"us:A","id":1,"time":"1000s","price":{price},"quantity":1}}"#
        )
    };
    let rows: Vec<_> = prices.iter().map(row).collect();
    PostedBody {
        form: PostedFormat::Ndjson,
        body: rows.join("\n").into(),
        row_type: None,
        atomic: false,
        key: None,
        durable_within: Duration::ZERO,
        limits: Default::default(),
    }
}

/// Takes rows while the next body is bound to a commit at its last row.
async fn take(
    api: &HttpIngest,
    rows: &mut EventReceiver,
    sent: PostedBody,
    commit: u64,
) -> PostOutcome {
    let taking = api.take(sent);
    let driving = async {
        let last = wait_for_rows(rows).await.last().unwrap().position;
        // Neither a round that holds a part of the rows is reported, nor a commit that ends none.
        api.committed(&binding(commit - 2, 1_001, last - 1));
        api.committed(&Binding { round: false, ..binding(commit - 1, 1_001, last) });
        api.committed(&binding(commit, 1_001, last));
    };
    tokio::join!(taking, driving).0.unwrap()
}

#[tokio::test]
async fn a_request_receives_the_commit_that_binds_its_last_row() {
    let (api, mut rows) = open(2);
    let taken = take(&api, &mut rows, trades(&["1", "\"x\"", "2"]), 7).await;
    let token = Some(Token { run: 0xbeef, commit: Commit(7) });
    assert_eq!((taken.accepted, taken.rejected, taken.token), (2, 1, token));
    let [fault] = &taken.faults[..] else { panic!("{taken:?}") };
    assert_eq!((fault.row, &*fault.field, fault.code), (1, "price", "bad_price"));
    // Without rows there is nothing to bind: the last commit will do.
    let none = api.take(trades(&[])).await.unwrap();
    assert_eq!((none.accepted, none.token), (0, token));
}

#[tokio::test]
async fn positions_are_counted_up_and_wrong_rows_have_theirs() {
    let (api, mut rows) = open(4);
    let mut positions = Vec::new();
    for sent in [trades(&["1", "0"]), trades(&["1"])] {
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), api.take(sent));
        assert!(waiting.await.is_err(), "no commit was reported");
        for row in next_rows(&mut rows).unwrap() {
            positions.push((row.position, row.event.map_err(|rejection| rejection.reason).is_ok()));
        }
    }
    assert_eq!(positions, [(1, true), (2, false), (3, true)]);
}

#[tokio::test]
async fn all_or_nothing() {
    let (api, mut rows) = open(2);
    let sent = PostedBody { atomic: true, ..trades(&["1", "0"]) };
    let Err(PostError::Refused { rows: wrong, rejected: 1, of: 2 }) = api.take(sent).await else {
        panic!("it was taken")
    };
    assert_eq!((wrong.len(), wrong[0].code), (1, "price_not_positive"));
    assert!(next_rows(&mut rows).is_none(), "nothing is passed on, no dead letter either");
    let sent = PostedBody { atomic: true, ..trades(&["1", "2"]) };
    assert_eq!(take(&api, &mut rows, sent, 3).await.accepted, 2);
}

/// Trades of these instruments, at these prices.
fn named(rows: &[(&str, &str)]) -> PostedBody {
    let row = |(name, price): &(&str, &str)| {
        format!(
            r#"{{"type":"trade","instrument":"{name}","time":"1000s","price":{price},"quantity":1}}"#
        )
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    PostedBody { body: rows.join("\n").into(), ..trades(&[]) }
}

#[tokio::test]
async fn names_of_rows_that_are_turned_away_take_no_place() {
    let (api, mut rows) = open(1);
    let atomic = |rows: &[(&str, &str)]| PostedBody { atomic: true, ..named(rows) };
    let codes = |taken: Result<PostOutcome, PostError>| match taken {
        Err(PostError::Refused { rows, .. }) => {
            rows.iter().map(|row| (row.row, row.field.clone(), row.code)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let wrong = api.take(atomic(&[("us:A", "1"), ("us:B", "1"), ("us:C", "0")])).await;
    assert_eq!(codes(wrong), [(2, "price".to_owned(), "price_not_positive")]);
    let too_many = api.take(atomic(&[("us:A", "1"), ("us:B", "1"), ("us:C", "1")])).await;
    assert_eq!(codes(too_many), [(2, "instrument".to_owned(), "bad_instrument")]);
    // The places of rows that wait for their commit are held.
    let first = tokio::spawn({
        let (api, sent) = (api.clone(), atomic(&[("us:A", "1"), ("us:D", "1")]));
        async move { api.take(sent).await }
    });
    while api.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    let held = api.take(atomic(&[("us:A", "1"), ("us:E", "1")])).await;
    assert_eq!(codes(held), [(1, "instrument".to_owned(), "bad_instrument")]);
    let busy = api.take(named(&[("us:A", "1")])).await;
    assert!(matches!(busy, Err(PostError::Busy(_))), "{busy:?}");
    let waiting = next_rows(&mut rows).unwrap();
    assert!(api.0.catalog.all().is_empty(), "who binds them registers them");
    for row in &waiting {
        api.0.catalog.register(row.unknown.as_ref().unwrap()).unwrap();
    }
    api.committed(&binding(1, 1_001, 2));
    assert_eq!(first.await.unwrap().unwrap().accepted, 2);
    let names: Vec<_> = api.0.catalog.all().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["us:A", "us:D"]);
}

#[tokio::test]
async fn what_the_clock_would_refuse_is_refused_at_once() {
    let (api, mut rows) = open(2);
    let ahead = |secs: &str| {
        let mut sent = trades(&["1"]);
        sent.body = String::from_utf8(sent.body).unwrap().replace("1000s", secs).into();
        sent
    };
    let sent = ahead("1011s");
    let read = api.0.decode(sent.form, sent.body, None, 1).unwrap().remove(0);
    let mut held = HeldNames { catalog: &api.0.catalog, names: Vec::new() };
    let (_, refused) = api.0.check_row(read, at(1_000), &mut held).unwrap_err();
    assert!(refused.raw.contains(r#""instrument":"us:A""#), "it can be sent again: {refused:?}");
    let taken = take(&api, &mut rows, ahead("1011s"), 2).await;
    assert_eq!((taken.accepted, taken.faults[0].code), (0, RejectionReason::TimeAhead.name()));
    assert!(taken.faults[0].detail.contains("10s ahead of the system's time"));
    // Commits have moved on to second 1001.
    assert_eq!(take(&api, &mut rows, ahead("1011s"), 4).await.accepted, 1);
}

#[tokio::test]
async fn without_room_clients_are_turned_away() {
    let (api, mut rows) = open(1);
    let busy = |sent| {
        let api = api.clone();
        async move { matches!(api.take(sent).await, Err(PostError::Busy(_))) }
    };
    api.pause(Some("the disk is full".to_owned()));
    let away = api.take(trades(&["1"])).await;
    assert!(matches!(away, Err(PostError::Busy(why)) if why == "the disk is full"));
    api.pause(None);
    let first = tokio::spawn({
        let api = api.clone();
        async move { api.take(trades(&["1"])).await }
    });
    while api.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    assert!(busy(trades(&["1"])).await, "the queue is full");
    assert_eq!(api.0.bound().rows, 1, "who was turned away does not wait");
    let waiting = next_rows(&mut rows).unwrap();
    api.committed(&binding(1, 1_001, waiting[0].position));
    assert_eq!(first.await.unwrap().unwrap().accepted, 1);
    assert_eq!(take(&api, &mut rows, trades(&["1"]), 3).await.accepted, 1, "there is room again");
}

#[tokio::test]
async fn bodies_that_are_no_rows() {
    let (api, _rows) = open(2);
    let sent = |form, body: &str| PostedBody { form, body: body.into(), ..trades(&[]) };
    let six = trades(&["1"; 6]);
    assert_eq!(api.take(six).await, Err(PostError::TooManyRows { limit: 5 }));
    for (form, body) in [(PostedFormat::Json, "7"), (PostedFormat::Csv, "colour\nred")] {
        let taken = api.take(sent(form, body)).await;
        assert!(matches!(taken, Err(PostError::Unreadable(_))), "{taken:?}");
    }
}

#[tokio::test]
async fn before_and_after_the_run_nothing_is_taken() {
    let api = unopened();
    assert_eq!(api.take(trades(&["1"])).await, Err(PostError::Closed));
    let (api, rows) = open(2);
    let waiting = tokio::spawn({
        let api = api.clone();
        async move { api.take(trades(&["1"])).await }
    });
    while api.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    drop(rows);
    api.close();
    assert_eq!(waiting.await.unwrap(), Err(PostError::Closed));
    assert_eq!(api.take(trades(&["1"])).await, Err(PostError::Closed));
}

#[tokio::test]
async fn what_is_said_of_accounts_comes_in_too() {
    let (api, mut rows) = open(2);
    let body = "portfolio,id,instrument,time,quantity,price\np1,1,us:A,1000s,-5,1.5\n";
    let row_type = Some("fill".to_owned());
    let sent = PostedBody { form: PostedFormat::Csv, body: body.into(), row_type, ..trades(&[]) };
    let taking = tokio::spawn({
        let api = api.clone();
        async move { api.take(sent).await }
    });
    let posted = wait_for_rows(&mut rows).await;
    assert!(matches!(posted[0].event, Ok(InputEvent::Account(_))));
    api.committed(&binding(1, 1_001, 1));
    assert_eq!(taking.await.unwrap().unwrap().accepted, 1);
}

/// The same trades with a key.
fn keyed(prices: &[&str], request_hash: u128) -> PostedBody {
    PostedBody { key: Some(PostKey { key: "k".to_owned(), request_hash }), ..trades(prices) }
}

/// The next body, with its request.
async fn next_post(events: &mut EventReceiver) -> (u64, Arc<KeyedPost>) {
    loop {
        match events.recv_until(Instant::now()) {
            Some((0, SourceEvent::Posted { rows, post: Some(post), .. })) => {
                return (rows.last().unwrap().position, post);
            }
            None => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_again_is_taken_once() {
    let (api, mut rows) = open(2);
    let wait = Duration::from_secs(30);
    let first = tokio::spawn({
        let api = api.clone();
        async move { api.take(PostedBody { durable_within: wait, ..keyed(&["1", "x"], 1) }).await }
    });
    let (position, post) = next_post(&mut rows).await;
    assert_eq!((&*post.key, post.accepted, post.rejected), ("k", 1, 1));
    let in_progress = || async { api.take(keyed(&["1", "x"], 1)).await };
    assert_eq!(in_progress().await, Err(PostError::InProgress), "it is not bound");
    assert_eq!(api.take(keyed(&["2"], 2)).await, Err(PostError::OtherRequest));
    api.keys().bound(&[post], Some(token(Generation(0xbeef), Commit(7))));
    api.committed(&binding(7, 1_001, position));
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(in_progress().await, Err(PostError::InProgress), "the first waits for the disk");
    api.durable(Commit(7));
    let first = first.await.unwrap().unwrap();
    assert!(first.durable && !first.is_replayed, "{first:?}");
    let again = in_progress().await.unwrap();
    assert_eq!(again, PostOutcome { is_replayed: true, ..first });
    assert!(next_rows(&mut rows).is_none());
    assert_eq!(api.take(keyed(&["2"], 2)).await, Err(PostError::OtherRequest));
}

#[tokio::test]
async fn a_request_that_was_turned_away_may_come_again() {
    let (api, mut rows) = open(2);
    api.pause(Some("no room".to_owned()));
    assert!(matches!(api.take(keyed(&["1"], 1)).await, Err(PostError::Busy(_))));
    api.pause(None);
    let refused = api.take(PostedBody { atomic: true, ..keyed(&["0"], 1) }).await;
    assert!(matches!(refused, Err(PostError::Refused { .. })), "{refused:?}");
    assert_eq!(take(&api, &mut rows, keyed(&["1"], 2), 5).await.accepted, 1);
}

#[tokio::test]
async fn a_request_whose_client_has_gone_is_taken() {
    let (api, mut rows) = open(2);
    let gone = tokio::time::timeout(Duration::from_millis(20), api.take(keyed(&["1"], 1)));
    assert!(gone.await.is_err());
    let (position, post) = next_post(&mut rows).await;
    api.keys().bound(&[post], Some(token(Generation(0xbeef), Commit(7))));
    api.committed(&binding(7, 1_001, position));
    let again = api.take(keyed(&["1"], 1)).await.unwrap();
    assert!(again.is_replayed && again.accepted == 1, "{again:?}");
}

#[tokio::test]
async fn durable_is_what_the_disk_has() {
    let (api, mut rows) = open(2);
    assert!(!take(&api, &mut rows, trades(&["1"]), 3).await.durable);
    let wait = PostedBody { durable_within: Duration::from_millis(5), ..trades(&["1"]) };
    let late = take(&api, &mut rows, wait.clone(), 5).await;
    assert!(!late.durable && late.token.is_some(), "{late:?}");
    api.durable(Commit(9));
    assert!(take(&api, &mut rows, trades(&["1"]), 9).await.durable);
    api.close();
    assert!(!api.0.durability.reaches(Commit(10), Duration::from_secs(60)).await);
}

#[tokio::test]
async fn requests_without_rows_are_remembered_too() {
    let (api, mut rows) = open(2);
    take(&api, &mut rows, trades(&["1"]), 3).await;
    let empty = api.take(keyed(&[], 1)).await.unwrap();
    let again = api.take(keyed(&[], 1)).await.unwrap();
    assert_eq!(again, PostOutcome { is_replayed: true, ..empty });
}
