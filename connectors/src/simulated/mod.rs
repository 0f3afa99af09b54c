//! `kind = "simulated"`: a made-up venue, without network, the same for the same seed.
//!
//! ```toml
//! [[source]]
//! name = "a"
//! kind = "simulated"
//! instrument = "demo:{symbol}"
//! ticks_per_second = 10_000
//! providers = 2                    # a second source differs in name, rank and `provider = 2`
//! provider = 1
//! faults = { late = 0.001, outage_every = "45s", outage_for = "3s" }
//! ```
//!
//! A [`Venue`] trades, and sends late, corrects and cancels some of its trades: a pure function of its
//! parameters, in its own time. A [`Provider`] brings what the venue says, with losses, copies, disorder
//! and outages. Redundant providers are sources that differ in `provider` alone (and in faults that
//! are each one's own): every tick reaches one of them, so all together send every tick.
//!
//! A venue may tell what happened before it opened, its *back-fill*: few trades, the same by all providers, and the
//! prices go on from there.
//!
//! Nothing here reads a clock. A live run plays such a source in real time, as if the venue opened now,
//! and its back-fill at once; a replay takes it as fast as it goes, up to `ticks`.
//!
//! Reading order: [`config`] → [`venue`] → [`provider`]; [`fills`] has portfolios that trade there.

mod backfill;
pub mod config;
pub mod fills;
pub mod params;
mod pending;
pub mod provider;
mod rng;
#[cfg(test)]
mod tests;
pub mod venue;
mod walk;

use market::{EventTime, Span};

use crate::registry::{BuildContext, TypedSource};
use crate::source::{BATCH_ROWS, PartitionReader, Place, Progress, Row, Source, SourceError};
use config::Plan;

pub use config::{FaultsConfig, SimulatedConfig};
pub use params::VenueParams;
pub use provider::{Arrival, Provider, TransportFaults};
pub use rng::Probability;
pub use venue::{Venue, VenueTick};
pub use walk::Listing;

/// One provider of a simulated venue; it has one partition.
pub struct SimulatedSource {
    name: String,
    plan: Plan,
}

impl TypedSource for SimulatedSource {
    const KIND: &'static str = "simulated";
    type Config = SimulatedConfig;

    fn build(
        config: SimulatedConfig,
        context: BuildContext,
    ) -> Result<SimulatedSource, SourceError> {
        let BuildContext { name, catalog, .. } = context;
        match Plan::check(config, &catalog) {
            Ok(plan) => Ok(SimulatedSource { name, plan }),
            Err(problem) => Err(SourceError::Config { name, problem }),
        }
    }
}

impl Source for SimulatedSource {
    fn partition_name(&self, _: u32) -> String {
        format!("provider-{}", self.plan.provider + 1)
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

    fn live_from(&self) -> Option<EventTime> {
        (self.plan.params.backfill > Span::ZERO).then_some(self.plan.params.start)
    }

    /// Takes as long as making the rows before.
    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let after = place.after();
        if partition > 0 {
            let problem = format!("there is no partition {partition}; it has 1");
            return Err(SourceError::Config { name: self.name.clone(), problem });
        }
        let Plan { params, faults, provider, providers } = self.plan.clone();
        let told = backfill::trades(params.backfill, params.listings.len());
        let ticks = params.ticks.map(|ticks| ticks.saturating_add(told));
        let mut arrivals = Provider::new(params, faults, provider, providers);
        let (mut position, mut emitted) = (0, 0);
        while position < after
            && let Some(arrival) = arrivals.next()
        {
            position += 1;
            emitted = arrival.number.max(emitted);
        }
        Ok(Box::new(SimulatedReader { arrivals, position, emitted, ticks }))
    }
}

/// A provider being read. A row's position is its number in order of arrival.
struct SimulatedReader {
    arrivals: Provider,
    position: u64,
    /// The largest number of a tick so far.
    emitted: u64,
    /// How many there are.
    ticks: Option<u64>,
}

impl PartitionReader for SimulatedReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        for _ in 0..BATCH_ROWS {
            let Some(arrival) = self.arrivals.next() else { return Ok(Progress::Ended) };
            self.position += 1;
            self.emitted = self.emitted.max(arrival.number);
            rows.push(Row::new(self.position, Ok(arrival.event.into())));
        }
        Ok(Progress::More)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.ticks.map(|ticks| (self.emitted, ticks))
    }
}
