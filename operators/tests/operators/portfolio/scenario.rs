//! What happens on a scenario, in its own words: a script is a list of rounds.

use std::collections::BTreeMap;

use market::{
    AccountEvent, AccountRecord, Bar, BarState, CalendarId, Candle, CandleKey, Contract, Currency,
    EventTime, FairValue, Fill, FillRef, InstrumentId, InstrumentSpec, ModelId, NameOrder,
    OrderKey, Origin, PartitionId, PortfolioId, Price, Side, SourceId, Target, Timeframe, TradeId,
};
use operators::portfolio::PositionKey;
use oracle::portfolio::commits::CommitInput;
use oracle::portfolio::{Config, Pair, PairSource, PortfolioConfig, RiskConfig};

use super::stage::{Manner, Rows, Script, play};

/// One whole unit of money.
pub(super) const ONE: i128 = 1_000_000_000;

/// An input of a round.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Record(AccountEvent),
    Bar(CandleKey, Option<Candle>),
}

/// A scenario: its configuration, and its input so far.
pub(super) struct Scenario {
    script: Script,
    position: u64,
}

impl Scenario {
    /// A scenario in dollars. Prices and quantities of all instruments are whole, bars are of a minute, and
    /// risk is over the last three changes.
    pub(super) fn new() -> Scenario {
        let config = Config {
            base: Timeframe::MINUTE,
            default_currency: currency("USD"),
            portfolios: BTreeMap::new(),
            pairs: Vec::new(),
            computed: BTreeMap::new(),
            ids_by_side: true,
            risk: RiskConfig { timeframe: Timeframe::MINUTE, bars: 3, confidence: 0.95 },
        };
        Scenario { script: Script { config, commits: Vec::new() }, position: 0 }
    }

    /// With capital, and with something to compare with.
    pub(super) fn capital(mut self, capital: i128, benchmark: Option<&str>) -> Scenario {
        let currency = currency("USD");
        let benchmark = benchmark.map(InstrumentId::of);
        let scenario = PortfolioConfig { currency, capital, benchmark };
        self.script.config.portfolios.insert(PortfolioId::of("fund"), scenario);
        self
    }

    pub(super) fn pair(mut self, first: &str, second: &str) -> Scenario {
        let instrument = InstrumentId::of(&format!("{first}/{second}"));
        let (first, second) = (currency(first), currency(second));
        self.script.config.pairs.push(Pair { source: PairSource::Mark(instrument), first, second });
        self
    }

    pub(super) fn computed(mut self, model: &str) -> Scenario {
        self.script.config.computed.insert(ModelId::of(model), Timeframe::MINUTE);
        self
    }

    pub(super) fn confidence(mut self, confidence: f64) -> Scenario {
        self.script.config.risk.confidence = confidence;
        self
    }

