//! The candles of a request, all at one frontier.

use std::sync::Arc;

use market::{EventTime, Instrument, SessionKind, Timeframe};

use rows::{AsOf, Cell, Cut, Frontier, Page, RowFilter, Scan, View};

use super::Context;
use super::fill::{CLOSE, Filling, OPEN_TIME, STATE};
use super::format::Line;
use super::problem::Problem;
use super::session::InSession;

/// The rows that are searched for the last close before an interval. Only prints that set no price make bars without a
/// close, so the first row nearly always has one.
const SEARCHED: usize = 1_000;

/// The parameters of a request for candles.
pub(super) struct CandleQuery {
    /// The view `candles`.
    pub(super) view: &'static View,
    pub(super) instrument: Arc<Instrument>,
    pub(super) timeframe: Timeframe,
    /// The earliest open time. With it the limit keeps the earliest bars, without it the latest.
    pub(super) from: Option<EventTime>,
    /// The end of the open times, exclusive.
    pub(super) to: Option<EventTime>,
    pub(super) limit: usize,
    /// The kind of session; none for all.
    pub(super) session: Option<SessionKind>,
    /// The point in the past.
    pub(super) as_of: Option<AsOf>,
    /// Whether gaps are filled from the previous close.
    pub(super) fill: bool,
    /// The condition that leaves open bars out; only of whole bars that are not filled.
    pub(super) closed: Option<(usize, Vec<String>)>,
}

/// Candles, ascending in time.
pub(super) struct Bars {
    pub(super) frontier: Frontier,
    pub(super) lines: Vec<Line>,
    /// Whether the limit left any out.
    pub(super) more: bool,
}

/// The rows around a page, which decide how gaps are filled.
#[derive(Default)]
struct Around {
    close_before: Option<Cell>,
    state_after: Option<Cell>,
}

impl CandleQuery {
    /// Reads the candles.
    pub(super) async fn read(&self, context: &Context) -> Result<Bars, Problem> {
        if !self.fill && self.session.is_none() {
            let page = ascending(context.reader.scan(self.page()).await?, &self.page());
            let Page { frontier, rows, more } = page;
            return Ok(Bars { frontier, lines: Line::all(rows), more });
        }
        // Sessions and filling take several reads.
        let cut = context.reader.cut(&[self.view], self.as_of)?;
        let page = ascending(self.rows(context, &cut, self.page()).await?, &self.page());
        if !self.fill {
            let Page { frontier, rows, more } = page;
            return Ok(Bars { frontier, lines: Line::all(rows), more });
        }
        let around = self.around(context, &cut, &page).await?;
        Ok(self.filled(context, page, around))
    }

    /// The scan of the rows of the answer.
    fn page(&self) -> Scan {
        self.scan(self.from, self.to, self.from.is_none(), self.limit)
    }

    /// The rows of a scan, of the requested kind of session.
    async fn rows(
        &self,
        context: &Context,
        cut: &Arc<dyn Cut>,
        scan: Scan,
    ) -> Result<Page, Problem> {
        let calendar = context.calendars.get(self.instrument.spec.calendar);
        match self.session {
            None => Ok(cut.scan(scan).await?),
            Some(kind) => InSession { context, cut: &**cut, calendar, kind }.scan(scan).await,
        }
    }

    /// The rows around a page.
    async fn around(
        &self,
        context: &Context,
        cut: &Arc<dyn Cut>,
        page: &Page,
    ) -> Result<Around, Problem> {
        let mut around = Around::default();
        let first = page.rows.first();
        // Without `from` there are rows before the first only if the limit left them out; then their
        // close matters only if the first row has none itself.
        let before = match (self.from, first) {
            (Some(from), _) => Some(from),
            (None, Some(first)) if page.more && has_no_close(first) => open_time(first),
            (None, _) => None,
        };
        if let Some(before) = before {
            for limit in [1, SEARCHED] {
                let scan = self.scan(None, Some(before), true, limit);
                let earlier = self.rows(context, cut, scan).await?;
                let with_close = earlier.rows.iter().find(|row| !has_no_close(row));
                around.close_before = with_close.and_then(|row| row.get(CLOSE)).cloned();
                if around.close_before.is_some() || !earlier.more {
                    break;
                }
            }
        }
        if let Some(to) = self.to {
            let later = self.rows(context, cut, self.scan(Some(to), None, false, 1)).await?;
            around.state_after = later.rows.first().and_then(|row| row.get(STATE)).cloned();
        }
        Ok(around)
    }

    fn filled(&self, context: &Context, page: Page, around: Around) -> Bars {
        let calendar = context.calendars.get(self.instrument.spec.calendar);
        let keep_latest = self.from.is_none();
        // Rows that the limit left out behind the last one leave no gap that ends at `to`.
        let cut = page.more && !keep_latest;
        let last = page.rows.last().and_then(|row| open_time(row));
        let until = self.to.filter(|_| !cut).map(|to| match around.state_after {
            Some(_) => to,
            // Beyond both the frontier and the last row nothing is known.
            None => to.min(last.map_or(page.frontier.at, |last| last.max(page.frontier.at))),
        });
        let filling = Filling {
            instrument: &self.instrument,
            calendar,
            timeframe: self.timeframe,
            session: self.session,
            from: self.from,
            until,
            close_before: around.close_before,
            state_after: around.state_after,
            limit: self.limit,
            keep_latest,
        };
        let (lines, more) = filling.apply(page.rows);
        Bars { frontier: page.frontier, lines, more: more || page.more }
    }

    fn scan(
        &self,
        from: Option<EventTime>,
        to: Option<EventTime>,
        latest_first: bool,
        limit: usize,
    ) -> Scan {
        let own = RowFilter::of_instrument(self.instrument.id).of_timeframe(self.timeframe);
        let texts = self.closed.clone().into_iter().collect();
        let filter = RowFilter { texts, ..own.opening(from, to) };
        Scan { view: self.view, filter, latest_first, limit, as_of: self.as_of }
    }
}

/// The rows of a scan in the order of time.
fn ascending(mut page: Page, scan: &Scan) -> Page {
    if scan.latest_first {
        page.rows.reverse();
    }
    page
}

fn open_time(row: &[Cell]) -> Option<EventTime> {
    match row.get(OPEN_TIME) {
        Some(Cell::Time(time)) => Some(*time),
        _ => None,
    }
}

fn has_no_close(row: &[Cell]) -> bool {
    matches!(row.get(CLOSE), None | Some(Cell::Null))
}
