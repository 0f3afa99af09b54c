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
//! The file is opened for each part of a batch and what was written of it is taken back on an error, so it may be
//! moved away at any time. It grows without a bound. Lines are handed to the system, not forced to the disk.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::registry::{SinkSetting, TypedSink};
use crate::sink::{BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkRecord, SinkWriter};

/// The configuration of a sink of files, without what all sinks have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The file; `{view}` stands for the name of the view. Its folder is made if it is not there.
    pub path: String,
}

/// Files of changes.
pub struct FileSink {
    folder: PathBuf,
    path: String,
    encoding: Encoding,
}

/// One file.
struct DeltaFile {
    path: PathBuf,
    encoding: Encoding,
    text: String,
}

impl TypedSink for FileSink {
    const KIND: &'static str = "file";
    type Config = FileSinkConfig;

    fn build(config: FileSinkConfig, setting: SinkSetting) -> Result<FileSink, SinkError> {
        let SinkSetting { name, folder, views, encoding } = setting;
        let path = config.path;
        let problem = if path.is_empty() {
            "`path` is empty; name a file"
        } else if views.len() > 1 && !path.contains("{view}") {
            "`path` must contain `{view}`, since there are several views"
        } else {
            return Ok(FileSink { folder, path, encoding });
        };
        Err(SinkError::Config { name, problem: problem.to_owned() })
    }
}

impl Sink for FileSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let path = self.folder.join(self.path.replace("{view}", view));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| failed("make", folder, cause))?;
        }
        let file = DeltaFile { path, encoding: self.encoding, text: String::new() };
        file.opened().and_then(cut_torn_line).map_err(|cause| failed("open", &file.path, cause))?;
        Ok(Box::new(file))
    }
}

impl SinkWriter for DeltaFile {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        self.text.clear();
        lines(batch, self.encoding, &mut self.text);
        let append = |mut file: File| {
            let before = file.seek(SeekFrom::End(0))?;
            let written = file.write_all(self.text.as_bytes());
            if written.is_err() {
                file.set_len(before)?; // a part of it would be told twice
            }
            written
        };
        self.opened().and_then(append).map_err(|cause| failed("append to", &self.path, cause))
    }
}

impl DeltaFile {
    fn opened(&self) -> std::io::Result<File> {
        OpenOptions::new().read(true).append(true).create(true).open(&self.path)
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

/// Takes away a last line without an end, which a crash left behind.
fn cut_torn_line(mut file: File) -> std::io::Result<()> {
    const BLOCK: u64 = 64 << 10;
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut file).take(end - start).read_to_end(&mut block)?;
        if let Some(newline) = block.iter().rposition(|byte| *byte == b'\n') {
            let whole = start + newline as u64 + 1;
            return if whole < length { file.set_len(whole) } else { Ok(()) };
        }
        end = start;
    }
    if length > 0 { file.set_len(0) } else { Ok(()) }
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
