//! Half days, lunch breaks and changes of clocks at real exchanges, beside a fold by dates and wall times that are
//! written here: no calendar is asked for them.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use market::{
    Calendar, CalendarId, Calendars, Event, EventTime, IdScope, InstrumentId, InstrumentSpec,
    NameOrder, Origin, PartitionId, Price, Quantity, Record, Side, SourceId, Span, Trade, TradeId,
    Updates,
};
use oracle::commits::{CommitInput, History};
use oracle::outliers::Far;
use oracle::random::Script;

use super::harness::cores;

const SECOND: i64 = 1_000_000_000;
const FRAMES: [(&str, i64); 4] = [("5m", 300), ("25m", 1_500), ("1h", 3_600), ("2h", 7_200)];

/// A trading day as its exchange published it: calendar, zone, date, regular sessions, when its first session opens,
/// when that of the next trading day does, and for how many seconds prints of a close are waited for.
struct Day {
    calendar: &'static str,
    zone: &'static str,
    date: &'static str,
    regular: &'static [Wall],
    opens: &'static str,
    next: &'static str,
    grace: i64,
}

const NEW_YORK: &str = "America/New_York";
const LONDON: &str = "Europe/London";
const BERLIN: &str = "Europe/Berlin";
const PARIS: &str = "Europe/Paris";
const TORONTO: &str = "America/Toronto";
const HONG_KONG: &str = "Asia/Hong_Kong";
const CHICAGO: &str = "America/Chicago";
const TOKYO: &str = "Asia/Tokyo";

type Wall = (&'static str, &'static str);

const HONG_KONG_DAY: &[Wall] = &[("09:30", "12:00"), ("13:00", "16:00")];
const TOKYO_DAY: &[Wall] = &[("09:00", "11:30"), ("12:30", "15:00")];
/// Since 5 November 2024.
const LONGER_TOKYO_DAY: &[Wall] = &[("09:00", "11:30"), ("12:30", "15:30")];

const fn day(
    calendar: &'static str,
    zone: &'static str,
    date: &'static str,
    regular: &'static [Wall],
    opens: &'static str,
    next: &'static str,
    grace: i64,
) -> Day {
    Day { calendar, zone, date, regular, opens, next, grace }
}

#[rustfmt::skip]
const DAYS: [Day; 21] = [
    // Half days.
    day("XNYS", NEW_YORK, "2024-11-29", &[("09:30", "13:00")], "2024-11-29 04:00", "2024-12-02 04:00", 10),
    day("XNAS", NEW_YORK, "2024-12-24", &[("09:30", "13:00")], "2024-12-24 04:00", "2024-12-26 04:00", 10),
    day("us-equities", NEW_YORK, "1992-11-27", &[("09:30", "14:00")], "1992-11-27 04:00", "1992-11-30 04:00", 10),
    day("XLON", LONDON, "2024-12-24", &[("08:00", "12:30")], "2024-12-24 08:00", "2024-12-27 08:00", 600),
    day("XLON", LONDON, "2016-12-30", &[("08:00", "12:30")], "2016-12-30 08:00", "2017-01-03 08:00", 600),
    day("XETR", BERLIN, "2024-12-30", &[("09:00", "14:00")], "2024-12-30 09:00", "2025-01-02 09:00", 600),
    day("XPAR", PARIS, "2024-12-24", &[("09:00", "14:05")], "2024-12-24 09:00", "2024-12-27 09:00", 660),
    day("XTSE", TORONTO, "2024-12-24", &[("09:30", "13:00")], "2024-12-24 09:30", "2024-12-27 09:30", 10),
    day("XHKG", HONG_KONG, "2025-01-28", &[("09:30", "12:00")], "2025-01-28 09:30", "2025-02-03 09:30", 600),
    day("CME-EQUITY", CHICAGO, "2024-11-29", &[], "2024-11-28 17:00", "2024-12-01 17:00", 0),
    // Lunch breaks.
    day("XTKS", TOKYO, "2024-11-01", TOKYO_DAY, "2024-11-01 09:00", "2024-11-05 09:00", 0),
    day("XTKS", TOKYO, "2024-11-05", LONGER_TOKYO_DAY, "2024-11-05 09:00", "2024-11-06 09:00", 0),
    day("XHKG", HONG_KONG, "2024-10-10", HONG_KONG_DAY, "2024-10-10 09:30", "2024-10-14 09:30", 600),
    // Clocks change before the next day.
    day("XNYS", NEW_YORK, "2024-03-08", &[("09:30", "16:00")], "2024-03-08 04:00", "2024-03-11 04:00", 10),
    day("XNYS", NEW_YORK, "2024-11-01", &[("09:30", "16:00")], "2024-11-01 04:00", "2024-11-04 04:00", 10),
    day("XLON", LONDON, "2024-03-28", &[("08:00", "16:30")], "2024-03-28 08:00", "2024-04-02 08:00", 600),
    day("XLON", LONDON, "2024-10-25", &[("08:00", "16:30")], "2024-10-25 08:00", "2024-10-28 08:00", 600),
    day("XETR", BERLIN, "2024-03-28", &[("09:00", "17:30")], "2024-03-28 09:00", "2024-04-02 09:00", 600),
    day("XETR", BERLIN, "2024-10-25", &[("09:00", "17:30")], "2024-10-25 09:00", "2024-10-28 09:00", 600),
    day("CME-EQUITY", CHICAGO, "2024-03-08", &[], "2024-03-07 17:00", "2024-03-10 17:00", 0),
    day("CME-EQUITY", CHICAGO, "2024-11-01", &[], "2024-10-31 17:00", "2024-11-03 17:00", 0),
];

