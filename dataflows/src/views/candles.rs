//! The view `candles`.

use std::sync::Arc;

use market::{BarState, Candle, CandleKey};
use operators::{LedgerOut, heap};

use super::bars::{BARS, bar_prefix, lowest_bar};
use super::kinds::{KeyPrefix, KeyedView, RowChanges, TakeRows};
use rows::{CandleRow, Cell, Dimension, Labels, Row, View, ViewKind};

/// The view `candles`: one bar per row.
pub struct CandlesView;

impl KeyedView for CandlesView {
    type Key = CandleKey;
    type Value = Arc<Candle>;
    const VIEW: View = View {
        name: "candles",
        kind: ViewKind::Keyed,
        columns: CandleRow::COLUMNS,
        doc: "OHLCV bars of every timeframe: base bars per commit, larger ones per round",
        history: true,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = BARS;

    /// Closed bars only: open ones change too often.
    fn in_history(candle: &Arc<Candle>) -> bool {
        candle.state != BarState::Open
    }

    fn shared_bytes(_candle: &Arc<Candle>) -> usize {
        heap::shared::<Candle>()
    }

    fn prefix(key: &CandleKey) -> KeyPrefix {
        bar_prefix(key)
    }

    fn lowest(prefix: KeyPrefix) -> CandleKey {
        lowest_bar(prefix)
    }

    fn cells(
        key: &CandleKey,
        candle: &Arc<Candle>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        CandleRow { key, candle }.cells(into);
    }
}

impl TakeRows for CandlesView {
    type Out = LedgerOut;

    fn take(out: LedgerOut, rows: &mut impl RowChanges<CandlesView>) {
        match out {
            LedgerOut::Bar(change) => {
                rows.change(change.key, change.before.clone(), change.after.clone());
            }
            LedgerOut::Restored(key, candle) => rows.restored(key, candle),
            LedgerOut::Gap(_)
            | LedgerOut::Audit(_)
            | LedgerOut::Counts(_)
            | LedgerOut::Accepted(_)
            | LedgerOut::SourceSeen(..)
            | LedgerOut::Shown(..)
            | LedgerOut::NewestBar(..) => {}
        }
    }
}
