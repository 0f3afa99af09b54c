//! Final views as files, and digests of them.

mod folder;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use market::Catalog;

use crate::publish::{Board, BoardReader, Digest, ViewDigest};
use rows::{Cell, RowFilter, Scan, View, ViewList, csv_writer, write_csv_header, write_csv_row};

pub use folder::{MANIFEST, OutputError, ResultsFolder};

/// The names of the files of a job's views, for those views that a replay gives again and that are wanted.
pub fn names(views: ViewList, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    written(views, &is_wanted).map(file_name).collect()
}

fn written(
    views: ViewList,
    is_wanted: &impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'static View> {
    views.views.iter().filter(move |view| view.recorded && is_wanted(view.name))
}

fn file_name(view: &'static View) -> String {
    format!("{}.csv", view.name)
}

/// Writes each of a job's views that a replay gives again, if it is wanted, to `VIEW.csv` in `folder`: header first, candles by
/// instrument name, timeframe and open time, logs by commit. Decimals are exact, times RFC 3339 in UTC. A file that
/// cannot be written keeps no other from being written; the first error is given.
pub fn write_views(
    reader: &BoardReader,
    catalog: &Catalog,
    folder: &ResultsFolder,
    views: ViewList,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), OutputError> {
    folder.begin()?;
    let mut outcome = Ok(());
    for view in written(views, &is_wanted) {
        let put = folder.put(&file_name(view), |file| write_view(reader, catalog, view, file));
        outcome = outcome.and(put);
    }
    outcome
}

fn write_view(
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
    file: &mut File,
) -> csv::Result<()> {
    let mut writer = csv_writer(BufWriter::new(file), csv::Terminator::Any(b'\n'));
    write_csv_header(&mut writer, view.columns)?;
    for_each_row(reader, catalog, view, |cells| write_csv_row(&mut writer, cells, catalog))?;
    writer.flush()?;
    Ok(())
}

/// The digests of a view: over its changes, and over its rows as they are now.
pub fn digest(
    board: &Board,
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
) -> ViewDigest {
    let mut rows = Digest::default();
    let Ok(()) = for_each_row(reader, catalog, view, |cells| {
        rows.row(cells);
        Ok::<(), std::convert::Infallible>(())
    });
    ViewDigest { changes: board.changes(view.name), rows }
}

/// Rows of a part of a view that are in memory at once.
const PART_ROWS: usize = 10_000;

/// Calls `each` with every row of a view: instrument by instrument, in the order of their names, where every key has
/// an instrument; else in the order of the view's keys. Only a part of a keyed view
/// is in memory.
fn for_each_row<E>(
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
    mut each: impl FnMut(&[Cell]) -> Result<(), E>,
) -> Result<(), E> {
    if reader.each_of_log(view, &mut each)? {
        return Ok(());
    }
    if reader.is_by_instrument(view) {
        return catalog.all().iter().try_for_each(|instrument| {
            let own = Scan { filter: RowFilter::of_instrument(instrument.id), ..Scan::all(view) };
            rows(reader, &own).iter().try_for_each(|cells| each(cells))
        });
    }
    // What views are now can always be read.
    let mut rest = reader.read_snapshot(view, Arc::default(), usize::MAX).ok();
    while let Some(unread) = rest {
        let rows;
        (rows, rest) = unread.next(PART_ROWS);
        rows.iter().try_for_each(|cells| each(cells))?;
    }
    Ok(())
}

/// Rows as they are now, which can always be read.
fn rows(reader: &BoardReader, scan: &Scan) -> Vec<Vec<Cell>> {
    reader.read(scan).map_or_else(|_| Vec::new(), |page| page.rows)
}
