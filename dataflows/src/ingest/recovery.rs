//! Opens a partition of a live run again while it cannot be read, and says so once per reason.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use connectors::{
    Incident, IncidentKind, PartitionReader, PartitionState, Place, ResumePoint, Source,
    SourceError,
};

use super::stop::Stop;

/// The first pause before a partition is opened again; each next one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause. One that was read for less before it failed again is tried after a longer pause than before.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);

/// How a partition that failed is read again.
///
/// It has *failed* from the first error until a read brings rows, or finds that there are none: an open that succeeds
/// proves nothing.
pub struct Recovery {
    source: Arc<dyn Source>,
    /// Its number at the source.
    partition: u32,
    /// Where to open it.
    place: Place,
    /// What its last reader, or that of an earlier process, has said that another one needs.
    resume: Option<ResumePoint>,
    pause: Duration,
    /// Why it has failed, while it has.
    failed: Option<String>,
    /// What cannot be read any more, if rows after the last one that was read are gone.
    lost: Option<String>,
    /// When it was last read after a failure.
    recovered_at: Option<Instant>,
}

impl Recovery {
    /// Of a partition that was opened at `place`, or is to be.
    pub fn new(source: Arc<dyn Source>, partition: u32, place: Place) -> Recovery {
        let (pause, recovered_at) = (PAUSE_FIRST, None);
        let (resume, failed, lost) = (None, None, None);
        Recovery { source, partition, place, resume, pause, failed, lost, recovered_at }
    }

    /// Of a partition that an earlier process has read.
    #[must_use]
    pub fn resuming(mut self, at: ResumePoint) -> Recovery {
        self.resume = Some(at);
        self
    }

    /// Another reader needs this to read on behind the rows that follow.
    pub fn note(&mut self, state: &PartitionState) {
        let at = self.resume.get_or_insert_with(|| ResumePoint {
            after: self.place.after(),
            ..ResumePoint::default()
        });
        at.state = Some(state.clone());
    }

    /// Whether it has failed and was not read since.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// It cannot be read, since `why`; it is to be read on after `position`, if that is known. Gives an incident if the
    /// reason is another than that of the try before.
    pub fn fail(&mut self, why: String, position: Option<u64>) -> Option<Incident> {
        if let Some(position) = position {
            self.place = Place::After(position);
            self.resume.iter_mut().for_each(|at| at.after = position);
        }
        if self.recovered_at.take().is_some_and(|at| at.elapsed() >= PAUSE_MAX) {
            self.pause = PAUSE_FIRST;
        }
        if self.failed.as_ref() == Some(&why) {
            return None;
        }
        self.failed = Some(why.clone());
        Some(Incident { kind: IncidentKind::Failed, lost: None, detail: why })
    }

    /// Opens the partition, after the last row that was read; after a failure it waits first.
    ///
    /// # Errors
    /// Why it cannot be opened; `None` if a stop was asked for.
    pub fn open(&mut self, stop: &Stop) -> Result<Box<dyn PartitionReader>, Option<SourceError>> {
        if self.has_failed() {
            let until = Instant::now() + self.pause;
            while Instant::now() < until {
                if stop.is_set() {
                    return Err(None);
                }
                thread::sleep(STOP_POLL);
            }
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        if let Some(at) = &self.resume {
            return self.source.resume(self.partition, at).map_err(Some);
        }
        match self.source.open(self.partition, self.place) {
            Err(lost @ SourceError::Lost { .. }) => {
                self.lost = Some(format!("{lost}; it is read on with what is there"));
                self.source.open(self.partition, Place::Earliest).map_err(Some)
            }
            opened => opened.map_err(Some),
        }
    }

    /// It was read. Gives incidents if it had failed: that it is read again, and what is lost.
    pub fn succeed(&mut self) -> Vec<Incident> {
        if self.failed.take().is_none() {
            return Vec::new();
        }
        self.recovered_at = Some(Instant::now());
        let detail = match self.place {
            Place::After(position) => format!("it is read again, after position {position}"),
            _ => "it is read".to_owned(),
        };
        let mut lost = self.lost.take();
        if !self.source.is_replayable() {
            lost = Some("what came while it could not be read cannot be had".to_owned());
        }
        let incident = |kind, detail| Incident { kind, lost: None, detail };
        let gap = lost.map(|lost| incident(IncidentKind::Gap, lost));
        [incident(IncidentKind::Connected, detail)].into_iter().chain(gap).collect()
    }
}
