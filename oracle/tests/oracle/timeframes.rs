//! Timeframes of zones beside the slow walk, and by hand.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use market::{Calendar, Calendars, EventTime, TimeUnit};
use oracle::sessions::Market;
use oracle::timeframes::bars;

const HOUR: i64 = 3_600_000_000_000;

fn at(text: &str) -> EventTime {
    EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
}

/// Zones, and days on which their clocks change: by an hour, by half of one, over midnight, to midnight, at 00:01; and
/// a date that never was.
const CHANGES: [(&str, &str); 13] = [
    ("America/New_York", "2024-03-10T07:00:00Z"),
    ("America/New_York", "2024-11-03T06:00:00Z"),
    ("Europe/London", "2024-03-31T01:00:00Z"),
    ("Europe/London", "2024-10-27T01:00:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00:00Z"),
    ("Australia/Lord_Howe", "2024-10-05T15:30:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/St_Johns", "2010-03-14T03:31:00Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z"),
    ("Asia/Beirut", "2024-03-30T22:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2024-02-29T00:00:00Z"),
];

#[test]
fn bars_of_zones_around_changes_of_clocks() {
    for (zone, change) in CHANGES {
        let calendar = Calendar::named(zone).unwrap();
        let slow = TimeZone::get(zone).unwrap();
        let change = at(change);
        for (frame, hours, step_secs) in [
            ("50s", 4, 10),
            ("90s", 4, 30),
            ("1m", 30, 60),
            ("45m", 30, 60),
            ("1h", 30, 60),
            ("72m", 48, 60),
            ("90m", 48, 60),
            ("2h", 48, 60),
            ("3h", 48, 60),
            ("8h", 48, 60),
            ("1d", 96, 60),
            ("2d", 200, 60),
            ("5d", 400, 60),
            ("1w", 700, 60),
            ("2w", 700, 60),
            ("1M", 1_000, 60),
            ("3M", 3_000, 60),
            ("1y", 9_000, 60),
        ] {
            let timeframe = frame.parse().unwrap();
            let range = (EventTime(change.0 - hours * HOUR), EventTime(change.0 + hours * HOUR));
            let want = bars(&slow, timeframe, Weekday::Monday, range, step_secs);
            assert!(!want.is_empty());
            for bar in want {
                for inside in [bar.open.0, bar.open.0 / 2 + bar.end.0 / 2, bar.end.0 - 1] {
                    let got = calendar.bucket(timeframe, EventTime(inside));
                    assert_eq!(got, bar, "{zone} {frame} {}", EventTime(inside));
                }
            }
        }
    }
}

#[test]
fn weeks_that_begin_on_other_days() {
    let new_york = Calendar::named("America/New_York").unwrap();
    let zone = TimeZone::get("America/New_York").unwrap();
    let range = (at("2024-03-01T00:00:00Z"), at("2024-03-20T00:00:00Z"));
    for (name, day) in
        [("sun", Weekday::Sunday), ("sat", Weekday::Saturday), ("tue", Weekday::Tuesday)]
    {
        let calendars =
            Calendars::new(vec![new_york.clone()]).unwrap().with_weeks_from(name).unwrap();
        let calendar = calendars.iter().next().unwrap();
        for frame in ["1w", "2w", "3w"] {
            let timeframe = frame.parse().unwrap();
            for bar in bars(&zone, timeframe, day, range, 60) {
                assert_eq!(calendar.bucket(timeframe, bar.open), bar, "{name} {frame}");
                assert_eq!(
                    calendar.bucket(timeframe, EventTime(bar.end.0 - 1)),
                    bar,
                    "{name} {frame}"
                );
            }
        }
    }
    let error = Calendars::utc().with_weeks_from("noon").unwrap_err();
    assert!(error.contains("`noon`") && error.contains("mon, tue"), "{error}");
}

