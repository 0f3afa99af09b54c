//! A live run: opens the sources and the inlet, and drives until a stop.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use market::EventTime;
use operators::ReadFrom;

use super::{Report, RunError, Started, Wishes, not_opened};
use crate::clock::CommitClock;
use crate::config::{Config, ConfiguredSource};
use crate::ingest::drive::{Naming, Stop, Told, drive_live, now};
use crate::ingest::inlet::HttpInlet;
use crate::ingest::pump::Pumped;
use crate::ingest::reading::{Opened, Shared, Wanted};

/// Batches that all live pumps together may be ahead.
const LIVE_BATCHES: usize = 64;

/// Runs live until `stop`.
pub fn run_live(
    config: &Config,
    mut started: Started,
    wishes: &Wishes,
    stop: &Stop,
) -> Result<Report, RunError> {
    let names = config.source_names();
    let at = now();
    let (sender, pumped) = sync_channel::<Pumped>(LIVE_BATCHES);
    let opened = match open_live(config, &started, sender.clone(), at, stop) {
        Ok(opened) => opened,
        // Stopped before all sources were reached: a run of which nothing came.
        Err(error) if stop.is_set() => {
            tracing::info!("stopped before it began: {error}");
            return started.finish(Ok(true), wishes);
        }
        Err(error) => return Err(error),
    };
    let clock = opened_clock(config, &opened, at);
    let pumps = opened.start().map_err(RunError::Thread)?;
    let inlet = started.inlet.clone();
    match &inlet {
        Some(inlet) => inlet.open(sender, at),
        None => drop(sender),
    }
    let told = Told {
        over_budget: &|over: Option<(usize, usize)>| {
            inlet.iter().for_each(|inlet| inlet.pause(over.is_some()));
        },
        handed_over: &|binding| inlet.iter().for_each(|inlet| inlet.sealed(binding)),
    };
    let handover = &mut started.handover;
    let naming = Naming { sources: &names, catalog: &config.catalog };
    let drive = drive_live(clock, naming, &pumped, config.cadence, handover, told, stop);
    stop.set(); // also when the drive failed: pumps must end
    drop(pumped);
    inlet.iter().for_each(HttpInlet::close);
    pumps.into_iter().for_each(|pump| drop(pump.join()));
    started.finish(drive.map(|()| true).map_err(RunError::Drive), wishes)
}

/// Opens all partitions that there are now.
fn open_live(
    config: &Config,
    started: &Started,
    passed_on: SyncSender<Pumped>,
    at: EventTime,
    stop: &Stop,
) -> Result<Opened, RunError> {
    let wanted = |source: &ConfiguredSource| Wanted {
        source: Arc::clone(&source.source),
        play: source.play,
        idle_after: source.timing.idle_after,
    };
    let shared = Shared {
        passed_on,
        extent: started.extent.clone(),
        links: started.links.clone(),
        back: config.back(at),
        stop: stop.clone(),
    };
    let sources = config.sources.iter().map(wanted).collect();
    Opened::all(sources, shared)
        .map_err(|(number, error)| not_opened(&config.sources[number], error))
}

/// A clock of exactly these partitions.
fn opened_clock(config: &Config, opened: &Opened, at: EventTime) -> CommitClock {
    let mut timings = config.timings();
    for (timing, partitions) in timings.iter_mut().zip(opened.partitions()) {
        timing.partitions = partitions.last().map_or(0, |last| *last as usize + 1);
    }
    // Clients send what they like: nobody can tell whether something is missing of that.
    let posts = config.inlet.map(|_| None);
    let read_from: Vec<_> = opened.read_from().iter().copied().map(Some).chain(posts).collect();
    let clock = CommitClock::new(timings, config.ahead_live(), at);
    let mut clock = clock.reading_from(ReadFrom::new(read_from));
    for (source, partitions) in opened.partitions().enumerate() {
        let numbers = 0..partitions.last().copied().unwrap_or(0);
        for absent in numbers.filter(|number| !partitions.contains(number)) {
            clock.leave_out(source, absent as usize);
        }
    }
    clock
}
