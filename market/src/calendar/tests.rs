//! Bars of UTC and of zones.

use super::zone::{NANOS, nanos, timestamp};
use super::*;
use crate::time::TimeUnit;
use proptest::prelude::*;

const FRAMES: [&str; 9] = ["1s", "10s", "1m", "5m", "15m", "1h", "2h", "4h", "1d"];
/// Whole-hour and half-hour shifts, midnight shifts, odd offsets, no shifts.
const ZONES: [&str; 7] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
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
    for wrong in ["", "m", "0s", "7s", "7h", "70s", "2d", "1w", "-1m", "99999999999d", "1µ"] {
        assert!(wrong.parse::<Timeframe>().is_err(), "{wrong}");
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
    let mut calendars = vec![Calendar::Utc];
    calendars.extend(ZONES.iter().chain(&MARKETS).map(|name| Calendar::named(name).unwrap()));
    calendars.extend([
        // All the time, so that every change of clocks is inside a session.
        made("America/New_York", &[("mon-sun", "17:00 previous day", "17:00")], ""),
        // Sessions that begin, end or lie in the hours that clocks skip or repeat.
        made("America/New_York", &[("mon-sun", "02:15", "02:45"), ("sat-mon", "03:00", "03:01")], ""),
        made("Asia/Beirut", &[("mon-sun", "00:30", "23:30"), ("sun", "23:30", "00:30 next day")], ""),
        made("Australia/Lord_Howe", &[("sun", "01:45", "02:10"), ("sun", "02:10", "09:00")], ""),
        // A dateline that moved: 2011-12-30 never was.
        made("Pacific/Apia", &[("fri", "09:00", "17:00"), ("tue", "22:00 previous day", "05:00")], ""),
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
    let zone = match calendar {
        Calendar::Utc => return at,
        Calendar::Zone(zone) => zone,
        Calendar::Sessions(sessions) if secs % 3 > 0 => sessions.zone(),
        Calendar::Sessions(_) => {
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
        // Each of `FRAMES` divides the next.
        let small: Timeframe = FRAMES[frames.0.min(frames.1)].parse().unwrap();
        let large: Timeframe = FRAMES[frames.0.max(frames.1)].parse().unwrap();
        prop_assert!(large.is_union_of(small));
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
            prop_assert!(frame == Timeframe::DAY || inside, "{bucket:?} in {stretch:?}");
            let date = calendar.trading_day(at);
            prop_assert_eq!(calendar.trading_day(day.open), date);
            prop_assert!(calendar.trading_day(day.end) > date);
        }
    }
}

/// Opens of bars in `from..to`, shown in the zone's own time.
fn local(calendar: &Calendar, frame: &str, from: &str, to: &str) -> Vec<String> {
    let Calendar::Sessions(sessions) = calendar else { panic!("a calendar with sessions") };
    let frame = frame.parse().unwrap();
    let mut at = calendar.bucket(frame, time(from)).open;
    let mut opens = Vec::new();
    while at < time(to) {
        let shown = sessions.zone().to_datetime(timestamp(at));
        opens.push(format!("{:?} {shown}", calendar.session(at)));
        at = calendar.bucket(frame, at).end;
    }
    let short = |open: &String| open.replace("2024-", "").replace(":00:00", ":00");
    opens.iter().map(short).collect()
}

#[test]
fn hours_of_a_half_day() {
    let shares = Calendar::named("us-equities").unwrap();
    assert_eq!(
        local(&shares, "2h", "2024-11-29T09:00:00Z", "2024-12-01T00:00:00Z"),
        [
            "Extended 11-29T04:00",
            "Extended 11-29T06:00",
            "Extended 11-29T08:00",
            "Regular 11-29T09:30:00",
            "Regular 11-29T11:30:00",
            "Extended 11-29T13:00",
            "Extended 11-29T15:00",
            "Closed 11-29T17:00",
            "Closed 11-29T19:00",
            "Closed 11-29T21:00",
            "Closed 11-29T23:00",
            "Closed 11-30T01:00",
            "Closed 11-30T03:00",
            "Closed 11-30T05:00",
            "Closed 11-30T07:00",
            "Closed 11-30T09:00",
            "Closed 11-30T11:00",
            "Closed 11-30T13:00",
            "Closed 11-30T15:00",
            "Closed 11-30T17:00",
        ]
    );
}

#[test]
fn trading_days_of_a_week_with_a_holiday() {
    let shares = Calendar::named("us-equities").unwrap();
    assert_eq!(
        local(&shares, "1d", "2024-11-26T12:00:00Z", "2024-12-03T00:00:00Z"),
        ["11-26T04:00", "11-27T04:00", "11-29T04:00", "12-02T04:00"]
            .map(|at| format!("Extended {at}"))
    );
    let futures = Calendar::named("cme-globex").unwrap();
    assert_eq!(
        local(&futures, "1d", "2024-03-08T00:00:00Z", "2024-03-13T00:00:00Z"),
        ["03-07T17:00", "03-10T17:00", "03-11T17:00", "03-12T17:00"]
            .map(|at| format!("Regular {at}"))
    );
}

#[test]
fn a_lunch_break_and_early_closes_around_it() {
    let tokyo = calendars().pop().unwrap();
    let stretches = |day: &str| {
        local(&tokyo, "12h", &format!("{day}T08:00:00+09:00"), &format!("{day}T23:00:00+09:00"))
    };
    let morning = ["Extended 01-09T08:00", "Closed 01-09T08:45:00", "Regular 01-09T09:00"];
    assert_eq!(stretches("2024-01-09")[..3], morning);
    assert_eq!(
        stretches("2024-01-09")[3..],
        ["Closed 01-09T11:30:00", "Regular 01-09T12:30:00", "Closed 01-09T15:00"]
    );
    // 11:30 leaves the afternoon out, 13:17 cuts it.
    assert_eq!(
        stretches("2024-01-04")[3..],
        ["Closed 01-04T11:30:00", "Closed 01-04T23:30:00"][..1]
    );
    assert_eq!(stretches("2024-01-05")[4..], ["Regular 01-05T12:30:00", "Closed 01-05T13:17:00"]);
}

#[test]
fn plans_that_do_not_work() {
    let rule = |days: &str, opens: &str, closes: &str, kind| SessionRule {
        days: days.parse().unwrap(),
        kind,
        opens: opens.parse().unwrap(),
        closes: closes.parse().unwrap(),
    };
    let regular = |days, opens, closes| rule(days, opens, closes, SessionKind::Regular);
    let day = regular("mon-fri", "09:30", "16:00");
    for (zone, rules, holidays, want) in [
        ("Mars", vec![day], "", "unknown zone `Mars`"),
        ("UTC", vec![], "", "at least one session"),
        (
            "UTC",
            vec![regular("mon", "17:00", "16:00")],
            "",
            "cannot open at 17:00 and close at 16:00",
        ),
        ("UTC", vec![day, regular("wed", "15:59", "17:00")], "", "overlap on or after Wednesday"),
        (
            "UTC",
            vec![regular("mon-tue", "09:00", "09:01 next day")],
            "",
            "overlap on or after Monday",
        ),
        (
            "UTC",
            vec![
                regular("sun", "09:00", "23:59 next day"),
                regular("tue", "23:00 previous day", "01:00"),
            ],
            "",
            "overlap on or after Sunday",
        ),
        (
            "UTC",
            vec![rule("mon", "09:00", "10:00", SessionKind::Closed)],
            "",
            "`regular` or `extended`",
        ),
        ("UTC", vec![day], "2024-11-29, 09:30", "2024-11-29 cannot close early at 09:30"),
        ("UTC", vec![day], "2024-11-29, 16:00", "cannot close early at 16:00"),
        ("UTC", vec![day], "2024-11-30, 13:00", "2024-11-30 cannot close early"),
    ] {
        let holidays = Holidays::parse(holidays).unwrap();
        let error = Sessions::new("made", zone, &rules, holidays).unwrap_err();
        assert!(error.contains(want), "`{error}` lacks `{want}`");
    }
    for (text, want) in [
        ("2024-02-30, closed", "line 1: `2024-02-30` is not a date"),
        ("\n2024-02-03", "line 2: `` is neither"),
        ("2024-02-03, 24:00", "`24:00` is neither"),
        ("2024-02-03, closed\n2024-02-03, 13:00, twice", "line 2: 2024-02-03 stands there twice"),
    ] {
        let error = Holidays::parse(text).unwrap_err();
        assert!(error.contains(want), "`{error}` lacks `{want}`");
    }
    for wrong in
        ["", "9:30", "09:60", "24:01", "24:00 next day", "09:30 tomorrow", "-1:00", "09:30:00"]
    {
        assert!(wrong.parse::<WallClock>().is_err(), "{wrong}");
    }
}
