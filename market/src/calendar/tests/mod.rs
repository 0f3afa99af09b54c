//! Bars of UTC and of zones by hand, and what holds for bars of every calendar.

mod hours;
mod markets;
mod prints;
mod sessions;

use super::zone::{NANOS, nanos, timestamp};
use super::*;
use crate::time::TimeUnit;
use proptest::prelude::*;

const FRAMES: [&str; 24] = [
    "1s", "10s", "50s", "1m", "5m", "15m", "45m", "1h", "65m", "72m", "90m", "2h", "4h", "1d",
    "2d", "3d", "6d", "1w", "2w", "1M", "2M", "3M", "6M", "1y",
];
/// Whole-hour and half-hour shifts, midnight shifts, odd offsets, no shifts.
const ZONES: [&str; 8] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/St_Johns", // until 2011 clocks changed at 00:01
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Asia/Tokyo",
];

fn time(text: &str) -> EventTime {
    EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
}

fn bars(zone: &str, frame: &str, from: &str, to: &str) -> Vec<String> {
    let calendar = Calendar::named(zone).unwrap();
    let frame = frame.parse().unwrap();
    let mut opens = Vec::new();
    let mut at = time(from);
    while at < time(to) {
        let bucket = calendar.bucket(frame, at);
        opens.push(bucket.open.rfc3339());
        at = bucket.end;
    }
    opens
}

