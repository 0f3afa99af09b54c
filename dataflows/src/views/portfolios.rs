//! The rows of the portfolio views. `docs/portfolios.md` defines the numbers.

use market::{
    Contract, Currency, EventTime, FillRef, InstrumentId, InstrumentSpec, MONEY_SCALE, ModelId,
    PortfolioId, Price, WEIGHT_SCALE,
};

use rows::{Cell, Column, Row, key, value};

/// A portfolio's holding of an instrument.
#[derive(Clone, Copy, Debug)]
pub struct PositionRow {
    /// The portfolio.
    pub portfolio: PortfolioId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Currency and scales of the instrument.
    pub contract: Contract,
    /// At the quantity scale.
    pub quantity: i128,
    /// At the price scale.
    pub average: Option<i128>,
    /// The newest close.
    pub mark: Option<Price>,
    /// At the native scale, as are the next three: cost, value, profit of the open quantity, profit of the closed one.
    pub basis: i128,
    /// See `basis`.
    pub value: Option<i128>,
    /// See `basis`.
    pub unrealised: Option<i128>,
    /// See `basis`.
    pub realised: i128,
    /// At [`MONEY_SCALE`].
    pub fees: i128,
    /// The number of fills that count.
    pub fills: u64,
    /// `priced`, or the reason why not.
    pub state: &'static str,
    /// In the base currency, if priced: value, basis, unrealised, realised, fees.
    pub base: Option<[i128; 5]>,
}

/// The totals of a portfolio.
#[derive(Clone, Copy, Debug)]
pub struct PortfolioRow {
    /// The portfolio.
    pub portfolio: PortfolioId,
    /// Its base currency.
    pub currency: Currency,
    /// Positions that are not flat.
    pub open: u64,
    /// Positions that are left out of the amounts.
    pub unpriced: u64,
    /// Net, long, short, gross, realised, unrealised, fees, pnl, equity.
    pub amounts: Option<[i128; 9]>,
}

/// The weight of an instrument in a portfolio, and its target.
#[derive(Clone, Copy, Debug)]
pub struct DriftRow {
    /// The portfolio.
    pub portfolio: PortfolioId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The weight now.
    pub weight: Option<i128>,
    /// The target weight.
    pub target: Option<i64>,
    /// The weight less the target.
    pub drift: Option<i128>,
    /// The trade that closes it, in the base currency.
    pub trade_value: Option<i128>,
    /// The same in units.
    pub trade_quantity: Option<i128>,
    /// Decimals of a quantity.
    pub quantity_scale: u8,
}

/// Measures of risk.
#[derive(Clone, Copy, Debug)]
pub struct RiskRow {
    /// The portfolio.
    pub portfolio: PortfolioId,
    /// The position; none for the whole portfolio.
    pub instrument: Option<InstrumentId>,
    /// Open positions that could not be revalued.
    pub excluded: u64,
    /// The number of changes that were evaluated.
    pub changes: u64,
    /// Volatility, parametric and historical value at risk, drawdown, beta.
    pub measures: [Option<f64>; 5],
}

/// A model's fair value of an instrument.
#[derive(Clone, Copy, Debug)]
pub struct EdgeRow {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The model.
    pub model: ModelId,
    /// Scales of the prices.
    pub spec: InstrumentSpec,
    /// When it was posted.
    pub time: EventTime,
    /// The fair value.
    pub fair: Price,
    /// The newest close.
    pub mark: Option<Price>,
    /// Fair value less mark.
    pub edge: Option<i128>,
    /// In hundredths of basis points.
    pub basis_points: Option<i128>,
}

/// A conflict of fills, or an amendment without its fill.
#[derive(Clone, Copy, Debug)]
pub struct FillFaultRow {
    /// The commit that ended the round in which it was found.
    pub commit: u64,
    /// The fill.
    pub fill: FillRef,
    /// `conflict` or `unmatched`.
    pub fault: &'static str,
    /// Of a conflict: time, price, quantity and scales, first of the fill that counts, then of the other.
    pub versions: Option<[(EventTime, Price, i64, InstrumentSpec); 2]>,
}

fn decimal(mantissa: Option<i128>, scale: u8) -> Cell {
    mantissa.map_or(Cell::Null, |mantissa| Cell::Decimal { mantissa, scale })
}

fn money(mantissa: Option<i128>) -> Cell {
    decimal(mantissa, MONEY_SCALE)
}

impl Row for PositionRow {
    const COLUMNS: &'static [Column] = &[
        key("portfolio", "name of the portfolio"),
        key("instrument", "name of the instrument"),
        value("quantity", "held now: above 0 long, below 0 short"),
        value("average_price", "what a unit of the open quantity cost; empty if flat"),
        value("mark", "close of the newest base bar that has one"),
        value("currency", "quote currency, in which the next five are"),
        value("basis", "what the open quantity cost, signed like it"),
        value("value", "market value; empty without a mark"),
        value("unrealised", "value less basis"),
        value("realised", "profit of what was closed, without fees"),
        value("fees", "fees of all fills"),
        value("fills", "fills that survive"),
        value(
            "state",
            "priced, or why there are no amounts in the base currency: no_mark, no_rate, overflow",
        ),
        value("base_value", "market value in the portfolio's base currency"),
        value("base_basis", "basis in the base currency, at the present rate"),
        value("base_unrealised", "base_value less base_basis"),
        value("base_realised", "realised profit in the base currency, at the present rate"),
        value("base_fees", "fees in the base currency, at the present rate"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let spec = self.contract.spec;
        let native = |mantissa| decimal(mantissa, spec.notional_scale());
        into.extend([
            Cell::Portfolio(self.portfolio),
            Cell::Instrument(self.instrument),
            decimal(Some(self.quantity), spec.quantity_scale),
            decimal(self.average, spec.price_scale),
            decimal(self.mark.map(|mark| mark.0.into()), spec.price_scale),
            Cell::Currency(self.contract.quote),
            native(Some(self.basis)),
            native(self.value),
            native(self.unrealised),
            native(Some(self.realised)),
            money(Some(self.fees)),
            Cell::Unsigned(self.fills),
            Cell::Word(self.state),
        ]);
        into.extend((0..5).map(|at| money(self.base.map(|base| base[at]))));
    }
}

