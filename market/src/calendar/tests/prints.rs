//! Prints of auctions, and those that are none, by hand.

use super::*;
use crate::time::Span;
use crate::updates::SessionPrint::{self, Closing, Opening, Ordinary, Unsaid};

fn lunch() -> Calendar {
    let rule = |kind, opens: &str, closes: &str| SessionRule {
        days: "mon-fri".parse().unwrap(),
        kind,
        opens: opens.parse().unwrap(),
        closes: closes.parse().unwrap(),
    };
    let rules = [
        rule(SessionKind::Regular, "09:00", "11:30"),
        rule(SessionKind::Regular, "12:30", "15:00"),
    ];
    let sessions = Sessions::new("lunch", "UTC", &rules, Holidays::default()).unwrap();
    Calendar::with_sessions(sessions.with_close_grace(Span::secs(60)).unwrap())
}

#[test]
fn prints_count_to_the_sessions_that_they_are_of() {
    let shares = Calendar::named("us-equities").unwrap();
    let lunch = lunch();
    for (calendar, at, print, counts) in [
        // A usual day in New York ends at 21:00 in winter, a half day at 18:00.
        (&shares, "2023-11-22T20:59:59Z", Closing, "2023-11-22T20:59:59Z"),
        (&shares, "2023-11-22T21:00:00.052Z", Closing, "2023-11-22T21:00:00.052Z"),
        (&shares, "2023-11-22T21:00:10Z", Closing, "2023-11-22T21:00:09.999999999Z"),
        (&shares, "2023-11-23T00:59:59Z", Closing, "2023-11-22T21:00:09.999999999Z"),
        (&shares, "2023-11-23T01:00:00Z", Closing, "2023-11-23T01:00:00Z"),
        (&shares, "2023-11-24T18:03:00Z", Closing, "2023-11-24T18:00:09.999999999Z"),
        (&shares, "2023-11-24T22:00:00Z", Closing, "2023-11-24T22:00:00Z"),
        (&shares, "2023-11-24T13:00:00Z", Closing, "2023-11-24T13:00:00Z"),
        (&shares, "2023-11-22T20:59:59.999999999Z", Ordinary, "2023-11-22T20:59:59.999999999Z"),
        (&shares, "2023-11-22T21:00:00Z", Ordinary, "2023-11-22T21:00:10Z"),
        (&shares, "2023-11-22T21:00:09.999999999Z", Ordinary, "2023-11-22T21:00:10Z"),
        (&shares, "2023-11-22T21:00:11Z", Ordinary, "2023-11-22T21:00:11Z"),
        (&shares, "2023-11-22T14:29:50Z", Opening, "2023-11-22T14:30:00Z"),
        (&shares, "2023-11-22T14:29:49Z", Opening, "2023-11-22T14:29:49Z"),
        (&shares, "2023-11-22T14:31:00Z", Opening, "2023-11-22T14:31:00Z"),
        (&shares, "2023-11-22T21:00:05Z", Unsaid, "2023-11-22T21:00:05Z"),
        (&lunch, "2024-11-22T12:29:59Z", Closing, "2024-11-22T11:30:59.999999999Z"),
        (&lunch, "2024-11-22T12:29:30Z", Opening, "2024-11-22T12:30:00Z"),
        // A closed time reaches to Monday.
        (&lunch, "2024-11-22T18:00:00Z", Closing, "2024-11-22T15:00:59.999999999Z"),
        (&lunch, "2024-11-25T08:59:30Z", Opening, "2024-11-25T09:00:00Z"),
        (&Calendar::UTC, "2024-11-22T12:29:30Z", Closing, "2024-11-22T12:29:30Z"),
    ] {
        let got = calendar.counts_at(time(at), print);
        assert_eq!(got, time(counts), "{} {at} {print:?}: {}", calendar.name(), got.rfc3339());
    }
}

#[test]
fn a_bar_reaches_back_to_its_first_print() {
    let shares = Calendar::named("us-equities").unwrap();
    let base = "1m".parse().unwrap();
    let (from, to) = (time("2023-11-22T08:00:00Z"), time("2023-11-23T10:00:00Z"));
    let mut at = from;
    while at < to {
        for print in SessionPrint::ALL {
            let open = shares.bucket(base, shares.counts_at(at, print)).open;
            assert!(shares.first_print(open) <= at, "{} {print:?}", at.rfc3339());
        }
        at = EventTime(at.0 + 2_500_000_000);
    }
    let reach_back = |open| shares.first_print(time(open)) < time(open);
    assert!(reach_back("2023-11-22T14:30:00Z") && reach_back("2023-11-22T21:00:10Z"));
    assert!(!reach_back("2023-11-22T14:31:00Z") && !reach_back("2023-11-22T09:00:00Z"));
    assert!(!reach_back("2023-11-22T20:59:00Z") && !reach_back("2023-11-23T01:00:00Z"));
}
