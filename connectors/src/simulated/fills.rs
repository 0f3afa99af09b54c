//! `kind = "simulated-fills"`: made-up portfolios that trade on a simulated venue.
//!
//! ```toml
//! [[source]]
//! name = "fills"
//! kind = "simulated-fills"
//! portfolios = ["north", "south"]
//! fills_per_second = 20
//! venue = { seed = 1, symbols = 50, ticks_per_second = 10_000 }   # as of the `simulated` sources
//! ```
//!
//! The simulator reads the venue's trades as the venue sends them, and takes part in some once it is open: a fill has
//! the price and time of a trade. It sets targets for few instruments and changes them once a minute. It corrects or busts one fill of two
//! hundred, sends one of five hundred twice, and now and then sends the fair value of an instrument (model `desk`).

use std::collections::VecDeque;

use market::{
    AccountEvent, Contract, Currency, Event, EventTime, FairValue, Fill, FillRef, ModelId,
    Multiplier, PortfolioId, Price, Target, Trade, TradeId, WEIGHT_SCALE,
};
use serde::{Deserialize, Serialize};

use super::config::{Plan, SimulatedConfig};
use super::params::VenueParams;
use super::rng::{Probability, Rng};
use super::venue::Venue;
use crate::registry::{BuildContext, TypedSource};
use crate::source::{BATCH_ROWS, PartitionReader, Place, Progress, Row, Source, SourceError};

/// The keys of a simulator of fills, besides those of all sources.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FillsConfig {
    /// The portfolios that it trades for: 1 to 100.
    pub portfolios: Vec<String>,
    /// How many fills it has per second, in the mean; at most as many as the venue has ticks.
    #[serde(default = "default_fills")]
    pub fills_per_second: u32,
    /// The venue; the same as that of the sources that send its trades.
    #[serde(default)]
    pub venue: SimulatedConfig,
}

fn default_fills() -> u32 {
    20
}

/// A simulator; it has one partition.
pub struct FillsSource {
    name: String,
    plan: FillsPlan,
}

/// A checked configuration.
#[derive(Clone)]
struct FillsPlan {
    params: VenueParams,
    portfolios: Vec<PortfolioId>,
    /// By listing of the venue.
    contracts: Vec<Contract>,
    fills: Probability,
}

impl TypedSource for FillsSource {
    const KIND: &'static str = "simulated-fills";
    type Config = FillsConfig;

    fn build(config: FillsConfig, context: BuildContext) -> Result<FillsSource, SourceError> {
        let BuildContext { name, .. } = &context;
        let name = name.clone();
        match FillsPlan::check(config, &context) {
            Ok(plan) => Ok(FillsSource { name, plan }),
            Err(problem) => Err(SourceError::Config { name, problem }),
        }
    }
}

impl FillsPlan {
    fn check(config: FillsConfig, context: &BuildContext) -> Result<FillsPlan, String> {
        let catalog = &context.catalog;
        let FillsConfig { portfolios, fills_per_second, venue } = config;
        if !(1..=100).contains(&portfolios.len()) {
            return Err(format!("`portfolios` names {}, not 1 to 100", portfolios.len()));
        }
        let ticks = venue.ticks_per_second;
        if !(1..=ticks).contains(&fills_per_second) {
            return Err(format!(
                "`fills_per_second` = {fills_per_second} is not from 1 to the venue's {ticks} ticks"
            ));
        }
        let Plan { params, .. } =
            Plan::check(venue, catalog).map_err(|why| format!("venue: {why}"))?;
        let portfolios = portfolios.iter().map(|name| catalog.portfolios.resolve(name));
        let portfolios = portfolios.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        catalog.models.resolve(MODEL).map_err(|error| error.to_string())?;
        let contract = |listing: &super::Listing| {
            let instrument = catalog.get(listing.instrument);
            let quote = instrument.as_ref().and_then(|known| Currency::of(&known.quote));
            let name = catalog.name(listing.instrument);
            let quote = quote.ok_or_else(|| {
                format!("`{name}` has no quote currency: set `quote` in its [[instrument]]")
            })?;
            let multiplier = instrument.map_or(Multiplier::ONE, |known| known.multiplier);
            Ok::<Contract, String>(Contract { spec: listing.spec, quote, multiplier })
        };
        let contracts = params.listings.iter().map(contract).collect::<Result<_, _>>()?;
        let fills = Probability::new(f64::from(fills_per_second) / f64::from(ticks));
        Ok(FillsPlan { params, portfolios, contracts, fills })
    }
}

impl Source for FillsSource {
    fn partition_name(&self, _: u32) -> String {
        "desk".to_owned()
    }

