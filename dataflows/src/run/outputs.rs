//! The recording and the folder of results of a run: opened before anything starts, so that a refusal changes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use connectors::FileKey;
use market::Generation;

use super::{RunError, RunOptions};
use crate::config::Config;
use crate::ingest::recording::{Recorder, RecordingError, RecordingHeader};
use crate::output::{OutputError, ResultsFolder};

/// What a run writes besides what it serves and delivers.
pub(super) struct Outputs {
    /// Where final views go.
    pub(super) results: Option<ResultsFolder>,
    /// Where commits go.
    pub(super) recorder: Option<Recorder>,
}

impl Outputs {
    pub(super) fn open(
        generation: Generation,
        config: &Config,
        options: &RunOptions,
    ) -> Result<Outputs, RunError> {
        let results = options.out.as_deref().map(|folder| results(folder, config, options));
        let results = results.transpose()?;
        let recorder = options.record.as_deref();
        let recorder = recorder.map(|path| recorder_at(path, generation, config, options));
        Ok(Outputs { results, recorder: recorder.transpose()? })
    }
}

/// The files that the job reads and that its sinks write.
fn in_use(config: &Config, options: &RunOptions) -> HashMap<FileKey, String> {
    let mut files = config.files.clone();
    files.extend(options.reads.iter().cloned());
    files.keys().into_iter().map(|(key, what)| (key, what.to_owned())).collect()
}

fn results(
    folder: &Path,
    config: &Config,
    options: &RunOptions,
) -> Result<ResultsFolder, OutputError> {
    let mut in_use = in_use(config, options);
    if let Some(record) = &options.record {
        in_use.insert(FileKey::of(record), "where the run is recorded".to_owned());
    }
    ResultsFolder::open(
        folder,
        options.written.names(config.job.kind.views, config.job.timeframes()),
        options.force,
        in_use,
    )
}

fn recorder_at(
    path: &Path,
    generation: Generation,
    config: &Config,
    options: &RunOptions,
) -> Result<Recorder, RecordingError> {
    if let Some(what) = in_use(config, options).remove(&FileKey::of(path)) {
        return Err(RecordingError::InUse { path: path.to_owned(), what });
    }
    let registries = config.registries.snapshot();
    let header = RecordingHeader { config: config.toml.clone(), generation, registries };
    let names = (Arc::clone(&config.catalog), config.registries.clone());
    Recorder::create(path, header, names, options.force)
}
