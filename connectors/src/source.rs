//! The contract of a source.
//!
//! *Rows of one partition come in ascending position; partitions are independent; opening again at a
//! position may repeat rows, never skip them.* When a row was received is the commit that it is bound to,
//! which is decided elsewhere. What happens to a connection is reported as [`Incident`]s, and rows that were
//! there and cannot be read any more are one of these, never a silent hole.

use std::path::PathBuf;
use std::time::Instant;

use market::{EventTime, IdText, InputEvent, Rejection, UnknownNames};
use serde::{Deserialize, Serialize};

pub use crate::incident::{Incident, IncidentKind, LostRows};
pub use crate::source_error::SourceError;

/// One row of a partition, in the order of its positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where the row lies in its partition: for files, the number of the line, from 1; where a line or message may hold
    /// several rows, with its place in that ([`crate::mapping::Packing`]).
    pub position: u64,
    /// What it says, or why it was refused.
    pub event: Result<InputEvent, Box<Rejection>>,
    /// Of the names that it uses those that were not in the catalog. They are registered when the row is bound, not
    /// before, so that a row which is refused leaves none behind.
    pub unknown: Option<Box<UnknownNames>>,
    /// The texts of the ids in it that travel as hashes. They are kept when the row is bound.
    pub id_texts: Vec<IdText>,
}

/// What a record says, and the names that it uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<T> {
    /// What it says.
    pub says: T,
    /// See [`Row::unknown`].
    pub unknown: Option<Box<UnknownNames>>,
    /// See [`Row::id_texts`].
    pub id_texts: Vec<IdText>,
}

impl Row {
    /// The time of its event; none if it was refused or has none.
    pub fn time(&self) -> Option<EventTime> {
        self.event.as_ref().ok()?.time()
    }

    /// A row of an entry whose names are all registered, or one that was refused.
    pub fn new(position: u64, event: Result<InputEvent, Box<Rejection>>) -> Row {
        Row { position, event, unknown: None, id_texts: Vec::new() }
    }

    /// A row of a record that was decoded.
    pub fn of<T: Into<InputEvent>>(
        position: u64,
        record: Result<Decoded<T>, Box<Rejection>>,
    ) -> Row {
        match record {
            Ok(Decoded { says, unknown, id_texts }) => {
                Row { position, event: Ok(says.into()), unknown, id_texts }
            }
            Err(rejection) => Row::new(position, Err(rejection)),
        }
    }
}

/// Whether a partition has more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more.
    More,
    /// This partition has ended; nothing will follow.
    Ended,
}

/// A configured source.
pub trait Source: Send + Sync {
    /// The name of partition number `partition`, which the configuration names or that was discovered. A recording has
    /// the names of its partitions.
    fn partition_name(&self, partition: u32) -> String;

    /// The numbers of the partitions that the configuration names, ascending; none if only a server knows.
    fn partitions(&self) -> Vec<u32>;

    /// The numbers of the partitions that there are now, ascending and below [`PARTITIONS_MAX`]. A live run asks
    /// when it begins and, of a source that [is endless](Source::is_endless), every [`DISCOVERY_SECS`]; a
    /// partition that was there once is never missed. May wait for a server, for a few seconds.
    fn discover(&self) -> Result<Vec<u32>, SourceError> {
        Ok(self.partitions())
    }

    /// Whether rows that were read can be read again from their position.
    fn is_replayable(&self) -> bool;

    /// Whether rows lie in the order in which they arrive, rather than in that of a file, which means nothing.
    fn has_arrival_order(&self) -> bool {
        false
    }

    /// Whether its partitions go on for ever, so that it can be run but not replayed to its end. Of files that are
    /// followed a replay reads what is there, by a configuration that does not follow them.
    fn is_endless(&self) -> bool {
        false
    }

    /// Where a live run begins to read.
    fn start(&self) -> Start {
        Start::Earliest
    }

    /// The files that it reads rows from, whether they are there or not. Nothing that a job writes replaces one.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether its times are made up: then a live run plays it at the pace of its event times and as if
    /// it began now, unless configured otherwise.
    fn is_made_up(&self) -> bool {
        false
    }

    /// Of a source that tells first what happened before its times begin, a back-fill: when they begin. A live run that
    /// plays it sends what is before that at once, as fast as it goes, and paces the rest.
    fn live_from(&self) -> Option<EventTime> {
        None
    }

    /// The first rows of partition `partition`, at most so many, read beside the run: nothing is told of them, and the
    /// rows are there again when the partition is opened. None if it cannot be read twice, as a pipe, or is not there
    /// yet, as a file that is followed; a part if it breaks off.
    fn first_rows(&self, _partition: u32, _most: usize) -> Result<Option<Vec<Row>>, SourceError> {
        Ok(None)
    }

    /// Opens partition `partition` at `place`. Sources that cannot be read from a time read from their
    /// beginning instead: more is right, less is not.
    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError>;

    /// What an earlier process knew of the partitions, by name. Called once, before [`Source::discover`].
    fn restore(&self, _known: &[(String, PartitionState)]) {}

    /// Opens partition `partition` where an earlier process has left it. Rows that were to be read next and are gone are
    /// a [`Gap`](IncidentKind::Gap) among the reader's first incidents; it goes on behind them.
    ///
    /// # Errors
    /// If it cannot be read, or where it is to be read on cannot be found.
    fn resume(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        self.open(partition, Place::After(at.after))
    }
}

/// What a reader needs, besides the position of a row, to read on in another process: which file it reads, or which of
/// the topics that had the name. Only its source can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionState(pub Vec<u8>);

