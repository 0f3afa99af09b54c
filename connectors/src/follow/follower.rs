//! Reading the files that a path names, one after the other.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use super::claims::Claims;
use super::known_file::KnownFile;
use super::open_file::{Fault, OpenFile, Step};
use super::watched_path::{There, WatchedPath};
use super::{Begin, FollowedPath, Positions};
use crate::lines::LINE_MAX;
use crate::source::{
    HeldBy, HeldRows, Incident, IncidentKind, Link, PartitionState, Row, SourceError,
};

/// How often a path is looked at, and how long a read waits that has found nothing.
const POLL: Duration = Duration::from_millis(100);
/// A file that the path no longer names has ended when nothing came for so long: its writer may take a moment to open
/// the next one.
const QUIET: Duration = Duration::from_secs(1);
/// Half a line or an open quote that stands for so long is told.
const PART_TOLD_AFTER: Duration = Duration::from_secs(5);
/// So many files are kept open that the path has named since the one that is read.
const NEXT_MAX: usize = 64;
/// A file that was read to its end is looked at for so long: if more comes to it, that is lost.
const LEFT_WATCHED: Duration = Duration::from_secs(60);

/// Follows a path.
pub(crate) struct Follower {
    pub(super) watched: WatchedPath,
    begin: Begin,
    pub(super) positions: Positions,
    /// The file that is read.
    pub(super) current: Option<OpenFile>,
    /// Those that the path has named since, oldest first.
    pub(super) next: VecDeque<OpenFile>,
    /// The one that was read before.
    left: Option<OpenFile>,
    at_end: bool,
    was_part_told: bool,
    incidents: Vec<Incident>,
    /// The file that was last noted for another process, and whether that was asked for.
    pub(super) known: Option<KnownFile>,
    pub(super) state: Option<PartitionState>,
}

