//! Explanations of rows as JSON.

use market::Generation;
use rows::{
    Cell, Column, ColumnType, Explanation, ExplanationPart, PartRows, RowChange, View, cell_json,
};
use serde_json::Value;

use super::Client;
use super::format::{Line, Shown};
use super::frontier_json::FrontierJson;
use market::Catalog;

/// What explanations are written with.
pub(super) struct ExplanationJson<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) numbers_as_strings: bool,
    pub(super) run: Generation,
    /// Who reads it.
    pub(super) client: &'a Client,
}

impl ExplanationJson<'_> {
    /// Appends everything behind the frontier, up to the last brace.
    pub(super) fn write(
        &self,
        explanation: Explanation,
        out: &mut String,
    ) -> Result<(), serde_json::Error> {
        let Explanation { view, row, through, complete, parts, change, .. } = explanation;
        let Explanation { from_commit, why_incomplete, adds_up, .. } = explanation;
        let through = serde_json::to_string(&through.map(|commit| commit.0))?;
        let from = serde_json::to_string(&from_commit.map(|commit| commit.0))?;
        let (why, adds_up) =
            (serde_json::to_string(&why_incomplete)?, serde_json::to_string(&adds_up)?);
        out.push_str(&format!(",\"through\":{through},\"row\":"));
        self.row(view, row.as_deref(), out);
        out.push_str(&format!(
            ",\"complete\":{complete},\"from_commit\":{from},\"why_incomplete\":{why},\"adds_up\":{adds_up}"
        ));
        let mut cut_off = Vec::new();
        self.parts(parts, ("", &mut cut_off), out);
        if let Some(change) = change {
            self.change(view, change, &mut cut_off, out)?;
        }
        out.push_str(&format!(",\"more\":{}", serde_json::to_string(&cut_off)?));
        Ok(())
    }

    fn change(
        &self,
        view: &View,
        change: RowChange,
        cut_off: &mut Vec<String>,
        out: &mut String,
    ) -> Result<(), serde_json::Error> {
        let RowChange { since, row, columns, parts } = change;
        let since = serde_json::to_string(&FrontierJson::of(self.run, since))?;
        out.push_str(&format!(",\"change\":{{\"since\":{since},\"row\":"));
        self.row(view, row.as_deref(), out);
        out.push_str(",\"columns\":{");
        for (number, (at, then, now)) in columns.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let json = |cell| cell_json(cell, self.catalog, self.numbers_as_strings);
            let name = view.columns.get(*at).map_or("", |column| column.name);
            let (then, now) = (json(then), json(now));
            out.push_str(&format!("{comma}\"{name}\":{{\"then\":{then},\"now\":{now}}}"));
        }
        out.push('}');
        self.parts(parts, ("change.", cut_off), out);
        out.push('}');
        Ok(())
    }

    fn row(&self, view: &View, row: Option<&[Cell]>, out: &mut String) {
        match row {
            Some(cells) => self.shown(view.columns).cells(cells, out),
            None => out.push_str("null"),
        }
    }

    fn parts(
        &self,
        parts: Vec<ExplanationPart>,
        (place, cut_off): (&str, &mut Vec<String>),
        out: &mut String,
    ) {
        for ExplanationPart { name, columns, rows } in parts {
            out.push_str(&format!(",\"{name}\":"));
            match rows {
                PartRows::One(row) => {
                    match row.and_then(|cells| self.visible(columns, cells)) {
                        Some(cells) => self.shown(columns).cells(&cells, out),
                        None => out.push_str("null"),
                    };
                }
                PartRows::List { rows, more } => {
                    let rows = rows.into_iter().filter_map(|cells| self.visible(columns, cells));
                    self.shown(columns).list(&Line::all(rows.collect()), out);
                    if more {
                        cut_off.push(format!("{place}{name}"));
                    }
                }
            }
        }
    }

    /// A row as the client may see it: without the names of instruments that there are not for them, and none if it is
    /// about such a one.
    fn visible(&self, columns: &[Column], mut cells: Vec<Cell>) -> Option<Vec<Cell>> {
        for (column, cell) in columns.iter().zip(&mut cells) {
            let Cell::Instrument(id) = cell else { continue };
            debug_assert_eq!(column.column_type, ColumnType::Instrument);
            match (self.client.has_instrument(*id), column.is_key) {
                (true, _) => {}
                (false, true) => return None,
                (false, false) => *cell = Cell::Null,
            }
        }
        Some(cells)
    }

    fn shown(&self, columns: &'static [Column]) -> Shown<'_> {
        let (catalog, numbers_as_strings) = (self.catalog, self.numbers_as_strings);
        Shown { columns, hidden: &[], catalog, numbers_as_strings }
    }
}

/// What stands before the frontier.
pub(super) fn head(view: &View, key: &str) -> String {
    let key = Value::String(key.to_owned());
    format!("{{\"view\":\"{}\",\"key\":{key},\"frontier\":", view.name)
}