impl Row for PortfolioRow {
    const COLUMNS: &'static [Column] = &[
        key("portfolio", "name of the portfolio"),
        value("currency", "base currency, in which all amounts are"),
        value("open", "positions that are not flat"),
        value("unpriced", "positions that are left out of the amounts"),
        value("net", "sum of market values"),
        value("long", "sum of those above 0"),
        value("short", "sum of those below 0"),
        value("gross", "sum of them without signs"),
        value("realised", "profit of what was closed"),
        value("unrealised", "profit of what is open"),
        value("fees", "fees of all fills"),
        value("pnl", "realised and unrealised profit less fees"),
        value("equity", "capital and pnl"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Portfolio(self.portfolio),
            Cell::Currency(self.currency),
            Cell::Unsigned(self.open),
            Cell::Unsigned(self.unpriced),
        ]);
        into.extend((0..9).map(|at| money(self.amounts.map(|amounts| amounts[at]))));
    }
}

impl Row for DriftRow {
    const COLUMNS: &'static [Column] = &[
        key("portfolio", "name of the portfolio"),
        key("instrument", "name of the instrument"),
        value("weight", "share of the portfolio, 1 being all of it; empty if unpriced"),
        value("target", "target share; empty if the portfolio has no targets"),
        value("drift", "weight less target"),
        value("trade_value", "what to buy (above 0) or sell to close it, in the base currency"),
        value("trade_quantity", "the same in units of the instrument, towards zero"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Portfolio(self.portfolio),
            Cell::Instrument(self.instrument),
            decimal(self.weight, WEIGHT_SCALE),
            decimal(self.target.map(i128::from), WEIGHT_SCALE),
            decimal(self.drift, WEIGHT_SCALE),
            money(self.trade_value),
            decimal(self.trade_quantity, self.quantity_scale),
        ]);
    }
}

impl Row for RiskRow {
    const COLUMNS: &'static [Column] = &[
        key("portfolio", "name of the portfolio"),
        key("instrument", "name of the instrument; empty for the whole portfolio"),
        value("excluded", "open positions that could not be revalued"),
        value("changes", "changes from bar to bar that were evaluated"),
        value("volatility", "standard deviation of the changes, in the base currency"),
        value(
            "var_parametric",
            "value at risk of one bar if changes are normally distributed around 0",
        ),
        value("var_historical", "value at risk of one bar as the changes were"),
        value("drawdown", "largest fall from a value to a later one"),
        value("beta", "relative change for one of the benchmark; empty without a benchmark"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Portfolio(self.portfolio),
            self.instrument.map_or(Cell::Null, Cell::Instrument),
            Cell::Unsigned(self.excluded),
            Cell::Unsigned(self.changes),
        ]);
        into.extend(self.measures.map(|measure| measure.map_or(Cell::Null, Cell::number)));
    }
}

impl Row for EdgeRow {
    const COLUMNS: &'static [Column] = &[
        key("instrument", "name of the instrument"),
        key("model", "name of the model that gives the fair value"),
        value("time", "when it was posted; of a computed value, when its bar opens"),
        value("fair", "fair value of a unit"),
        value("mark", "close of the newest base bar that has one"),
        value("edge", "fair less mark"),
        value("edge_bps", "the same in basis points of the mark"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let scale = self.spec.price_scale;
        into.extend([
            Cell::Instrument(self.instrument),
            Cell::Model(self.model),
            Cell::Time(self.time),
            decimal(Some(self.fair.0.into()), scale),
            decimal(self.mark.map(|mark| mark.0.into()), scale),
            decimal(self.edge, scale),
            decimal(self.basis_points, 2),
        ]);
    }
}

impl Row for FillFaultRow {
    const COLUMNS: &'static [Column] = &[
        key("commit", "commit that ended the round in which it was found"),
        key("portfolio", "name of the portfolio"),
        key("id", "id of the fill"),
        value("fault", "conflict, or unmatched: a correction or bust of a fill that is unknown"),
        value("kept_time", "time of the fill that counts"),
        value("kept_price", "its price"),
        value("kept_quantity", "its quantity"),
        value("dropped_time", "time of the fill that does not"),
        value("dropped_price", "its price"),
        value("dropped_quantity", "its quantity"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(self.commit),
            Cell::Portfolio(self.fill.portfolio),
            Cell::Text(self.fill.id.to_string()),
            Cell::Word(self.fault),
        ]);
        match self.versions {
            None => into.extend(std::iter::repeat_n(Cell::Null, 6)),
            Some(versions) => {
                for (time, price, quantity, spec) in versions {
                    into.extend([
                        Cell::Time(time),
                        decimal(Some(price.0.into()), spec.price_scale),
                        decimal(Some(quantity.into()), spec.quantity_scale),
                    ]);
                }
            }
        }
    }
}
