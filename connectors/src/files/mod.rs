//! `kind = "file"`: trades from CSV and JSON lines, plain or compressed (gzip, zstd, the first file of a zip
//! archive), and from what [`crate::codecs`] know without a mapping.
//!
//! ```toml
//! [[source]]
//! name = "bitmex"
//! kind = "file"
//! paths = ["2018.csv.gz"]         # each is a partition; relative to the configuration's folder
//! # follow = true                 # a live run waits for more of them
//! instrument = "bitmex:XBTUSD"
//! columns = { time = "timestamp", price = "price", size = "size" }
//! units = { time = "ms", signed_size = true }
//! ```
//!
//! A record's position is the number of the line on which it begins, from 1, whether it counts or not:
//! a header is line 1. Every line of a file becomes a row, accepted or refused, but for headers, blank
//! lines and what `where` leaves out. What is wrong *with* a file refuses rows; what is wrong *about* it
//! (it is not there, it lacks a column) fails [`Source::open`].
//!
//! ```toml
//! [[source]]
//! name = "binance"
//! kind = "file"
//! codec = "binance-stream"        # sets columns, units, instrument = "binance:{symbol}"
//! paths = ["capture.gz"]
//! ```
//!
//! Memory per partition is bounded by a batch of rows, [`LINE_MAX`](crate::lines::LINE_MAX) and the window of the
//! compression (zstd: at most 128 MiB, see `lines/unzstd.rs`), whatever a file holds.
//!
//! Reading order: [`config`] → [`lines`](crate::lines) (bytes to lines) → [`delimited`](crate::delimited) (lines to
//! fields) → `columns` → `reader`.

mod columns;
pub mod config;
mod look;
mod name_pattern;
mod reader;
mod scan;
mod similar;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use crate::follow::{Begin, Positions};
use crate::mapping::{LeftOutTally, Mapping};
use crate::paths::check_names;
use crate::paths::set::{FileSet, Member};
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    PartitionReader, PartitionState, Place, ResumePoint, Row, Source, SourceError, first_of,
};
use config::{FileShape, Plan};
use reader::{FileReader, ReadFile};

pub use crate::delimited::CsvConfig;
pub use config::{FileConfig, Format};
pub use look::{AskedLook, FoundLook, look};
pub use scan::scan_scales;

/// Files of trades; each is a partition, and can be read again from any line.
pub struct FileSource {
    name: String,
    files: FileSet<FileShape>,
    mapping: Arc<Mapping>,
    left_out: LeftOutTally,
    follows: bool,
}

impl TypedSource for FileSource {
    const KIND: &'static str = "file";
    type Config = FileConfig;

    fn build(config: FileConfig, context: BuildContext) -> Result<FileSource, SourceError> {
        let name = context.name.clone();
        check(config, context).map_err(|problem| SourceError::Config { name, problem })
    }
}

fn check(mut config: FileConfig, context: BuildContext) -> Result<FileSource, String> {
    let (paths, follows) = (std::mem::take(&mut config.paths), config.follow);
    check_names(&paths)?;
    let Plan { mapping, shapes } = Plan::check(config, &context)?;
    let shape_of = move |name: &str| shapes.of(name);
    let files = FileSet::new(&context.name, &context.folder, paths, follows, shape_of)?;
    let left_out = LeftOutTally::of(files.count() as usize);
    Ok(FileSource { name: context.name, files, mapping: Arc::new(mapping), left_out, follows })
}

impl FileSource {
    /// How `file` is read.
    fn read_file(&self, file: &Member<FileShape>) -> Result<ReadFile, SourceError> {
        let FileShape { shape, given } = self.files.about(file)?;
        Ok(ReadFile {
            source: self.name.clone(),
            name: file.name.clone(),
            shape: shape.clone(),
            given: given.clone(),
            mapping: Arc::clone(&self.mapping),
            left_out: self.left_out.clone(),
        })
    }
}

impl Source for FileSource {
    fn partition_name(&self, partition: u32) -> String {
        self.files.name(partition)
    }

    fn partitions(&self) -> Vec<u32> {
        (0..self.files.count()).collect()
    }

    fn discover(&self) -> Result<Vec<u32>, SourceError> {
        Ok((0..self.files.discover()?).collect())
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn is_endless(&self) -> bool {
        self.follows
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.paths()
    }

    fn first_rows(&self, partition: u32, most: usize) -> Result<Option<Vec<Row>>, SourceError> {
        let file = self.files.get(partition)?;
        if !self.files.can_be_read_twice(&file) {
            return Ok(None);
        }
        self.files.check_plain(&file)?;
        // What `where` leaves out is told when the file is read to its end.
        let read = ReadFile { left_out: LeftOutTally::of(1), ..self.read_file(&file)? };
        let mut reader = FileReader::open(read, &file.path, Positions::default())?;
        Ok(Some(first_of(&mut reader, most)))
    }

    fn restore(&self, known: &[(String, PartitionState)]) {
        self.files.restore(known);
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let file = self.files.get(partition)?;
        let read = self.read_file(&file)?;
        match self.follows {
            true => self.files.follow(&file, place, begin(read)),
            false => {
                let packing = read.packing();
                self.files.open(&file, place, packing, |positions| whole(read, &file, positions))
            }
        }
    }

    fn resume(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let file = self.files.get(partition)?;
        let read = self.read_file(&file)?;
        let packing = read.packing();
        match self.follows {
            true => self.files.follow_on(&file, at, packing, begin(read)),
            false => {
                self.files.resume(&file, at, packing, |positions| whole(read, &file, positions))
            }
        }
    }
}

/// Begins to read lines so.
fn begin(read: ReadFile) -> Begin {
    Arc::new(move |lines, positions| {
        Ok(Box::new(FileReader::begin(read.clone(), lines, positions)?))
    })
}

/// Reads a file that does not grow.
fn whole(
    read: ReadFile,
    file: &Member<FileShape>,
    positions: Positions,
) -> Result<Box<dyn PartitionReader>, SourceError> {
    Ok(Box::new(FileReader::open(read, &file.path, positions)?))
}
