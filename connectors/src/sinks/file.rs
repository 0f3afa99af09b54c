//! `kind = "file"`: changes of views appended to files, one JSON object per line.
//!
//! ```toml
//! [[sink]]
//! name = "bars"
//! kind = "file"
//! views = ["candles"]
//! path = "deltas/{view}.ndjson"      # `{view}` is needed where there are several views
//! ```
//!
//! A batch is lines of `upsert` and `delete`, closed by a line of `progress`; before the rows of a snapshot
//! stands a line of `snapshot`, at which a reader forgets the rows that it has. A reader that takes changes when
//! it meets their `progress` sees the view at commits, as it was.
//!
//! A file is locked while it is written, and has one writer. It may be moved away or removed at any time:
//! that is found out within two seconds, and a new file begins with a snapshot, so each can be read by itself. What a part wrote is taken back on an error.
//! The file grows without a bound. Lines are handed to the system, not forced to the disk.
//!
//! Nothing that others wrote is cut or appended to: the first line of a file must be one of a sink's, and so must
//! a last line without an end, which a crash left behind and which is taken away.

mod own;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use market::Commit;
use serde::Deserialize;

use self::own::{Ours, cut_torn_line};
use crate::FileKey;
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkRecord, SinkWriter};

/// The keys of a sink of files, besides those of all sinks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The file; `{view}` stands for the name of the view, and is needed where there are several views. Its folder is
    /// made if it is not there.
    pub path: String,
}

/// Files of changes.
pub struct FileSink {
    folder: PathBuf,
    path: String,
    encoding: Encoding,
    /// By view, what its file held when it was last written to; kept from one writer to the next, since the file
    /// may be moved away in between.
    written: Mutex<BTreeMap<String, Arc<Mutex<Option<Written>>>>>,
}

/// Which file was written to, and how long it was then.
#[derive(Clone, PartialEq, Eq)]
struct Written {
    key: FileKey,
    length: u64,
}

/// One file.
struct DeltaFile {
    path: PathBuf,
    encoding: Encoding,
    text: String,
    /// Open and locked.
    file: File,
    /// None until something was written, and when it is gone.
    written: Arc<Mutex<Option<Written>>>,
}

impl TypedSink for FileSink {
    const KIND: &'static str = "file";
    type Config = FileSinkConfig;

    fn build(config: FileSinkConfig, context: SinkBuildContext) -> Result<FileSink, SinkError> {
        let SinkBuildContext { name, folder, views, encoding, .. } = context;
        let path = config.path;
        let problem = if path.is_empty() {
            "`path` is empty; name a file"
        } else if views.len() > 1 && !path.contains("{view}") {
            "`path` must contain `{view}`, since there are several views"
        } else {
            return Ok(FileSink { folder, path, encoding, written: Mutex::default() });
        };
        Err(SinkError::Config { name, problem: problem.to_owned() })
    }
}

impl Sink for FileSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let path = self.path_of(view);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| failed("make", folder, cause))?;
        }
        let written = {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(written.entry(view.to_owned()).or_default())
        };
        let file = opened(&path)?;
        let file = DeltaFile { path, encoding: self.encoding, text: String::new(), file, written };
        file.still_there()?;
        Ok(Box::new(file))
    }

    fn file(&self, view: &str) -> Option<PathBuf> {
        Some(self.path_of(view))
    }
}

impl FileSink {
    fn path_of(&self, view: &str) -> PathBuf {
        self.folder.join(self.path.replace("{view}", view))
    }
}

impl SinkWriter for DeltaFile {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        self.still_there()?;
        self.text.clear();
        lines(batch, self.encoding, &mut self.text);
        self.append().map_err(|cause| failed("append to", &self.path, cause))
    }

    fn check(&mut self, _run: &str, _commit: Commit) -> Result<(), SinkError> {
        self.still_there()
    }
}

impl DeltaFile {
    /// Appends the text at hand, or nothing.
    fn append(&mut self) -> std::io::Result<()> {
        let before = self.file.seek(SeekFrom::End(0))?;
        if let Err(error) = self.file.write_all(self.text.as_bytes()) {
            self.file.set_len(before)?; // else a part of it would be there twice
            return Err(error);
        }
        let key = FileKey::of_open(&self.file.metadata()?);
        let length = before + self.text.len() as u64;
        *self.lock() = Some(Written { key, length });
        Ok(())
    }

