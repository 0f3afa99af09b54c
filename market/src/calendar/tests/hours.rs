//! Dates with hours of their own: by hand, minute by minute, and those that cannot be.

use std::collections::BTreeSet;

use super::super::holidays::Exception;
use super::super::week::{Planned, changed};
use super::*;

/// The sessions of a day of a calendar like another one, with a date of its own.
fn on(market: &str, date: &str, dates: &str) -> Result<Vec<String>, String> {
    let market = Calendar::named(market).unwrap();
    let sessions = market.sessions().unwrap().like("own", &Holidays::parse(dates)?)?;
    let zone = sessions.zone().clone();
    let own = Calendar::with_sessions(sessions);
    let date: Date = date.parse().unwrap();
    let shown = |at: EventTime| zone.to_datetime(timestamp(at)).strftime("%d %H:%M").to_string();
    let mut at = nanos(zone.to_timestamp(date.yesterday().unwrap().at(0, 0, 0, 0)).unwrap());
    let end = EventTime(at.0 + 4 * 86_400 * NANOS);
    let mut found = Vec::new();
    while at < end {
        let stretch = own.stretch(at);
        if stretch.kind != SessionKind::Closed && own.trading_day(at) == date {
            // Without the grace.
            let (opens, closes) = (shown(stretch.open), shown(own.regular_close(at)));
            found.push(format!("{} {opens}-{closes}", stretch.kind.name()));
        }
        at = stretch.end;
    }
    Ok(found)
}

#[test]
fn hours_that_are_later_longer_or_on_a_day_without_any() {
    for (market, date, what, want) in [
        // An hour later: what follows moves with the close.
        (
            "XNYS",
            "2024-06-04",
            "10:30-17:00",
            &[
                "extended 04 04:00-04 09:30",
                "regular 04 10:30-04 17:00",
                "extended 04 17:00-04 21:00",
            ][..],
        ),
        (
            "XNYS",
            "2024-06-04",
            "08:00-16:00",
            &[
                "extended 04 04:00-04 08:00",
                "regular 04 08:00-04 16:00",
                "extended 04 16:00-04 20:00",
            ],
        ),
        (
            "XTKS",
            "2024-06-04",
            "10:00-16:30",
            &["regular 04 10:00-04 11:30", "regular 04 12:30-04 16:30"],
        ),
        ("XTKS", "2024-06-04", "18:15-19:15", &["regular 04 18:15-04 19:15"]),
        ("XTKS", "2024-06-04", "12:00-14:00", &["regular 04 12:30-04 14:00"]),
        (
            "XTKS",
            "2024-06-04",
            "09:15-10:00 11:15-12:45",
            &["regular 04 09:15-04 10:00", "regular 04 11:15-04 12:45"],
        ),
        // A Saturday, a day on which Tokyo is closed, and one on which New York closes early.
        ("XTKS", "2024-06-08", "09:00-11:00", &["regular 08 09:00-08 11:00"]),
        ("XTKS", "2024-07-15", "open", &["regular 15 09:00-15 11:30", "regular 15 12:30-15 15:00"]),
        (
            "XNYS",
            "2024-11-29",
            "open",
            &[
                "extended 29 04:00-29 09:30",
                "regular 29 09:30-29 16:00",
                "extended 29 16:00-29 20:00",
            ],
        ),
        // Overnight: only the morning of a Monday, and a Saturday between two weeks.
        ("CME-EQUITY", "2024-06-03", "08:00-12:00", &["regular 03 08:00-03 12:00"]),
        ("CME-EQUITY", "2024-06-08", "08:00-12:00", &["regular 08 08:00-08 12:00"]),
    ] {
        let found = on(market, date, &format!("{date}, {what}, made up")).unwrap();
        assert_eq!(found, want, "{market} {date} {what}");
    }
}

#[test]
fn a_session_on_a_sunday_belongs_to_its_date_and_its_week() {
    let market = Calendar::named("XBOM").unwrap();
    let sunday = time("2023-11-12T18:20:00+05:30"); // Diwali
    assert_eq!(market.session(sunday), SessionKind::Regular);
    assert_eq!(market.trading_day(sunday).to_string(), "2023-11-12");
    let day = market.bucket(Timeframe::DAY, sunday);
    assert_eq!(day.open, time("2023-11-12T18:15:00+05:30"));
    assert_eq!(day.end, time("2023-11-13T09:15:00+05:30"));
    let week = market.bucket("1w".parse().unwrap(), sunday);
    assert_eq!(week.open, time("2023-11-06T09:15:00+05:30"));
    assert_eq!(week.end, day.end);
}

