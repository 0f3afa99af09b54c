//! `kind = "file"`: trades from CSV and JSON lines, plain or compressed (gzip, zstd, the first file of a zip
//! archive), and from what [`crate::codecs`] know without a mapping.
//!
//! ```toml
//! [[source]]
//! name = "bitmex"
//! kind = "file"
//! paths = ["2018.csv.gz"]         # each is a partition; relative to the configuration's folder
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
mod reader;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use crate::mapping::Mapping;
use crate::registry::{BuildContext, TypedSource};
use crate::source::{PartitionReader, Place, Source, SourceError};
use config::{Partition, Plan};
use reader::FileReader;

pub use crate::delimited::CsvConfig;
pub use config::{FileConfig, Format};

/// Files of trades; each is a partition, and can be read again from any line.
pub struct FileSource {
    name: String,
    partitions: Vec<Partition>,
    mapping: Arc<Mapping>,
}

impl TypedSource for FileSource {
    const KIND: &'static str = "file";
    type Config = FileConfig;

    fn build(config: FileConfig, context: BuildContext) -> Result<FileSource, SourceError> {
        let name = context.name.clone();
        match Plan::check(config, &context) {
            Ok(plan) => Ok(FileSource {
                name,
                partitions: plan.partitions,
                mapping: Arc::new(plan.mapping),
            }),
            Err(problem) => Err(SourceError::Config { name, problem }),
        }
    }
}

impl Source for FileSource {
    fn partition_name(&self, partition: u32) -> String {
        let file = usize::try_from(partition).ok().and_then(|at| self.partitions.get(at));
        file.map_or_else(String::new, |file| file.name.clone())
    }

    fn partitions(&self) -> Vec<u32> {
        (0..).take(self.partitions.len()).collect()
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn files(&self) -> Vec<PathBuf> {
        self.partitions.iter().map(|file| file.path.clone()).collect()
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let found = usize::try_from(partition).ok().and_then(|at| self.partitions.get(at));
        let chosen = found.ok_or_else(|| SourceError::Config {
            name: self.name.clone(),
            problem: format!("there is no partition {partition}; it has {}", self.partitions.len()),
        })?;
        let reader = FileReader::open(&self.name, chosen, &self.mapping, place.after())?;
        Ok(Box::new(reader))
    }
}