#[test]
fn the_day_that_clocks_go_forward_in_new_york() {
    assert_eq!(
        bars("America/New_York", "4h", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"),
        [
            "2024-03-10T05:00:00Z", // midnight; three hours long
            "2024-03-10T08:00:00Z", // 04:00 EDT
            "2024-03-10T12:00:00Z",
            "2024-03-10T16:00:00Z",
            "2024-03-10T20:00:00Z",
            "2024-03-11T00:00:00Z",
        ]
    );
}

#[test]
fn the_day_that_clocks_go_back_in_new_york() {
    let hours = bars("America/New_York", "1h", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z");
    assert_eq!(hours.len(), 25, "the repeated hour has a bar of its own: {hours:?}");
    let long = bars("America/New_York", "4h", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z");
    assert_eq!(long[..2], ["2024-11-03T04:00:00Z", "2024-11-03T09:00:00Z"]);
    assert_eq!(long.len(), 6);
}

#[test]
fn a_half_hour_shift_cuts_the_hour() {
    // Lord Howe, 2024-04-06T15:00Z: 02:00 +11 becomes 01:30 +10:30.
    assert_eq!(
        bars("Australia/Lord_Howe", "1h", "2024-04-06T14:00:00Z", "2024-04-06T16:30:00Z"),
        ["2024-04-06T14:00:00Z", "2024-04-06T15:00:00Z", "2024-04-06T15:30:00Z"]
    );
}

#[test]
fn frames_and_their_text() {
    for frame in FRAMES {
        assert_eq!(frame.parse::<Timeframe>().unwrap().to_string(), frame);
    }
    for wrong in
        ["", "m", "0s", "25h", "7d", "31d", "5w", "5M", "2y", "-1m", "1.5h", "99999999999d", "1µ"]
    {
        let error = wrong.parse::<Timeframe>().unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }
    let mut lengths: Vec<_> =
        FRAMES.iter().map(|frame| frame.parse::<Timeframe>().unwrap()).collect();
    assert!(lengths.is_sorted());
    lengths.dedup();
    assert_eq!(lengths.len(), FRAMES.len());
    for frame in lengths {
        assert_eq!(Timeframe::from_secs(frame.secs()), Some(frame));
        assert_eq!(Timeframe::at_least(frame.secs().into()), Some(frame));
        let longer = Timeframe::at_least(u64::from(frame.secs()) + 1);
        assert!(longer.is_none_or(|longer| longer > frame), "{frame}: {longer:?}");
        let secs = longer.map_or(u32::MAX, Timeframe::secs);
        assert!(
            (frame.secs() + 1..secs).take(100_000).all(|secs| Timeframe::from_secs(secs).is_none())
        );
    }
}

/// Calendars whose sessions meet odd hours of their zones.
fn made(zone: &str, sessions: &[(&str, &str, &str)], holidays: &str) -> Calendar {
    let rules: Vec<SessionRule> = sessions
        .iter()
        .enumerate()
        .map(|(index, (days, opens, closes))| SessionRule {
            days: days.parse().unwrap(),
            kind: [SessionKind::Regular, SessionKind::Extended][index % 2],
            opens: opens.parse().unwrap(),
            closes: closes.parse().unwrap(),
        })
        .collect();
    let holidays = Holidays::parse(holidays).unwrap();
    Calendar::with_sessions(Sessions::new("made", zone, &rules, holidays).unwrap())
}

/// Every zone and every kind of sessions.
fn calendars() -> Vec<Calendar> {
    let mut calendars = vec![Calendar::UTC];
    calendars.extend(ZONES.iter().map(|name| Calendar::named(name).unwrap()));
    calendars.extend(MARKETS.iter().map(|market| market.calendar(&market.names()[0]).unwrap()));
    calendars.extend([
        // All the time, so that every change of clocks is inside a session.
        made("America/New_York", &[("mon-sun", "17:00 previous day", "17:00")], ""),
        // Sessions that begin, end or lie in the hours that clocks skip or repeat.
        made("America/New_York", &[("mon-sun", "02:15", "02:45"), ("sat-mon", "03:00", "03:01")], ""),
        made("Asia/Beirut", &[("mon-sun", "00:30", "23:30"), ("sun", "23:30", "00:30 next day")], ""),
        made("Australia/Lord_Howe", &[("sun", "01:45", "02:10"), ("sun", "02:10", "09:00")], ""),
        // A dateline that moved: 2011-12-30 never was.
        made("Pacific/Apia", &[("fri", "09:00", "17:00"), ("tue", "22:00 previous day", "05:00")], ""),
        // Dates with other hours, also such as the usual week leaves out; one a day before clocks go forward.
        made(
            "America/New_York",
            &[("mon-fri", "09:30", "16:00"), ("mon-thu", "16:00", "20:00"), ("mon", "17:00 previous day", "02:00")],
            "2024-03-09,10:00-12:00\n2024-11-26,10:30-17:00\n2024-11-27,18:15-19:15\n2024-11-28,closed\n\
             2024-11-30,09:15-10:00 11:30-12:30\n2024-12-01,01:00-16:45\n2024-12-03,00:01-23:59",
        ),
        // A lunch break, and dates at which little goes on.
        made(
            "Asia/Tokyo",
            &[("mon-fri", "09:00", "11:30"), ("mon-fri", "08:00", "08:45"), ("mon-fri", "12:30", "15:00")],
            "2024-01-01,closed\n2024-01-02,closed\n2024-01-03,closed\n2024-01-04,11:30\n2024-01-05,13:17",
        ),
    ]);
    calendars
}

/// An instant, often within hours of a change of the zone's clocks or of the end of November 2024.
fn near_a_change(calendar: &Calendar, secs: i64, offset_secs: i64) -> EventTime {
    let at = EventTime(secs * NANOS);
    let zone = match &calendar.kind {
        Kind::Utc => return at,
        Kind::Zone(zone) => zone,
        Kind::Sessions(sessions) if secs % 3 > 0 => sessions.zone(),
        Kind::Sessions(_) => {
            let week = time("2024-11-25T00:00:00Z").0 / NANOS + secs % (50 * 86_400);
            return EventTime((week + offset_secs) * NANOS);
        }
    };
    let change = zone.following(timestamp(at)).next().map(|t| nanos(t.timestamp()));
    change.map_or(at, |change| EventTime(change.0 + offset_secs * NANOS))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_instant_is_in_its_bar_and_bars_tile_time(
        calendar in prop::sample::select(calendars()),
        frame in prop::sample::select(&FRAMES[..]),
        secs in 0..2_000_000_000_i64,
        offset in -200_000..200_000_i64,
    ) {
        let frame: Timeframe = frame.parse().unwrap();
        let at = near_a_change(&calendar, secs, offset);
        let bucket = calendar.bucket(frame, at);
        prop_assert!(bucket.open <= at && at < bucket.end, "{at} in {bucket:?}");
        // Both ends of the bar agree, and its neighbours touch it.
        prop_assert_eq!(calendar.bucket(frame, bucket.open), bucket);
        prop_assert_eq!(calendar.bucket(frame, EventTime(bucket.end.0 - 1)), bucket);
        prop_assert_eq!(calendar.bucket(frame, bucket.end).open, bucket.end);
        prop_assert_eq!(calendar.bucket(frame, EventTime(bucket.open.0 - 1)).end, bucket.open);
    }

    #[test]
    fn larger_bars_are_unions_of_smaller_ones(
        calendar in prop::sample::select(calendars()),
        frames in (0..FRAMES.len(), 0..FRAMES.len()),
        secs in 0..2_000_000_000_i64,
        offset in -200_000..200_000_i64,
    ) {
        let small: Timeframe = FRAMES[frames.0.min(frames.1)].parse().unwrap();
        let large: Timeframe = FRAMES[frames.0.max(frames.1)].parse().unwrap();
        prop_assume!(large.is_union_of(small));
        let inner = calendar.bucket(small, near_a_change(&calendar, secs, offset));
        let outer = calendar.bucket(large, inner.open);
        prop_assert!(outer.open <= inner.open && inner.end <= outer.end, "{inner:?} in {outer:?}");
    }

    #[test]
    fn stretches_tile_time_and_bars_below_a_day_stay_in_theirs(
        calendar in prop::sample::select(calendars()),
        frame in prop::sample::select(&FRAMES[..]),
        secs in 0..2_000_000_000_i64,
        offset in -200_000..200_000_i64,
    ) {
        let frame: Timeframe = frame.parse().unwrap();
        let at = near_a_change(&calendar, secs, offset);
        let stretch = calendar.stretch(at);
        prop_assert!(stretch.open <= at && at < stretch.end, "{at} in {stretch:?}");
        prop_assert_eq!(calendar.session(at), stretch.kind);
        if calendar.has_sessions() {
            prop_assert_eq!(calendar.stretch(stretch.open), stretch);
            prop_assert_eq!(calendar.stretch(stretch.end).open, stretch.end);
            let bucket = calendar.bucket(frame, at);
            let day = calendar.bucket(Timeframe::DAY, at);
            prop_assert!(day.open <= stretch.open && stretch.end <= day.end, "{stretch:?} in {day:?}");
            prop_assert!(calendar.session(day.open) != SessionKind::Closed, "{day:?}");
            let inside = stretch.open <= bucket.open && bucket.end <= stretch.end;
            prop_assert!(frame >= Timeframe::DAY || inside, "{bucket:?} in {stretch:?}");
            let date = calendar.trading_day(at);
            prop_assert_eq!(calendar.trading_day(day.open), date);
            prop_assert!(calendar.trading_day(day.end) > date);
        }
    }
}
