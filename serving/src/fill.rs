//! Bars without trades, filled from the previous close (`fill=previous`).
//!
//! Definition. The *slots* are the intervals that the calendar gives for a timeframe, without those in which the market
//! is closed or is not in the requested kind of session. A slot without a row is filled if its open time is at or after
//! `from`, an earlier row has a close, and it opens before the last row or before `until`. In the filled bar, open,
//! high, low and close are the latest earlier close; volume, notional, trades and revision are 0. A row that has volume
//! and no prices keeps its volume and gets these prices; it is filled, too.
//!
//! The state follows from the next row: `final` if that row is final (a watermark past a bar is past every earlier
//! one), else `provisional` (something later was seen); `open` if there is no later row.
//!
//! Gaps may be much longer than the limit (ten years of seconds). They are filled from the end that the limit keeps,
//! and no further than the limit.

use market::{
    Bar, BarState, Bucket, Calendar, Candle, CandleKey, EventTime, Instrument, SessionKind,
    Timeframe,
};

use rows::{CandleRow, Cell, Row, are_equal};

use super::format::Line;

pub(super) const OPEN_TIME: usize = column("open_time");
pub(super) const CLOSE: usize = column("close");
pub(super) const STATE: usize = column("state");
const PRICES: [usize; 4] = [column("open"), column("high"), column("low"), CLOSE];

/// The number of a column; an unknown name fails to compile.
const fn column(name: &str) -> usize {
    let columns = CandleRow::COLUMNS;
    let mut at = 0;
    while at < columns.len() {
        if are_equal(columns[at].name, name) {
            return at;
        }
        at += 1;
    }
    panic!("candles have no such column")
}

/// The parameters of filling.
pub(super) struct Filling<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) calendar: &'a Calendar,
    pub(super) timeframe: Timeframe,
    /// Only slots of this kind of session.
    pub(super) session: Option<SessionKind>,
    /// No slot opens before it.
    pub(super) from: Option<EventTime>,
    /// Slots after the last row open before it; none: they are not filled.
    pub(super) until: Option<EventTime>,
    /// The latest close before the first row.
    pub(super) close_before: Option<Cell>,
    /// The state of the first row after these.
    pub(super) state_after: Option<Cell>,
    /// The most rows, real and filled.
    pub(super) limit: usize,
    /// Whether the limit keeps the latest rows.
    pub(super) keep_latest: bool,
}

/// An interval without rows.
struct Gap {
    start: EventTime,
    end: EventTime,
    close: Option<Cell>,
    state: BarState,
}

