//! The table `sources`.

use market::EventTime;

use rows::{Cell, Column, ColumnType, Row, Scale, Unit, View, ViewKind, count, key, value};

/// The status of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// `primary` or `backup`.
    pub role: &'static str,
    /// `running`, `idle`, `paused`, `disconnected`, `failed`, `ended` or `historic`.
    pub state: &'static str,
    /// Rows read, accepted or not.
    pub rows: u64,
    /// The newest event time in a commit.
    pub newest: Option<EventTime>,
    /// Its watermark.
    pub watermark: Option<EventTime>,
    /// Nanoseconds from its watermark to the system's time.
    pub lag: Option<i64>,
    /// The number of its partitions.
    pub partitions: u64,
    /// The number of ended partitions, if known.
    pub ended: Option<u64>,
    /// The number of connected partitions; none if the source has no server.
    pub connected: Option<u64>,
    /// The number of lost connections.
    pub disconnects: Option<u64>,
    /// The number of losses of rows that the server had.
    pub gaps: Option<u64>,
    /// Rows that the server has and that were not read yet.
    pub behind: Option<u64>,
    /// Rows that the server holds back.
    pub held: Option<u64>,
    /// Whether each of its partitions was at its end once.
    pub has_caught_up: bool,
    /// The time from which on it was read; none if from its beginning.
    pub read_from: Option<EventTime>,
}

const STATES: [&str; 7] =
    ["running", "idle", "paused", "disconnected", "failed", "ended", "historic"];

impl Row for SourceRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("name", ColumnType::Text, "name of the source"),
        value("kind", ColumnType::Text, "kind of the source"),
        value("rank", ColumnType::Unsigned, "rank of its provider; 0 is best"),
        value("role", ColumnType::Word(&["primary", "backup"]), "primary if no source has a better rank, else backup"),
        value("state", ColumnType::Word(&STATES), "running; idle: no row for `idle_timeout`; paused: workers retain too much; disconnected: from its \
             server, which is tried again; failed: a partition cannot be read, and is tried again; ended; historic: read without \
             a watermark"),
        count("rows", "rows", "rows read, accepted or not"),
        value("newest_time", ColumnType::Time, "newest event time that was accepted into a commit").nullable(),
        value("watermark", ColumnType::Time, "event time up to which it is taken to be complete").nullable(),
        value("lag_seconds", ColumnType::Decimal(Scale::Fixed(9)), "from the watermark to the system time of the commit; below 0 if ahead").unit(Unit::Seconds).nullable(),
        count("partitions", "partitions", "number of its partitions, such as files"),
        count("partitions_ended", "partitions", "how many of them have ended; empty where a recording does not contain it").nullable(),
        count("connected", "partitions", "how many of them are connected to their server, or there, of files that are followed; empty of other files").nullable(),
        count("disconnects", "disconnects", "how often a connection was lost").nullable(),
        count("gaps", "losses", "how often rows were lost that the server had; see `incidents`").nullable(),
        count("rows_behind", "rows", "rows that the server has and that were not read yet, if it reports them").nullable(),
        count("rows_held", "rows", "rows, at most, that the server has and does not give out yet, since a transaction is open, and of a file that is followed half a line, or the lines behind a quote that is not closed; empty of other files").nullable(),
        value("caught_up", ColumnType::Word(&["yes", "no"]), "yes once each of its partitions was at its end: all that there was when the \
             run began has been read"),
        value("read_from", ColumnType::Time, "events from this time on are all read, and bars that open before it are `partial`; empty if it is \
             read from its beginning").nullable(),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let time = |time: Option<EventTime>| time.map_or(Cell::Null, Cell::Time);
        let count = |count: Option<u64>| count.map_or(Cell::Null, Cell::Unsigned);
        let lag = |ns: i64| Cell::Decimal { mantissa: ns.into(), scale: 9 };
        into.extend([
            Cell::Text(self.name.to_owned()),
            Cell::Text(self.kind.to_owned()),
            Cell::Unsigned(self.rank.into()),
            Cell::Word(self.role),
            Cell::Word(self.state),
            Cell::Unsigned(self.rows),
            time(self.newest),
            time(self.watermark),
            self.lag.map_or(Cell::Null, lag),
            Cell::Unsigned(self.partitions),
            count(self.ended),
            count(self.connected),
            count(self.disconnects),
            count(self.gaps),
            count(self.behind),
            count(self.held),
            Cell::Word(if self.has_caught_up { "yes" } else { "no" }),
            time(self.read_from),
        ]);
    }
}

/// The table `sources`.
pub const SOURCES: View = View {
    name: "sources",
    kind: ViewKind::Keyed,
    columns: SourceRow::COLUMNS,
    doc: "the status of each source: state, rows read, watermark and lag, per round",
    history: false,
    recorded: false,
};
