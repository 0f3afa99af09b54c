//! The health of the process: its checks, and the rules by which they pass, warn or fail. Shown by `/health` at the time
//! of the request, and by the view `health`, `/metrics` and the log at the end of every round. `recording`, `state` and
//! `names` are no rows of the view, nor are the states of each source and sink, which `/health` also shows.
//!
//! | check | warns | fails |
//! |---|---|---|
//! | `workers` | | a worker is gone; the process is going down |
//! | `sources` | a source is not reached yet, not connected, cannot be read, is given up, or an open transaction, half a line or an open quote has held it back for 10 s | sources pause, since more is retained than `limits.state_bytes` allows |
//! | `losses` | within an hour after rows were lost that were not read yet: a server no longer has them, or a followed file was truncated | |
//! | `input` | of a source in the last minute at least half of its rows, if these are at least 100, were refused or too late, or all of the last 10 or more | |
//! | `ids` | within an hour after trades had the ids of others an hour or more away: ids that begin anew | |
//! | `sinks` | a sink cannot take its batch now and is tried again, or has not answered for 3 s | a sink has given up: it gets nothing more |
//! | `commits` | no commit is complete yet | |
//! | `recording` | | it cannot be written, or its path leads to another file or none: sources wait, or the run stops |
//! | `state` | the last checkpoint could not be written, so the log grows; or the state could not be copied (`state.copy_to`) | the log of all commits cannot be written: sources wait |
//! | `names` | nine of ten names that `limits` allow are used, of instruments, portfolios or models | |
//!
//! The process is *ready* while sources neither pause nor wait for the recording or the log, and not before every source that is `required` was reached once,
//! nor while one of these cannot be read or is given up (`give_up_after`). Being disconnected is a warning: the data that is there can still be read.

mod components;
mod input;
mod journal;
mod monitor;
#[cfg(test)]
mod tests;

use std::time::Duration;

use connectors::HeldBy;
use market::{Commit, EventTime, NameCount, Span, plural};

use crate::delivery::SinkState;
use crate::ingest::recording::{RECORDING, RecordingState};
use crate::publish::OverBudget;
use node_api::{Check, Readiness, Status};

pub use input::RefusedLately;
pub use monitor::{HealthMonitor, Monitored, MonitoredSource};

/// The state that checks are made of.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The system's time.
    pub at: EventTime,
    /// How many workers there are.
    pub workers: usize,
    /// Whether one of them is gone.
    pub failed: bool,
    /// Whether too much is retained.
    pub over_budget: Option<OverBudget>,
    /// The sources, but for the one of clients.
    pub sources: Vec<SourceSeen>,
    /// Ids that are used again, in words, and when the last were.
    pub reused: Option<(String, EventTime)>,
    /// The deliveries to sinks.
    pub sinks: Vec<SinkSeen>,
    /// The recording.
    pub recording: RecordingState,
    /// What is kept for a restart.
    pub state: StateSeen,
    /// How many names there are, of each kind.
    pub names: Vec<NameCount>,
    /// The newest commit that is complete, or will be when this is read.
    pub commit: Option<Commit>,
}

/// How what is kept for a restart is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateSeen {
    /// Nothing is kept.
    Off,
    /// All commits are; so many checkpoints were finished since the start. If it is copied, how far the copy is.
    Kept(u64, Option<String>),
    /// The log waits for room since so long.
    LogHeld(String, Duration),
    /// The last checkpoint could not be written.
    NoCheckpoint(String),
    /// The state could not be copied.
    NotCopied(String),
}

