//! Final views as files, and digests of them.

mod folder;
mod selection;
mod wide;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use market::{Catalog, Timeframe};

use crate::publish::{Board, BoardReader, Digest, ViewDigest};
use crate::views::kinds::KeyedView;
use crate::views::{CandlesView, IndicatorsView};
use rows::{
    Cell, Labels, RowFilter, Scan, View, ViewList, ViewReader as _, csv_writer, write_csv_header,
    write_csv_row,
};

pub use folder::{MANIFEST, OutputError, ResultsFolder};
pub use selection::{ResultLayout, WrittenViews};

/// What is written to a folder at the end of a run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Which views.
    pub views: WrittenViews,
    /// How candles and indicators.
    pub layout: ResultLayout,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its name in the folder.
    pub name: String,
    /// Its rows, without the header.
    pub rows: u64,
}

/// What one file holds.
enum Content {
    View(&'static View),
    Wide(Timeframe),
}

impl Written {
    /// The names of the files that may be written.
    pub fn names(&self, views: ViewList, timeframes: &[Timeframe]) -> BTreeSet<String> {
        self.contents(views, timeframes).into_iter().map(|content| content.file_name()).collect()
    }

    fn contents(&self, views: ViewList, timeframes: &[Timeframe]) -> Vec<Content> {
        let is_wide =
            self.layout == ResultLayout::Wide && views.named(CandlesView::VIEW.name).is_some();
        let in_wide = |view: &View| {
            is_wide && [CandlesView::VIEW.name, IndicatorsView::VIEW.name].contains(&view.name)
        };
        let written =
            views.views.iter().filter(|view| view.recorded && self.views.holds(view.name));
        let mut contents: Vec<Content> =
            written.filter(|view| !in_wide(view)).map(Content::View).collect();
        contents.extend(timeframes.iter().filter(|_| is_wide).map(|of| Content::Wide(*of)));
        contents
    }
}

impl Content {
    fn file_name(&self) -> String {
        match self {
            Content::View(view) => format!("{}.csv", view.name),
            Content::Wide(timeframe) => wide::file_name(*timeframe),
        }
    }
}

/// The views of a job, to be written.
pub struct Results<'a> {
    /// Reads them.
    pub reader: &'a BoardReader,
    /// The names of instruments.
    pub catalog: &'a Catalog,
    /// The names of indicators.
    pub labels: &'a Labels,
    /// Its views.
    pub views: ViewList,
    /// Its timeframes.
    pub timeframes: &'a [Timeframe],
}

impl Results<'_> {
    /// Writes the views that a replay gives again, as far as they are wanted, to files in `folder`: header first, candles
    /// by instrument name, timeframe and open time, logs by commit. Decimals are exact, times RFC 3339 in UTC. A file that
    /// cannot be written keeps no other from being written; the first error is given. Of a view that is left out because it
    /// has no rows, the file of an earlier run goes.
    pub fn write(
        &self,
        written: &Written,
        folder: &mut ResultsFolder,
    ) -> Result<Vec<WrittenFile>, OutputError> {
        let (mut files, mut first_error) = (Vec::new(), None);
        for content in written.contents(self.views, self.timeframes) {
            match self.put(&content, written, folder) {
                Ok(file) => files.extend(file),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(files), Err)
    }

    /// Writes one file; none if its view is left out.
    fn put(
        &self,
        content: &Content,
        written: &Written,
        folder: &mut ResultsFolder,
    ) -> Result<Option<WrittenFile>, OutputError> {
        let (name, Results { reader, catalog, labels, .. }) = (content.file_name(), self);
        let mut rows = 0;
        match content {
            Content::View(view) if self.is_left_out(written, view) => {
                folder.remove(&name)?;
                return Ok(None);
            }
            Content::View(view) => folder.put(&name, |file| {
                rows = write_view(reader, catalog, view, file)?;
                Ok(())
            })?,
            Content::Wide(timeframe) => folder.put(&name, |file| {
                rows = wide::write(reader, catalog, labels, *timeframe, file)?;
                Ok(())
            })?,
        }
        Ok(Some(WrittenFile { name, rows }))
    }

    fn is_left_out(&self, written: &Written, view: &'static View) -> bool {
        !written.views.writes_empty(view) && self.reader.count(view) == 0
    }
}

fn write_view(
    reader: &BoardReader,
    catalog: &Catalog,
    view: &'static View,
    file: &mut File,
) -> csv::Result<u64> {
    let mut writer = csv_writer(BufWriter::new(file), csv::Terminator::Any(b'\n'));
    write_csv_header(&mut writer, view.columns)?;
    let mut count = 0;
    for_each_row(reader, catalog, view, |cells| {
        count += 1;
        write_csv_row(&mut writer, cells, catalog)
    })?;
    writer.flush()?;
    Ok(count)
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
pub(crate) fn for_each_row<E>(
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