    /// A round with these inputs in one commit.
    pub(super) fn round(mut self, outputs: impl IntoIterator<Item = Step>) -> Scenario {
        let mut commit = CommitInput { round: true, ..CommitInput::default() };
        for step in outputs {
            match step {
                Step::Record(event) => {
                    self.position += 1;
                    let (order, source, partition) =
                        (NameOrder::default(), SourceId(0), PartitionId(0));
                    let origin =
                        Origin { rank: 0, order, source, partition, position: self.position };
                    commit.records.push(AccountRecord { origin, event });
                }
                Step::Bar(key, bar) => commit.bars.push((key, bar)),
            }
        }
        self.script.commits.push(commit);
        self
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// What shows after each round.
    pub(super) fn rows(&self) -> Vec<Rows> {
        play(&self.script, Manner::on(2)).rows
    }

    /// What shows in the end.
    pub(super) fn last(&self) -> Rows {
        self.rows().pop().expect("a scenario has rounds")
    }
}

pub(super) fn currency(name: &str) -> Currency {
    Currency::of(name).expect("a currency")
}

pub(super) fn dollars() -> Contract {
    in_currency("USD")
}

pub(super) fn in_currency(quote: &str) -> Contract {
    let spec = InstrumentSpec { price_scale: 0, quantity_scale: 0, calendar: CalendarId(0) };
    Contract { spec, quote: currency(quote), multiplier: market::Multiplier::ONE }
}

/// The scenario's row of an instrument.
pub(super) fn of(instrument: &str) -> PositionKey {
    let portfolio = PortfolioId::of("fund");
    PositionKey { portfolio, instrument: InstrumentId::of(instrument) }
}

/// The fill of this number, so many minutes after the opening. Below zero is sold.
pub(super) fn fill(number: u64, minute: i64, what: &str, quantity: i64, price: i64) -> Fill {
    Fill {
        name: FillRef { portfolio: PortfolioId::of("fund"), id: TradeId::Number(number) },
        instrument: InstrumentId::of(what),
        contract: dollars(),
        time: minutes(minute),
        sequence: 0,
        price: Price(price),
        quantity,
        fee: 0,
        fee_currency: currency("USD"),
    }
}

pub(super) fn filled(number: u64, minute: i64, what: &str, quantity: i64, price: i64) -> Step {
    Step::Record(AccountEvent::Fill(fill(number, minute, what, quantity, price)))
}

pub(super) fn corrected(fill: Fill, sequence: u64) -> Step {
    Step::Record(AccountEvent::Correct(Fill { sequence, ..fill }))
}

pub(super) fn busted(number: u64) -> Step {
    let of = FillRef { portfolio: PortfolioId::of("fund"), id: TradeId::Number(number) };
    Step::Record(AccountEvent::Bust { of, side: Side::Unknown, time: None })
}

pub(super) fn targeted(what: &str, minute: i64, weight: Option<i64>) -> Step {
    Step::Record(AccountEvent::Target(Target {
        portfolio: PortfolioId::of("fund"),
        instrument: InstrumentId::of(what),
        contract: dollars(),
        time: minutes(minute),
        weight,
    }))
}

pub(super) fn thought(what: &str, model: &str, minute: i64, value: Option<i64>) -> Step {
    Step::Record(AccountEvent::Fair(FairValue {
        instrument: InstrumentId::of(what),
        spec: dollars().spec,
        model: ModelId::of(model),
        time: minutes(minute),
        value: value.map(Price),
    }))
}

/// The minute's bar closes at this price, at so many decimals.
pub(super) fn closes(what: &str, minute: i64, price: i64, price_scale: u8) -> Step {
    Step::Bar(bar_key(what, minute), Some(candle(minute, price, price_scale, BarState::Final)))
}

/// The minute goes on, and its last price is this.
pub(super) fn trades(what: &str, minute: i64, price: i64) -> Step {
    Step::Bar(bar_key(what, minute), Some(candle(minute, price, 0, BarState::Open)))
}

/// The minute's bar has no row any more.
pub(super) fn vanishes(what: &str, minute: i64) -> Step {
    Step::Bar(bar_key(what, minute), None)
}

fn bar_key(what: &str, minute: i64) -> CandleKey {
    let (instrument, timeframe) = (InstrumentId::of(what), Timeframe::MINUTE);
    CandleKey { instrument, timeframe, open_time: minutes(minute) }
}

fn candle(minute: i64, price: i64, price_scale: u8, state: BarState) -> Candle {
    let spec = InstrumentSpec { price_scale, quantity_scale: 0, calendar: CalendarId(0) };
    let mut bar = Bar::empty(spec, minutes(minute + 1));
    let (time, sequence) = (minutes(minute), 0);
    bar.close = Some((OrderKey { time, sequence, number: None }, Price(price)));
    bar.trades = 1;
    Candle { bar, state, revision: 0, cause: None }
}

fn minutes(minute: i64) -> EventTime {
    EventTime(minute * 60_000_000_000)
}
