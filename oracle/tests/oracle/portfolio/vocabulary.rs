//! Helpers for tests of accounts: a portfolio in US dollars with fills and closes.

use std::collections::BTreeMap;

use market::{
    AccountEvent, AccountRecord, Bar, BarState, CalendarId, Candle, CandleKey, Contract, Currency,
    EventTime, FairValue, Fill, FillRef, InstrumentId, InstrumentSpec, ModelId, NameOrder,
    OrderKey, Origin, PartitionId, PortfolioId, Price, Side, SourceId, Target, Timeframe, TradeId,
};
use oracle::portfolio::{
    BaseAmounts, Config, DriftRow, Facts, FeeRow, Pair, PairSource, PortfolioConfig, PortfolioRow,
    PositionRow, RiskConfig, RiskRow, Tables, tables,
};

pub(super) use crate::vocabulary::{at, timeframe};

/// One unit of money.
pub(super) const ONE: i128 = 1_000_000_000;

pub(super) fn money(name: &str) -> Currency {
    Currency::of(name).unwrap()
}

/// Something that is priced and traded in whole units.
pub(super) fn whole(quote: &str) -> Contract {
    scaled(0, 0, quote, 1)
}

pub(super) fn scaled(
    price_scale: u8,
    quantity_scale: u8,
    quote: &str,
    multiplier: u32,
) -> Contract {
    let spec = InstrumentSpec { price_scale, quantity_scale, calendar: CalendarId(0) };
    Contract { spec, quote: money(quote), multiplier: multiplier.into() }
}

/// So much of `venue:A` at this price, in whole dollars, at no cost; filled in the order of ids.
pub(super) fn fill(id: u64, quantity: i64, price: i64) -> Fill {
    Fill {
        name: FillRef { portfolio: portfolio_id(), id: TradeId::Number(id) },
        instrument: InstrumentId::of("A"),
        contract: whole("USD"),
        time: EventTime(at("10:00:00").0 + id as i64),
        sequence: 0,
        price: Price(price),
        quantity,
        fee: 0,
        fee_currency: money("USD"),
    }
}

pub(super) fn buy(id: u64, quantity: i64, price: i64) -> Fill {
    fill(id, quantity, price)
}

pub(super) fn sell(id: u64, quantity: i64, price: i64) -> Fill {
    fill(id, -quantity, price)
}

/// A fill of another instrument, whose fee is in the currency of that.
pub(super) fn of(instrument: &str, contract: Contract, fill: Fill) -> Fill {
    let fee_currency = contract.quote;
    Fill { instrument: InstrumentId::of(instrument), contract, fee_currency, ..fill }
}

/// A target in thousandths of the portfolio.
pub(super) fn target(instrument: &str, thousandths: i64, time: &str) -> AccountEvent {
    AccountEvent::Target(Target {
        portfolio: portfolio_id(),
        instrument: InstrumentId::of(instrument),
        contract: whole("USD"),
        time: at(time),
        weight: Some(thousandths * 1_000_000),
    })
}

pub(super) fn fair(model: &str, value: Option<i64>, time: &str) -> AccountEvent {
    AccountEvent::Fair(FairValue {
        instrument: InstrumentId::of("A"),
        spec: whole("USD").spec,
        model: ModelId::of(model),
        time: at(time),
        value: value.map(Price),
    })
}

pub(super) fn bust(id: u64) -> AccountEvent {
    AccountEvent::Bust { of: fill(id, 1, 1).name, side: Side::Unknown, time: None }
}

/// A record of one source at this position.
pub(super) fn record(position: u64, event: AccountEvent) -> AccountRecord {
    let origin = Origin {
        rank: 0,
        order: NameOrder::default(),
        source: SourceId(0),
        partition: PartitionId(0),
        position,
    };
    AccountRecord { origin, event }
}

/// The portfolio of all stories.
pub(super) fn portfolio_id() -> PortfolioId {
    PortfolioId::of("fund")
}

/// The configuration and facts of one portfolio.
pub(super) struct Scenario {
    pub(super) config: Config,
    pub(super) facts: Facts,
}

impl Scenario {
    /// A portfolio with such a capital in whole dollars. Risk is of five minutes, over ten changes.
    pub(super) fn with_capital(capital: i128) -> Scenario {
        let portfolio = PortfolioConfig {
            currency: money("USD"),
            capital: capital * ONE,
            benchmark: Some(InstrumentId::of("benchmark")),
        };
        let config = Config {
            base: timeframe("1m"),
            default_currency: money("EUR"),
            portfolios: BTreeMap::from([(portfolio_id(), portfolio)]),
            pairs: Vec::new(),
            computed: BTreeMap::from([(ModelId::of("computed"), timeframe("5m"))]),
            ids_by_side: true,
            risk: RiskConfig { timeframe: timeframe("5m"), bars: 10, confidence: 0.95 },
        };
        Scenario { config, facts: Facts::default() }
    }

