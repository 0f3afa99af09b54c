//! Bars of one kind of session (`session=regular`, `session=extended`).
//!
//! Definition. A timeframe below a day never spans the border of a session, so its bars of a kind are
//! those rows that lie in such a session, unchanged. A bar of a day or longer of a kind is the union of
//! the *parts* of its trading days that lie in such a session; parts are the bars of the largest timeframe
//! below a day that is computed. It keeps its open and end time. Its history follows from that of its parts:
//!
//! * `revision` is the sum of theirs, `cause` the strongest of theirs;
//! * with *e* the end of its last session of the kind, it is `final` if a part or a bar like it of any
//!   session is final and ends at or after *e*, else `provisional` if a part opens at or after *e*, else
//!   `open`. Final with a revision above 0 it is `revised`. So it may be called final later than a
//!   watermark would allow, if nothing trades after *e*, but never earlier.
//!
//! These bars are made on read: below a day they are a choice of rows, and a day is the union of a few rows.
//!
//! A calendar without sessions is in a regular session for ever.

use std::collections::BTreeMap;

use market::{
    Bar, BarState, Bucket, Calendar, Candle, CandleKey, EventTime, SessionKind, Timeframe,
};

use rows::{CandlePage, CandleRow, Cut, Page, Row, Scan};

use super::Context;
use super::problem::{FieldError, Problem, TOO_MANY_BARS};

/// The most bars that are read for an answer.
const READ_MAX: usize = 200_000;

/// Reads bars of one kind of session.
pub(super) struct InSession<'a> {
    pub(super) context: &'a Context,
    /// All bars of an answer are read here.
    pub(super) cut: &'a dyn Cut,
    pub(super) calendar: &'a Calendar,
    pub(super) kind: SessionKind,
}

/// How far an instrument's bars are known.
#[derive(Clone, Copy)]
struct Progress {
    /// The latest end of a final bar.
    settled: EventTime,
    /// The latest open time of a bar.
    seen: EventTime,
    /// The latest open time of a partial bar: earlier bars lack trades.
    cut: EventTime,
}