#[test]
fn borders_by_hand() {
    let opens = |calendar: &str, frame: &str, inside: &str| {
        let bucket = Calendar::named(calendar).unwrap().bucket(frame.parse().unwrap(), at(inside));
        (bucket.open.rfc3339(), bucket.end.rfc3339())
    };
    let shown = |open: &str, end: &str| (open.to_owned(), end.to_owned());
    for (calendar, frame, inside, open, end) in [
        ("UTC", "45m", "2024-06-05T01:00:00Z", "2024-06-05T00:45:00Z", "2024-06-05T01:30:00Z"),
        ("UTC", "2d", "2024-06-05T01:00:00Z", "2024-06-04T00:00:00Z", "2024-06-06T00:00:00Z"),
        // A Wednesday.
        ("UTC", "1w", "2024-06-05T01:00:00Z", "2024-06-03T00:00:00Z", "2024-06-10T00:00:00Z"),
        ("UTC", "1M", "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("UTC", "3M", "2024-06-05T01:00:00Z", "2024-04-01T00:00:00Z", "2024-07-01T00:00:00Z"),
        ("UTC", "1y", "2024-06-05T01:00:00Z", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        // Clocks go forward from 02:00 to 03:00: half an hour between 01:30 and 03:00.
        (
            "America/New_York",
            "90m",
            "2024-03-10T06:45:00Z",
            "2024-03-10T06:30:00Z",
            "2024-03-10T07:00:00Z",
        ),
        // They go back from 02:00 to 01:00: 01:30 is shown twice, and the first counts.
        (
            "America/New_York",
            "90m",
            "2024-11-03T06:45:00Z",
            "2024-11-03T05:30:00Z",
            "2024-11-03T08:00:00Z",
        ),
        (
            "America/New_York",
            "45m",
            "2024-11-03T05:59:00Z",
            "2024-11-03T05:30:00Z",
            "2024-11-03T06:00:00Z",
        ),
        (
            "America/New_York",
            "45m",
            "2024-11-03T06:45:00Z",
            "2024-11-03T06:30:00Z",
            "2024-11-03T07:15:00Z",
        ),
        (
            "America/New_York",
            "1M",
            "2024-03-10T06:45:00Z",
            "2024-03-01T05:00:00Z",
            "2024-04-01T04:00:00Z",
        ),
        // Six bars of 65m fill a session.
        (
            "us-equities",
            "65m",
            "2024-06-05T14:00:00Z",
            "2024-06-05T13:30:00Z",
            "2024-06-05T14:35:00Z",
        ),
        // A week, and a month, from the first session of its first trading day to that of the next.
        (
            "us-equities",
            "1w",
            "2024-11-30T12:00:00Z",
            "2024-11-25T09:00:00Z",
            "2024-12-02T09:00:00Z",
        ),
        (
            "us-equities",
            "1M",
            "2024-11-30T12:00:00Z",
            "2024-11-01T08:00:00Z",
            "2024-12-02T09:00:00Z",
        ),
        (
            "cme-globex",
            "1w",
            "2024-11-30T12:00:00Z",
            "2024-11-24T23:00:00Z",
            "2024-12-01T23:00:00Z",
        ),
        // The first trading days of 2024 were 2, 3, 4 and 5 January.
        (
            "us-equities",
            "2d",
            "2024-01-05T12:00:00Z",
            "2024-01-04T09:00:00Z",
            "2024-01-08T09:00:00Z",
        ),
        // 2025 had 250 trading days: the last of 83 bars of three days has one.
        (
            "us-equities",
            "3d",
            "2025-12-31T12:00:00Z",
            "2025-12-31T09:00:00Z",
            "2026-01-02T09:00:00Z",
        ),
    ] {
        assert_eq!(opens(calendar, frame, inside), shown(open, end), "{calendar} {frame} {inside}");
    }
}

#[test]
fn trading_days_weeks_and_months_beside_the_slow_walk() {
    for market in Market::ALL {
        let calendar = Calendar::named(market.name()).unwrap();
        for frame in ["2d", "3d", "5d", "1w", "2w", "1M", "3M", "1y"] {
            let timeframe = frame.parse().unwrap();
            let all =
                market.bars(timeframe, at("2025-01-10T00:00:00Z"), at("2026-02-01T00:00:00Z"));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].open));
            for bar in all {
                for inside in [bar.open.0, bar.open.0 / 2 + bar.end.0 / 2, bar.end.0 - 1] {
                    let got = calendar.bucket(timeframe, EventTime(inside));
                    assert_eq!(got, bar, "{market:?} {frame} {}", EventTime(inside));
                }
            }
        }
    }
}
