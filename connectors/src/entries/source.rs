//! `kind = "entries"`: files of entries.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use market::Catalog;
use serde::Deserialize;

use super::decode::Decoder;
use super::fields::Type;
use super::rows::{Layout, Problem, Rows};
use crate::delimited::{CsvConfig, Dialect};
use crate::files::Format;
use crate::files::config::format_of;
use crate::lines::Lines;
use crate::registry::{BuildContext, TypedSource};
use crate::source::{BATCH_ROWS, PartitionReader, Place, Progress, Row, Source, SourceError};

/// The keys of a source of entries, besides those of all sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesConfig {
    /// The files, each a partition of this name.
    pub paths: Vec<String>,
    /// How lines hold fields. Default: by the ending of each path, `.gz`, `.zst` and `.zip` aside.
    pub format: Option<Format>,
    /// How CSV is written; there must be a header. Default: by commas.
    #[serde(default)]
    pub csv: CsvConfig,
    /// The type of rows without a type. Default: none, each must have one.
    #[serde(rename = "type")]
    pub default: Option<String>,
    /// Whether fills are named by id and side together: an exchange gives both sides of a self-trade one id, and
    /// without this the second would be a conflict. Corrections then name a fill of their own side, and busts need
    /// `side`.
    #[serde(default)]
    pub ids_by_side: bool,
}

/// Files of entries; each is a partition, and can be read again from any line.
pub struct EntriesSource {
    name: String,
    files: Vec<EntriesFile>,
    catalog: Arc<Catalog>,
    default: Option<Type>,
    ids_by_side: bool,
}

struct EntriesFile {
    name: String,
    path: PathBuf,
    layout: Layout,
}

impl TypedSource for EntriesSource {
    const KIND: &'static str = "entries";
    type Config = EntriesConfig;

    fn build(config: EntriesConfig, context: BuildContext) -> Result<EntriesSource, SourceError> {
        let name = context.name.clone();
        check(config, context).map_err(|problem| SourceError::Config { name, problem })
    }
}

fn check(config: EntriesConfig, context: BuildContext) -> Result<EntriesSource, String> {
    let BuildContext { name, folder, catalog } = context;
    if config.paths.is_empty() {
        return Err("`paths` is empty; name at least one file".to_owned());
    }
    if !config.csv.header {
        return Err(
            "`csv.header` is false, and only a header says which column is which field".to_owned()
        );
    }
    let dialect = Dialect::check(&config.csv)?;
    let ids_by_side = config.ids_by_side;
    let mut seen = BTreeSet::new();
    let mut files = Vec::with_capacity(config.paths.len());
    for name in config.paths {
        if !seen.insert(name.clone()) {
            return Err(format!("`paths` names \"{name}\" twice"));
        }
        let format = config.format.map_or_else(|| format_of(&name), Ok)?;
        let layout = match format {
            Format::Csv => Layout::Csv(dialect),
            Format::Jsonl => Layout::Jsonl,
        };
        files.push(EntriesFile { path: folder.join(&name), name, layout });
    }
    let default = config
        .default
        .map(|name| Type::named(&name).map_err(|why| format!("type = \"{name}\" {why}")));
    Ok(EntriesSource { name, files, catalog, default: default.transpose()?, ids_by_side })
}

impl Source for EntriesSource {
    fn partition_name(&self, partition: u32) -> String {
        let file = usize::try_from(partition).ok().and_then(|at| self.files.get(at));
        file.map_or_else(String::new, |file| file.name.clone())
    }

    fn partitions(&self) -> Vec<u32> {
        (0..).take(self.files.len()).collect()
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let config = |problem| SourceError::Config { name: self.name.clone(), problem };
        let file = usize::try_from(partition).ok().and_then(|at| self.files.get(at));
        let file = file.ok_or_else(|| {
            config(format!("there is no partition {partition}; it has {}", self.files.len()))
        })?;
        let opened = Lines::open(&file.path).map_err(Problem::System);
        let rows = opened.and_then(|lines| Rows::open(lines, &file.layout));
        let rows = rows.map_err(|problem| match problem {
            Problem::System(source) => SourceError::Open { partition: file.name.clone(), source },
            Problem::Header(problem) => config(format!("{}: {problem}", file.name)),
        })?;
        let partition = format!("{}/{}", self.name, file.name);
        let decoder = Decoder::new(Arc::clone(&self.catalog), self.default, &partition)
            .with_ids_by_side(self.ids_by_side);
        Ok(Box::new(EntriesReader { name: file.name.clone(), rows, decoder, after: place.after() }))
    }
}

/// A file being read. A row's position is the number of the line on which it begins, from 1.
struct EntriesReader {
    name: String,
    rows: Rows,
    decoder: Decoder,
    after: u64,
}

impl PartitionReader for EntriesReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        let start = rows.len();
        while rows.len() - start < BATCH_ROWS {
            let after = self.after;
            match self.rows.next(&self.decoder, |line| (line > after).then_some(line)) {
                Ok(Some((position, decoded))) => {
                    let record = decoded.map_err(|error| error.rejection(self.rows.text()));
                    rows.push(Row::of(position, record));
                }
                Ok(None) => return Ok(Progress::Ended),
                // These rows are good; the next call meets the error again, or not.
                Err(_) if rows.len() > start => break,
                Err(source) => {
                    let position = self.rows.number().max(after);
                    return Err(SourceError::Read {
                        partition: self.name.clone(),
                        position,
                        source,
                    });
                }
            }
        }
        Ok(Progress::More)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.rows.extent()
    }
}
