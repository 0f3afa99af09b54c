//! What is at a followed path.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::FollowedPath;
use super::claims::{Claims, FileId};
use super::open_file::OpenFile;
use crate::source::{Incident, IncidentKind, SourceError};

/// A path at which there is no file for longer is disconnected. To rename a file and make the next one takes less.
const ABSENT: Duration = Duration::from_secs(2);

/// What was seen at the path last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// The newest file that is read, or will be.
    Ours,
    /// A file that another partition has read.
    Others,
    /// None.
    Nothing,
    /// None, and nobody waits for one: its folder is there.
    Gone,
}

/// A path that is looked at again and again.
pub(super) struct WatchedPath {
    pub(super) path: FollowedPath,
    claims: Claims,
    pub(super) there: There,
    looked_at: Option<Instant>,
    /// Since when no file is at the path, and why.
    absent: Option<(Instant, String)>,
    pub(super) is_up: bool,
    was_up: bool,
    was_told: bool,
}

impl WatchedPath {
    pub(super) fn new(path: FollowedPath, claims: Claims) -> WatchedPath {
        WatchedPath {
            path,
            claims,
            there: There::Nothing,
            looked_at: None,
            absent: None,
            is_up: false,
            was_up: false,
            was_told: false,
        }
    }

    /// Whether it was not looked at for so long.
    pub(super) fn is_due(&self, every: Duration) -> bool {
        self.looked_at.is_none_or(|at| at.elapsed() >= every)
    }

    /// It is to be looked at again at once.
    pub(super) fn be_due(&mut self) {
        self.looked_at = None;
    }

    /// Looks at the path; opens the file that it names if that is another one than the `newest`, and is not read by
    /// another partition. Without `room` no file is opened.
    pub(super) fn look(
        &mut self,
        newest: Option<&FileId>,
        room: bool,
    ) -> Result<Option<OpenFile>, SourceError> {
        self.looked_at = Some(Instant::now());
        match self.path.path.metadata() {
            Ok(about) if !about.is_file() => {
                let problem = "it is no regular file, and only those can be followed";
                return Err(self.path.refused(problem));
            }
            Ok(about) => {
                self.absent = None;
                let id = FileId::of(&about);
                if newest == Some(&id) {
                    self.there = There::Ours;
                } else if self.claims.is_of_other(&id, self.path.number) {
                    self.there = There::Others;
                } else if room {
                    return Ok(self.open());
                }
            }
            Err(error) => self.note_absent(&error),
        }
        Ok(None)
    }

    /// Whether a file is this partition's to read.
    pub(super) fn claim(&self, file: &OpenFile) -> bool {
        self.claims.claim(file.id.clone(), self.path.number)
    }

    /// Opens the file that is there, unless another partition has it by now.
    fn open(&mut self) -> Option<OpenFile> {
        match File::open(&self.path.path).and_then(OpenFile::of) {
            Ok(file) => {
                let is_ours = self.claims.claim(file.id.clone(), self.path.number);
                self.there = if is_ours { There::Ours } else { There::Others };
                is_ours.then_some(file)
            }
            Err(error) => {
                self.note_absent(&error);
                None
            }
        }
    }

    fn note_absent(&mut self, error: &io::Error) {
        let folder = self.path.path.parent();
        let is_gone = error.kind() == ErrorKind::NotFound
            && self.path.is_found
            && folder.is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir());
        self.there = if is_gone { There::Gone } else { There::Nothing };
        let since = self.absent.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        self.absent = Some((since, error.to_string()));
    }

    /// Each change between connected and disconnected, once.
    pub(super) fn link_incident(&mut self) -> Option<Incident> {
        let absent = self.absent.as_ref().filter(|_| self.there == There::Nothing);
        let is_up = match absent {
            Some((since, _)) => self.is_up && since.elapsed() < ABSENT,
            None => true,
        };
        let name = &self.path.name;
        let (kind, detail) = match absent {
            _ if is_up == self.is_up && (is_up || self.was_told) => return None,
            Some((_, why)) if self.is_up => {
                let detail = format!("{name} is not there any more ({why}), and is waited for");
                (IncidentKind::Disconnected, detail)
            }
            Some((_, why)) => {
                let detail = format!("{name} is not there yet ({why}), and is waited for");
                (IncidentKind::Warning, detail)
            }
            None if self.was_up => (IncidentKind::Connected, format!("{name} is there again")),
            None => (IncidentKind::Connected, format!("{name} is read")),
        };
        self.was_told = true;
        self.was_up |= is_up;
        self.is_up = is_up;
        Some(Incident { kind, lost: None, detail })
    }
}
