//! What there is for a client: the views, instruments and rows that the limits of its key leave.

use std::sync::Arc;

use market::{Commit, InstrumentId, PortfolioId};
use node_api::RowLimits;
use tokio::sync::watch;

use rows::{
    AsOf, CandlePage, Changes, Cut, Frontier, Page, ReadError, ReadFuture, RowFilter, Scan,
    Snapshot, View, ViewReader,
};

/// The rows that limits leave. Clones share them; the default are all.
#[derive(Clone, Debug, Default)]
pub(super) struct VisibleRows {
    limits: Arc<RowLimits>,
    instruments: Option<Arc<[InstrumentId]>>,
    portfolios: Option<Arc<[PortfolioId]>>,
}

impl VisibleRows {
    pub(super) fn new(limits: &RowLimits) -> VisibleRows {
        let symbols = limits.symbols.as_ref();
        let portfolios = limits.portfolios.as_ref();
        VisibleRows {
            instruments: symbols.map(|all| all.iter().map(|one| InstrumentId::of(one)).collect()),
            portfolios: portfolios.map(|all| all.iter().map(|one| PortfolioId::of(one)).collect()),
            limits: Arc::new(limits.clone()),
        }
    }

    /// Whether nothing is left out.
    pub(super) fn are_all(&self) -> bool {
        self.limits.is_unlimited()
    }

    /// Whether rows of a view may be left out.
    pub(super) fn are_limited(&self) -> bool {
        self.limits.limits_rows()
    }

    pub(super) fn limits(&self) -> &Arc<RowLimits> {
        &self.limits
    }

    pub(super) fn has_view(&self, view: &View) -> bool {
        self.limits.has_view(view.name)
    }

    pub(super) fn has_instrument(&self, id: InstrumentId) -> bool {
        self.instruments.as_ref().is_none_or(|own| own.contains(&id))
    }

    pub(super) fn has_portfolio(&self, id: PortfolioId) -> bool {
        self.portfolios.as_ref().is_none_or(|own| own.contains(&id))
    }

    /// Selects nothing but visible rows any more. [`RowLimits`] says which these are.
    pub(super) fn narrow(&self, view: &View, mut filter: RowFilter) -> RowFilter {
        if let Some(own) = &self.instruments {
            filter.instruments = Some(common(filter.instruments, own));
        }
        if let Some(own) = &self.portfolios {
            if view.column("portfolio").is_some() {
                filter.portfolios = Some(common(filter.portfolios, own));
            } else if view.column("instrument").is_none() {
                filter.portfolios = Some(Vec::new()); // which no row of such a view matches
            } else {
                filter.with_instrument = true; // others may be of any portfolio
            }
        }
        filter
    }

    fn narrowed(&self, scan: Scan) -> Scan {
        Scan { filter: self.narrow(scan.view, scan.filter), ..scan }
    }
}

/// Those of `own` that are wanted; all of them if none is wanted in particular.
fn common<T: Copy + PartialEq>(wanted: Option<Vec<T>>, own: &[T]) -> Vec<T> {
    match wanted {
        None => own.to_vec(),
        Some(wanted) => wanted.into_iter().filter(|one| own.contains(one)).collect(),
    }
}

/// Reads visible rows only, whatever it is asked for.
pub(super) struct VisibleReader {
    pub(super) reader: Arc<dyn ViewReader>,
    pub(super) visible: VisibleRows,
}

impl VisibleReader {
    fn narrowed_filter(&self, view: &View, filter: &Arc<RowFilter>) -> Arc<RowFilter> {
        Arc::new(self.visible.narrow(view, RowFilter::clone(filter)))
    }
}

impl ViewReader for VisibleReader {
    fn frontier(&self) -> Frontier {
        self.reader.frontier()
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page> {
        self.reader.scan(self.visible.narrowed(scan))
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage> {
        self.reader.candles(self.visible.narrowed(scan))
    }

    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.reader.snapshot(view, self.narrowed_filter(view, &filter), log_rows)
    }

    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        self.reader.changes(view, self.narrowed_filter(view, &filter), after, through)
    }

    fn cut(&self, views: &[&'static View], as_of: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        let cut = self.reader.cut(views, as_of)?;
        Ok(Arc::new(VisibleCut { cut, visible: self.visible.clone() }))
    }

    fn moved(&self, view: &'static View) -> watch::Receiver<u64> {
        self.reader.moved(view)
    }

    /// Of all rows: to count the visible ones, they would have to be read. It is not shown where rows are limited.
    fn count(&self, view: &'static View) -> u64 {
        self.reader.count(view)
    }
}

/// Reads visible rows of a cut only.
struct VisibleCut {
    cut: Arc<dyn Cut>,
    visible: VisibleRows,
}

impl Cut for VisibleCut {
    fn frontier(&self) -> Frontier {
        self.cut.frontier()
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.cut.scan(self.visible.narrowed(scan))
    }

    fn newest(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.cut.newest(self.visible.narrowed(scan))
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'static, CandlePage> {
        self.cut.candles(self.visible.narrowed(scan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rows::{CandleRow, Column, ColumnType, Row, ViewKind, key};

    fn view(columns: &'static [Column]) -> View {
        View { name: "v", kind: ViewKind::Keyed, columns, doc: "", history: false, recorded: false }
    }

    const PORTFOLIO: &[Column] = &[key("portfolio", ColumnType::Portfolio, "")];
    const NEITHER: &[Column] = &[key("name", ColumnType::Text, "")];

    #[test]
    fn a_filter_selects_what_is_wanted_and_visible() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let limits = RowLimits {
            symbols: names(&["a:X", "a:Y"]),
            portfolios: names(&["p"]),
            ..RowLimits::default()
        };
        let visible = VisibleRows::new(&limits);
        let id = |name| InstrumentId::of(name);
        let (candles, sums, process) = (view(CandleRow::COLUMNS), view(PORTFOLIO), view(NEITHER));

        let all = visible.narrow(&candles, RowFilter::default());
        assert_eq!((all.instruments, all.portfolios), (Some(vec![id("a:X"), id("a:Y")]), None));
        let wanted =
            RowFilter { instruments: Some(vec![id("a:Z"), id("a:Y")]), ..RowFilter::default() };
        let both = visible.narrow(&candles, wanted);
        assert_eq!(both.instruments, Some(vec![id("a:Y")]));
        assert_eq!(visible.narrow(&candles, both.clone()), both, "once is as good as twice");

        let own = visible.narrow(&sums, RowFilter::default());
        assert_eq!(own.portfolios, Some(vec![PortfolioId::of("p")]));
        let none = visible.narrow(&process, RowFilter::default());
        assert_eq!(none.portfolios, Some(Vec::new()));
        assert_eq!(
            VisibleRows::default().narrow(&process, RowFilter::default()),
            RowFilter::default()
        );
    }
}
