//! The files that a job reads and that its sinks write: whatever else is written replaces none of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use connectors::FileKey;

use super::{ConfigError, ConfiguredSink, ConfiguredSource, RawCalendar};

/// A file that belongs to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// What the job has it for, such as ``a file of source `a` ``.
    pub what: String,
}

impl JobFile {
    /// The file at `path`.
    pub fn new(path: &Path, what: impl Into<String>) -> JobFile {
        JobFile { path: path.to_owned(), what: what.into() }
    }
}

/// Files that belong to a job.
#[derive(Clone, Debug, Default)]
pub struct JobFiles(Vec<JobFile>);

impl JobFiles {
    /// By their keys as they are now. Of two paths of one file, the first counts.
    pub fn keys(&self) -> HashMap<FileKey, &str> {
        let mut keys = HashMap::with_capacity(self.0.len());
        for JobFile { path, what } in &self.0 {
            keys.entry(FileKey::of(path)).or_insert(&**what);
        }
        keys
    }
}

impl Extend<JobFile> for JobFiles {
    fn extend<I: IntoIterator<Item = JobFile>>(&mut self, files: I) {
        self.0.extend(files);
    }
}

/// The files of holidays.
pub(super) fn holidays(calendars: &[RawCalendar], folder: &Path) -> Vec<JobFile> {
    let named = calendars.iter().filter_map(|raw| {
        let path = folder.join(raw.holidays.as_ref()?);
        Some(JobFile::new(&path, format!("the holidays of calendar `{}`", raw.name)))
    });
    named.collect()
}

/// The files that sources read.
pub(super) fn of_sources(sources: &[ConfiguredSource]) -> impl Iterator<Item = JobFile> {
    sources.iter().flat_map(|source| {
        let what = format!("a file of source `{}`", source.names.name);
        source.source.files().into_iter().map(move |path| JobFile { path, what: what.clone() })
    })
}

/// Adds the files that sinks write. One that the job reads, or that two of them would write, is an error.
pub(super) fn add_sinks(files: &mut JobFiles, sinks: &[ConfiguredSink]) -> Result<(), ConfigError> {
    let mut own = Vec::new();
    let mut known: HashMap<FileKey, String> =
        files.keys().into_iter().map(|(key, what)| (key, what.to_owned())).collect();
    for (index, sink) in sinks.iter().enumerate() {
        for (view, _) in &sink.views {
            let Some(path) = sink.sink.file(view.name) else { continue };
            let what = format!("where sink `{}` writes `{}`", sink.name, view.name);
            if let Some(other) = known.insert(FileKey::of(&path), what.clone()) {
                return Err(ConfigError::Value {
                    place: format!("sink[{index}] (name `{}`).path", sink.name),
                    problem: format!(
                        "{} is {other}; a sink needs a file of its own for each view",
                        path.display()
                    ),
                });
            }
            own.push(JobFile { path, what });
        }
    }
    files.extend(own);
    Ok(())
}
