//! Final views as files, and digests of them.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use market::Catalog;

use crate::publish::{Board, BoardReader, Digest, TAPE, ViewDigest};
use crate::views::{Cell, Scan, VIEWS, View, ViewKind, Wanted, write_csv_header, write_csv_row};

/// A view that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}", path = path.display())]
pub struct OutputError {
    path: PathBuf,
    source: csv::Error,
}

/// Writes each view that a replay gives again, if it is wanted, to `folder/VIEW.csv`: header first, candles by instrument name, timeframe and open
/// time, logs by commit. Decimals are exact, times RFC 3339 in UTC.
pub fn write_views(
    reader: &BoardReader,
    catalog: &Catalog,
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), OutputError> {
    make_folder(folder)?;
    for view in VIEWS.iter().filter(|view| view.recorded && is_wanted(view.name)) {
        let path = folder.join(format!("{}.csv", view.name));
        write_view(reader, catalog, view, &path).map_err(|source| OutputError { path, source })?;
    }
    Ok(())
}

/// Makes the folder of [`write_views`], so that a wrong one is found out before a run, not after it.
pub fn make_folder(folder: &Path) -> Result<(), OutputError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| OutputError { path: folder.to_owned(), source: error.into() })
}

fn write_view(
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
    path: &Path,
) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(path)?));
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

/// Calls `each` with every row of a view; of keyed views, instrument by instrument, so that only one
/// instrument's rows are in memory.
fn for_each_row<E>(
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
    mut each: impl FnMut(&[Cell]) -> Result<(), E>,
) -> Result<(), E> {
    if view.name == TAPE {
        return reader.each_trade(view, each);
    }
    if view.kind == ViewKind::Log || view.column("instrument").is_none() {
        return rows(reader, &Scan::all(view)).iter().try_for_each(|cells| each(cells));
    }
    catalog.all().iter().try_for_each(|instrument| {
        let own = Scan { wanted: Wanted::of_instrument(instrument.id), ..Scan::all(view) };
        rows(reader, &own).iter().try_for_each(|cells| each(cells))
    })
}

/// Rows as they are now, which can always be read.
fn rows(reader: &BoardReader, scan: &Scan) -> Vec<Vec<Cell>> {
    reader.read(scan).map_or_else(|_| Vec::new(), |page| page.rows)
}