    /// Finds out whether the path still names the open file, and that still holds what was written; else it must
    /// be opened anew, and begin with a snapshot.
    fn still_there(&self) -> Result<(), SinkError> {
        let about = self.file.metadata().map_err(|cause| failed("look at", &self.path, cause))?;
        let key = FileKey::of_open(&about);
        let mut written = self.lock();
        let cause = if FileKey::of(&self.path) != key {
            "it was moved away or removed; a new file begins with a snapshot"
        } else if written.as_ref().is_some_and(|written| written.key != key) {
            "it is another file than before; it goes on with a snapshot"
        } else if written.as_ref().is_some_and(|w| about.is_file() && about.len() < w.length) {
            "it is shorter than what was written to it; it goes on with a snapshot"
        } else {
            return Ok(());
        };
        *written = None;
        let tried = format!("cannot append to {}", self.path.display());
        Err(SinkError::Forgotten { tried, cause: cause.into() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the file at `path` for appending, locks it, and takes a torn last line away. A pipe or a device is taken as
/// it is.
fn opened(path: &Path) -> Result<File, SinkError> {
    let fatal = |cause: &str| SinkError::Fatal {
        tried: format!("cannot append to {}", path.display()),
        cause: cause.into(),
    };
    let system = |cause| failed("open", path, cause);
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path).map_err(system)?;
    if !file.metadata().map_err(system)?.is_file() {
        return Ok(file);
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(fatal(
                "another process, or another sink, writes to it; write to another `path`, or stop the other one and \
                 start again",
            ));
        }
        Err(TryLockError::Error(cause)) => return Err(failed("lock", path, cause)),
    }
    match cut_torn_line(&file).map_err(system)? {
        Ours::Yes => Ok(file),
        Ours::No(why) => Err(fatal(&format!(
            "it was not written by a sink ({why}), and is left as it is; write to another `path`, or move it away"
        ))),
    }
}

/// What is wrong with a path stays wrong; a full disk may be cleared.
fn failed(verb: &str, path: &Path, cause: std::io::Error) -> SinkError {
    let tried = format!("cannot {verb} {}", path.display());
    let for_ever = [
        ErrorKind::AlreadyExists, // as a file, where a folder is needed
        ErrorKind::IsADirectory,
        ErrorKind::NotADirectory,
        ErrorKind::PermissionDenied,
        ErrorKind::InvalidFilename,
        ErrorKind::ReadOnlyFilesystem,
    ];
    match for_ever.contains(&cause.kind()) {
        true => SinkError::Fatal { tried, cause: cause.into() },
        false => SinkError::Retry { tried, cause: cause.into() },
    }
}

/// Appends the lines of a batch.
fn lines(batch: &SinkBatch<'_>, encoding: Encoding, out: &mut String) {
    let SinkBatch { commit, at, part, last, records, .. } = *batch;
    let (view, run) = (text(batch.view), text(batch.run));
    let is_snapshot = matches!(batch.kind, BatchKind::Snapshot | BatchKind::Resync);
    let commit = commit.0;
    if is_snapshot && part == 0 {
        let resync = batch.kind == BatchKind::Resync;
        put(
            out,
            format_args!(
                "{{\"op\":\"snapshot\",\"view\":{view},\"run\":{run},\"commit\":{commit},\"resync\":{resync}}}\n"
            ),
        );
    }
    for SinkRecord { key, now, before } in records {
        let op = if now.is_some() { "upsert" } else { "delete" };
        put(out, format_args!("{{\"op\":\"{op}\",\"commit\":{commit},\"key\":{}", text(key)));
        if let Some(row) = now {
            put(out, format_args!(",\"row\":{row}"));
        }
        if encoding == Encoding::Deltas {
            put(out, format_args!(",\"before\":{}", before.as_deref().unwrap_or("null")));
        }
        out.push_str("}\n");
    }
    if last {
        let after = batch.after.map_or_else(|| "null".to_owned(), |after| after.0.to_string());
        put(
            out,
            format_args!(
                "{{\"op\":\"progress\",\"view\":{view},\"run\":{run},\"after\":{after},\"commit\":{commit},\"at\":\"{}\"}}\n",
                at.rfc3339()
            ),
        );
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // a `String` takes everything
}

fn text(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

#[cfg(test)]
mod tests;
