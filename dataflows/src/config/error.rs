//! Why a configuration cannot be used.

use std::fmt;

use serde::Serialize;

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
    /// A value does not make sense, and it is known who wrote it.
    #[error("{0}")]
    Written(Box<WrittenError>),
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

/// What is wrong with a value that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenError {
    /// Who wrote it.
    pub by: WrittenBy,
    /// The key.
    pub place: String,
    /// What is wrong and what is possible.
    pub problem: String,
    /// The known key or word that is nearest to the one that is written.
    pub suggestion: Option<String>,
}

impl fmt::Display for WrittenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrittenError { by, place, problem, suggestion } = self;
        write!(f, "{by}: {place}: {problem}")?;
        suggestion.iter().try_for_each(|known| write!(f, "; the nearest is `{known}`"))
    }
}

/// Who wrote a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// A file.
    File {
        /// Its name.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The character in it, from 1.
        column: usize,
    },
    /// A variable of the environment, or a flag.
    Setter(String),
}

impl fmt::Display for WrittenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrittenBy::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            WrittenBy::Setter(by) => f.write_str(by),
        }
    }
}

/// A fault of a configuration, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigFault {
    /// The file that holds it; none if a variable, a flag or nobody wrote it.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The character in that, from 1.
    pub column: Option<usize>,
    /// The variable or flag that holds it.
    pub set_by: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// What is wrong and what is possible.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
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

    /// The faults, one by one.
    pub fn faults(&self) -> Vec<ConfigFault> {
        let one = match self {
            ConfigError::Several(errors) => {
                return errors.iter().flat_map(ConfigError::faults).collect();
            }
            ConfigError::Unreadable { path, problem } => {
                let message = problem.to_string();
                ConfigFault { file: Some(path.clone()), message, ..ConfigFault::default() }
            }
            ConfigError::Shape { path, line, column, problem } => ConfigFault {
                file: Some(path.clone()),
                line: Some(*line),
                column: Some(*column),
                message: problem.clone(),
                ..ConfigFault::default()
            },
            ConfigError::Value { place, problem } => {
                let (key, message) = (Some(place.clone()), problem.clone());
                ConfigFault { key, message, ..ConfigFault::default() }
            }
            ConfigError::Written(written) => {
                let WrittenError { by, place, problem, suggestion } = &**written;
                let fault = ConfigFault {
                    key: Some(place.clone()),
                    message: problem.clone(),
                    suggestion: suggestion.clone(),
                    ..ConfigFault::default()
                };
                match by.clone() {
                    WrittenBy::Setter(by) => ConfigFault { set_by: Some(by), ..fault },
                    WrittenBy::File { name, line, column } => ConfigFault {
                        file: Some(name),
                        line: Some(line),
                        column: Some(column),
                        ..fault
                    },
                }
            }
        };
        vec![one]
    }

    pub(super) fn at(place: impl Into<String>) -> impl FnOnce(String) -> ConfigError {
        let place = place.into();
        move |problem| ConfigError::Value { place, problem }
    }
}