impl PartitionState {
    /// The state that holds `value`.
    pub(crate) fn of<T: Serialize>(value: &T) -> PartitionState {
        PartitionState(postcard::to_stdvec(value).unwrap_or_default()) // plain values can be written
    }

    /// What it holds; none if another version of the program wrote it.
    pub(crate) fn read<T: for<'a> Deserialize<'a>>(&self) -> Option<T> {
        postcard::from_bytes(&self.0).ok()
    }
}

/// Where an earlier process has left a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The position of the last row that is kept; 0: none is.
    pub after: u64,
    /// The last [state](PartitionReader::state) of its reader that is kept.
    pub state: Option<PartitionState>,
    /// Whether the partition had ended.
    pub has_ended: bool,
}

/// Where a live run begins to read a source, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest row that is there.
    Earliest,
    /// With the next row that comes.
    Latest,
    /// With the first row received at this time or later.
    Time(EventTime),
    /// As far back as corrections may reach, so that a restart makes the bars of that time anew.
    Horizon,
}

impl Start {
    /// Reads `earliest`, `latest`, `horizon` or a time such as `2026-01-05T14:30:00Z`.
    ///
    /// ```
    /// use connectors::source::Start;
    /// assert_eq!(Start::named("horizon"), Ok(Start::Horizon));
    /// assert!(matches!(Start::named("2026-01-05T14:30:00Z"), Ok(Start::Time(_))));
    /// assert!(Start::named("newest").is_err());
    /// ```
    pub fn named(text: &str) -> Result<Start, String> {
        Ok(match text {
            "earliest" => Start::Earliest,
            "latest" => Start::Latest,
            "horizon" => Start::Horizon,
            time => Start::Time(EventTime::parse_any(time).map_err(|why| {
                format!(
                    "`start` is \"{time}\", which {why}; write earliest, latest, horizon, or a time such as \
                     2026-01-05T14:30:00Z"
                )
            })?),
        })
    }
}

/// Where to open a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After the row of this position; 0: before the first that there ever was.
    After(u64),
    /// Before the oldest row that is there.
    Earliest,
    /// After the newest row that is there.
    Latest,
    /// Before the first row that was received at this time or later.
    Time(EventTime),
}

impl Place {
    /// The position to go on after, for sources that know neither times nor a newest row: of these, everything
    /// is read.
    pub fn after(self) -> u64 {
        match self {
            Place::After(position) => position,
            Place::Earliest | Place::Latest | Place::Time(_) => 0,
        }
    }
}

/// One partition being read, on a thread of its own.
pub trait PartitionReader: Send {
    /// Appends the next rows to `rows`, at most [`BATCH_ROWS`] and the rest of a message that holds several; blocks
    /// until there are some or the partition ends. A row that cannot be decoded is a refused row, never an error. A
    /// reader of an endless source comes back without rows after some 100 ms, so that a stop is noticed, and reconnects
    /// by itself. After an error the reader is dropped: a live run opens the partition again, with growing pauses.
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError>;

    /// What has happened since this was last asked, after the rows that were read before it.
    fn incidents(&mut self) -> Vec<Incident> {
        Vec::new()
    }

    /// How it is connected, if it is connected at all. Asked after every read; must be cheap.
    fn link(&self) -> Option<Link> {
        None
    }

    /// Whether it was opened at the first row that there ever was, so that nothing came before it. Known when it is
    /// opened.
    fn is_from_beginning(&self) -> bool {
        false
    }

    /// The position to [open](Place::After) it at to read on; none: that of the last row. They differ where rows were
    /// left out, or none was read yet.
    fn position(&self) -> Option<u64> {
        None
    }

    /// What another process needs to read on, if it has changed since this was last asked. It holds from before the rows
    /// of the last read on: that read brought no rows that were read in another state.
    fn state(&mut self) -> Option<PartitionState> {
        None
    }

    /// So much has been read of so much, if that is known: bytes of a file as it is stored, ticks of a
    /// simulated venue. For showing only; what has been read may lie a buffer ahead of the rows.
    fn extent(&self) -> Option<(u64, u64)> {
        None
    }
}

/// The first rows that `reader` gives, at most so many; fewer if it cannot be read on.
pub(crate) fn first_of(reader: &mut dyn PartitionReader, most: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    while rows.len() < most {
        let before = rows.len();
        match reader.read(&mut rows) {
            Ok(Progress::More) if rows.len() > before => {}
            _ => break,
        }
    }
    rows.truncate(most);
    rows
}

/// How a reader is connected to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it is.
    pub is_up: bool,
    /// How many rows the server has that were not read yet, as last reported; none if it does not report it.
    pub behind: Option<u64>,
    /// Whether the server has answered lately, and had nothing more at its last answer. It is never
    /// assumed: an idle partition lets bars become final.
    pub at_end: bool,
    /// What the server has and does not give out yet; none if everything there was is read or `behind`.
    pub held: Option<HeldRows>,
}

/// Rows that a server holds back, such as those of transactions that are still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRows {
    /// How many, at most: what transactions note of themselves counts as well.
    pub rows: u64,
    /// Since when nothing else has come.
    pub since: Instant,
    /// What is waited for.
    pub by: HeldBy,
}

/// What holds rows back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// A transaction that is open.
    Transaction,
    /// A line without its end.
    HalfLine,
    /// A quote that is not closed, opened on the line of this number of its file.
    OpenQuote(u64),
}

/// The most rows that one call of [`PartitionReader::read`] appends.
pub const BATCH_ROWS: usize = 1_024;

/// Partitions of a source are numbered below this.
pub const PARTITIONS_MAX: u32 = 4_096;

/// How often new partitions of endless sources are looked for, in seconds.
pub const DISCOVERY_SECS: u64 = 5;
