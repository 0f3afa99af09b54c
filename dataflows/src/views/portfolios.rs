//! The rows of the portfolio views. `docs/portfolios.md` defines the numbers.

use market::{
    Contract, Currency, EventTime, FillRef, InstrumentId, InstrumentSpec, MONEY_SCALE, ModelId,
    PortfolioId, Price, WEIGHT_SCALE,
};

use operators::portfolio::Unpriced;
use rows::{
    Cell, Column, ColumnType, NOTIONAL, PRICE, QUANTITY, Row, Scale, Unit, count, key, value,
};

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

/// An amount of money in some currency.
const MONEY: ColumnType = ColumnType::Decimal(Scale::Fixed(MONEY_SCALE));
/// A part of a portfolio.
const WEIGHT: ColumnType = ColumnType::Decimal(Scale::Fixed(WEIGHT_SCALE));
/// Whether a position is priced, or why not.
const STATES: [&str; 4] =
    ["priced", Unpriced::NoMark.name(), Unpriced::NoRate.name(), Unpriced::Overflow.name()];

fn decimal(mantissa: Option<i128>, scale: u8) -> Cell {
    mantissa.map_or(Cell::Null, |mantissa| Cell::Decimal { mantissa, scale })
}

fn money(mantissa: Option<i128>) -> Cell {
    decimal(mantissa, MONEY_SCALE)
}

impl Row for PositionRow {
    const COLUMNS: &'static [Column] = &[
        key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        value("quantity", QUANTITY, "held now: above 0 long, below 0 short"),
        value("average_price", PRICE, "what a unit of the open quantity cost; empty if flat")
            .nullable(),
        value("mark", PRICE, "close of the newest base bar that has one").nullable(),
        value("currency", ColumnType::Currency, "quote currency, in which the next five are"),
        value("basis", NOTIONAL, "what the open quantity cost, signed like it"),
        value("value", NOTIONAL, "market value; empty without a mark").nullable(),
        value("unrealised", NOTIONAL, "value less basis").nullable(),
        value("realised", NOTIONAL, "profit of what was closed, without fees"),
        value("fees", MONEY, "fees of all fills").unit(Unit::Quote),
        count("fills", "fills", "fills that survive"),
        value(
            "state",
            ColumnType::Word(&STATES),
            "priced, or why there are no amounts in the base currency: no_mark, no_rate, overflow",
        ),
        value("base_value", MONEY, "market value in the portfolio's base currency")
            .unit(Unit::Base)
            .nullable(),
        value("base_basis", MONEY, "basis in the base currency, at the present rate")
            .unit(Unit::Base)
            .nullable(),
        value("base_unrealised", MONEY, "base_value less base_basis").unit(Unit::Base).nullable(),
        value("base_realised", MONEY, "realised profit in the base currency, at the present rate")
            .unit(Unit::Base)
            .nullable(),
        value("base_fees", MONEY, "fees in the base currency, at the present rate")
            .unit(Unit::Base)
            .nullable(),
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
        key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
        value("currency", ColumnType::Currency, "base currency, in which all amounts are"),
        count("open", "positions", "positions that are not flat"),
        count("unpriced", "positions", "positions that are left out of the amounts"),
        value("net", MONEY, "sum of market values").unit(Unit::Base).nullable(),
        value("long", MONEY, "sum of those above 0").unit(Unit::Base).nullable(),
        value("short", MONEY, "sum of those below 0").unit(Unit::Base).nullable(),
        value("gross", MONEY, "sum of them without signs").unit(Unit::Base).nullable(),
        value("realised", MONEY, "profit of what was closed").unit(Unit::Base).nullable(),
        value("unrealised", MONEY, "profit of what is open").unit(Unit::Base).nullable(),
        value("fees", MONEY, "fees of all fills").unit(Unit::Base).nullable(),
        value("pnl", MONEY, "realised and unrealised profit less fees").unit(Unit::Base).nullable(),
        value("equity", MONEY, "capital and pnl").unit(Unit::Base).nullable(),
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
        key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        value("weight", WEIGHT, "share of the portfolio, 1 being all of it; empty if unpriced")
            .unit(Unit::Ratio)
            .nullable(),
        value("target", WEIGHT, "target share; empty if the portfolio has no targets")
            .unit(Unit::Ratio)
            .nullable(),
        value("drift", WEIGHT, "weight less target").unit(Unit::Ratio).nullable(),
        value(
            "trade_value",
            MONEY,
            "what to buy (above 0) or sell to close it, in the base currency",
        )
        .unit(Unit::Base)
        .nullable(),
        value("trade_quantity", QUANTITY, "the same in units of the instrument, towards zero")
            .nullable(),
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
        key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
        key(
            "instrument",
            ColumnType::Instrument,
            "name of the instrument; empty for the whole portfolio",
        )
        .nullable(),
        count("excluded", "positions", "open positions that could not be revalued"),
        count("changes", "changes", "changes from bar to bar that were evaluated"),
        value(
            "volatility",
            ColumnType::Number,
            "standard deviation of the changes, in the base currency",
        )
        .unit(Unit::Base)
        .nullable(),
        value(
            "var_parametric",
            ColumnType::Number,
            "value at risk of one bar if changes are normally distributed around 0",
        )
        .unit(Unit::Base)
        .nullable(),
        value("var_historical", ColumnType::Number, "value at risk of one bar as the changes were")
            .unit(Unit::Base)
            .nullable(),
        value("drawdown", ColumnType::Number, "largest fall from a value to a later one")
            .unit(Unit::Base)
            .nullable(),
        value(
            "beta",
            ColumnType::Number,
            "relative change for one of the benchmark; empty without a benchmark",
        )
        .unit(Unit::Ratio)
        .nullable(),
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
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("model", ColumnType::Model, "name of the model that gives the fair value"),
        value(
            "time",
            ColumnType::Time,
            "when it was posted; of a computed value, when its bar opens",
        ),
        value("fair", PRICE, "fair value of a unit"),
        value("mark", PRICE, "close of the newest base bar that has one").nullable(),
        value("edge", PRICE, "fair less mark").nullable(),
        value(
            "edge_bps",
            ColumnType::Decimal(Scale::Fixed(2)),
            "the same in basis points of the mark",
        )
        .unit(Unit::BasisPoints)
        .nullable(),
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
        key("commit", ColumnType::Unsigned, "commit that ended the round in which it was found"),
        key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
        key("id", ColumnType::Text, "id of the fill"),
        value(
            "fault",
            ColumnType::Word(&["conflict", "unmatched"]),
            "conflict, or unmatched: a correction or bust of a fill that is unknown",
        ),
        value("kept_time", ColumnType::Time, "time of the fill that counts").nullable(),
        value("kept_price", PRICE, "its price").nullable(),
        value("kept_quantity", QUANTITY, "its quantity").nullable(),
        value("dropped_time", ColumnType::Time, "time of the fill that does not").nullable(),
        value("dropped_price", PRICE, "its price").nullable(),
        value("dropped_quantity", QUANTITY, "its quantity").nullable(),
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
