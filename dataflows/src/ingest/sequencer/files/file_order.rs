//! The order in which the rows of bare files count.

use std::fmt;
use std::str::FromStr;

/// The order in which the rows of bare files count. `docs/semantics.md`, "Order of bare files", defines both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOrder {
    /// By event time: nothing is late, however the rows lie in the files.
    Time,
    /// As they lie in the files, which is the order in which they once arrived: what lies after much later rows is late.
    Lines,
}

impl FileOrder {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            FileOrder::Time => "time",
            FileOrder::Lines => "lines",
        }
    }
}

impl fmt::Display for FileOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FileOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<FileOrder, String> {
        [FileOrder::Time, FileOrder::Lines].into_iter().find(|one| one.name() == text).ok_or_else(
            || {
                format!(
                    "`{text}` is no order of files; write time (rows count in the order of their times) or lines (in \
                     the order of lines, in which they once arrived)"
                )
            },
        )
    }
}
