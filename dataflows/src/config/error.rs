//! Why a configuration cannot be used.

/// A configuration that cannot be used: where, what was written, and what is possible.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}: {problem}")]
    Unreadable {
        /// Which file.
        path: String,
        /// The error of the system.
        problem: std::io::Error,
    },
    /// Not TOML of the right shape; the message names line, column and key.
    #[error("{path}: {problem}")]
    Shape {
        /// Which file.
        path: String,
        /// The error of the parser.
        problem: Box<toml::de::Error>,
    },
    /// A value does not make sense.
    #[error("{place}: {problem}")]
    Value {
        /// The key.
        place: String,
        /// What is wrong and what is possible.
        problem: String,
    },
}

impl ConfigError {
    pub(super) fn at(place: impl Into<String>) -> impl FnOnce(String) -> ConfigError {
        let place = place.into();
        move |problem| ConfigError::Value { place, problem }
    }
}
