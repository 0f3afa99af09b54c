//! One file that is followed, from its first line to its last.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::Instant;

use super::claims::FileId;
use super::known_file::KnownFile;
use super::tail_file::{TailFile, TailState};
use super::{Begin, FollowedPath, LineRows, Positions};
use crate::lines::{
    BUFFER_BYTES, LINE_MAX, Lines, RecordPart, compression, has_first_line, not_plain,
};
use crate::source::{Incident, Progress, Row, SourceError};

/// A file of which more may come.
pub(super) struct OpenFile {
    pub(super) id: FileId,
    file: Arc<File>,
    state: Arc<TailState>,
    /// Reads its rows, once its first line is there.
    rows: Option<Box<dyn LineRows>>,
    /// How long it was, and when that was last seen to change or rows were read.
    length: u64,
    pub(super) moved_at: Instant,
    part: Option<(RecordPart, Instant)>,
    /// Whether it has no name any more.
    pub(super) is_removed: bool,
}

/// What a read of a file came to.
pub(super) enum Step {
    /// There may be rows; if there are none, there is nothing more for now.
    Read,
    /// The file is no longer what was read of it.
    Changed,
    /// It was read to its end.
    Ended,
}

/// Why a file cannot be read.
pub(super) enum Fault {
    /// What is wrong with it; reading it again is no use until it changes.
    Refused(SourceError),
    /// The error of the system.
    System(io::Error),
    /// An error of the reader of its rows.
    Rows(SourceError),
}

impl OpenFile {
    pub(super) fn of(file: File) -> io::Result<OpenFile> {
        Ok(OpenFile {
            id: FileId::of(&file.metadata()?),
            file: Arc::new(file),
            state: Arc::default(),
            rows: None,
            length: 0,
            moved_at: Instant::now(),
            part: None,
            is_removed: false,
        })
    }

    /// Reads the next rows. `position` is that of the last line before it, and becomes that of the last line.
    pub(super) fn read(
        &mut self,
        begin: &Begin,
        positions: &mut Positions,
        path: &FollowedPath,
        rows: &mut Vec<Row>,
    ) -> Result<Step, Fault> {
        let count = rows.len();
        if self.rows.is_none() && !self.begin(begin, *positions, path)? {
            let is_over = self.state.is_last();
            self.look()?;
            return Ok(if is_over { Step::Ended } else { Step::Read });
        }
        let Some(reader) = &mut self.rows else { return Ok(Step::Read) };
        let read = reader.read(rows);
        let position = reader.position();
        if rows.len() > count {
            self.moved_at = Instant::now();
        }
        match read {
            Ok(Progress::Ended) => {
                positions.base = position;
                Ok(Step::Ended)
            }
            Ok(Progress::More) if rows.len() > count => Ok(Step::Read),
            Ok(Progress::More) => match self.look()? {
                true => Ok(Step::Read),
                false => {
                    positions.base = position;
                    Ok(Step::Changed)
                }
            },
            Err(error @ SourceError::Config { .. }) => {
                self.begin_again();
                Err(Fault::Refused(error))
            }
            Err(error) => Err(Fault::Rows(error)),
        }
    }

    /// Finds the reader of its rows, if its first line is there; returns whether it was.
    pub(super) fn begin(
        &mut self,
        begin: &Begin,
        positions: Positions,
        path: &FollowedPath,
    ) -> Result<bool, Fault> {
        let mut start = vec![0; LINE_MAX + 1];
        let bytes = self.file.read_at(&mut start, 0).map_err(Fault::System)?;
        let start = &start[..bytes];
        if let Some(how) = compression(start) {
            return Err(Fault::Refused(path.refused(not_plain(how))));
        }
        // What is not whole may become anything yet; a file without any byte has no row.
        if start.is_empty() || !(has_first_line(start) || self.state.is_last()) {
            return Ok(false);
        }
        self.begin_again(); // what was read in vain
        let tail = TailFile::new(Arc::clone(&self.file), Arc::clone(&self.state));
        let lines = match Lines::of(BufReader::with_capacity(BUFFER_BYTES, tail)) {
            Ok(lines) => lines,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Fault::Refused(path.refused(error)));
            }
            Err(error) => return Err(Fault::System(error)),
        };
        self.rows = Some(begin(lines, positions).map_err(Fault::Refused)?);
        Ok(true)
    }

    /// Looks at the file itself; returns whether it is still what was read of it.
    pub(super) fn look(&mut self) -> Result<bool, Fault> {
        let about = self.file.metadata().map_err(Fault::System)?;
        self.is_removed = about.nlink() == 0;
        if about.len() != self.length {
            (self.length, self.moved_at) = (about.len(), Instant::now());
        }
        self.note_part();
        Ok(about.len() >= self.state.offset() && !self.state.is_changed())
    }

    /// What another process finds it again by; none if it cannot be read.
    pub(super) fn known(&self, base: u64) -> Option<KnownFile> {
        KnownFile::of(self.id.clone(), &self.file, base).ok()
    }

    /// What was seen in its rows.
    pub(super) fn incidents(&mut self) -> Vec<Incident> {
        self.rows.as_mut().map_or_else(Vec::new, |rows| rows.incidents())
    }

    /// How long it was when it was looked at last.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it holds more than was read of it.
    pub(super) fn has_more(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.len() > self.state.offset())
    }

    /// Reads it from its beginning again.
    pub(super) fn begin_again(&mut self) {
        let is_last = self.state.is_last();
        (self.state, self.rows) = (Arc::default(), None);
        if is_last {
            self.finish();
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&self) {
        self.state.finish();
    }

    /// What is there of a row of which the rest has not come, if anything is, and since when it stands.
    pub(super) fn part(&self) -> Option<(RecordPart, Instant)> {
        let now = self.own_part()?;
        let same = self.part.filter(|(before, _)| {
            before.line == now.line && before.is_quote_open == now.is_quote_open
        });
        Some((now, same.map_or_else(Instant::now, |(_, since)| since)))
    }

    fn own_part(&self) -> Option<RecordPart> {
        match &self.rows {
            Some(rows) => rows.part(),
            None if self.length > 0 => Some(RecordPart { line: 1, lines: 1, is_quote_open: false }),
            None => None,
        }
    }

    /// Notes what is there of a row. While it is the same row, it stands since it was first seen, however much comes
    /// to it.
    fn note_part(&mut self) {
        self.part = self.part();
    }
}
