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
        Cell::TradeId(id) => catalog.ids.show(*id),
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
        Cell::Instrument(_)
        | Cell::IdScope(_)
        | Cell::Portfolio(_)
        | Cell::Model(_)
        | Cell::TradeId(_) => return None,
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

/// A writer of rows as CSV to `to`. It writes fields as they are: [`csv_cell`] quotes them.
pub fn csv_writer<W: std::io::Write>(to: W, terminator: csv::Terminator) -> csv::Writer<W> {
    csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Never)
        .terminator(terminator)
        .from_writer(to)
}

/// The field of a cell in CSV. In quotes are what would end a field and texts that a reader would take for numbers, and so
/// for other texts: `00123`, `1e5`, integers beyond 64 bits with a sign.
///
/// ```
/// use market::{Catalog, TradeId};
/// use rows::{Cell, csv_cell};
/// let catalog = Catalog::new(Vec::new(), 1);
/// let field = |text: &str| csv_cell(&Cell::Text(text.to_owned()), &catalog);
/// assert_eq!(["00123", "1e5", "nan", "t-1"].map(field), ["\"00123\"", "\"1e5\"", "\"nan\"", "t-1"]);
/// assert_eq!(field("say \"a,b\""), "\"say \"\"a,b\"\"\"");
/// assert_eq!(csv_cell(&Cell::TradeId(TradeId::of("17")), &catalog), "17");
/// ```
pub fn csv_cell(cell: &Cell, catalog: &Catalog) -> String {
    let text = cell_text(cell, catalog);
    let is_text = match cell {
        Cell::Text(_)
        | Cell::TradeId(_)
        | Cell::Instrument(_)
        | Cell::IdScope(_)
        | Cell::Portfolio(_)
        | Cell::Model(_) => true,
        Cell::Null
        | Cell::Unsigned(_)
        | Cell::Identifier(_)
        | Cell::Decimal { .. }
        | Cell::Number(_)
        | Cell::Time(_)
        | Cell::Timeframe(_)
        | Cell::Currency(_)
        | Cell::Word(_) => false,
    };
    if text.contains([',', '"', '\n', '\r']) || is_text && is_misread(&text) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// Whether a reader would take a text for a number, and that number is written differently.
fn is_misread(text: &str) -> bool {
    let trimmed = text.trim();
    let is_number = trimmed.parse::<f64>().is_ok()
        || trimmed
            .strip_prefix(['+', '-'])
            .unwrap_or(trimmed)
            .to_ascii_lowercase()
            .starts_with("0x");
    is_number && text.parse::<i64>().map(|number| number.to_string()).as_deref() != Ok(text)
}

/// Writes the names of the columns.
pub fn write_csv_header<W: std::io::Write>(
    writer: &mut csv::Writer<W>,
    columns: &[Column],
) -> csv::Result<()> {
    writer.write_record(columns.iter().map(|column| column.name))
}

/// Writes one row with a [`csv_writer`].
pub fn write_csv_row<W: std::io::Write>(
    writer: &mut csv::Writer<W>,
    cells: &[Cell],
    catalog: &Catalog,
) -> csv::Result<()> {
    writer.write_record(cells.iter().map(|cell| csv_cell(cell, catalog)))
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