    pub(super) fn new() -> Scenario {
        Scenario::with_capital(0)
    }

    /// A portfolio with these fills of `A`, which then closes at this price.
    pub(super) fn after(fills: &[Fill], mark: i64) -> Scenario {
        Scenario::new()
            .apply_all(fills.iter().map(|fill| AccountEvent::Fill(*fill)))
            .closes("A", mark)
    }

    pub(super) fn apply(mut self, event: AccountEvent) -> Scenario {
        let position = self.facts.records.len() as u64;
        self.facts.records.push(record(position, event));
        self
    }

    pub(super) fn apply_all(self, events: impl IntoIterator<Item = AccountEvent>) -> Scenario {
        events.into_iter().fold(self, Scenario::apply)
    }

    pub(super) fn fills(self, fill: Fill) -> Scenario {
        self.apply(AccountEvent::Fill(fill))
    }

    /// A minute closes at a price without decimals.
    pub(super) fn closes(self, instrument: &str, price: i64) -> Scenario {
        self.bar(instrument, "1m", "10:00:00", (price, 0), BarState::Open)
    }

    /// Five minutes, one after another from 10:00, are final at these prices without decimals.
    pub(super) fn history(mut self, instrument: &str, prices: &[i64]) -> Scenario {
        for (number, price) in prices.iter().enumerate() {
            let time = format!("{}:{:02}:00", 10 + number / 12, number % 12 * 5);
            self = self.bar(instrument, "5m", &time, (*price, 0), BarState::Final);
        }
        self
    }

    pub(super) fn bar(
        mut self,
        instrument: &str,
        frame: &str,
        open: &str,
        (price, scale): (i64, u8),
        state: BarState,
    ) -> Scenario {
        let (instrument, timeframe): (InstrumentId, Timeframe) =
            (InstrumentId::of(instrument), timeframe(frame));
        let open_time = at(open);
        let end = EventTime(open_time.0 + i64::from(timeframe.secs()) * 1_000_000_000);
        let mut bar = Bar::empty(scaled(scale, 0, "USD", 1).spec, end);
        let order = OrderKey { time: open_time, sequence: 0, number: None };
        bar.close = Some((order, Price(price)));
        let candle = Candle { bar, state, revision: 0, cause: None };
        self.facts.bars.insert(CandleKey { instrument, timeframe, open_time }, candle);
        self
    }

    /// A pair such as `EUR/USD`, which closes at this price; none if it has never traded.
    pub(super) fn pair(mut self, name: &str, mark: Option<(i64, u8)>) -> Scenario {
        let (first, second) = name.split_once('/').unwrap();
        // A second pair of the same currencies is another instrument.
        let id = format!("{name} {}", self.config.pairs.len());
        let (first, second) = (money(first), money(second));
        self.config.pairs.push(Pair {
            source: PairSource::Mark(InstrumentId::of(&id)),
            first,
            second,
        });
        match mark {
            Some(mark) => self.bar(&id, "1m", "10:00:00", mark, BarState::Open),
            None => self,
        }
    }

    /// A pair such as `GBP/GBX` that always has this rate.
    pub(super) fn fixed(mut self, name: &str, price: i64, scale: u8) -> Scenario {
        let (first, second) = name.split_once('/').unwrap();
        let source = PairSource::Fixed(Price(price), scale);
        let (first, second) = (money(first), money(second));
        self.config.pairs.push(Pair { source, first, second });
        self
    }

    pub(super) fn shows(&self) -> Tables {
        tables(&self.config, &self.facts)
    }

    pub(super) fn position(&self, instrument: &str) -> PositionRow {
        self.shows().positions[&(portfolio_id(), InstrumentId::of(instrument))]
    }

    /// The amounts of a position in dollars.
    pub(super) fn in_dollars(&self, instrument: &str) -> BaseAmounts {
        self.position(instrument).base.unwrap()
    }

    /// What was paid in a currency for an instrument.
    pub(super) fn fees(&self, instrument: &str, currency: &str) -> Option<FeeRow> {
        let key = (portfolio_id(), InstrumentId::of(instrument), money(currency));
        self.shows().fees.get(&key).copied()
    }

    pub(super) fn portfolio(&self) -> PortfolioRow {
        self.shows().portfolios[&portfolio_id()]
    }

    pub(super) fn drift(&self, instrument: &str) -> DriftRow {
        self.shows().drift[&(portfolio_id(), InstrumentId::of(instrument))]
    }

    pub(super) fn risk(&self) -> RiskRow {
        self.shows().risk.remove(&portfolio_id()).unwrap()
    }

    /// Quantity, basis and realised profit of `A`.
    pub(super) fn holding(&self) -> (i128, i128, i128) {
        let row = self.position("A");
        (row.quantity, row.basis.unwrap(), row.realised.unwrap())
    }
}
