//! `kind = "entries"`: files of entries.

use std::io::ErrorKind;
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
use crate::follow::{Begin, LineRows, Positions};
use crate::lines::{Lines, RecordPart};
use crate::mapping::Packing;
use crate::paths::set::{FileSet, Member};
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    BATCH_ROWS, Incident, PartitionReader, PartitionState, Place, Progress, ResumePoint, Row,
    Source, SourceError, first_of,
};

/// The keys of a source of entries, besides those of all sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesConfig {
    /// The files, each a partition of this name; patterns such as `fills/**/*.csv` and folders name all that match and
    /// all directly in them, in the order of their names. At most 4,096 files.
    pub paths: Vec<String>,
    /// Whether a live run goes on at the end of a file, waits for more, and reads on in the next file of its name, as
    /// `tail -F` does; a replay reads what is there. Not for compressed files and pipes.
    #[serde(default)]
    pub follow: bool,
    /// How lines hold fields. Default: by the ending of each path, `.gz`, `.zst` and `.zip` aside.
    pub format: Option<Format>,
    /// How CSV is written; there must be a header. Default: by commas.
    #[serde(default)]
    pub csv: CsvConfig,
    /// The type of rows without a type. Default: none, each must have one.
    #[serde(rename = "type")]
    pub default: Option<String>,
}

/// Files of entries; each is a partition, and can be read again from any line.
pub struct EntriesSource {
    name: String,
    files: FileSet<Layout>,
    catalog: Arc<Catalog>,
    default: Option<Type>,
    follows: bool,
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
    let EntriesConfig { paths, follow: follows, format, csv, default } = config;
    if !csv.header {
        return Err(
            "`csv.header` is false, and only a header says which column is which field".to_owned()
        );
    }
    let dialect = Dialect::check(&csv)?;
    let by_ending = csv.delimiter.is_none();
    let layout_of = move |name: &str| match format.map_or_else(|| format_of(name), Ok)? {
        Format::Csv if by_ending => Ok(Layout::Csv(dialect.of_file(name))),
        Format::Csv => Ok(Layout::Csv(dialect)),
        Format::Jsonl => Ok(Layout::Jsonl),
    };
    let files = FileSet::new(&name, &folder, paths, follows, layout_of)?;
    let default =
        default.map(|name| Type::named(&name).map_err(|why| format!("type = \"{name}\" {why}")));
    Ok(EntriesSource { name, files, catalog, default: default.transpose()?, follows })
}

impl Source for EntriesSource {
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
        let positions = Positions { base: 0, after: 0 };
        let mut reader = self.begin(&file)?(lines_of(&file)?, positions)?;
        Ok(Some(first_of(&mut reader, most)))
    }

    fn restore(&self, known: &[(String, PartitionState)]) {
        self.files.restore(known);
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let file = self.files.get(partition)?;
        let begin = self.begin(&file)?;
        if self.follows {
            return self.files.follow(&file, place, boxed(begin));
        }
        let whole = |positions| whole(&file, begin, positions);
        self.files.open(&file, place, Packing::ONE, whole)
    }

    fn resume(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let file = self.files.get(partition)?;
        let begin = self.begin(&file)?;
        if self.follows {
            return self.files.follow_on(&file, at, Packing::ONE, boxed(begin));
        }
        let whole = |positions| whole(&file, begin, positions);
        self.files.resume(&file, at, Packing::ONE, whole)
    }
}

/// Begins to read lines that become more.
fn boxed(
    begin: impl Fn(Lines, Positions) -> Result<EntriesReader, SourceError> + Send + Sync + 'static,
) -> Begin {
    Arc::new(move |lines, positions| Ok(Box::new(begin(lines, positions)?)))
}

/// Reads a file that does not grow.
fn whole(
    file: &Member<Layout>,
    begin: impl Fn(Lines, Positions) -> Result<EntriesReader, SourceError>,
    positions: Positions,
) -> Result<Box<dyn PartitionReader>, SourceError> {
    Ok(Box::new(begin(lines_of(file)?, positions)?))
}

impl EntriesSource {
    /// What begins to read the lines of `file`.
    fn begin(
        &self,
        file: &Member<Layout>,
    ) -> Result<
        impl Fn(Lines, Positions) -> Result<EntriesReader, SourceError> + Send + Sync + use<>,
        SourceError,
    > {
        let layout = *self.files.about(file)?;
        let (source, name) = (self.name.clone(), file.name.clone());
        let (catalog, default) = (Arc::clone(&self.catalog), self.default);
        Ok(move |lines, positions| {
            let decoder = Decoder::new(Arc::clone(&catalog), default, &format!("{source}/{name}"));
            let rows = Rows::begin(lines, &layout);
            let (source, name) = (source.clone(), name.clone());
            let mut reader = EntriesReader { source, name, rows, decoder, positions };
            reader.has_header()?;
            Ok(reader)
        })
    }
}

fn lines_of(file: &Member<Layout>) -> Result<Lines, SourceError> {
    let failed = |source| SourceError::Open { partition: file.name.clone(), source };
    Lines::open(&file.path).map_err(failed)
}

/// A file being read. A row's position is the number of the line on which it begins, from 1; in a file that is read
/// after another, after its lines.
struct EntriesReader {
    /// The names of source and partition.
    source: String,
    name: String,
    rows: Rows,
    decoder: Decoder,
    positions: Positions,
}

impl EntriesReader {
    /// Whether the header was read, if there is to be one: of a file that grows it may not be whole yet.
    fn has_header(&mut self) -> Result<bool, SourceError> {
        match self.rows.read_header() {
            Ok(()) => Ok(true),
            Err(Problem::System(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(Problem::System(source)) => {
                Err(SourceError::Open { partition: self.name.clone(), source })
            }
            Err(Problem::Header(problem)) => Err(SourceError::Config {
                name: self.source.clone(),
                problem: format!("{}: {problem}", self.name),
            }),
        }
    }
}

impl PartitionReader for EntriesReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        if !self.has_header()? {
            return Ok(Progress::More);
        }
        let start = rows.len();
        let Positions { base, after } = self.positions;
        while rows.len() - start < BATCH_ROWS {
            let wanted = |line| Some(base + line).filter(|position| *position > after);
            match self.rows.next(&self.decoder, wanted) {
                Ok(Some((position, decoded))) => {
                    let record = decoded.map_err(|error| error.rejection(self.rows.text()));
                    rows.push(Row::of(position, record));
                }
                Ok(None) => return Ok(Progress::Ended),
                // A file that grows has no more for now.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // These rows are good; the next call meets the error again, or not.
                Err(_) if rows.len() > start => break,
                Err(source) => {
                    let position = LineRows::position(self).max(after);
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

    fn incidents(&mut self) -> Vec<Incident> {
        let left_out = self.rows.left_out();
        left_out.map(|what| Incident::warning_of(&self.name, what)).into_iter().collect()
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.rows.extent()
    }
}

impl LineRows for EntriesReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        PartitionReader::read(self, rows)
    }

    fn position(&self) -> u64 {
        self.positions.base + self.rows.number()
    }

    fn part(&self) -> Option<RecordPart> {
        self.rows.part()
    }
}