impl InSession<'_> {
    /// The bars that `scan` asks for, in its order.
    pub(super) async fn scan(&self, scan: Scan) -> Result<Page, Problem> {
        if !self.calendar.has_sessions() {
            return match self.kind {
                SessionKind::Regular => Ok(self.cut.scan(scan).await?),
                _ => {
                    let frontier = self.cut.frontier();
                    Ok(Page { frontier, rows: Vec::new(), more: false })
                }
            };
        }
        let CandlePage { frontier, rows, more } = match scan.filter.timeframe() {
            Some(timeframe) if timeframe >= Timeframe::DAY => self.days(timeframe, scan).await?,
            _ => self.inside(scan).await?,
        };
        let rows = rows.iter().map(|(key, candle)| {
            let mut cells = Vec::with_capacity(CandleRow::COLUMNS.len());
            CandleRow { key, candle }.cells(&mut cells);
            cells
        });
        Ok(Page { frontier, rows: rows.collect(), more })
    }

    /// Bars of a timeframe below a day: the rows that lie in such a session.
    async fn inside(&self, scan: Scan) -> Result<CandlePage, Problem> {
        let mut limit = scan.limit.saturating_mul(4).saturating_add(64).min(READ_MAX);
        loop {
            let page = self.cut.candles(Scan { limit, ..scan.clone() }).await?;
            let mut rows = self.of_kind(&page.rows);
            let more = rows.len() > scan.limit;
            if more || !page.more {
                rows.truncate(scan.limit);
                return Ok(CandlePage { frontier: page.frontier, rows, more });
            }
            limit = self.more_than(limit, scan.filter.timeframe())?;
        }
    }

    /// Bars of a day or longer, as unions of their parts.
    async fn days(&self, timeframe: Timeframe, scan: Scan) -> Result<CandlePage, Problem> {
        let from = scan.filter.from.map(|from| self.next_open(timeframe, from));
        let to = scan.filter.to.map(|to| self.next_open(timeframe, to));
        let part = self.part(timeframe)?;
        let filter = scan.filter.clone().of_timeframe(part).opening(from, to);
        let parts = Scan { filter, ..scan.clone() };
        let a_bar = parts_of(timeframe, part);
        let mut limit = scan.limit.saturating_add(1).saturating_mul(a_bar).min(READ_MAX);
        loop {
            let page = self.cut.candles(Scan { limit, ..parts.clone() }).await?;
            let mut days = self.unions(timeframe, &self.of_kind(&page.rows));
            if let Some((cut, _)) = page.rows.last().filter(|_| page.more) {
                days.remove(&self.calendar.bucket(timeframe, cut.open_time).open); // read in part only
            }
            let more = days.len() > scan.limit;
            if !more && page.more {
                limit = self.more_than(limit, parts.filter.timeframe())?;
                continue;
            }
            let known = self.known(timeframe, &parts, &page, &days).await?;
            let instrument = page.rows.first().map(|(key, _)| key.instrument);
            let rows = days.into_iter().filter_map(|(open_time, mut candle)| {
                let key = CandleKey { instrument: instrument?, timeframe, open_time };
                candle.state = self.state(open_time, &candle, known);
                Some((key, candle))
            });
            let mut rows: Vec<_> = rows.collect();
            if scan.latest_first {
                rows.reverse();
            }
            rows.truncate(scan.limit);
            return Ok(CandlePage { frontier: page.frontier, rows, more });
        }
    }

    /// The largest timeframe below a day that is computed.
    fn part(&self, of: Timeframe) -> Result<Timeframe, Problem> {
        let below = self.context.timeframes.iter().filter(|frame| **frame < Timeframe::DAY);
        below.max().copied().ok_or_else(|| {
            let kind = self.kind.name();
            Problem::invalid(vec![FieldError {
                pointer: "#/query/session".to_owned(),
                code: "enum",
                detail: format!("session={kind} of {of} needs a timeframe below 1d to be computed"),
                allowed: vec!["all".to_owned()],
            }])
        })
    }

    /// The bars, of a timeframe below a day, that lie in a session of the kind.
    fn of_kind(&self, rows: &[(CandleKey, Candle)]) -> Vec<(CandleKey, Candle)> {
        let mut stretch = self.calendar.stretch(EventTime(0));
        let inside = rows.iter().filter(|(key, _)| {
            if !(stretch.open <= key.open_time && key.open_time < stretch.end) {
                stretch = self.calendar.stretch(key.open_time);
            }
            stretch.kind == self.kind
        });
        inside.copied().collect()
    }

    /// The unions of parts by the bar that holds them; their state is not known yet.
    fn unions(
        &self,
        timeframe: Timeframe,
        parts: &[(CandleKey, Candle)],
    ) -> BTreeMap<EventTime, Candle> {
        let mut days = BTreeMap::new();
        let mut day = Bucket { open: EventTime::END, end: EventTime::END };
        for (key, part) in parts {
            if !(day.open <= key.open_time && key.open_time < day.end) {
                day = self.calendar.bucket(timeframe, key.open_time);
            }
            let union = days.entry(day.open).or_insert_with(|| Candle {
                bar: Bar::empty(part.bar.spec, day.end),
                state: BarState::Open,
                revision: 0,
                cause: None,
            });
            union.bar.merge(&part.bar);
            union.revision = union.revision.saturating_add(part.revision);
            union.cause = match (union.cause, part.cause) {
                (Some(a), Some(b)) => Some(a.stronger(b)),
                (one, other) => one.or(other),
            };
        }
        days
    }

    /// The state that follows from the bars read, those after them and the whole bars themselves.
    async fn known(
        &self,
        timeframe: Timeframe,
        parts: &Scan,
        page: &CandlePage,
        days: &BTreeMap<EventTime, Candle>,
    ) -> Result<Progress, Problem> {
        let never = EventTime::NEVER;
        let mut known = Progress { settled: never, seen: never, cut: never };
        known.learn(&page.rows);
        let (Some((first, _)), Some((last, candle))) =
            (days.first_key_value(), days.last_key_value())
        else {
            return Ok(known);
        };
        let after = Scan {
            filter: parts.filter.clone().opening(Some(*last), None),
            latest_first: false,
            limit: parts
                .filter
                .timeframe()
                .map_or(READ_MAX, |part| 4 * parts_of(timeframe, part))
                .min(READ_MAX),
            ..parts.clone()
        };
        let day = parts.filter.clone().of_timeframe(timeframe);
        let whole = Scan {
            filter: day.opening(Some(*first), Some(candle.bar.end_time)),
            limit: READ_MAX,
            ..after.clone()
        };
        for scan in [after, whole] {
            known.learn(&self.cut.candles(scan).await?.rows);
        }
        Ok(known)
    }

    /// The state of the bar that opens at `open`.
    fn state(&self, open: EventTime, candle: &Candle, known: Progress) -> BarState {
        let end = self.last_end(Bucket { open, end: candle.bar.end_time });
        match end {
            _ if open <= known.cut => BarState::Partial,
            end if end <= known.settled && candle.revision > 0 => BarState::Revised,
            end if end <= known.settled => BarState::Final,
            end if end <= known.seen => BarState::Provisional,
            _ => BarState::Open,
        }
    }

    /// When the last session of the kind in a bar of trading days ends.
    fn last_end(&self, day: Bucket) -> EventTime {
        let mut at = day.open;
        let mut end = day.end;
        while at < day.end {
            let stretch = self.calendar.stretch(at);
            if stretch.kind == self.kind {
                end = stretch.end;
            }
            at = stretch.end;
        }
        end
    }

    /// The first bar that opens at or after `time`.
    fn next_open(&self, timeframe: Timeframe, time: EventTime) -> EventTime {
        let bar = self.calendar.bucket(timeframe, time);
        if bar.open == time { bar.open } else { bar.end }
    }

    /// The next larger limit, or an error.
    fn more_than(&self, limit: usize, read: Option<Timeframe>) -> Result<usize, Problem> {
        if limit < READ_MAX {
            return Ok(limit.saturating_mul(8).min(READ_MAX));
        }
        let (kind, read) = (self.kind.name(), read.map(|read| read.to_string()));
        let read = read.unwrap_or_default();
        let detail = format!(
            "session={kind} would read more than {READ_MAX} bars of {read}: ask for a smaller `limit`, \
             or for less time with `from` and `to`"
        );
        Err(Problem::new(TOO_MANY_BARS, detail))
    }
}

impl Progress {
    fn learn(&mut self, rows: &[(CandleKey, Candle)]) {
        for (key, candle) in rows {
            self.seen = self.seen.max(key.open_time);
            match candle.state {
                BarState::Final | BarState::Revised => {
                    self.settled = self.settled.max(candle.bar.end_time);
                }
                BarState::Partial => self.cut = self.cut.max(key.open_time),
                BarState::Open | BarState::Provisional => {}
            }
        }
    }
}

/// An upper bound of the parts of a bar, except before some holidays.
fn parts_of(timeframe: Timeframe, part: Timeframe) -> usize {
    let days = (timeframe.secs() / Timeframe::DAY.secs() + 1) as usize;
    days * (2 * (Timeframe::DAY.secs() / part.secs()) as usize + 16)
}
