//! What the bars of a run come to.

use std::collections::BTreeMap;
use std::convert::Infallible;

use market::{Catalog, EventTime, Timeframe};
use rows::Cell;

use crate::output::for_each_row;
use crate::publish::BoardReader;
use crate::views::CandlesView;
use crate::views::kinds::KeyedView;

/// The bars of a run at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarSummary {
    /// How many bars of each timeframe.
    pub bars: BTreeMap<Timeframe, u64>,
    /// How many instruments have bars.
    pub instruments: u64,
    /// The first instant of the first bar, and the first instant after the last one.
    pub span: Option<(EventTime, EventTime)>,
}

impl BarSummary {
    /// Visits all bars of a job whose commits are complete.
    pub(super) fn of(reader: &BoardReader, catalog: &Catalog) -> BarSummary {
        let view = &CandlesView::VIEW;
        let place = |name: &str| view.column(name).unwrap_or_default();
        let (instrument, timeframe) = (place("instrument"), place("timeframe"));
        let (open_time, end_time) = (place("open_time"), place("end_time"));
        let mut summary = BarSummary::default();
        let mut last_instrument = Cell::Null;
        let Ok(()) = for_each_row(reader, catalog, view, |cells| {
            if last_instrument != cells[instrument] {
                last_instrument = cells[instrument].clone();
                summary.instruments += 1;
            }
            if let Cell::Timeframe(of) = cells[timeframe] {
                *summary.bars.entry(of).or_default() += 1;
            }
            if let (&Cell::Time(open), &Cell::Time(end)) = (&cells[open_time], &cells[end_time]) {
                let (first, last) = summary.span.unwrap_or((open, end));
                summary.span = Some((first.min(open), last.max(end)));
            }
            Ok::<(), Infallible>(())
        });
        summary
    }
}
