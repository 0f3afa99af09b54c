//! Keeps the recording of a run whole: notices at once that it cannot be written, and says what becomes of the run.

use std::error::Error as _;
use std::str::FromStr;
use std::time::{Duration, Instant};

use node_api::{Status, Throttle};

use super::{Recorder, RecordingError, RecordingState, RecordingStatus};
use crate::ingest::closed_commit::ClosedCommit;
use crate::rules::RunTimeRules;
use crate::telemetry::Metrics;

/// How often it is looked where the path of a recording leads, and how often one that cannot be written is tried again.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// The name of the check of `/health`.
pub const RECORDING: &str = "recording";

/// What a live run does when its recording cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRecordingError {
    /// It stops in order.
    Stop,
    /// Its sources are held until the recording can be written.
    Pause,
}

/// Writes the recording of a run, and looks after it. Its state is shown by a [`RecordingStatus`].
pub struct RecordingKeeper {
    recorder: Recorder,
    /// None: a run that ends at the first error, such as a replay.
    on_error: Option<OnRecordingError>,
    status: RecordingStatus,
    metrics: Metrics,
    looked_at: Instant,
    trouble: Option<Trouble>,
    warned: Throttle,
}

/// Why the recording is not as it should be.
struct Trouble {
    why: String,
    /// Whether a commit is missing for good.
    is_final: bool,
    tried_at: Instant,
}

impl RecordingKeeper {
    /// Keeps `recorder`, from `now` on, for a run that ends at its first error.
    pub fn new(
        recorder: Recorder,
        status: RecordingStatus,
        metrics: Metrics,
        now: Instant,
    ) -> RecordingKeeper {
        status.set(RecordingState::Written);
        let (on_error, looked_at, trouble) = (None, now, None);
        let warned = Throttle::default();
        RecordingKeeper { recorder, on_error, status, metrics, looked_at, trouble, warned }
    }

    /// Has a live run stop or pause at an error.
    pub fn goes_on(&mut self, on_error: OnRecordingError) {
        self.on_error = Some(on_error);
    }

    /// Appends a commit at time `now`, before which `rules` were put, and looks whether the path still leads to the
    /// file, if it was not looked for a second.
    ///
    /// # Errors
    /// If the recording cannot be written and the run is to end at that.
    pub fn write(
        &mut self,
        closed: &ClosedCommit,
        rules: &RunTimeRules,
        now: Instant,
    ) -> Result<(), RecordingError> {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.is_final) {
            return Ok(()); // what followed would not be read
        }
        if let Err(error) = self.recorder.append(closed, rules) {
            return self.fail(error, true, now);
        }
        let written = self.recorder.flush_if_due(closed.binding.round);
        let is_due =
            self.trouble.is_some() || now.saturating_duration_since(self.looked_at) >= LOOKS_EVERY;
        let kept = match is_due {
            true => {
                self.looked_at = now;
                written.and_then(|()| self.recorder.look())
            }
            false => written,
        };
        match kept {
            Ok(()) if is_due => {
                self.recover(now);
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(error) => self.fail(error, false, now),
        }
    }

    /// While sources are held: tries again, at most once a second.
    pub fn tend(&mut self, now: Instant) -> RecordingState {
        if let Some(trouble) = &mut self.trouble
            && self.on_error == Some(OnRecordingError::Pause)
            && !trouble.is_final
            && now.saturating_duration_since(trouble.tried_at) >= LOOKS_EVERY
        {
            trouble.tried_at = now;
            match self.recorder.flush().and_then(|()| self.recorder.put_back()) {
                Ok(()) => self.recover(now),
                // The run goes on or pauses, so there is no error to hand on.
                Err(error) => drop(self.fail(error, false, now)),
            }
        }
        self.status.get()
    }

    /// Ends the recording, and makes it durable; gives why it is not whole, or stopped the run, if that is so.
    pub fn finish(self) -> Option<String> {
        let RecordingKeeper { mut recorder, trouble, status, on_error, .. } = self;
        if on_error == Some(OnRecordingError::Pause) {
            // What is wrong with it yet is found out below.
            let _ = recorder.flush().and_then(|()| recorder.put_back());
        }
        let path = recorder.path().display().to_string();
        let why = match trouble {
            Some(Trouble { why, is_final: true, .. }) => why,
            trouble => match (recorder.finish(), trouble) {
                (Ok(()), None) => return None,
                (Ok(()), Some(Trouble { why, .. })) => {
                    let stopped = matches!(status.get(), RecordingState::Lost { .. });
                    return stopped
                        .then(|| format!("the run stopped, since {why}; {path} is whole"));
                }
                (Err(error), _) => with_cause(&error),
            },
        };
        tracing::warn!("the recording is not whole: {why}");
        Some(why)
    }

    fn fail(
        &mut self,
        error: RecordingError,
        is_final: bool,
        now: Instant,
    ) -> Result<(), RecordingError> {
        let Some(on_error) = self.on_error else { return Err(error) };
        let why = with_cause(&error);
        let is_lost = is_final || on_error == OnRecordingError::Stop;
        let is_news = self.trouble.is_none();
        if let Some(told) = self.warned.happened(now) {
            let then = match is_lost {
                true => "the run stops",
                false => "sources wait until it can be written (`recording.on_error` = \"pause\")",
            };
            tracing::warn!("{why}; {then}{told}");
        }
        let state = match self.status.get() {
            lost @ RecordingState::Lost { .. } => lost,
            _ if is_lost => RecordingState::Lost { why: why.clone() },
            RecordingState::Held { since, .. } => RecordingState::Held { why: why.clone(), since },
            _ => RecordingState::Held { why: why.clone(), since: now },
        };
        self.status.set(state);
        if is_news {
            self.metrics.health(RECORDING, Status::Fail as u64);
        }
        let tried_at = self.trouble.as_ref().map_or(now, |trouble| trouble.tried_at);
        self.trouble = Some(Trouble { why, is_final, tried_at });
        Ok(())
    }

    /// It is written, and its path leads to it. A run that stops goes on stopping.
    fn recover(&mut self, now: Instant) {
        if self.trouble.is_none() || matches!(self.status.get(), RecordingState::Lost { .. }) {
            return;
        }
        self.trouble = None;
        self.status.set(RecordingState::Written);
        self.metrics.health(RECORDING, Status::Pass as u64);
        if let Some(over) = self.warned.over(now) {
            let path = self.recorder.path().display();
            tracing::info!("recording {path} is written again, {over}; nothing is missing in it");
        }
    }
}

impl FromStr for OnRecordingError {
    type Err = String;

    fn from_str(text: &str) -> Result<OnRecordingError, String> {
        match text {
            "stop" => Ok(OnRecordingError::Stop),
            "pause" => Ok(OnRecordingError::Pause),
            other => Err(format!(
                "`{other}` is neither `stop` (the run stops) nor `pause` (its sources wait)"
            )),
        }
    }
}

/// The message of an error with that of its cause.
fn with_cause(error: &RecordingError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
