//! A follower that goes on where one of an earlier process was.

use std::fs::File;

use super::claims::Claims;
use super::follower::Follower;
use super::known_file::KnownFile;
use super::open_file::OpenFile;
use super::read_on::{self, Folders, FollowState};
use super::{Begin, FollowedPath, Positions};
use crate::mapping::Packing;
use crate::source::{IncidentKind, PartitionState, ResumePoint, SourceError};

impl Follower {
    /// Opens the file that an earlier process has read, and those that the path names since.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub(crate) fn resume(
        path: FollowedPath,
        claims: Claims,
        begin: Begin,
        at: &ResumePoint,
        packing: Packing,
    ) -> Result<Follower, SourceError> {
        let Some(FollowState::Reads(known)) = at.state.as_ref().and_then(FollowState::of) else {
            return Follower::open(path, claims, begin, at.after);
        };
        let positions = Positions { base: known.base, after: at.after };
        let mut follower = Follower::new(path, claims, begin, positions);
        follower.find(&known, packing.message(at.after))?;
        follower.begin()
    }

    /// Whether an earlier process has told that the file of a path is gone.
    pub(crate) fn is_over(state: &PartitionState) -> bool {
        FollowState::of(state) == Some(FollowState::Gone)
    }

    /// Notes which file a partition has read in an earlier process, before files are looked for.
    pub(crate) fn claim(
        path: &FollowedPath,
        state: &PartitionState,
        claims: &Claims,
        folders: &mut Folders,
    ) {
        if let Some(FollowState::Reads(known)) = FollowState::of(state) {
            read_on::claim(path, &known, claims, folders);
        }
    }

    /// Finds the file that an earlier process has read through line `last`, if the path does not lead to it any more, and
    /// those that came after it.
    fn find(&mut self, known: &KnownFile, last: u64) -> Result<(), SourceError> {
        let found = known.find(&self.watched.path.path);
        let path = &self.watched.path;
        let Some(old) = found else {
            self.positions.base = last;
            let is_there = path.path.exists();
            let detail = format!(
                "{}: the file that was read through line {last} is not there any more; whether more came to it is not known",
                path.name
            );
            if path.is_found && !is_there {
                self.push(IncidentKind::Warning, detail);
                self.state = Some(PartitionState::of(&FollowState::Gone));
            } else {
                let next = if is_there {
                    ". The file that is there is read from its beginning"
                } else {
                    ""
                };
                self.push(IncidentKind::Gap, format!("{detail}{next}, with positions that go on"));
            }
            return Ok(());
        };
        if old == path.path {
            return Ok(());
        }
        let cannot = |source| SourceError::Open { partition: path.name.clone(), source };
        let mut files = vec![File::open(&old).and_then(OpenFile::of).map_err(cannot)?];
        let (more, packed) =
            if path.is_found { Default::default() } else { read_on::named_between(&old, path) };
        files.extend(more);
        let detail = format!(
            "{}: the file that was read is {} now; it is read on there, and then what the path has named since",
            path.name,
            old.display()
        );
        let packed: Vec<String> = packed.iter().map(|path| path.display().to_string()).collect();
        files.retain(|file| self.watched.claim(file));
        self.next.extend(files);
        self.push(IncidentKind::Warning, detail);
        if !packed.is_empty() {
            let detail =
                format!("what {} has in it is not read: it is compressed", packed.join(", "));
            self.push(IncidentKind::Gap, detail);
        }
        Ok(())
    }

    pub(super) fn take_state(&mut self) -> Option<PartitionState> {
        self.state.take()
    }

    /// Notes which file is read, before rows of it come; again when enough of it is there to know it by that.
    pub(super) fn note_state(&mut self) {
        let Some(file) = &self.current else { return };
        let base = self.positions.base;
        let is_noted = self.known.as_ref().is_some_and(|known| {
            known.id == file.id && known.base == base && known.is_enough(file.length())
        });
        if is_noted {
            return;
        }
        if let Some(known) = file.known(base) {
            self.state = Some(PartitionState::of(&FollowState::Reads(known.clone())));
            self.known = Some(known);
        }
    }
}