    fn partitions(&self) -> Vec<u32> {
        vec![0]
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn has_arrival_order(&self) -> bool {
        true
    }

    fn is_made_up(&self) -> bool {
        true
    }

    /// Takes as long as making the rows before.
    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let after = place.after();
        if partition > 0 {
            let problem = format!("there is no partition {partition}; it has 1");
            return Err(SourceError::Config { name: self.name.clone(), problem });
        }
        let mut simulator = FillsSimulator::new(self.plan.clone());
        let skipped = simulator.by_ref().take(usize::try_from(after).unwrap_or(usize::MAX)).count();
        Ok(Box::new(FillsReader { simulator, position: skipped as u64 }))
    }
}

struct FillsReader {
    simulator: FillsSimulator,
    position: u64,
}

impl PartitionReader for FillsReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        // Far fewer than of a venue: a batch must not keep what is due now until it is full.
        for _ in 0..BATCH_ROWS.min(32) {
            let Some(event) = self.simulator.next() else { return Ok(Progress::Ended) };
            self.position += 1;
            rows.push(Row::new(self.position, Ok(event.into())));
        }
        Ok(Progress::More)
    }
}

/// The model of the simulator's fair values.
const MODEL: &str = "desk";
/// A portfolio has targets for so many instruments, the busiest ones.
const TARGETS_PER_PORTFOLIO: usize = 5;
/// Targets change this often.
const TARGET_CHANGE_NS: i64 = 60_000_000_000;
/// Corrections and busts come so many events later at most.
const AMENDED_WITHIN: i64 = 60;

/// The events of the simulator, in order; a function of its plan.
struct FillsSimulator {
    plan: FillsPlan,
    venue: Venue,
    rng: Rng,
    fills: u64,
    /// When it changes its mind.
    next_targets_at: EventTime,
    /// What it says next, before anything of the venue.
    coming: VecDeque<AccountEvent>,
    /// Fills that will be corrected or busted, and after how many further events.
    amended: VecDeque<(i64, Fill)>,
}

impl FillsSimulator {
    fn new(plan: FillsPlan) -> FillsSimulator {
        let rng = Rng::of(plan.params.seed, 3);
        let (venue, next_targets_at) = (Venue::new(plan.params.clone()), plan.params.start);
        let (coming, amended) = (VecDeque::new(), VecDeque::new());
        FillsSimulator { plan, venue, rng, fills: 0, next_targets_at, coming, amended }
    }

    /// Looks at one trade of the venue.
    fn see(&mut self, trade: &Trade) {
        if trade.time >= self.next_targets_at {
            self.next_targets_at = EventTime(trade.time.0.saturating_add(TARGET_CHANGE_NS));
            self.change_targets(trade.time);
        }
        if !self.rng.hits(self.plan.fills) {
            return;
        }
        let fill = self.fill(trade);
        self.coming.push_back(AccountEvent::Fill(fill));
        match self.rng.below(1_000) {
            0..5 => self.amended.push_back((1 + self.rng.below(AMENDED_WITHIN), fill)),
            5..7 => self.coming.push_back(AccountEvent::Fill(fill)),
            7..57 => {
                let worth = self.worth(trade);
                self.coming.push_back(worth);
            }
            _ => {}
        }
        for (wait, _) in &mut self.amended {
            *wait -= 1;
        }
        if self.amended.front().is_some_and(|(wait, _)| *wait <= 0)
            && let Some((_, fill)) = self.amended.pop_front()
        {
            let amended = self.amend(fill, trade.time);
            self.coming.push_back(amended);
        }
    }

    fn fill(&mut self, trade: &Trade) -> Fill {
        self.fills += 1;
        let drawn = self.rng.below(self.plan.portfolios.len() as i64) as usize;
        let portfolio = self.plan.portfolios[drawn];
        let contract = self.contract(trade);
        // A tenth at most of what was traded, at least a lot; sales and purchases nearly balance.
        let lot = 10_i64.pow(u32::from(trade.spec.quantity_scale));
        let lots = 1 + self.rng.below(trade.quantity.0 / lot / 10);
        let sign = if self.rng.below(100) < 51 { 1 } else { -1 };
        Fill {
            name: FillRef { portfolio, id: TradeId::Number(self.fills) },
            instrument: trade.instrument,
            contract,
            time: trade.time,
            sequence: self.fills,
            price: trade.price,
            quantity: sign * lots * lot,
            fee: 5_000_000 * lots, // half a cent a lot
            fee_currency: contract.quote,
        }
    }

    fn contract(&self, trade: &Trade) -> Contract {
        let listings = self.plan.params.listings.iter();
        let place = listings.zip(&self.plan.contracts);
        let own = place.filter(|(listing, _)| listing.instrument == trade.instrument);
        let known = own.map(|(_, contract)| *contract).next();
        known.unwrap_or(self.plan.contracts[0]) // the venue trades nothing else
    }