#[test]
fn hours_that_cannot_be() {
    for (market, dates, want) in [
        (
            "XTKS",
            "2024-06-08, open",
            "2024-06-08 has no sessions in the usual week: write its hours",
        ),
        ("XTKS", "2024-06-04, 11:40-12:20", "2024-06-04 has no hours but in a break"),
        ("XTKS", "2024-06-08, 13:00", "2024-06-08 cannot close early at 13:00"),
        ("XTKS", "2024-06-04, 10:00-11:00 10:30-12:00", "`10:00-11:00 10:30-12:00` is neither"),
        ("XTKS", "2024-06-04, 10:00-11:00 13:00", "`10:00-11:00 13:00` is neither"),
        // Monday opens on Sunday at 17:00.
        (
            "CME-EQUITY",
            "2024-06-09, 16:00-18:00",
            "the sessions of 2024-06-09 overlap those of 2024-06-10",
        ),
    ] {
        let error = on(market, "2024-06-04", dates).unwrap_err();
        assert!(error.contains(want), "`{error}` lacks `{want}`");
    }
}

/// Minutes of sessions of one kind.
fn minutes<'a>(
    sessions: impl IntoIterator<Item = &'a Planned>,
    kind: SessionKind,
) -> BTreeSet<i32> {
    let of_kind = sessions.into_iter().filter(|session| session.kind == kind);
    of_kind.flat_map(|session| session.opens..session.closes).collect()
}

/// A day of up to six sessions between these times, and the hours of a date.
fn days() -> impl Strategy<Value = (Vec<Planned>, (i32, i32))> {
    let times = prop::collection::btree_set(0..96_i32, 2..13);
    let kinds = prop::collection::vec(any::<bool>(), 6);
    (times, kinds, (1..96_i32, 1..96_i32)).prop_map(|(times, kinds, hours)| {
        let times: Vec<i32> = times.into_iter().map(|quarter| quarter * 15).collect();
        let kind =
            |regular: bool| [SessionKind::Extended, SessionKind::Regular][usize::from(regular)];
        let planned = times.chunks_exact(2).zip(kinds).map(|(pair, regular)| Planned {
            kind: kind(regular),
            opens: pair[0],
            closes: pair[1],
        });
        let (a, b) = (hours.0.min(hours.1), hours.0.max(hours.1));
        (planned.collect(), (a * 15 - 5, b * 15))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn hours_are_those_of_the_definition((usual, (opens, closes)) in days()) {
        let clock = |at: i32| format!("{:02}:{:02}", at / 60, at % 60).parse::<WallClock>().unwrap();
        let exception = Exception::Hours(vec![(clock(opens), clock(closes))]);
        let regular = minutes(&usual, SessionKind::Regular);
        let first_and_last = regular.first().copied().zip(regular.last().copied());
        // From one time to the other, but for what lies between regular sessions.
        let is_break = |at: &i32| first_and_last.is_some_and(|(first, last)| {
            (first..=last).contains(at) && !regular.contains(at)
        });
        let want: BTreeSet<i32> = (opens..closes).filter(|at| !is_break(at)).collect();
        let Ok(found) = changed(&usual, &exception) else {
            prop_assert!(want.is_empty());
            return Ok(());
        };
        prop_assert_eq!(&minutes(&found, SessionKind::Regular), &want);
        let (opens, closes) = (*want.first().unwrap(), *want.last().unwrap() + 1);
        let (first, last) = first_and_last.unwrap_or((opens, closes - 1));
        let mut around = BTreeSet::new();
        for session in usual.iter().filter(|session| session.kind == SessionKind::Extended) {
            let all = session.opens..session.closes;
            match session.opens {
                at if at > last => around.extend(all.map(|at| at + closes - (last + 1))),
                at if at < first => around.extend(all.filter(|at| *at < opens)),
                _ => around.extend(all.filter(|at| *at < closes)),
            }
        }
        prop_assert_eq!(minutes(&found, SessionKind::Extended), around);
    }

    #[test]
    fn early_closes_are_those_of_the_definition((usual, (_, at)) in days()) {
        let clock = format!("{:02}:{:02}", at / 60, at % 60).parse::<WallClock>().unwrap();
        let any = usual.iter().any(|session| session.kind == SessionKind::Regular);
        let cut = usual.iter().filter(|session| !any || session.kind == SessionKind::Regular);
        let usually = cut.clone().map(|session| session.closes).max().unwrap();
        let last = cut.filter(|session| session.opens < at).map(|session| session.closes.min(at)).max();
        let found = changed(&usual, &Exception::EarlyClose(clock));
        let Some(last) = last.filter(|last| *last < usually) else {
            prop_assert!(found.is_err());
            return Ok(());
        };
        for kind in [SessionKind::Regular, SessionKind::Extended] {
            let (late, early): (Vec<_>, Vec<_>) =
                usual.iter().partition(|session| session.opens >= usually);
            let mut want = minutes(early, kind);
            want.retain(|minute| *minute < at);
            want.extend(minutes(late, kind).iter().map(|minute| minute + last - usually));
            prop_assert_eq!(minutes(found.as_ref().unwrap(), kind), want);
        }
    }
}
