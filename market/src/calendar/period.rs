//! Periods of dates: days, weeks, months and years of the civil calendar.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};

use super::timeframe::Length;

/// The first date of the period of this length that holds `of`, and the first date after it.
///
/// Days are counted from 1970-01-01, weeks from the first `week_starts` on or after it, months from January. A length
/// below a day counts as a day.
pub(super) fn period(
    length: Length,
    of: Date,
    week_starts: Weekday,
) -> Result<(Date, Date), jiff::Error> {
    const EPOCH: Date = date(1970, 1, 1); // a Thursday
    let every = |days: u32, from: Date| {
        let days = i64::from(days);
        let passed = i64::from((of - from).get_days()).rem_euclid(days);
        let first = of.checked_sub(passed.days())?;
        Ok((first, first.checked_add(days.days())?))
    };
    match length {
        Length::Seconds(_) => every(1, EPOCH),
        Length::Days(n) => every(n, EPOCH),
        Length::Weeks(n) => {
            let ahead = EPOCH.weekday().until(week_starts);
            every(n * 7, EPOCH.checked_add(i64::from(ahead).days())?)
        }
        Length::Months(n) => {
            let passed = (i64::from(of.month()) - 1).rem_euclid(i64::from(n));
            let first = of.first_of_month().checked_sub(passed.months())?;
            Ok((first, first.checked_add(i64::from(n).months())?))
        }
    }
}