impl Filling<'_> {
    /// `rows` (ascending) with their gaps filled, and whether the limit left any out.
    pub(super) fn apply(&self, rows: Vec<Vec<Cell>>) -> (Vec<Line>, bool) {
        let gaps = self.gaps(&rows);
        let real = |(cells, close): (Vec<Cell>, Option<Cell>)| priced(cells, close);
        let closes: Vec<Option<Cell>> = gaps.iter().map(|gap| gap.close.clone()).collect();
        let rows = rows.into_iter().zip(closes);
        // One row more than requested shows whether there are more. Gap i is before row i.
        let most = self.limit.saturating_add(1);
        let mut lines = Vec::new();
        if self.keep_latest {
            let mut rows = rows.rev();
            for gap in gaps.iter().rev() {
                self.backward(gap, most, &mut lines);
                lines.extend(rows.next().map(real));
            }
            let more = lines.len() > self.limit;
            lines.truncate(self.limit);
            lines.reverse();
            (lines, more)
        } else {
            let mut rows = rows;
            for gap in &gaps {
                self.forward(gap, most, &mut lines);
                lines.extend(rows.next().map(real));
            }
            let more = lines.len() > self.limit;
            lines.truncate(self.limit);
            (lines, more)
        }
    }

    /// The gap before each row, and the one after all.
    fn gaps(&self, rows: &[Vec<Cell>]) -> Vec<Gap> {
        let mut gaps = Vec::with_capacity(rows.len() + 1);
        let mut close = self.close_before.clone();
        // Before the first row, filling begins at the requested start only.
        let mut start = self.from;
        for row in rows {
            let Some(Cell::Time(open)) = row.get(OPEN_TIME) else {
                continue; // a row of candles has one
            };
            gaps.push(Gap {
                start: start.unwrap_or(*open),
                end: *open,
                close: close.clone(),
                state: before(row.get(STATE)),
            });
            start = Some(self.calendar.bucket(self.timeframe, *open).end);
            match row.get(CLOSE) {
                None | Some(Cell::Null) => {}
                known => close = known.cloned(),
            }
        }
        let state = match &self.state_after {
            Some(state) => before(Some(state)),
            None => BarState::Open,
        };
        gaps.push(Gap {
            start: start.unwrap_or(EventTime::END),
            end: self.until.unwrap_or(EventTime::NEVER),
            close,
            state,
        });
        gaps
    }

    fn forward(&self, gap: &Gap, most: usize, lines: &mut Vec<Line>) {
        let Some(close) = &gap.close else { return };
        let mut at = gap.start;
        while at < gap.end && lines.len() < most {
            let slot = self.calendar.bucket(self.timeframe, at);
            if let Some(pause) = self.pause(slot) {
                at = pause.end;
                continue;
            }
            if slot.open >= gap.start {
                lines.push(self.line(slot.open, slot.end, close, gap.state));
            }
            if slot.end <= at {
                return; // the calendar does not advance: stop
            }
            at = slot.end;
        }
    }

    fn backward(&self, gap: &Gap, most: usize, lines: &mut Vec<Line>) {
        let Some(close) = &gap.close else { return };
        let mut end = gap.end;
        while gap.start < end && lines.len() < most {
            let slot = self.calendar.bucket(self.timeframe, EventTime(end.0 - 1));
            if let Some(pause) = self.pause(slot).filter(|pause| pause.open < end) {
                end = pause.open;
                continue;
            }
            if slot.open < gap.start || slot.open >= end {
                return;
            }
            lines.push(self.line(slot.open, slot.end, close, gap.state));
            end = slot.open;
        }
    }

    /// The time around `slot` in which nothing is filled; none if `slot` is to be filled.
    fn pause(&self, slot: Bucket) -> Option<Bucket> {
        let wanted = |kind| match self.session {
            None => kind != SessionKind::Closed,
            Some(session) => kind == session,
        };
        let first = self.calendar.stretch(slot.open);
        let (mut kind, mut end) = (first.kind, first.end);
        while !wanted(kind) && end < slot.end {
            let next = self.calendar.stretch(end); // a day has several
            (kind, end) = (next.kind, next.end);
        }
        (!wanted(kind)).then(|| Bucket { open: first.open, end: end.max(slot.end) })
    }

    fn line(&self, open_time: EventTime, end: EventTime, close: &Cell, state: BarState) -> Line {
        let key =
            CandleKey { instrument: self.instrument.id, timeframe: self.timeframe, open_time };
        let candle =
            Candle { bar: Bar::empty(self.instrument.spec, end), state, revision: 0, cause: None };
        let mut cells = Vec::with_capacity(CandleRow::COLUMNS.len());
        CandleRow { key: &key, candle: &candle }.cells(&mut cells);
        for at in PRICES {
            cells[at] = close.clone();
        }
        Line { cells, filled: Some(true) }
    }
}

/// A row, with the close before it where it has no prices at all.
fn priced(mut cells: Vec<Cell>, close: Option<Cell>) -> Line {
    let is_bare = PRICES.iter().all(|at| cells.get(*at) == Some(&Cell::Null));
    let Some(close) = close.filter(|_| is_bare) else { return Line { cells, filled: Some(false) } };
    for at in PRICES {
        cells[at] = close.clone();
    }
    Line { cells, filled: Some(true) }
}

/// The state of a bar without trades before a row of this state.
fn before(row: Option<&Cell>) -> BarState {
    let settled = [BarState::Final.name(), BarState::Revised.name()];
    match row {
        Some(Cell::Word(state)) if settled.contains(state) => BarState::Final,
        _ => BarState::Provisional,
    }
}
