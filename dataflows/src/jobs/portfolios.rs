//! The part of a job that values portfolios: accounts, bars and numbers → positions, and what they come to.

use std::sync::Arc;

use market::AccountRecord;
use operators::indicators::IndicatorChange;
use operators::keyed::Time;
use operators::portfolio::{Fills, PortfolioConfig, QuoteIn, Quotes, ValuationStreams, valuation};
use operators::{BarChange, StateError};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::{Filter, Map};

use super::operator_set::OperatorSet;
use crate::views::FillLog;
use crate::views::kinds::LogView;

/// The names of the operators with state: by portfolio, and by instrument.
pub(super) const FILLS: &str = "fills";
/// See [`FILLS`].
pub(super) const QUOTES: &str = "quotes";
/// The operator that values, which saves nothing.
pub(super) const VALUATION: &str = "valuation";

/// The inputs of the portfolios, on one worker.
pub(super) struct Inputs<'scope> {
    /// Account records.
    pub accounts: StreamVec<'scope, Time, AccountRecord>,
    /// Changes of bars of all timeframes.
    pub bars: StreamVec<'scope, Time, Arc<BarChange>>,
    /// Changes of numbers.
    pub numbers: StreamVec<'scope, Time, IndicatorChange>,
}

/// Builds it. Of bars only those of the base and of risk are looked at, of numbers those that are somebody's
/// fair values.
pub(super) fn build<'scope>(
    config: &Arc<PortfolioConfig>,
    inputs: Inputs<'scope>,
    set: &OperatorSet<'scope, '_>,
) -> Result<ValuationStreams<'scope>, StateError> {
    let Inputs { accounts, bars, numbers } = inputs;
    let is_fair = |record: &AccountRecord| {
        matches!(record.event, market::AccountEvent::Fair(_)) // these belong to instruments
    };
    let fills = accounts.clone().filter(move |record| !is_fair(record));
    let by_side = config.ids_by_side;
    let collects = set.is_read(FillLog::VIEW.name);
    let fills = set.keyed(fills, FILLS, move || Fills::new(by_side).emitting_accepted(collects))?;

    let (for_bars, for_numbers) = (Arc::clone(config), Arc::clone(config));
    let bars = bars.filter(move |change| {
        let timeframe = change.key.timeframe;
        timeframe == for_bars.base || timeframe == for_bars.risk.timeframe
    });
    let numbers = numbers.filter(move |change| {
        for_numbers.computed.iter().any(|fair| {
            (fair.indicator, fair.output, fair.timeframe)
                == (change.key.indicator, change.key.output, change.key.timeframe)
        })
    });
    let fairs = accounts.filter(is_fair).map(|record| QuoteIn::Account(Box::new(record)));
    let numbers = numbers.map(|change| QuoteIn::Number(Box::new(change)));
    let quotes = bars.map(QuoteIn::Bar).concat(numbers).concat(fairs);
    let quotes_config = Arc::clone(config);
    let quotes = set.keyed(quotes, QUOTES, move || Quotes::new(Arc::clone(&quotes_config)))?;
    Ok(valuation(config, fills, quotes, set.gauge(VALUATION)))
}
