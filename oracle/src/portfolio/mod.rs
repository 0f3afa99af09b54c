//! What portfolios should be: the slow twin of `docs/portfolios.md`.
//!
//! [`tables`] makes every row anew from the [`Facts`] at the end of a round. Integers have no width
//! here: only what a row shows has to fit 128 bits.
//!
//! * [`commits`]: the rows as they show after every commit, and the log of faulty fills;
//! * [`random`]: scripts of accounts and of bars from a seed.
//!
//! Reading order: [`Config`] → `survivors` → `holding` → `prices` → `fees` → `positions` → `totals` → `drift`
//! → `edges` → `risk` → [`commits`] → [`random`].

mod bigint;
pub mod commits;
mod config;
mod drift;
mod edges;
mod fees;
mod holding;
mod normal;
mod positions;
mod prices;
pub mod random;
mod risk;
mod rows;
mod survivors;
mod totals;

use std::collections::BTreeMap;

use market::{
    AccountRecord, Candle, CandleKey, Currency, Fill, InstrumentId, InstrumentSpec, ModelId,
    PortfolioId,
};

pub use config::{Config, Pair, PairSource, PortfolioConfig, RiskConfig};
pub use rows::{
    BaseAmounts, DriftRow, EdgeRow, FeeRow, Measures, PortfolioAmounts, PortfolioRow, PositionRow,
    RiskRow, Unpriced,
};

use prices::Prices;

/// What is known at the end of a round, whatever the way that led to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// All records that have been accepted; their order means nothing.
    pub records: Vec<AccountRecord>,
    /// All bars of all timeframes as they show.
    pub bars: BTreeMap<CandleKey, Candle>,
    /// The numbers of the indicators behind computed models, at the bars that have one.
    pub numbers: BTreeMap<(ModelId, CandleKey), IndicatorNumber>,
}

/// The value of an indicator at a bar; equal if bits are.
#[derive(Clone, Copy, Debug)]
pub struct IndicatorNumber {
    /// Scales of the instrument.
    pub spec: InstrumentSpec,
    /// A price in whole units; may be infinite or no number.
    pub number: f64,
}

/// All rows of all tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Section *Positions* and *Marks and rates*.
    pub positions: BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
    /// Section *Fees*.
    pub fees: BTreeMap<(PortfolioId, InstrumentId, Currency), FeeRow>,
    /// Section *Portfolios*.
    pub portfolios: BTreeMap<PortfolioId, PortfolioRow>,
    /// Section *Weights and drift*.
    pub drift: BTreeMap<(PortfolioId, InstrumentId), DriftRow>,
    /// Section *Edges*.
    pub edges: BTreeMap<(InstrumentId, ModelId), EdgeRow>,
    /// Section *Risk*.
    pub risk: BTreeMap<PortfolioId, RiskRow>,
}

impl PartialEq for IndicatorNumber {
    fn eq(&self, other: &IndicatorNumber) -> bool {
        (self.spec, self.number.to_bits()) == (other.spec, other.number.to_bits())
    }
}

/// Every row that these facts make.
pub fn tables(config: &Config, facts: &Facts) -> Tables {
    let prices = Prices { config, bars: &facts.bars };
    let holdings = holding::holdings(&facts.records, config.ids_by_side);
    let positions = positions::positions(&prices, &holdings);
    Tables {
        fees: fees::fees(&prices, &holdings),
        portfolios: totals::portfolios(config, &positions),
        drift: drift::drift(&prices, &positions, &survivors::targets(&facts.records)),
        edges: edges::edges(&prices, facts),
        risk: risk::risk(&prices, &positions),
        positions,
    }
}

/// The fills that survive, in the order in which positions fold them.
pub fn surviving_fills(records: &[AccountRecord], ids_by_side: bool) -> Vec<Fill> {
    survivors::fills(records, ids_by_side)
}

/// The positions of one portfolio, in the order of their instruments.
fn of_portfolio(
    positions: &BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
    portfolio: PortfolioId,
) -> BTreeMap<InstrumentId, &PositionRow> {
    let own = positions.iter().filter(|((owner, _), _)| *owner == portfolio);
    own.map(|((_, instrument), row)| (*instrument, row)).collect()
}
