//! Cells as JSON and as CSV. Decimals are exact in both; times are RFC 3339 in UTC.

use market::{Catalog, decimal};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::column::Column;

/// The plain text of a cell, as in CSV; empty for [`Cell::Null`].
pub fn cell_text(cell: &Cell, catalog: &Catalog) -> String {
    match cell {
        Cell::Instrument(id) => catalog.name(*id).to_string(),
        Cell::IdScope(scope) => catalog.scopes.name(*scope).to_string(),
        Cell::Portfolio(id) => catalog.portfolios.name(*id).to_string(),
        Cell::Model(id) => catalog.models.name(*id).to_string(),
        _ => plain_text(cell).unwrap_or_default(),
    }
}

/// The text of a cell that needs no catalog; none if it needs one.
pub fn plain_text(cell: &Cell) -> Option<String> {
    Some(match cell {
        Cell::Null => String::new(),
        Cell::Unsigned(n) | Cell::Identifier(n) => n.to_string(),
        Cell::Decimal { mantissa, scale } => decimal::format(*mantissa, *scale),
        Cell::Number(bits) => match f64::from_bits(*bits) {
            number if number.is_finite() => number.to_string(),
            _ => String::new(),
        },
        Cell::Time(time) => time.rfc3339(),
        Cell::Timeframe(timeframe) => timeframe.to_string(),
        Cell::Currency(currency) => currency.to_string(),
        Cell::Word(word) => (*word).to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Instrument(_) | Cell::IdScope(_) | Cell::Portfolio(_) | Cell::Model(_) => {
            return None;
        }
    })
}

/// A cell as JSON: numbers are exact JSON numbers, or strings if `numbers_as_strings`.
pub fn cell_json(cell: &Cell, catalog: &Catalog, numbers_as_strings: bool) -> Box<RawValue> {
    let text = cell_text(cell, catalog);
    let json = match cell {
        Cell::Null => "null".to_owned(),
        Cell::Number(_) if text.is_empty() => "null".to_owned(),
        Cell::Unsigned(_) | Cell::Number(_) => text,
        Cell::Decimal { .. } if !numbers_as_strings => text,
        _ => Value::String(text).to_string(),
    };
    // Each arm above writes one JSON value; `null` is the fallback if one does not.
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Appends a row as a JSON object, without the columns that are `hidden`.
pub fn row_json(
    columns: &[Column],
    hidden: &[&str],
    cells: &[Cell],
    catalog: &Catalog,
    numbers_as_strings: bool,
    out: &mut String,
) {
    out.push('{');
    let before = out.len();
    for (column, cell) in columns.iter().zip(cells) {
        if hidden.contains(&column.name) {
            continue;
        }
        if out.len() > before {
            out.push(',');
        }
        // Names of columns are plain words, so nothing needs escaping.
        out.push('"');
        out.push_str(column.name);
        out.push_str("\":");
        out.push_str(cell_json(cell, catalog, numbers_as_strings).get());
    }
    out.push('}');
}

/// Writes the names of the columns.
pub fn write_csv_header<W: std::io::Write>(
    writer: &mut csv::Writer<W>,
    columns: &[Column],
) -> csv::Result<()> {
    writer.write_record(columns.iter().map(|column| column.name))
}

/// Writes one row.
pub fn write_csv_row<W: std::io::Write>(
    writer: &mut csv::Writer<W>,
    cells: &[Cell],
    catalog: &Catalog,
) -> csv::Result<()> {
    writer.write_record(cells.iter().map(|cell| cell_text(cell, catalog)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_something_is_a_string_in_json_and_a_count_is_a_number() {
        let catalog = Catalog::new(Vec::new(), 1);
        let json = |cell| cell_json(&cell, &catalog, false).get().to_owned();
        let beyond_doubles = (1 << 53) + 1;
        assert_eq!(json(Cell::Identifier(beyond_doubles)), "\"9007199254740993\"");
        assert_eq!(json(Cell::Unsigned(beyond_doubles)), "9007199254740993");
        assert_eq!(cell_text(&Cell::Identifier(7), &catalog), "7");
    }
}
