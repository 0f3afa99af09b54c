//! A view: a named output of a job.

use market::Commit;

use crate::cell::Cell;
use crate::column::Column;

/// A named output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Its name in paths, files and configuration.
    pub name: &'static str,
    /// How its rows behave.
    pub kind: ViewKind,
    /// Its columns.
    pub columns: &'static [Column],
    /// A description of its rows.
    pub doc: &'static str,
    /// Whether it can be read as of an earlier commit.
    pub history: bool,
    /// Whether its rows are a function of the commits in a recording, so that a replay reproduces them. Else they
    /// describe the process: they have no digest and are not written as files.
    pub recorded: bool,
}

/// The column with the time of a bar.
pub const OPEN_TIME: &str = "open_time";

/// How the rows of a view behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// One row per key, restated in place.
    Keyed,
    /// Rows are only appended; the oldest are dropped when the log reaches its bound in bytes.
    Log,
}

impl ViewKind {
    /// `keyed` or `log`.
    pub fn name(self) -> &'static str {
        match self {
            ViewKind::Keyed => "keyed",
            ViewKind::Log => "log",
        }
    }
}

impl View {
    /// Whether two rows agree in all key columns.
    pub fn same_key(&self, a: &[Cell], b: &[Cell]) -> bool {
        self.columns.iter().zip(a.iter().zip(b)).all(|(column, (a, b))| !column.is_key || a == b)
    }

    /// Checks that a row has a cell per column, each of the column's type.
    ///
    /// # Errors
    ///
    /// In words: the view, the column and the cell that does not fit.
    pub fn check_row(&self, cells: &[Cell]) -> Result<(), String> {
        let (view, columns) = (self.name, self.columns);
        if columns.len() != cells.len() {
            let (wanted, found) = (columns.len(), cells.len());
            return Err(format!("`{view}` has {wanted} columns, a row of it {found} cells"));
        }
        match columns.iter().zip(cells).find(|(column, cell)| !column.admits(cell)) {
            None => Ok(()),
            Some((column, cell)) => {
                let Column { name, column_type, is_nullable, .. } = column;
                let or_none = if *is_nullable { " or nothing" } else { "" };
                Err(format!(
                    "`{view}.{name}` is {column_type:?}{or_none}, a row of it has {cell:?}"
                ))
            }
        }
    }

    /// In builds with debug assertions, panics at a row that does not [fit](View::check_row).
    pub fn debug_check(&self, cells: &[Cell]) {
        debug_assert_eq!(self.check_row(cells), Ok(()));
    }

    /// The column with the commit of a row: of a log that which appended it, of alerts the last that changed it. None of
    /// views whose rows do not say it.
    pub fn commit_column(&self) -> Option<usize> {
        let name = if self.kind == ViewKind::Log { "commit" } else { "last_commit" };
        self.column(name)
    }

    /// The commit of a row.
    pub fn commit_of(&self, cells: &[Cell]) -> Option<Commit> {
        match cells.get(self.commit_column()?) {
            Some(Cell::Unsigned(commit)) => Some(Commit(*commit)),
            _ => None,
        }
    }

    /// The column with the time of a row: when its bar opens; of a log whose rows are of no bar, the event time.
    pub fn time_column(&self) -> Option<usize> {
        let of_log = || if self.kind == ViewKind::Log { self.column("time") } else { None };
        self.column(OPEN_TIME).or_else(of_log)
    }

    /// The number of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// The views that a process serves. All of them can be found by their names, and for one more version by the names that
/// some had before.
#[derive(Clone, Copy, Debug)]
pub struct ViewList {
    /// The views, in the order in which they are listed.
    pub views: &'static [View],
    /// Former names, each with the present one.
    pub renamed: &'static [(&'static str, &'static str)],
    /// The name of a job that has the view of this name, if there is one.
    pub elsewhere: fn(&str) -> Option<&'static str>,
}

impl ViewList {
    /// The present name of a view whose former name this is.
    pub fn renamed(&self, name: &str) -> Option<&'static str> {
        self.renamed.iter().find(|(former, _)| *former == name).map(|(_, present)| *present)
    }

    /// The view of this name, or of this [former](ViewList::renamed) name.
    pub fn named(&self, name: &str) -> Option<&'static View> {
        let name = self.renamed(name).unwrap_or(name);
        self.views.iter().find(|view| view.name == name)
    }

    /// Says that no view has this name, which job has one, and which names are possible.
    pub fn unknown(&self, name: &str) -> String {
        let known = self.known();
        match (self.elsewhere)(name) {
            Some(job) => {
                format!(
                    "this job has no view `{name}`, but the job `{job}` has (known here: {known})"
                )
            }
            None => format!("no view is named `{name}` (known: {known})"),
        }
    }

    /// All names in one text.
    pub fn known(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }

    /// The names, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.views.iter().map(|view| view.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnType, PRICE, Scale, key, value};

    const COLUMNS: &[Column] = &[
        key("side", ColumnType::Word(&["buy", "sell"]), "side"),
        value("price", PRICE, "price").nullable(),
        value("share", ColumnType::Decimal(Scale::Fixed(2)), "share"),
    ];
    const VIEW: View = View {
        name: "v",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "a view",
        history: false,
        recorded: true,
    };

    #[test]
    fn a_row_fits_its_columns() {
        let decimal = |scale| Cell::Decimal { mantissa: 1, scale };
        let (buy, hold) = (Cell::Word("buy"), Cell::Word("hold"));
        assert_eq!(VIEW.check_row(&[buy.clone(), decimal(7), decimal(2)]), Ok(()));
        assert_eq!(VIEW.check_row(&[buy.clone(), Cell::Null, decimal(2)]), Ok(()));
        let faulty: [(&[Cell], &str); 6] = [
            (&[Cell::Null], "`v` has 3 columns, a row of it 1 cells"),
            (&[hold, Cell::Null, decimal(2)], "v.side"),
            (&[Cell::Text("buy".to_owned()), Cell::Null, decimal(2)], "v.side"),
            (&[Cell::Null, Cell::Null, decimal(2)], "v.side"),
            (&[buy.clone(), Cell::Unsigned(1), decimal(2)], "v.price"),
            (&[buy, Cell::Null, decimal(3)], "v.share"),
        ];
        for (row, message) in faulty {
            let error = VIEW.check_row(row).unwrap_err();
            assert!(error.contains(message), "{error} does not name {message}");
        }
    }
}