/// How a source is.
#[derive(Clone, Debug, Default)]
pub struct SourceSeen {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its state at the end of the last round, in a word.
    pub state: &'static str,
    /// The last error, also if it is over.
    pub last_error: Option<String>,
    /// Whether the process is not ready before it was reached.
    pub is_required: bool,
    /// Whether all its partitions were opened once.
    pub is_reached: bool,
    /// The last error, if it was not reached.
    pub error: Option<String>,
    /// Why one of its partitions cannot be read, if that is so.
    pub failure: Option<String>,
    /// Whether one of its partitions is not waited for any more.
    pub is_given_up: bool,
    /// Whether one of its partitions is not connected.
    pub is_down: bool,
    /// What was lost of it, if anything was.
    pub lost: Option<LostSeen>,
    /// What was refused of it lately or too late, if that is too much.
    pub refused: Option<RefusedLately>,
    /// Rows that are held back, by what, and for how long nothing else has come.
    pub held: Option<(u64, HeldBy, Duration)>,
}

/// What was lost of a source before it was read.
#[derive(Clone, Copy, Debug)]
pub struct LostSeen {
    /// How many rows, as far as that is known.
    pub rows: u64,
    /// Whether more were lost, nobody knows how many.
    pub is_uncounted: bool,
    /// When the last were missed.
    pub last: EventTime,
}

/// How the delivery of a view to a sink is.
#[derive(Clone, Debug)]
pub struct SinkSeen {
    /// The sink's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The view's name.
    pub view: &'static str,
    /// What the delivery does.
    pub state: SinkState,
    /// Why the last try did not go well, if it did not.
    pub last_error: Option<String>,
}

/// The name of the check of what was refused.
const INPUT: &str = "input";
/// The name of the check of what is kept for a restart.
const STATE: &str = "state";
/// The name of the check of how many names there are.
const NAMES: &str = "names";
/// Rows that are held back for longer are warned of.
const HELD_WARNS_AFTER: Duration = Duration::from_secs(10);
/// Losses are warned of for so long.
const LOSS_WARNS_FOR: Span = Span::secs(3_600);

impl Seen {
    /// The checks that are rows of the view `health`, by name.
    pub fn checks(&self) -> Vec<(&'static str, Check)> {
        vec![
            ("workers", self.workers()),
            ("sources", self.sources()),
            ("losses", self.losses()),
            (INPUT, self.input()),
            ("ids", self.ids()),
            ("sinks", self.sinks()),
            ("commits", self.commits()),
        ]
    }

    /// The other checks, by name.
    pub fn checks_beside(&self) -> Vec<(&'static str, Check)> {
        vec![(RECORDING, self.recording()), (STATE, self.state()), (NAMES, self.names())]
    }

    /// Whether answers are worth asking for.
    pub fn readiness(&self) -> Readiness {
        if self.failed {
            return Readiness::NotYet("a worker has failed".to_owned());
        }
        if let Some(reason) = self.pause() {
            return Readiness::NotYet(reason);
        }
        let required = self.sources.iter().filter(|source| source.is_required);
        let missing = required.filter_map(|source| match source.is_reached {
            true => source.not_read(),
            false => Some(source.not_reached()),
        });
        let missing: Vec<String> = missing.collect();
        match missing.is_empty() {
            true => Readiness::Ready,
            false => Readiness::NotYet(missing.join("; ")),
        }
    }

    /// Why all sources pause, if they do.
    fn pause(&self) -> Option<String> {
        match (&self.over_budget, &self.recording, &self.state) {
            (Some(over_budget), ..) => Some(format!("sources pause: {over_budget}")),
            (None, RecordingState::Held { why, .. }, _) => {
                Some(format!("sources wait for the recording: {why}"))
            }
            (None, _, StateSeen::LogHeld(why, _)) => {
                Some(format!("sources wait for the log of the state: {why}"))
            }
            _ => None,
        }
    }

    fn recording(&self) -> Check {
        match &self.recording {
            RecordingState::Off => check(Status::Pass, "nothing is recorded"),
            RecordingState::Written => check(Status::Pass, "commits are recorded"),
            RecordingState::Held { why, since } => {
                let secs = since.elapsed().as_secs();
                check(Status::Fail, format!("{why}; sources wait for it for {secs} s"))
            }
            RecordingState::Lost { why } => check(Status::Fail, format!("{why}; the run stops")),
        }
    }