impl Day {
    fn at(&self, date: &str, clock: &str) -> EventTime {
        let (date, clock): (Date, Time) = (date.parse().unwrap(), clock.parse().unwrap());
        let zone = TimeZone::get(self.zone).unwrap();
        let stamp = zone.to_timestamp(date.to_datetime(clock)).unwrap();
        EventTime(i64::try_from(stamp.as_nanosecond()).unwrap())
    }

    fn instant(&self, text: &str) -> EventTime {
        let (date, clock) = text.split_once(' ').unwrap();
        self.at(date, clock)
    }

    /// The regular sessions, with when the last prints have come.
    fn sessions(&self) -> Vec<(EventTime, EventTime, EventTime)> {
        if self.regular.is_empty() {
            // Globex: from the evening before, on half days until 12:15.
            let close = if self.date == "2024-11-29" { "12:15" } else { "16:00" };
            let close = self.at(self.date, close);
            return vec![(self.instant(self.opens), close, close)];
        }
        let session = |(open, close): &(&str, &str)| {
            let close = self.at(self.date, close);
            (self.at(self.date, open), close, EventTime(close.0 + self.grace * SECOND))
        };
        self.regular.iter().map(session).collect()
    }

    /// Trades every seven minutes from a day before it opens to a day after the next one does, and around all borders.
    fn trades(&self) -> Vec<EventTime> {
        let (opens, next) = (self.instant(self.opens), self.instant(self.next));
        let day = 86_400 * SECOND;
        let mut times: Vec<i64> = (opens.0 - day..next.0 + day).step_by(420_000_000_000).collect();
        let borders =
            self.sessions().into_iter().flat_map(|(open, close, late)| [open, close, late]);
        for border in borders.chain([opens, next]) {
            times.extend([-1, 0, SECOND, 9 * SECOND].map(|by| border.0 + by));
        }
        times.sort_unstable();
        times.dedup();
        times.into_iter().map(EventTime).collect()
    }
}

fn script(day: &Day, times: &[EventTime]) -> Script {
    let record = |(number, time): (u64, &EventTime)| {
        let event = Event::New(Trade {
            instrument: InstrumentId::of("x:A"),
            spec: InstrumentSpec { price_scale: 0, quantity_scale: 0, calendar: CalendarId(0) },
            scope: IdScope(0),
            id: TradeId::Number(number),
            time: *time,
            sequence: number,
            is_positional: false,
            price: Price(number as i64),
            quantity: Quantity(1),
            side: Side::Unknown,
            updates: Updates::ALL,
        });
        let origin = Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(0),
            partition: PartitionId(0),
            position: number,
        };
        Record { origin, event }
    };
    let records = (1..).zip(times).map(record).collect();
    let frames = FRAMES.iter().map(|(name, _)| *name).chain(["1d"]);
    Script {
        history: History {
            timeframes: frames.map(|frame| frame.parse().unwrap()).collect(),
            calendars: Calendars::new(vec![Calendar::named(day.calendar).unwrap()]).unwrap(),
            reject_after: Span::FOREVER,
            correction_horizon: Span::FOREVER,
            gaps_max: 1_000,
            far: Far { bars: 0, deviations: 1, floor_bps: 1 },
            read_from: Vec::new(),
            clients: None,
        },
        commits: vec![CommitInput { records, watermarks: vec![None], round: true }],
    }
}

/// Bars by when they open and end: how many trades, and the number of the last one.
type Shown = BTreeMap<(EventTime, EventTime), (i128, i64)>;

#[test]
fn days_as_exchanges_published_them() {
    for day in &DAYS {
        let times = day.trades();
        let script = script(day, &times);
        let rows = cores(&script).pop().unwrap();
        let shown = |frame: &str, from: EventTime, to: EventTime| -> Shown {
            let inside = rows.candles.iter().filter(|(key, _)| {
                key.timeframe.to_string() == frame && from <= key.open_time && key.open_time < to
            });
            let one = inside.map(|(key, candle)| {
                let (_, close) = candle.bar.close.unwrap();
                ((key.open_time, candle.bar.end_time), (candle.bar.volume, close.0))
            });
            one.collect()
        };
        let fold = |opens: EventTime, ends: EventTime| {
            let inside = (1..).zip(&times).filter(|(_, time)| opens <= **time && **time < ends);
            inside.fold((0, 0), |(volume, _), (number, _)| (volume + 1, number))
        };
        for (frame, secs) in FRAMES {
            for (open, close, late) in day.sessions() {
                let mut want = Shown::new();
                let mut at = open;
                while at < close {
                    let full = EventTime(at.0 + secs * SECOND);
                    // The last bar waits for the prints of the close.
                    let end = if full < close { full } else { late };
                    want.insert((at, end), fold(at, end));
                    at = full;
                }
                want.retain(|_, (volume, _)| *volume > 0);
                assert!(!want.is_empty());
                assert_eq!(shown(frame, open, late), want, "{} {} {frame}", day.calendar, day.date);
            }
        }
        let (opens, next) = (day.instant(day.opens), day.instant(day.next));
        let whole = Shown::from([((opens, next), fold(opens, next))]);
        assert_eq!(shown("1d", opens, next), whole, "{} {}", day.calendar, day.date);
    }
}
