//! The log of all events: who follows some kinds of it gets the rows of the logs behind it, whatever other clients do.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use super::clients::{Events, Socket};
use super::{columns, final_rows, watched};
use crate::end_to_end::http::get;

/// The rows of a log with these of its columns, and `more` beside.
fn rows_of(folder: &Path, view: &str, wanted: &[&str], more: &str) -> BTreeSet<String> {
    let all = columns(folder, view);
    let places = wanted.iter().map(|name| all.iter().position(|column| column == name).unwrap());
    let places: Vec<usize> = places.collect();
    let rows = final_rows(folder, view);
    let chosen = rows.iter().map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let cells = places.iter().map(|place| cells[*place]);
        format!("{}{more}", cells.collect::<Vec<_>>().join(","))
    });
    chosen.collect()
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn kinds_of_events_are_followed_whatever_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut asked = Vec::new();
    let mut silent = Vec::new();
    let received = watched("2", "", folder, |job| {
        // Two that never read, one of which wants everything, …
        for _ in 0..2 {
            let mut socket = Socket::open(job.address);
            socket.subscribe("all", "events", r#"{"limit": 10000}"#);
            silent.push(socket);
        }
        // … and one after the other that leaves in the middle.
        let address = job.address;
        thread::spawn(move || {
            for _ in 0..20 {
                let mut events = Events::open(address, "view=events&limit=1000");
                events.next();
                sleep(Duration::from_millis(20));
            }
        });
        let follow = |query: &str| {
            let query = format!("view=events&limit=100000&numbers=string&{query}");
            job.events(&query, Duration::ZERO)
        };
        let trades = follow("type=trade,correction,cancel");
        let nameless = follow("type=trade,correction,cancel&event_names=message");
        let (revisions, alerts) = (follow("type=revision"), follow("type=alert"));
        let newest = "/streaming/events?type=trade&sort=-commit&limit=5&price[gt]=0";
        asked = get(job.address, newest).json()["rows"].as_array().unwrap().clone();
        let metrics = get(job.address, "/metrics").body;
        let count = metrics.lines().find_map(|line| {
            line.strip_prefix("tickweave_subscriptions{view=\"events\"} ")?.parse::<u64>().ok()
        });
        assert!(count.is_some_and(|count| count >= 6), "{count:?} subscriptions");
        let all = [("trades", trades), ("nameless", nameless), ("revisions", revisions)];
        all.into_iter().chain([("alerts", alerts)]).collect()
    });
    assert_eq!(asked.len(), 5);
    assert!(asked.iter().all(|row| row["type"] == "trade"), "{asked:?}");

    let of_trade = ["commit", "instrument", "id", "time", "price", "size", "side", "position"];
    let trades = rows_of(folder, "trades", &[&of_trade[..], &["kind"]].concat(), "");
    assert!(trades.len() > 4_000, "{}", trades.len());
    let with_type = names(&[&of_trade[..], &["type"]].concat());
    for client in ["trades", "nameless"] {
        received[client].assert_is("events", &trades, &with_type, client);
        received[client].without_an_update().assert_is_not("events", &trades, &with_type);
    }
    let of_bar = ["commit", "instrument", "timeframe", "open_time", "cause", "cause_id"];
    let revisions = rows_of(folder, "revisions", &of_bar, ",revision");
    assert!(revisions.len() > 100, "{}", revisions.len());
    let shown = ["commit", "instrument", "timeframe", "time", "kind", "id", "type"];
    received["revisions"].assert_is("events", &revisions, &names(&shown), "revisions");
    let of_alert = ["commit", "instrument", "timeframe", "open_time", "rule", "kind", "price"];
    let alerts = rows_of(folder, "alert_events", &of_alert, ",alert");
    assert!(alerts.iter().any(|row| row.contains(",withdrawn,")), "none is withdrawn");
    let shown = ["commit", "instrument", "timeframe", "time", "rule", "kind", "price", "type"];
    received["alerts"].assert_is("events", &alerts, &names(&shown), "alerts");
}