    fn state(&self) -> Check {
        match &self.state {
            StateSeen::Off => check(Status::Pass, "no state is kept"),
            StateSeen::Kept(checkpoints, copy) => {
                let kept = format!("commits are kept; {checkpoints} checkpoints since the start");
                let copy = copy.iter().map(|copy| format!("; {copy}"));
                check(Status::Pass, copy.fold(kept, |all, copy| all + &copy))
            }
            StateSeen::LogHeld(why, since) => {
                check(Status::Fail, format!("{why}; sources wait for it for {} s", since.as_secs()))
            }
            StateSeen::NoCheckpoint(why) => check(
                Status::Warn,
                format!("no checkpoint can be written, so the log grows: {why}"),
            ),
            StateSeen::NotCopied(why) => check(Status::Warn, why.clone()),
        }
    }

    fn names(&self) -> Check {
        let full = self.names.iter().filter(|count| count.is_nearly_full());
        let full: Vec<String> = full
            .map(|NameCount { what, bound, used, limit }| {
                format!("{} of the {limit} that {bound} allows", plural(*used as u64, what))
            })
            .collect();
        match full.is_empty() {
            true => check(Status::Pass, "there is room for names"),
            false => {
                let then = "rows of those beyond become dead letters";
                check(Status::Warn, format!("{}; {then}", full.join("; ")))
            }
        }
    }

    fn workers(&self) -> Check {
        if self.failed {
            return check(Status::Fail, "a worker has failed; the process is going down");
        }
        check(Status::Pass, format!("{} run", plural(self.workers as u64, "worker")))
    }

    fn sources(&self) -> Check {
        if let Some(reason) = self.pause() {
            return check(Status::Fail, reason);
        }
        let mut wrong: Vec<String> = self
            .sources
            .iter()
            .filter(|source| !source.is_reached)
            .map(SourceSeen::not_reached)
            .collect();
        let down: Vec<&str> = self
            .sources
            .iter()
            .filter(|source| source.is_reached && source.is_down)
            .map(|source| source.name.as_str())
            .collect();
        wrong.extend(self.sources.iter().filter_map(SourceSeen::not_read));
        if !down.is_empty() {
            wrong.push(format!("not connected: {} (see the view `incidents`)", down.join(", ")));
        }
        wrong.extend(self.sources.iter().filter_map(SourceSeen::held_back));
        match wrong.is_empty() {
            true => check(Status::Pass, "sources are read"),
            false => check(Status::Warn, wrong.join("; ")),
        }
    }

    fn losses(&self) -> Check {
        let lately = |source: &SourceSeen| {
            let lost = source.lost.filter(|lost| lost.last.after(LOSS_WARNS_FOR) > self.at)?;
            let LostSeen { rows, is_uncounted, last } = lost;
            let rows = match (rows, is_uncounted) {
                (0, _) => "rows, nobody knows how many".to_owned(),
                (rows, false) => format!("{rows} rows"),
                (rows, true) => format!("{rows} rows, and others, nobody knows how many"),
            };
            Some(format!("{} lost {rows}; the last at {last}", source.name))
        };
        let lost: Vec<String> = self.sources.iter().filter_map(lately).collect();
        match lost.is_empty() {
            true => check(Status::Pass, "nothing was lost before it was read"),
            false => check(Status::Warn, format!("{} (see the view `incidents`)", lost.join("; "))),
        }
    }

    fn input(&self) -> Check {
        let refused: Vec<String> =
            self.sources.iter().filter_map(SourceSeen::refused_lately).collect();
        input_check(&refused)
    }

    fn ids(&self) -> Check {
        match &self.reused {
            Some((text, last)) if last.after(LOSS_WARNS_FOR) > self.at => {
                check(Status::Warn, text.clone())
            }
            _ => check(Status::Pass, "ids name one trade each"),
        }
    }

