//! Makes ticks, or takes them from a source, and writes them somewhere at a rate.
//!
//! To add a place to write to: a file in `targets/` and a line in [`TARGETS`].

mod form;
mod pace;
mod targets;

use std::io;
use std::path::Path;

use connectors::{FileKey, PartitionReader, Progress, SourceError};
use market::Catalog;

use crate::{Lines, Market, Workload};
use dataflows::config::JobFiles;
use dataflows::ingest::Stop;

pub use form::{FORMS, RowFormat};
pub use pace::Pace;
pub use targets::{RowTarget, TARGETS, TargetKind, open};

/// Why ticks could not be produced.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// The target does not take them.
    #[error("cannot write to {target}")]
    Target {
        /// As named.
        target: String,
        /// Its error.
        #[source]
        source: io::Error,
    },
    /// A file that holds something is not replaced unless that is asked for.
    #[error("{target} exists; it is not replaced: write to another file, or use --force")]
    Exists {
        /// As named.
        target: String,
    },
    /// The file is what rows are taken from.
    #[error("rows would replace {target}, which is {what}; write to another file")]
    InUse {
        /// As named.
        target: String,
        /// What it is.
        what: String,
    },
    /// No target is named so.
    #[error("`{name}` is no target; possible are {possible}")]
    UnknownTarget {
        /// As named.
        name: String,
        /// Every kind of target.
        possible: String,
    },
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An instrument does not fit into the catalog.
    #[error(transparent)]
    Catalog(#[from] market::CatalogError),
    /// The form has no word for a row.
    #[error("the form `ticks` has no word for {what}; use `--form entries` or `--form jsonl`")]
    NoWord {
        /// What it is.
        what: &'static str,
    },
}

impl ProduceError {
    /// Whether another command line would do better.
    pub fn is_refusal(&self) -> bool {
        matches!(self, ProduceError::Exists { .. } | ProduceError::InUse { .. })
    }
}

/// What was produced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// Rows that the target has taken.
    pub rows: u64,
    /// Rows of the source that could not be decoded, and were left out.
    pub refused: u64,
}

/// Whether rows may go to the file at `path`.
fn check_file(name: &str, path: &Path, force: bool, reads: &JobFiles) -> Result<(), ProduceError> {
    let target = || name.to_owned();
    if let Some(what) = reads.keys().get(&FileKey::of(path)) {
        return Err(ProduceError::InUse { target: target(), what: (*what).to_owned() });
    }
    match path.metadata() {
        Ok(about) if about.is_file() && about.len() > 0 && !force => {
            Err(ProduceError::Exists { target: target() })
        }
        _ => Ok(()), // what else is wrong with it is found out when it is opened
    }
}

/// Where rows go, and how.
pub struct Output {
    name: String,
    target: Box<dyn RowTarget>,
    form: RowFormat,
    pace: Option<Pace>,
    stop: Stop,
    produced: Produced,
}

impl Output {
    /// To the target of this name; `rate` rows a second, as fast as it goes without one. A file that exists is
    /// replaced only if `force` says so, and one of `reads` never is.
    pub fn open(
        name: &str,
        (force, reads): (bool, &JobFiles),
        form: RowFormat,
        rate: Option<u32>,
        stop: Stop,
    ) -> Result<Output, ProduceError> {
        if let Some(path) = targets::file_of(name) {
            check_file(name, path, force, reads)?;
        }
        let mut target = targets::open(name)?;
        if let Some(header) = form.header() {
            let begun = target.begin(header.as_bytes());
            begun.map_err(|source| ProduceError::Target { target: name.to_owned(), source })?;
        }
        let (name, pace) = (name.to_owned(), rate.map(Pace::new));
        Ok(Output { name, target, form, pace, stop, produced: Produced::default() })
    }

    /// Writes the rows of a workload, whose instruments are `venue:S000` and so on.
    pub fn workload(
        mut self,
        workload: &Workload,
        venue: &str,
        catalog: &Catalog,
    ) -> Result<Produced, ProduceError> {
        if self.form == RowFormat::Ticks {
            if workload.corrections > 0.0 || workload.cancels > 0.0 {
                return Err(ProduceError::NoWord { what: "corrections and cancels" });
            }
            let mut lines = Lines::new(workload);
            for tick in workload.ticks() {
                let (symbol, line) = lines.line(&tick);
                if !self.put(symbol, line)? {
                    break;
                }
            }
            return self.finish();
        }
        let market = Market::new(workload, venue, catalog)?;
        let mut line = Vec::new();
        for tick in workload.ticks() {
            let entry = market.event(&tick).into();
            let key = self.form.write(&entry, catalog, &mut line)?;
            if !self.put(&key, &line)? {
                break;
            }
        }
        self.finish()
    }

    /// Writes what a partition of a source brings, up to `rows` rows.
    pub fn partition(
        mut self,
        mut reader: Box<dyn PartitionReader>,
        rows: u64,
        catalog: &Catalog,
    ) -> Result<Produced, ProduceError> {
        let (mut batch, mut line) = (Vec::new(), Vec::new());
        let mut progress = Progress::More;
        while progress == Progress::More && !self.stop.is_set() {
            progress = reader.read(&mut batch)?;
            for row in batch.drain(..) {
                if self.produced.rows >= rows {
                    return self.finish();
                }
                let (unknown, id_texts) = (row.unknown, row.id_texts);
                let named = |entry| {
                    unknown.map_or(Ok(()), |names| catalog.register(&names)).ok()?;
                    id_texts.iter().try_for_each(|id| catalog.ids.keep(id).map(|_| ())).ok()?;
                    Some(entry)
                };
                let Some(entry) = row.event.ok().and_then(named) else {
                    self.produced.refused += 1;
                    continue;
                };
                let key = self.form.write(&entry, catalog, &mut line)?;
                if !self.put(&key, &line)? {
                    return self.finish();
                }
            }
        }
        self.finish()
    }

    /// Writes a row when it is due; false if a stop was asked for.
    fn put(&mut self, key: &str, line: &[u8]) -> Result<bool, ProduceError> {
        let due = self.pace.as_mut().is_none_or(|pace| pace.wait(&self.stop));
        if !due || (self.produced.rows.is_multiple_of(1_024) && self.stop.is_set()) {
            return Ok(false);
        }
        match self.target.put(key, line) {
            Ok(()) => {
                self.produced.rows += 1;
                Ok(true)
            }
            Err(source) => Err(ProduceError::Target { target: self.name.clone(), source }),
        }
    }

    fn finish(mut self) -> Result<Produced, ProduceError> {
        match self.target.finish() {
            Ok(()) => Ok(self.produced),
            Err(source) => Err(ProduceError::Target { target: self.name, source }),
        }
    }
}