impl Follower {
    /// Opens what is at the path, if there is anything.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(crate) fn open(
        path: FollowedPath,
        claims: Claims,
        begin: Begin,
        after: u64,
    ) -> Result<Follower, SourceError> {
        let follower = Follower::new(path, claims, begin, Positions { base: 0, after });
        follower.begin()
    }

    pub(super) fn new(
        path: FollowedPath,
        claims: Claims,
        begin: Begin,
        positions: Positions,
    ) -> Follower {
        Follower {
            watched: WatchedPath::new(path, claims),
            begin,
            positions,
            current: None,
            next: VecDeque::new(),
            left: None,
            at_end: false,
            was_part_told: false,
            incidents: Vec::new(),
            known: None,
            state: None,
        }
    }

    pub(super) fn begin(mut self) -> Result<Follower, SourceError> {
        self.look()?;
        self.current = self.next.pop_front();
        self.incidents.extend(self.watched.link_incident());
        if let Some(file) = &mut self.current {
            let began = file.begin(&self.begin, self.positions, &self.watched.path);
            began.map_err(|fault| self.error(fault))?;
        }
        Ok(self)
    }

    /// Appends the next rows. Waits for a moment if there are none.
    pub(super) fn read(&mut self, rows: &mut Vec<Row>) -> Result<(), SourceError> {
        let count = rows.len();
        self.at_end = false; // unless it is found so now
        if self.watched.is_due(POLL) {
            self.look()?;
        }
        self.incidents.extend(self.watched.link_incident());
        if self.current.is_none() {
            self.current = self.next.pop_front();
        }
        self.note_state();
        let advanced = self.advance(rows);
        if advanced.is_err() {
            self.watched.be_due(); // what comes after it may be read
        }
        let is_done = advanced?;
        if rows.len() == count && is_done {
            self.at_end = self.is_at_end();
            self.report_part();
            thread::sleep(POLL);
        } else if rows.len() > count {
            self.was_part_told = false;
        }
        Ok(())
    }

    pub(super) fn take_incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    pub(super) fn is_from_beginning(&self) -> bool {
        self.positions.after == 0
    }

    pub(super) fn link(&self) -> Link {
        let part = self.current.as_ref().and_then(OpenFile::part).filter(|_| !self.at_end);
        let held = part.map(|(part, since)| HeldRows {
            rows: part.lines,
            since,
            by: match part.is_quote_open {
                true => HeldBy::OpenQuote(part.line),
                false => HeldBy::HalfLine,
            },
        });
        Link {
            is_up: self.watched.is_up,
            behind: self.at_end.then_some(0),
            at_end: self.at_end,
            held,
        }
    }

    /// Looks at the path, and takes the file that it names if it is a new one.
    fn look(&mut self) -> Result<(), SourceError> {
        self.look_back();
        let newest = self.next.back().or(self.current.as_ref()).map(|file| &file.id);
        let file = self.watched.look(newest, self.next.len() < NEXT_MAX)?;
        self.next.extend(file);
        Ok(())
    }

    /// Looks whether more came to the file that was read before.
    fn look_back(&mut self) {
        let Some(left) = &self.left else { return };
        let has_grown = left.has_more();
        if has_grown {
            let detail = format!(
                "{}: its writer went on in the file that the path named before; what came to that is lost",
                self.watched.path.name
            );
            self.push(IncidentKind::Gap, detail);
        }
        self.left =
            self.left.take().filter(|left| !has_grown && left.moved_at.elapsed() < LEFT_WATCHED);
    }

    /// Reads on in the file at hand, or goes to the next one. Returns whether there is nothing more for now if there are
    /// no rows.
    fn advance(&mut self, rows: &mut Vec<Row>) -> Result<bool, SourceError> {
        let has_next = self.has_next();
        let Some(file) = &mut self.current else { return Ok(true) };
        let is_removed = file.is_removed && self.watched.there != There::Ours;
        let is_left = has_next || is_removed || self.watched.there == There::Others;
        if is_left && file.moved_at.elapsed() >= QUIET {
            file.finish();
        }
        let read = file.read(&self.begin, &mut self.positions, &self.watched.path, rows);
        self.incidents.extend(file.incidents());
        match read {
            Ok(Step::Read) => Ok(true),
            Ok(Step::Changed) => {
                self.begin_again(is_left);
                Ok(false)
            }
            Ok(Step::Ended) => {
                self.left = self.current.take().filter(|file| !file.is_removed);
                self.go_on();
                Ok(false)
            }
            // A file that cannot be read holds up none that came after it.
            Err(Fault::Refused(error)) if !self.next.is_empty() => {
                let detail =
                    format!("{error}; the path names another file now, and this one is left out");
                self.push(IncidentKind::Gap, detail);
                self.go_on();
                Ok(false)
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Whether the writer has gone on to another file. One that is made and still empty says nothing yet.
    fn has_next(&mut self) -> bool {
        let is_begun = |file: &mut OpenFile| file.look().is_ok() && file.length() > 0;
        self.next.len() > 1 || self.next.front_mut().is_some_and(is_begun)
    }

    /// The file at hand was truncated.
    fn begin_again(&mut self, is_left: bool) {
        let last = self.positions.base;
        let detail = format!(
            "{}: the file was truncated; what came after position {last} and was not read is lost",
            self.watched.path.name
        );
        match (&mut self.current, is_left) {
            (Some(file), false) => {
                file.begin_again();
                let more = "it is read from its beginning, and positions go on";
                self.push(IncidentKind::Gap, format!("{detail}; {more}"));
            }
            _ => {
                self.push(IncidentKind::Gap, detail);
                self.go_on();
            }
        }
    }

    /// Goes on with the next file.
    fn go_on(&mut self) {
        self.current = self.next.pop_front();
        self.was_part_told = false;
        if self.current.is_some() {
            let detail = format!(
                "{}: the path names another file, which is read from its beginning; positions go on after {}",
                self.watched.path.name, self.positions.base
            );
            self.push(IncidentKind::Connected, detail);
        }
    }

    /// Whether all that is there was read.
    fn is_at_end(&self) -> bool {
        let is_there = match self.watched.there {
            There::Ours => self.current.is_some(),
            There::Others | There::Gone => true,
            There::Nothing => false,
        };
        // Of a file that is gone nobody ends a line.
        let has_part = self.current.as_ref().is_some_and(|file| file.part().is_some());
        let is_last = self.next.iter().all(|file| file.length() == 0);
        is_there && is_last && (!has_part || self.watched.there == There::Gone)
    }

    /// Says once of a part of a row that its rest does not come.
    fn report_part(&mut self) {
        let part = self.current.as_ref().and_then(OpenFile::part).filter(|_| !self.at_end);
        let Some((part, _)) = part.filter(|(_, since)| since.elapsed() >= PART_TOLD_AFTER) else {
            return;
        };
        if std::mem::replace(&mut self.was_part_told, true) {
            return;
        }
        let (name, secs) = (&self.watched.path.name, PART_TOLD_AFTER.as_secs());
        let detail = match part.is_quote_open {
            false => format!(
                "{name}: the last line has no end for {secs} s; it is no row yet, and its bars wait"
            ),
            true => format!(
                "{name}: a quote that is opened on line {} is not closed for {secs} s; what follows belongs to its row \
                 until then, and the bars wait; if it is not closed within {LINE_MAX} bytes, its line is refused and \
                 what follows is read",
                part.line
            ),
        };
        self.push(IncidentKind::Warning, detail);
    }

    pub(super) fn push(&mut self, kind: IncidentKind, detail: String) {
        self.incidents.push(Incident { kind, lost: None, detail });
    }

    fn error(&self, fault: Fault) -> SourceError {
        match fault {
            Fault::Refused(error) | Fault::Rows(error) => error,
            Fault::System(source) => SourceError::Read {
                partition: self.watched.path.name.clone(),
                position: self.positions.base,
                source,
            },
        }
    }
}
