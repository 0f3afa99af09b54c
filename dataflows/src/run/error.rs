//! Why a job could not run to its end.

use connectors::SourceError;
use market::RegistryError;

use super::first_rows::FirstRowsRefused;
use super::state::RestoreError;
use crate::config::ConfiguredSource;
use crate::engine::EngineError;
use crate::ingest::dispatcher::DispatchError;
use crate::ingest::recording::RecordingError;
use crate::ingest::sequencer::SequencerError;
use crate::output::OutputError;

/// Why a job could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A source cannot be opened.
    #[error("source `{name}`")]
    Source {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// A source cannot be opened; its error names it.
    #[error(transparent)]
    Named(SourceError),
    /// The source has no end.
    #[error(
        "source `{0}` goes on for ever: it can be run (`tickweave run`), and a recording of that replayed"
    )]
    Endless(String),
    /// No source is configured. Only a live run can take rows from clients.
    #[error("there is nothing to replay: no [[source]] is configured")]
    NothingToReplay,
    /// Nearly all of the first rows of a file are refused.
    #[error("{0}")]
    FirstRows(Box<FirstRowsRefused>),
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state that was kept cannot be used.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Commits cannot be made or dispatched.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A name gets no number, or another one than in what is read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl RunError {
    /// Whether the command line or the configuration asks for something that is never done, such as to replace a file that
    /// another program wrote, or to read columns that a file does not have, or to read files in a way in which they cannot be read.
    pub fn is_refusal(&self) -> bool {
        match self {
            RunError::FirstRows(_) | RunError::Endless(_) | RunError::NothingToReplay => true,
            RunError::Named(SourceError::Config { .. }) => true,
            RunError::Recording(error) => error.is_refusal(),
            RunError::Restore(error) => error.is_refusal(),
            RunError::Output(error) => error.is_refusal(),
            RunError::Sequencer(SequencerError::State(error)) => error.is_refusal(),
            _ => false,
        }
    }
}

impl From<DispatchError> for RunError {
    fn from(error: DispatchError) -> RunError {
        RunError::Sequencer(error.into())
    }
}

/// The error of a source that cannot be opened, with its name.
pub(super) fn not_opened(source: &ConfiguredSource, error: SourceError) -> RunError {
    match error {
        SourceError::Open { .. } | SourceError::Read { .. } => {
            RunError::Source { name: source.names.name.clone(), source: error }
        }
        named => RunError::Named(named),
    }
}