    fn sinks(&self) -> Check {
        let in_state = |state: SinkState| {
            let sinks = self.sinks.iter().filter(move |sink| sink.state == state);
            sinks
                .map(|SinkSeen { name, view, last_error, .. }| match last_error {
                    Some(error) => format!("`{view}` to {name}: {error}"),
                    None => format!("`{view}` to {name}"),
                })
                .collect::<Vec<_>>()
                .join("; ")
        };
        let (failed, retrying) = (in_state(SinkState::Failed), in_state(SinkState::Retrying));
        let waiting = in_state(SinkState::Waiting);
        if !failed.is_empty() {
            return check(Status::Fail, format!("failed, and not tried again: {failed}"));
        }
        if !retrying.is_empty() {
            return check(Status::Warn, format!("tried again: {retrying}"));
        }
        if !waiting.is_empty() {
            return check(Status::Warn, format!("no answer for more than 3 s: {waiting}"));
        }
        let output = match self.sinks.is_empty() {
            true => "there is no sink",
            false => "changes are delivered",
        };
        check(Status::Pass, output)
    }

    fn commits(&self) -> Check {
        match self.commit {
            Some(commit) => Check {
                observed: Some((commit.0 as f64, "newest commit")),
                ..check(Status::Pass, "commits become complete")
            },
            None => check(Status::Warn, "no commit is complete yet"),
        }
    }
}

/// The check of what was refused, of these sources.
fn input_check(refused: &[String]) -> Check {
    match refused.is_empty() {
        true => check(Status::Pass, "input is accepted"),
        false => {
            let views = "the views `dead_letters` and `too_late` say why";
            check(Status::Warn, format!("refused or too late: {}; {views}", refused.join("; ")))
        }
    }
}

impl SourceSeen {
    /// The check of what was refused of it alone.
    fn input(&self) -> Check {
        let refused = self.refused_lately();
        match input_check(refused.as_slice()) {
            Check { status: Status::Pass, .. } => {
                check(Status::Pass, format!("rows of {} are accepted", self.name))
            }
            refused => refused,
        }
    }

    fn refused_lately(&self) -> Option<String> {
        let name = &self.name;
        Some(match self.refused? {
            RefusedLately::All(rows) => format!("all of the last {rows} rows of {name}"),
            RefusedLately::Share { refused, rows } => {
                format!("{refused} of {rows} rows of {name} in the last minute")
            }
        })
    }

    fn not_read(&self) -> Option<String> {
        let name = &self.name;
        match &self.failure {
            _ if self.is_given_up => {
                Some(format!("not waited for any more: {name} (`give_up_after`)"))
            }
            Some(why) => Some(format!("cannot be read, and is tried again: {name} ({why})")),
            None => None,
        }
    }

    fn is_held_back(&self) -> bool {
        self.held.is_some_and(|(_, _, since)| since > HELD_WARNS_AFTER)
    }

    /// What it is held back by, if that lasts.
    fn held_back(&self) -> Option<String> {
        let (rows, by, since) = self.held.filter(|(_, _, since)| *since > HELD_WARNS_AFTER)?;
        let (name, secs) = (&self.name, since.as_secs());
        let by = match by {
            HeldBy::Transaction => "an open transaction".to_owned(),
            HeldBy::HalfLine => "a line without its end".to_owned(),
            HeldBy::OpenQuote(line) => {
                format!("a quote that is opened on line {line} and not closed")
            }
        };
        Some(format!(
            "{by} holds back up to {rows} rows of {name} for {secs} s (see the views `sources` and `incidents`)"
        ))
    }

    fn not_reached(&self) -> String {
        match &self.error {
            Some(why) => format!("not reached yet: {} ({why})", self.name),
            None => format!("not reached yet: {}", self.name),
        }
    }
}

fn check(status: Status, output: impl Into<String>) -> Check {
    Check { status, output: output.into(), observed: None }
}
