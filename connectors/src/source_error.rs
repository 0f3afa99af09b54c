//! Why a source cannot be made, opened or read on.

/// Why a source cannot be made, opened or read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The kind is not in the registry.
    #[error("unknown source kind `{kind}` (known: {known})")]
    UnknownKind {
        /// As configured.
        kind: String,
        /// Every known kind.
        known: String,
    },
    /// The configuration does not make sense.
    #[error("source `{name}`: {problem}")]
    Config {
        /// The source's name.
        name: String,
        /// What is wrong and what is possible.
        problem: String,
    },
    /// The partition could not be opened.
    #[error("cannot open {partition}")]
    Open {
        /// The partition's name.
        partition: String,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The partition could not be read on.
    #[error("cannot read {partition} after row {position}")]
    Read {
        /// The partition's name.
        partition: String,
        /// The last row that was read.
        position: u64,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// A server could not be reached, or did not answer as it should.
    #[error("source `{name}`: {problem}")]
    Server {
        /// The source's name.
        name: String,
        /// What was tried, where, and the message of the server.
        problem: String,
        /// Whether the same may succeed later.
        retryable: bool,
    },
    /// Rows that were to be read next, after a restart, are gone.
    #[error(
        "source `{name}`: {partition} cannot be read on where it was: {problem}; bring back what is missing, or go on \
         without it: `run --accept-gaps`, or `accept_gaps = true` of [state]"
    )]
    Gap {
        /// The source's name.
        name: String,
        /// The partition's name.
        partition: String,
        /// What is missing.
        problem: String,
    },
    /// Rows that were asked for are not there any more.
    #[error(
        "source `{name}`: {partition} was to be read from {asked}, and the server keeps nothing before {oldest}; \
         write start = \"earliest\" to begin there, or have the server keep more"
    )]
    Lost {
        /// The source's name.
        name: String,
        /// The partition's name.
        partition: String,
        /// Where reading was to begin.
        asked: String,
        /// Where the server begins.
        oldest: String,
    },
}

impl SourceError {
    /// Whether the same call may succeed later. Configuration and files that are not there stay wrong;
    /// interrupted reads may go on.
    pub fn is_retryable(&self) -> bool {
        match self {
            SourceError::UnknownKind { .. }
            | SourceError::Config { .. }
            | SourceError::Gap { .. }
            | SourceError::Lost { .. } => false,
            SourceError::Server { retryable, .. } => *retryable,
            SourceError::Open { source, .. } | SourceError::Read { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::Interrupted
                    | std::io::ErrorKind::TimedOut
                    | std::io::ErrorKind::WouldBlock
            ),
        }
    }
}
