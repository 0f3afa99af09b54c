//! Calendars beside the slow walk over minutes.

use jiff::civil::{Date, date};
use market::{Bucket, Calendar, EventTime, SessionKind, TimeUnit, Timeframe};
use oracle::sessions::{Market, Piece, us_closed, us_half_day};

/// How long the prints of a close are waited for in New York.
const GRACE: i64 = 10_000_000_000;

fn at(text: &str) -> EventTime {
    EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
}

/// Weeks in which clocks change (Sundays), a holiday and a half day.
const WEEKS: [(&str, &str); 4] = [
    ("2024-03-08T00:00:00Z", "2024-03-13T00:00:00Z"),
    ("2024-11-01T00:00:00Z", "2024-11-06T00:00:00Z"),
    ("2024-11-26T00:00:00Z", "2024-12-03T00:00:00Z"),
    ("2013-07-02T00:00:00Z", "2013-07-09T00:00:00Z"),
];

fn assert_bars(market: Market, frame: &str, from: &str, to: &str) -> usize {
    let calendar = Calendar::named(market.name()).unwrap();
    let timeframe: Timeframe = frame.parse().unwrap();
    let bars = market.bars(timeframe, at(from), at(to));
    for bar in &bars {
        let middle = bar.open.0 / 2 + bar.end.0 / 2;
        for inside in [bar.open.0, middle, bar.end.0 - 1] {
            let got = calendar.bucket(timeframe, EventTime(inside));
            assert_eq!(got, *bar, "{market:?} {frame} {}", EventTime(inside));
        }
    }
    // The slow bars tile the range too.
    assert!(bars.windows(2).all(|pair| pair[0].end == pair[1].open), "{market:?} {frame}");
    bars.len()
}

#[test]
fn bars_of_weeks_in_which_something_happens() {
    for market in Market::ALL {
        for (from, to) in WEEKS {
            for frame in ["10s", "1m", "5m", "15m", "1h", "2h", "4h", "12h", "1d"] {
                assert_bars(market, frame, from, to);
            }
        }
    }
}

#[test]
fn bars_of_whole_years() {
    for market in Market::ALL {
        for frame in ["1h", "1d"] {
            assert_bars(market, frame, "2013-01-02T12:00:00Z", "2013-12-31T00:00:00Z");
            assert_bars(market, frame, "2023-01-03T12:00:00Z", "2027-12-30T00:00:00Z");
        }
    }
    // The New York Stock Exchange had 250 trading days in 2025.
    let shares = ("2025-01-02T12:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(assert_bars(Market::UsEquities, "1d", shares.0, shares.1), 250);
}

#[test]
fn sessions_and_trading_days_of_two_years() {
    for market in Market::ALL {
        let calendar = Calendar::named(market.name()).unwrap();
        let pieces = market.pieces(at("2024-01-05T00:00:00Z"), at("2025-12-20T00:00:00Z"));
        for piece in &pieces {
            for inside in [piece.open, EventTime(piece.end.0 - 1)] {
                let stretch = calendar.stretch(inside);
                let got = (stretch.kind, stretch.open, stretch.end, calendar.trading_day(inside));
                assert_eq!(got, (piece.kind, piece.open, piece.end, piece.day), "{market:?}");
            }
        }
    }
}

#[test]
fn a_half_day_in_new_york() {
    let pieces = Market::UsEquities.pieces(at("2024-11-29T09:00:00Z"), at("2024-11-30T00:00:00Z"));
    let shown: Vec<_> = pieces.iter().map(|p| (p.kind, p.open, p.end)).collect();
    let hour = |text: &str| at(&format!("2024-11-29T{text}:00-05:00"));
    assert_eq!(
        shown,
        [
            (SessionKind::Extended, hour("04:00"), hour("09:30")),
            (SessionKind::Regular, hour("09:30"), EventTime(hour("13:00").0 + GRACE)),
            (SessionKind::Extended, EventTime(hour("13:00").0 + GRACE), hour("17:00")),
            (SessionKind::Closed, hour("17:00"), at("2024-12-02T04:00:00-05:00")),
        ]
    );
    let hours = Market::UsEquities.bars("1h".parse().unwrap(), hour("09:30"), hour("13:00"));
    let last = Bucket { open: hour("12:30"), end: EventTime(hour("13:00").0 + GRACE) };
    assert_eq!((hours.len(), hours[3]), (4, last));
}

#[test]
fn a_monday_in_chicago_that_begins_after_clocks_have_changed() {
    let monday = |from: &str, to: &str| -> Vec<Piece> {
        let pieces = Market::CmeGlobex.pieces(at(from), at(to));
        assert!(pieces.iter().all(|piece| piece.day == pieces[0].day));
        pieces
    };
    // 17:00 is 23:00 UTC in winter and 22:00 in summer.
    let spring = monday("2024-03-10T22:00:00Z", "2024-03-11T22:00:00Z");
    assert_eq!(spring[0].day, date(2024, 3, 11));
    assert_eq!(
        (spring[0].open, spring[0].end),
        (at("2024-03-10T22:00:00Z"), at("2024-03-11T21:00:00Z"))
    );
    let autumn = monday("2024-11-03T23:00:00Z", "2024-11-04T23:00:00Z");
    assert_eq!(autumn[0].open, at("2024-11-03T23:00:00Z"));
    let friday = Market::CmeGlobex.bars(
        Timeframe::DAY,
        at("2024-03-09T00:00:00Z"),
        at("2024-03-09T01:00:00Z"),
    );
    assert_eq!(friday, [Bucket { open: at("2024-03-07T23:00:00Z"), end: spring[0].open }]);
}

#[test]
fn the_list_of_holidays_is_what_the_rules_give() {
    let calendar = Calendar::named("us-equities").unwrap();
    let mut day: Date = date(2013, 1, 1);
    let (mut closed, mut half) = (0, 0);
    while day < date(2028, 1, 1) {
        if day == date(2014, 1, 1) {
            day = date(2023, 1, 1);
        }
        let at = |hour: i8| {
            let zoned = day.at(hour, 30, 0, 0).in_tz("America/New_York").unwrap();
            EventTime(i64::try_from(zoned.timestamp().as_nanosecond()).unwrap())
        };
        let weekend = day.weekday().to_monday_zero_offset() > 4;
        let is_closed = calendar.session(at(10)) == SessionKind::Closed;
        let is_half = !is_closed && calendar.session(at(14)) == SessionKind::Extended;
        assert_eq!(is_closed, weekend || us_closed(day), "{day}");
        assert_eq!(is_half, us_half_day(day), "{day}");
        closed += u32::from(is_closed && !weekend);
        half += u32::from(is_half);
        day = day.tomorrow().unwrap();
    }
    assert_eq!((closed, half), (9 + 10 + 10 + 11 + 10 + 10, 3 + 2 + 3 + 3 + 2 + 1));
}
