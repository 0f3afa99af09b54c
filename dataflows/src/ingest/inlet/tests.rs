//! The inlet as a client and as the thread that drives commits see it.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use market::{InputEvent, RejectionReason};

use super::*;
use crate::config::RawConfig;
use operators::ReadFrom;

const CONFIG: &str = r#"
[job]
skew = "10s"
[http]
body_rows = 5
[limits]
instruments = 2
[[instrument]]
pattern = "us:*"
quote = "USD"
"#;

/// An inlet whose channel has room for so many batches, opened at second 1000.
fn open(room: usize) -> (HttpInlet, Receiver<Pumped>) {
    let config = RawConfig::parse(CONFIG, "c.toml").unwrap().check(Path::new(".")).unwrap();
    let inlet = HttpInlet::new(&config).unwrap();
    let (to, rows) = sync_channel(room);
    inlet.open(to, at(1_000));
    (inlet, rows)
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
fn trades(prices: &[&str]) -> Sent {
    let row = |price: &&str| {
        format!(
            r#"{{"type":"trade","instrument":"us:A","id":1,"time":"1000s","price":{price},"quantity":1}}"#
        )
    };
    let rows: Vec<_> = prices.iter().map(row).collect();
    Sent { form: Form::Ndjson, body: rows.join("\n").into(), row_type: None, atomic: false }
}

/// Takes rows while the next batch is bound to a commit at its last row.
async fn take(inlet: &HttpInlet, rows: &Receiver<Pumped>, sent: Sent, commit: u64) -> Taken {
    let taking = inlet.take(sent);
    let driving = async {
        let pumped = loop {
            match rows.try_recv() {
                Ok(pumped) => break pumped,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let last = pumped.rows.last().unwrap().position;
        // Neither a round that holds a part of the rows is told, nor a commit that ends none.
        inlet.sealed(&binding(commit - 2, 1_001, last - 1));
        inlet.sealed(&Binding { round: false, ..binding(commit - 1, 1_001, last) });
        inlet.sealed(&binding(commit, 1_001, last));
        pumped
    };
    let (taken, pumped) = tokio::join!(taking, driving);
    assert_eq!((pumped.source, pumped.partition, pumped.ended), (0, 0, false));
    taken.unwrap()
}

#[tokio::test]
async fn rows_are_told_the_commit_that_binds_the_last_of_them() {
    let (inlet, rows) = open(2);
    let taken = take(&inlet, &rows, trades(&["1", "\"x\"", "2"]), 7).await;
    assert_eq!((taken.accepted, taken.commit), (2, Some(Commit(7))));
    let [fault] = &taken.rejected[..] else { panic!("{taken:?}") };
    assert_eq!((fault.row, &*fault.field, fault.code), (1, "price", "bad_price"));
    // Without rows there is nothing to bind: the last commit will do.
    let none = inlet.take(trades(&[])).await.unwrap();
    assert_eq!((none.accepted, none.commit), (0, Some(Commit(7))));
}

#[tokio::test]
async fn positions_are_counted_up_and_wrong_rows_have_theirs() {
    let (inlet, rows) = open(4);
    let mut positions = Vec::new();
    for sent in [trades(&["1", "0"]), trades(&["1"])] {
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), inlet.take(sent));
        assert!(waiting.await.is_err(), "no commit was told");
        for row in rows.try_recv().unwrap().rows {
            positions.push((row.position, row.event.map_err(|rejection| rejection.reason).is_ok()));
        }
    }
    assert_eq!(positions, [(1, true), (2, false), (3, true)]);
}

#[tokio::test]
async fn all_or_nothing() {
    let (inlet, rows) = open(2);
    let sent = Sent { atomic: true, ..trades(&["1", "0"]) };
    let Err(TurnedAway::Refused { rows: wrong, of: 2 }) = inlet.take(sent).await else {
        panic!("it was taken")
    };
    assert_eq!((wrong.len(), wrong[0].code), (1, "price_not_positive"));
    assert!(rows.try_recv().is_err(), "nothing is passed on, no dead letter either");
    let sent = Sent { atomic: true, ..trades(&["1", "2"]) };
    assert_eq!(take(&inlet, &rows, sent, 3).await.accepted, 2);
}

/// Trades of these instruments, at these prices.
fn named(rows: &[(&str, &str)]) -> Sent {
    let row = |(name, price): &(&str, &str)| {
        format!(
            r#"{{"type":"trade","instrument":"{name}","time":"1000s","price":{price},"quantity":1}}"#
        )
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    Sent { body: rows.join("\n").into(), ..trades(&[]) }
}

#[tokio::test]
async fn names_of_rows_that_are_turned_away_take_no_place() {
    let (inlet, rows) = open(1);
    let atomic = |rows: &[(&str, &str)]| Sent { atomic: true, ..named(rows) };
    let codes = |taken: Result<Taken, TurnedAway>| match taken {
        Err(TurnedAway::Refused { rows, .. }) => {
            rows.iter().map(|row| (row.row, row.field.clone(), row.code)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let wrong = inlet.take(atomic(&[("us:A", "1"), ("us:B", "1"), ("us:C", "0")])).await;
    assert_eq!(codes(wrong), [(2, "price".to_owned(), "price_not_positive")]);
    let too_many = inlet.take(atomic(&[("us:A", "1"), ("us:B", "1"), ("us:C", "1")])).await;
    assert_eq!(codes(too_many), [(2, "instrument".to_owned(), "bad_instrument")]);
    // The places of rows that wait for their commit are held.
    let first = tokio::spawn({
        let (inlet, sent) = (inlet.clone(), atomic(&[("us:A", "1"), ("us:D", "1")]));
        async move { inlet.take(sent).await }
    });
    while inlet.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    let held = inlet.take(atomic(&[("us:A", "1"), ("us:E", "1")])).await;
    assert_eq!(codes(held), [(1, "instrument".to_owned(), "bad_instrument")]);
    let busy = inlet.take(named(&[("us:A", "1")])).await;
    assert!(matches!(busy, Err(TurnedAway::Busy(_))), "{busy:?}");
    let pumped = rows.try_recv().unwrap();
    assert!(inlet.0.catalog.all().is_empty(), "who binds them registers them");
    for row in &pumped.rows {
        inlet.0.catalog.register(row.unknown.as_ref().unwrap()).unwrap();
    }
    inlet.sealed(&binding(1, 1_001, 2));
    assert_eq!(first.await.unwrap().unwrap().accepted, 2);
    let names: Vec<_> = inlet.0.catalog.all().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["us:A", "us:D"]);
}

#[tokio::test]
async fn what_the_clock_would_refuse_is_refused_at_once() {
    let (inlet, rows) = open(2);
    let ahead = |secs: &str| {
        let mut sent = trades(&["1"]);
        sent.body = String::from_utf8(sent.body).unwrap().replace("1000s", secs).into();
        sent
    };
    let taken = take(&inlet, &rows, ahead("1011s"), 2).await;
    assert_eq!((taken.accepted, taken.rejected[0].code), (0, RejectionReason::TimeAhead.name()));
    assert!(taken.rejected[0].detail.contains("10s ahead of the system's time"));
    // Commits have moved on to second 1001.
    assert_eq!(take(&inlet, &rows, ahead("1011s"), 4).await.accepted, 1);
}

#[tokio::test]
async fn without_room_clients_are_turned_away() {
    let (inlet, rows) = open(1);
    let busy = |sent| {
        let inlet = inlet.clone();
        async move { matches!(inlet.take(sent).await, Err(TurnedAway::Busy(_))) }
    };
    inlet.pause(true);
    assert!(busy(trades(&["1"])).await, "sources pause");
    inlet.pause(false);
    let first = tokio::spawn({
        let inlet = inlet.clone();
        async move { inlet.take(trades(&["1"])).await }
    });
    while inlet.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    assert!(busy(trades(&["1"])).await, "the channel is full");
    assert_eq!(inlet.0.bound().rows, 1, "who was turned away does not wait");
    let pumped = rows.try_recv().unwrap();
    inlet.sealed(&binding(1, 1_001, pumped.rows[0].position));
    assert_eq!(first.await.unwrap().unwrap().accepted, 1);
    assert_eq!(take(&inlet, &rows, trades(&["1"]), 3).await.accepted, 1, "there is room again");
}

#[tokio::test]
async fn bodies_that_are_no_rows() {
    let (inlet, _rows) = open(2);
    let sent = |form, body: &str| Sent { form, body: body.into(), ..trades(&[]) };
    let six = trades(&["1"; 6]);
    assert_eq!(inlet.take(six).await, Err(TurnedAway::TooManyRows { limit: 5 }));
    for (form, body) in [(Form::Json, "7"), (Form::Csv, "colour\nred")] {
        let taken = inlet.take(sent(form, body)).await;
        assert!(matches!(taken, Err(TurnedAway::Unreadable(_))), "{taken:?}");
    }
}

#[tokio::test]
async fn before_and_after_the_run_nothing_is_taken() {
    let config = RawConfig::parse(CONFIG, "c.toml").unwrap().check(Path::new(".")).unwrap();
    let inlet = HttpInlet::new(&config).unwrap();
    assert_eq!(inlet.take(trades(&["1"])).await, Err(TurnedAway::Closed));
    let (inlet, rows) = open(2);
    let waiting = tokio::spawn({
        let inlet = inlet.clone();
        async move { inlet.take(trades(&["1"])).await }
    });
    while inlet.0.bound().rows == 0 {
        tokio::task::yield_now().await;
    }
    drop(rows);
    inlet.close();
    assert_eq!(waiting.await.unwrap(), Err(TurnedAway::Closed));
    assert_eq!(inlet.take(trades(&["1"])).await, Err(TurnedAway::Closed));
}

#[tokio::test]
async fn what_is_said_of_accounts_comes_in_too() {
    let (inlet, rows) = open(2);
    let body = "portfolio,id,instrument,time,quantity,price\np1,1,us:A,1000s,-5,1.5\n";
    let row_type = Some("fill".to_owned());
    let sent = Sent { form: Form::Csv, body: body.into(), row_type, atomic: false };
    let taking = tokio::spawn({
        let inlet = inlet.clone();
        async move { inlet.take(sent).await }
    });
    let pumped = loop {
        match rows.try_recv() {
            Ok(pumped) => break pumped,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(pumped.rows[0].event, Ok(InputEvent::Account(_))));
    inlet.sealed(&binding(1, 1_001, 1));
    assert_eq!(taking.await.unwrap().unwrap().accepted, 1);
}
