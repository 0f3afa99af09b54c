//! How lines of standard error are written: as text, or each as an object of JSON.

use std::sync::OnceLock;

use clap::ValueEnum;
use dataflows::ingest::now;
use serde_json::json;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text per record.
    #[default]
    Text,
    /// An object per line, with `timestamp`, `level`, `message` and the fields of the record.
    Json,
}

/// The importance of what the program says besides its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Importance {
    /// An answer, a note.
    Info,
    /// Why something was left out or will fail.
    Error,
}

static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

/// Has all lines written in this form from now on. Only the first call counts.
pub(crate) fn choose(format: LogFormat) {
    let _ = CHOSEN.set(format);
}

/// The form that was chosen.
pub(crate) fn chosen() -> LogFormat {
    CHOSEN.get().copied().unwrap_or_default()
}

/// What the program says, as one record of the log; text stays as it is.
pub(crate) fn message(importance: Importance, text: &str) -> String {
    written(chosen(), importance, text)
}

fn written(format: LogFormat, importance: Importance, text: &str) -> String {
    match format {
        LogFormat::Text => text.to_owned(),
        LogFormat::Json => {
            let level = match importance {
                Importance::Info => "INFO",
                Importance::Error => "ERROR",
            };
            let record = json!({
                "timestamp": now().rfc3339(),
                "level": level,
                "message": text.trim_end_matches('\n'),
            });
            format!("{record}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_json_is_one_line() {
        let text = "two\nlines \"quoted\"\n";
        assert_eq!(written(LogFormat::Text, Importance::Info, text), text);
        let line = written(LogFormat::Json, Importance::Error, text);
        assert_eq!(line.matches('\n').count(), 1);
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["level"], "ERROR");
        assert_eq!(record["message"], "two\nlines \"quoted\"");
        assert!(record["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
