//! The calendars that ship, and the page that lists them.

use super::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/calendars.md");
const BEGIN: &str = "<!-- Generated: TICKWEAVE_WRITE_DOCS=1 cargo test -p market markets -->\n";
const END: &str = "<!-- End of the generated part. -->\n";

fn table() -> String {
    let mut table = "| name | also | of | knows | published |\n|---|---|---|---|---|\n".to_owned();
    for market in &MARKETS {
        let [name, others @ ..] = market.names() else { panic!("a calendar has a name") };
        let (first, last) = market.calendar(name).unwrap().known_years().unwrap();
        let others: Vec<_> = others.iter().map(|name| format!("`{name}`")).collect();
        let (others, title, source) = (others.join(", "), market.title(), market.source());
        table += &format!("| `{name}` | {others} | {title} | {first}–{last} | {source} |\n");
    }
    table
}

#[test]
fn the_page_lists_the_markets() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let want = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("TICKWEAVE_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &want).unwrap();
        return;
    }
    assert!(page == want, "docs/calendars.md lists other calendars; see its generated part");
}

#[test]
fn every_name_is_one_calendar() {
    let mut names: Vec<&String> = MARKETS.iter().flat_map(MarketCalendar::names).collect();
    for name in &names {
        let calendar = Calendar::named(name).unwrap();
        assert_eq!(calendar.name(), *name);
        assert!(calendar.has_sessions() && TimeZone::get(name).is_err(), "{name}");
    }
    let count = names.len();
    assert!(count > MARKETS.len());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn what_a_calendar_says_of_single_dates() {
    use SessionKind::{Closed, Extended, Regular};
    for (name, at, kind) in [
        ("XNYS", "2024-11-29T12:59:59-05:00", Regular),
        ("XNYS", "2024-11-29T13:00:10-05:00", Extended),
        ("us-equities", "2001-09-12T11:00:00-04:00", Closed),
        ("XNAS", "1996-01-08T10:59:00-05:00", Closed), // a blizzard: from 11:00 to 14:00
        ("XNAS", "1996-01-08T11:00:00-05:00", Regular),
        ("XNAS", "1996-01-08T14:00:10-05:00", Extended),
        ("XNYS", "2021-12-31T11:00:00-05:00", Regular), // New Year's Day was a Saturday
        ("XNYS", "2022-06-20T11:00:00-04:00", Closed),
        ("CME-EQUITY", "2026-04-03T08:14:59-05:00", Regular),
        ("cme-globex", "2026-04-03T08:15:00-05:00", Closed),
        ("CME-EQUITY", "2024-12-24T17:00:00-06:00", Closed), // of Christmas Day
        ("CME-EQUITY", "2024-12-25T17:00:00-06:00", Regular), // of 26 December
        ("XLON", "2009-12-28T10:00:00+00:00", Closed),       // Boxing Day was a Saturday
        ("XLON", "2011-12-27T10:00:00+00:00", Closed),       // Christmas Day was a Sunday
        ("XTKS", "2024-11-01T15:10:00+09:00", Closed),
        ("XTKS", "2024-11-05T15:10:00+09:00", Regular),
        ("XTKS", "2024-11-05T12:00:00+09:00", Closed),
        ("XHKG", "2023-07-17T10:00:00+08:00", Closed), // a typhoon
        ("CME-ENERGY", "2024-11-28T13:29:59-06:00", Regular),
        ("CME-METALS", "2024-11-29T13:45:00-06:00", Closed),
        ("CME-RATES", "2018-12-04T18:00:00-06:00", Closed), // of the day of mourning
        ("CME-RATES", "2025-01-09T12:15:00-06:00", Closed),
        ("CME-FX", "2024-11-28T15:59:59-06:00", Regular),
        ("CME-FX", "2025-07-04T12:00:00-05:00", Closed),
        ("CFE", "2024-12-24T12:15:00-06:00", Closed),
        ("XBOM", "2024-05-18T10:30:00+05:30", Closed), // a Saturday with two sessions
        ("XNSE", "2024-05-18T11:30:00+05:30", Regular),
        ("XNSE", "2025-10-21T10:00:00+05:30", Closed), // Diwali
        ("XNSE", "2025-10-21T14:00:00+05:30", Regular),
        ("XBOM", "2026-02-01T12:00:00+05:30", Regular), // a Sunday
        ("BVMF", "2024-02-14T12:59:59-03:00", Closed),  // Ash Wednesday
        ("BVMF", "2024-02-14T17:59:59-03:00", Regular),
        ("BVMF", "2024-03-11T17:10:00-03:00", Closed), // New York has summer time
        ("XKRX", "2023-01-02T09:30:00+09:00", Closed),
        ("XKRX", "2023-01-02T15:31:00+09:00", Closed),
        ("XKRX", "2023-11-16T09:30:00+09:00", Closed), // exam
        ("XKRX", "2023-11-16T16:29:59+09:00", Regular),
        ("FX", "2024-11-29T16:59:00-05:00", Regular),
        ("FX", "2024-11-30T12:00:00-05:00", Closed),
        ("CRYPTO", "2024-12-25T00:00:00Z", Regular),
    ] {
        assert_eq!(Calendar::named(name).unwrap().session(time(at)), kind, "{name} {at}");
    }
}
