//! Why a configuration cannot be used.

use super::places::line_and_column;
use super::plain::plain;

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
    /// Not TOML, or not of the right shape. The line is not quoted: it may hold a secret.
    #[error("{path}:{line}:{column}: {problem}")]
    Shape {
        /// Which file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The character in it, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// All of these; at least two.
    #[error("{} faults:{}", .0.len(), listed(.0))]
    Several(Vec<ConfigError>),
    /// A value does not make sense.
    #[error("{place}: {problem}")]
    Value {
        /// The key.
        place: String,
        /// What is wrong and what is possible.
        problem: String,
    },
}

fn listed(errors: &[ConfigError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

impl ConfigError {
    /// `text` of the file `path` is no TOML, or of another shape.
    pub(super) fn no_toml(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        // The parser of TOML begins new lines for what it expects.
        let problem = plain(error.message()).replace('\n', "; ");
        ConfigError::Shape { path: path.to_owned(), line, column, problem }
    }

    pub(super) fn at(place: impl Into<String>) -> impl FnOnce(String) -> ConfigError {
        let place = place.into();
        move |problem| ConfigError::Value { place, problem }
    }
}
