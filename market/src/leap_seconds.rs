//! The leap seconds that there were: the only times with 60 as their second.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The days in UTC at whose end a second was inserted (IERS Bulletin C, up to number 71). None was ever removed, and none
/// has been announced since; the conference of weights and measures means to end them by 2035.
const DAYS: [(i16, i8, i8); 27] = [
    (1972, 6, 30),
    (1972, 12, 31),
    (1973, 12, 31),
    (1974, 12, 31),
    (1975, 12, 31),
    (1976, 12, 31),
    (1977, 12, 31),
    (1978, 12, 31),
    (1979, 12, 31),
    (1981, 6, 30),
    (1982, 6, 30),
    (1983, 6, 30),
    (1985, 6, 30),
    (1987, 12, 31),
    (1989, 12, 31),
    (1990, 12, 31),
    (1992, 6, 30),
    (1993, 6, 30),
    (1994, 6, 30),
    (1995, 12, 31),
    (1997, 6, 30),
    (1998, 12, 31),
    (2005, 12, 31),
    (2008, 12, 31),
    (2012, 6, 30),
    (2015, 6, 30),
    (2016, 12, 31),
];

/// Whether the time of a text in RFC 3339 exists: its second is not 60, or is one that was inserted. Such a second has no
/// number of its own; `stamp` is within the one before.
pub(crate) fn exists(text: &str, stamp: Timestamp) -> bool {
    let of_day = text.split(['T', 't', ' ']).nth(1).unwrap_or_default();
    let digits = of_day.bytes().filter(|byte| *byte != b':');
    if !digits.skip(4).take(2).eq(*b"60") {
        return true;
    }
    let utc = stamp.to_zoned(TimeZone::UTC);
    let is_last = (utc.hour(), utc.minute(), utc.second()) == (23, 59, 59);
    let date = utc.date();
    let was_inserted = |(year, month, day): &(i16, i8, i8)| {
        Date::new(*year, *month, *day).is_ok_and(|d| d == date)
    };
    is_last && DAYS.iter().any(was_inserted)
}
