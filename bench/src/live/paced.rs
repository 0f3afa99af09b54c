//! An open load: what is due is brought when it is due.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use connectors::source::Place;
use connectors::{PartitionReader, Progress, Row, Source, SourceError};
use market::{
    Catalog, CatalogError, Event, EventTime, IdScope, InputEvent, InstrumentSpec, Price, Quantity,
    Side, Trade, TradeId, Updates,
};

use super::now;
use workload::{Market, Tick, Workload};

/// The instrument of the probes.
pub(crate) const PROBE: &str = "bench:PROBE";

/// Rows of a batch at most.
const BATCH: usize = 1_024;
/// A batch waits at least this long for more rows.
const BATCH_TIME: Duration = Duration::from_millis(1);

/// How late ticks come, at most.
const LATE_BY: Duration = Duration::from_millis(500);
/// One in so many is late.
const TICKS_PER_LATE: u64 = 100;

/// Spreads numbers of ticks over the whole of that time.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// When what is due; it begins when it is first read.
pub(crate) struct Schedule {
    begun: OnceLock<Instant>,
    pub(super) rate: u32,
    pub(super) ticks_per_probe: u64,
    pub(super) length: Duration,
    seed: u64,
    /// How many partitions bring it, by turns.
    pub(super) partitions: u32,
    /// One tick in a hundred happened up to so long before it is due.
    late_by: Duration,
}

impl Schedule {
    pub(crate) fn new(
        rate: u32,
        ticks_per_probe: u64,
        length: Duration,
        seed: u64,
    ) -> Arc<Schedule> {
        let (begun, rate, late_by) = (OnceLock::new(), rate.max(1), Duration::ZERO);
        Arc::new(Schedule { begun, rate, ticks_per_probe, length, seed, partitions: 1, late_by })
    }

    /// The same, of two partitions, either of which may fall behind; some ticks come late.
    pub(crate) fn disordered(
        rate: u32,
        ticks_per_probe: u64,
        length: Duration,
        seed: u64,
    ) -> Arc<Schedule> {
        let (begun, late_by) = (OnceLock::new(), LATE_BY);
        Arc::new(Schedule { begun, rate, ticks_per_probe, length, seed, partitions: 2, late_by })
    }

    /// Time since the beginning; none before it.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    fn due(&self, tick: u64) -> Duration {
        let nanos = u128::from(tick) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
    }

    pub(crate) fn due_of_probe(&self, probe: u64) -> Duration {
        self.due(probe * self.ticks_per_probe)
    }

    /// When what is tick `number` happened.
    fn happened(&self, number: u64) -> Duration {
        let due = self.due(number);
        let late_by = u64::try_from(self.late_by.as_nanos()).unwrap_or(u64::MAX);
        match late_by > 0 && number % TICKS_PER_LATE == TICKS_PER_LATE - 1 {
            true => due.saturating_sub(Duration::from_nanos(number.wrapping_mul(SPREAD) % late_by)),
            false => due,
        }
    }

    fn ticks(&self) -> u64 {
        (self.length.as_nanos() * u128::from(self.rate) / 1_000_000_000) as u64
    }

    /// How many probes there are.
    pub(crate) fn probes(&self) -> u64 {
        self.ticks().div_ceil(self.ticks_per_probe)
    }
}

/// A source that brings what is due.
pub(crate) struct Paced {
    schedule: Arc<Schedule>,
    market: Arc<Market>,
    workload: Workload,
    probe: InstrumentSpec,
}

/// The load of a schedule; its instruments are registered in `catalog`.
pub(crate) fn probe_source(
    schedule: &Arc<Schedule>,
    catalog: &Catalog,
) -> Result<Arc<dyn Source>, CatalogError> {
    let workload = Workload {
        rows: u64::MAX / 2,
        span: i64::MAX / 4,
        late: 0.0,
        duplicates: 0.01,
        corrections: 0.001,
        cancels: 0.001,
        seed: schedule.seed,
        ..Workload::default()
    };
    let market = Arc::new(Market::new(&workload, "bench", catalog)?);
    let probe = catalog.resolve(PROBE)?.spec;
    Ok(Arc::new(Paced { schedule: Arc::clone(schedule), market, workload, probe }))
}

/// How partition number `partition` is called.
pub(super) fn partition_name(partition: u32) -> String {
    format!("load {partition}")
}

impl Source for Paced {
    fn partition_name(&self, partition: u32) -> String {
        partition_name(partition)
    }

    fn partitions(&self) -> Vec<u32> {
        (0..self.schedule.partitions).collect()
    }

    fn is_replayable(&self) -> bool {
        false
    }

    fn open(&self, partition: u32, _: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        Ok(Box::new(Reader {
            schedule: Arc::clone(&self.schedule),
            market: Arc::clone(&self.market),
            // Every partition makes all ticks, and brings its own.
            ticks: Box::new(
                self.workload
                    .ticks()
                    .skip(partition as usize)
                    .step_by(self.schedule.partitions as usize),
            ),
            probe: self.probe,
            next: partition.into(),
            is_begun: false,
            wall: EventTime(0),
        }))
    }
}

struct Reader {
    schedule: Arc<Schedule>,
    market: Arc<Market>,
    ticks: Box<dyn Iterator<Item = Tick> + Send>,
    probe: InstrumentSpec,
    /// The next of its ticks.
    next: u64,
    is_begun: bool,
    /// The system's time at the beginning.
    wall: EventTime,
}

impl Reader {
    fn event(&mut self, number: u64) -> Option<Event> {
        let time = EventTime(self.wall.0 + self.schedule.happened(number).as_nanos() as i64);
        if number.is_multiple_of(self.schedule.ticks_per_probe) {
            let probe = number / self.schedule.ticks_per_probe + 1;
            return Some(Event::New(Trade {
                instrument: market::InstrumentId::of(PROBE),
                spec: self.probe,
                scope: IdScope::of("bench"),
                id: TradeId::Number(probe),
                time,
                sequence: probe,
                is_positional: false,
                price: Price(probe as i64 * 10_i64.pow(self.probe.price_scale.into())),
                quantity: Quantity(10_i64.pow(self.probe.quantity_scale.into())),
                side: Side::Unknown,
                updates: Updates::ALL,
            }));
        }
        let tick = Tick { time, ..self.ticks.next()? };
        Some(self.market.event(&tick))
    }
}

impl PartitionReader for Reader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let _ = self.schedule.begun.set(now());
            let since = i64::try_from(self.schedule.elapsed().as_nanos()).unwrap_or(i64::MAX);
            self.wall = EventTime(dataflows::ingest::now().0 - since);
        }
        let due = self.schedule.due(self.next);
        std::thread::sleep((due + BATCH_TIME).saturating_sub(self.schedule.elapsed()));
        let elapsed = self.schedule.elapsed();
        while rows.len() < BATCH && self.schedule.due(self.next) <= elapsed {
            if self.next >= self.schedule.ticks() {
                return Ok(Progress::Ended);
            }
            let Some(event) = self.event(self.next) else { return Ok(Progress::Ended) };
            self.next += u64::from(self.schedule.partitions);
            rows.push(Row::new(self.next, Ok(InputEvent::Market(event))));
        }
        Ok(Progress::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tick_in_a_hundred_is_late() {
        let schedule = Schedule::disordered(10_000, 100, Duration::from_millis(300), 1);
        let late_by = |number| schedule.due(number) - schedule.happened(number);
        let late = (0..10_000).filter(|number| late_by(*number) > Duration::ZERO).count();
        assert_eq!(late, 100);
        assert!((0..10_000).all(|number| late_by(number) < LATE_BY));
    }
}
