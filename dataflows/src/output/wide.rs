//! Candles and indicators of one timeframe in one file: a row per bar, a column per number.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;

use market::{Catalog, Timeframe};

use crate::publish::BoardReader;
use crate::views::kinds::KeyedView;
use crate::views::{CandlesView, IndicatorsView};
use rows::{Cell, Labels, RowFilter, Scan, View, cell_text, csv_writer};

/// The name of the file of a timeframe. `1m` is a minute and `1mo` a month, so that no two names differ by case alone.
pub(super) fn file_name(timeframe: Timeframe) -> String {
    let name = timeframe.to_string();
    let name = name.strip_suffix('M').map_or(name.clone(), |months| format!("{months}mo"));
    format!("bars_{name}.csv")
}

/// The columns of the view `candles` that a row begins with, and their names here.
const BAR: [(&str, &str); 10] = [
    ("open_time", "time"),
    ("instrument", "symbol"),
    ("open", "open"),
    ("high", "high"),
    ("low", "low"),
    ("close", "close"),
    ("volume", "volume"),
    ("notional", "notional"),
    ("trades", "trades"),
    ("state", "state"),
];

/// Writes the bars of a timeframe by symbol and time. An indicator with one number has a column of its name
/// (`sma20`), one with several a column for each (`bb20_2_upper`). What there is not is empty. Returns the number of rows.
pub(super) fn write(
    reader: &BoardReader,
    catalog: &Catalog,
    labels: &Labels,
    timeframe: Timeframe,
    file: &mut File,
) -> csv::Result<u64> {
    let numbers = number_columns(labels);
    let bars = &CandlesView::VIEW;
    let places: Vec<usize> = BAR.iter().filter_map(|(column, _)| bars.column(column)).collect();
    let mut writer = csv_writer(BufWriter::new(file), csv::Terminator::Any(b'\n'));
    let names = BAR.iter().map(|(_, name)| *name).chain(numbers.iter().map(|(_, name)| &**name));
    writer.write_record(names)?;
    let mut count = 0;
    for instrument in catalog.all().iter() {
        let timeframes = Some(vec![timeframe]);
        let filter = RowFilter { timeframes, ..RowFilter::of_instrument(instrument.id) };
        let of = |view: &'static View| Scan { filter: filter.clone(), ..Scan::all(view) };
        let mut values = by_time(reader, catalog, &of(&IndicatorsView::VIEW));
        for cells in super::rows(reader, &of(bars)) {
            let mut record: Vec<String> =
                places.iter().map(|place| cell_text(&cells[*place], catalog)).collect();
            let own = values.remove(&time_of(bars, &cells)).unwrap_or_default();
            let number =
                |(key, _): &(Key, String)| own.get(key).map(|cell| cell_text(cell, catalog));
            record.extend(numbers.iter().map(|column| number(column).unwrap_or_default()));
            writer.write_record(&record)?;
            count += 1;
        }
    }
    writer.flush()?;
    Ok(count)
}

/// An indicator, and one of its outputs.
type Key = (String, String);

fn number_columns(labels: &Labels) -> Vec<(Key, String)> {
    let columns = labels.indicators.iter().flat_map(|(indicator, outputs)| {
        outputs.iter().map(move |output| {
            let name = match outputs.len() {
                1 => indicator.clone(),
                _ => format!("{indicator}_{output}"),
            };
            ((indicator.clone(), (*output).to_owned()), name)
        })
    });
    columns.collect()
}

fn time_of(view: &View, cells: &[Cell]) -> Cell {
    cells[view.column("open_time").unwrap_or_default()].clone()
}

/// The values of indicators by the time of their bar.
fn by_time(
    reader: &BoardReader,
    catalog: &Catalog,
    scan: &Scan,
) -> HashMap<Cell, HashMap<Key, Cell>> {
    let view = scan.view;
    let place = |name: &str| view.column(name).unwrap_or_default();
    let (indicator, output, value) = (place("indicator"), place("output"), place("value"));
    let mut by_time: HashMap<Cell, HashMap<Key, Cell>> = HashMap::new();
    for cells in super::rows(reader, scan) {
        let text = |place: usize| cell_text(&cells[place], catalog);
        let key = (text(indicator), text(output));
        by_time.entry(time_of(view, &cells)).or_default().insert(key, cells[value].clone());
    }
    by_time
}
