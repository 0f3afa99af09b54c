//! A view: a named output of a job.

use crate::row::{Cell, Column};

/// A named output.
#[derive(Debug, PartialEq, Eq, Hash)]
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
        self.columns.iter().zip(a.iter().zip(b)).all(|(column, (a, b))| !column.key || a == b)
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

    /// The names, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.views.iter().map(|view| view.name)
    }
}
