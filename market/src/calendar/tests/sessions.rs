//! Sessions by hand: half days, holidays, lunch breaks, and plans that do not work.

use super::*;

/// Opens of bars in `from..to`, shown in the zone's own time.
fn local(calendar: &Calendar, frame: &str, from: &str, to: &str) -> Vec<String> {
    let Kind::Sessions(sessions) = &calendar.kind else { panic!("a calendar with sessions") };
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
            "Extended 11-29T13:00:10",
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
        ("2024-02-03T00:00, closed", "line 1: `2024-02-03T00:00` is not a date"),
        ("\n2024-02-03", "line 2: `` is neither"),
        ("2024-02-03, 24:00", "`24:00` is neither"),
        ("2024-02-03, 14:00-11:00", "`14:00-11:00` is neither"),
        ("2024-02-03, closed\n2024-02-03, 13:00, twice", "line 2: 2024-02-03 is listed twice"),
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