    fn amend(&mut self, fill: Fill, now: EventTime) -> AccountEvent {
        if self.rng.below(3) == 0 {
            return AccountEvent::Bust { of: fill.name, side: fill.side(), time: Some(now) };
        }
        self.fills += 1;
        let price = Price(fill.price.0 - fill.price.0 / 1_000);
        AccountEvent::Correct(Fill { price, sequence: self.fills, ..fill })
    }

    /// What an instrument is worth, within one percent of its last price.
    fn worth(&mut self, trade: &Trade) -> AccountEvent {
        let off = trade.price.0 / 1_000 * (self.rng.below(21) - 10);
        AccountEvent::Fair(FairValue {
            instrument: trade.instrument,
            spec: trade.spec,
            model: ModelId::of(MODEL),
            time: trade.time,
            value: Some(Price(trade.price.0 + off)),
        })
    }

    /// New targets of all portfolios: shares of a twentieth to a quarter.
    fn change_targets(&mut self, time: EventTime) {
        let unit = 10_i64.pow(u32::from(WEIGHT_SCALE)) / 20;
        for portfolio in self.plan.portfolios.clone() {
            for (listing, contract) in self
                .plan
                .params
                .listings
                .iter()
                .zip(&self.plan.contracts)
                .take(TARGETS_PER_PORTFOLIO)
            {
                let weight = Some((1 + self.rng.below(5)) * unit);
                let (instrument, contract) = (listing.instrument, *contract);
                let target = Target { portfolio, instrument, contract, time, weight };
                self.coming.push_back(AccountEvent::Target(target));
            }
        }
    }
}

impl Iterator for FillsSimulator {
    type Item = AccountEvent;

    fn next(&mut self) -> Option<AccountEvent> {
        loop {
            if let Some(event) = self.coming.pop_front() {
                return Some(event);
            }
            let tick = self.venue.next()?;
            if let Event::New(trade) = tick.event
                && tick.at >= self.plan.params.start
            {
                self.see(&trade);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use market::{CalendarId, Catalog, InstrumentRule, InstrumentSpec};

    use super::*;

    fn source() -> FillsSource {
        source_of(serde_json::json!({ "ticks": 50_000 }))
    }

    fn source_of(venue: serde_json::Value) -> FillsSource {
        let rule = InstrumentRule {
            pattern: "demo:*".to_owned(),
            spec: InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(0) },
            quote: Arc::from("USD"),
            ..InstrumentRule::any()
        };
        let catalog = Arc::new(Catalog::new(vec![rule], 100));
        let config = serde_json::json!({
            "portfolios": ["a", "b"], "fills_per_second": 500, "venue": venue,
        });
        let context = BuildContext { name: "desk".to_owned(), folder: ".".into(), catalog };
        FillsSource::build(serde_json::from_value(config).unwrap(), context).unwrap()
    }

    fn all(source: &FillsSource, after: u64) -> Vec<Row> {
        let mut reader = source.open(0, Place::After(after)).unwrap();
        let mut rows = Vec::new();
        while reader.read(&mut rows).unwrap() == Progress::More {}
        rows
    }

    #[test]
    fn a_desk_says_the_same_again_from_anywhere() {
        let source = source();
        let rows = all(&source, 0);
        assert!(rows.len() > 2_000, "{}", rows.len());
        assert_eq!(all(&source, 0), rows);
        assert_eq!(all(&source, 777), rows[777..]);
    }

    #[test]
    fn a_desk_trades_once_the_venue_is_open() {
        let told = source_of(serde_json::json!({ "ticks": 50_000, "backfill": "2m" }));
        let (rows, without) = (all(&told, 0), all(&source(), 0));
        assert_eq!(rows.len(), without.len());
        let opens = told.plan.params.start;
        assert!(rows.iter().all(|row| row.time().is_some_and(|time| time >= opens)));
        assert_ne!(rows, without, "the prices are where the back-fill has left them");
        assert_eq!(all(&told, 777), rows[777..]);
    }

    #[test]
    fn everything_that_accounts_know_happens() {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for row in all(&source(), 0) {
            let Ok(market::InputEvent::Account(event)) = row.event else { panic!("{row:?}") };
            let kind = match event {
                AccountEvent::Fill(fill) => {
                    assert!(fill.quantity != 0 && fill.price.0 > 0, "{fill:?}");
                    "fill"
                }
                AccountEvent::Correct(_) => "correct",
                AccountEvent::Bust { .. } => "bust",
                AccountEvent::Target(_) => "target",
                AccountEvent::Fair(_) => "fair",
            };
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
        assert!(kinds["fill"] > 50 * kinds["bust"], "{kinds:?}");
    }
}
