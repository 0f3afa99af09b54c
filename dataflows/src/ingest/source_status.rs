//! The status of each source, for the view `providers`: pure, from the commits as they are dispatched.

use market::{Event, EventTime, Record, Span};

use super::connections::Connections;
use super::dispatcher::ClosedCommit;
use crate::clock::{Binding, Partitions};
use crate::views::{Cell, DeadLetterRow, Row, SourceRow};

/// The configuration of a source.
#[derive(Clone, Debug)]
pub struct SourceInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// How many partitions it has.
    pub partitions: usize,
    /// After how long without a row it is idle; none: never.
    pub idle_after: Option<Span>,
}

/// All sources, by number; those that are gone from the configuration have no rows.
#[derive(Debug, Default)]
pub struct SourceStatuses {
    sources: Vec<(Option<SourceInfo>, SourceActivity)>,
    best_rank: u8,
    connections: Connections,
}

/// What a source has sent.
#[derive(Debug, Default)]
struct SourceActivity {
    rows: u64,
    newest: Option<EventTime>,
    /// The system's time of the last commit that brought a row; of the first one before there is any.
    at: Option<EventTime>,
    partitions: Option<Partitions>,
}

impl SourceStatuses {
    /// No source has sent anything yet.
    pub fn new(statuses: Vec<Option<SourceInfo>>, connections: Connections) -> SourceStatuses {
        let best_rank = statuses.iter().flatten().map(|info| info.rank).min().unwrap_or(0);
        let sources = statuses.into_iter().map(|info| (info, SourceActivity::default()));
        SourceStatuses { sources: sources.collect(), best_rank, connections }
    }

    /// Updates the activity with a commit.
    pub fn observe(&mut self, closed: &ClosedCommit) {
        let ClosedCommit { binding, records, refused, partitions, .. } = closed;
        let mut rows = vec![0; self.sources.len()];
        for record in records {
            let source = usize::from(record.origin.source.0);
            let Some((_, activity)) = self.sources.get_mut(source) else { continue };
            rows[source] += 1;
            activity.newest = activity.newest.max(moves(record));
        }
        for DeadLetterRow { source, .. } in refused {
            let source = self
                .sources
                .iter()
                .position(|(info, _)| info.as_ref().is_some_and(|info| info.name == *source));
            rows[source.unwrap_or_default()] += u64::from(source.is_some());
        }
        for (source, ((_, activity), rows)) in self.sources.iter_mut().zip(rows).enumerate() {
            activity.rows += rows;
            if rows > 0 || activity.at.is_none() {
                activity.at = Some(binding.at);
            }
            activity.partitions = partitions.get(source).copied();
        }
    }

    /// A row for each source, by its name, as it is after a commit.
    pub fn rows(&self, binding: &Binding, paused: bool) -> Vec<(String, Vec<Cell>)> {
        let sources = self.sources.iter().zip(&binding.watermarks).enumerate();
        let rows = sources.filter_map(|(number, ((info, activity), mark))| {
            let info = info.as_ref()?;
            let partitions = activity.partitions.map_or(info.partitions, |all| all.known);
            let ended = match mark {
                Some(EventTime::END) => Some(partitions),
                _ => activity.partitions.map(|all| all.ended),
            };
            let has_ended = ended == Some(partitions);
            let connection = self.connections.of(number);
            let idle = info.idle_after.zip(activity.at);
            let is_idle =
                idle.is_some_and(|(idle, last_row_at)| last_row_at.after(idle) <= binding.at);
            let sources = mark.filter(|mark| *mark > EventTime::NEVER && *mark < EventTime::END);
            let row = SourceRow {
                name: &info.name,
                kind: &info.kind,
                rank: info.rank,
                role: if info.rank == self.best_rank { "primary" } else { "backup" },
                state: match mark {
                    _ if connection.is_some_and(|all| all.failed > 0) => "failed",
                    _ if has_ended => "ended",
                    _ if connection.is_some_and(|all| all.up < all.links) => "disconnected",
                    _ if paused => "paused",
                    None => "historic",
                    Some(_) if is_idle => "idle",
                    Some(_) => "running",
                },
                rows: activity.rows,
                newest: activity.newest,
                watermark: sources,
                lag: sources.map(|mark| binding.at.0.saturating_sub(mark.0)),
                partitions: partitions as u64,
                ended: ended.map(|ended| ended as u64),
                connected: connection.map(|all| all.up),
                disconnects: connection.map(|all| all.losses),
                gaps: connection.map(|all| all.gaps),
                behind: connection.and_then(|all| all.behind),
                read_from: binding.read_from.of(number).filter(|from| *from > EventTime::NEVER),
            };
            let mut cells = Vec::with_capacity(SourceRow::COLUMNS.len());
            row.cells(&mut cells);
            Some((info.name.clone(), cells))
        });
        rows.collect()
    }
}

/// The event time of a record that moves watermarks; the time of a cancel does not.
fn moves(record: &Record) -> Option<EventTime> {
    match record.event {
        Event::Cancel { .. } => None,
        _ => record.event.time(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{
        Commit, IdScope, InstrumentId, InstrumentSpec, NameOrder, Origin, PartitionId, Price,
        Quantity, Rejection, RejectionReason, Side, SourceId, Trade, TradeId, Updates,
    };
    use operators::ReadFrom;

    fn at(secs: i64) -> EventTime {
        EventTime(secs * 1_000_000_000)
    }

    fn info(name: &str, rank: u8) -> SourceInfo {
        let (kind, partitions) = ("files".to_owned(), 2);
        let idle_after = Some(Span::secs(30));
        SourceInfo { name: name.to_owned(), kind, rank, partitions, idle_after }
    }

    fn trade(source: u8, secs: i64) -> Record {
        let trade = Trade {
            instrument: InstrumentId(1),
            spec: InstrumentSpec::DEFAULT,
            scope: IdScope(0),
            id: TradeId::Number(1),
            time: at(secs),
            sequence: 0,
            is_positional: false,
            price: Price(1),
            quantity: Quantity(1),
            side: Side::Unknown,
            updates: Updates::ALL,
        };
        let origin = Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(source),
            partition: PartitionId(0),
            position: 1,
        };
        Record { origin, event: Event::New(trade) }
    }

    fn closed(secs: i64, watermarks: Vec<Option<EventTime>>, ended: Vec<usize>) -> ClosedCommit {
        let (at, positions) = (at(secs), Vec::new());
        let read_from = ReadFrom::default();
        let binding =
            Binding { commit: Commit(0), at, round: true, positions, watermarks, read_from };
        let ended = ended.into_iter().map(|ended| Partitions { known: 2, ended });
        ClosedCommit {
            binding,
            records: Vec::new(),
            accounts: Vec::new(),
            refused: Vec::new(),
            incidents: Vec::new(),
            partitions: ended.collect(),
            oldest: None,
        }
    }

    /// Of each source: role, state, rows, lag and how many partitions have ended.
    fn status_cells(
        statuses: &SourceStatuses,
        closed: &ClosedCommit,
        paused: bool,
    ) -> Vec<[Cell; 5]> {
        let rows = statuses.rows(&closed.binding, paused);
        rows.into_iter().map(|(_, row)| [3, 4, 5, 8, 10].map(|cell| row[cell].clone())).collect()
    }

    fn cells(role: &'static str, state: &'static str, rows: u64, lag: i128) -> [Cell; 4] {
        let lag = Cell::Decimal { mantissa: lag * 1_000_000_000, scale: 9 };
        [Cell::Word(role), Cell::Word(state), Cell::Unsigned(rows), lag]
    }

    #[test]
    fn a_source_runs_falls_silent_pauses_and_ends() {
        let mut statuses = SourceStatuses::new(
            vec![Some(info("a", 1)), Some(info("b", 2))],
            Connections::default(),
        );
        let mut first = closed(100, vec![Some(at(95)), Some(at(90))], vec![0, 1]);
        first.records = vec![trade(0, 100), trade(0, 99), trade(1, 95)];
        first.refused = vec![DeadLetterRow {
            commit: Commit(0),
            source: "b".to_owned(),
            partition: "p".to_owned(),
            position: 2,
            rejection: Rejection::new(RejectionReason::Malformed, "no", b"x"),
        }];
        statuses.observe(&first);
        let rows = status_cells(&statuses, &first, false);
        assert_eq!(rows[0][..4], cells("primary", "running", 2, 5));
        assert_eq!(rows[1][..4], cells("backup", "running", 2, 10));
        assert_eq!([&rows[0][4], &rows[1][4]], [&Cell::Unsigned(0), &Cell::Unsigned(1)]);
        assert_eq!(statuses.rows(&first.binding, false)[0].1[6], Cell::Time(at(100)));

        let mut later = closed(130, vec![Some(at(95)), Some(at(90))], vec![0, 1]);
        later.records = vec![trade(1, 96)];
        statuses.observe(&later);
        assert_eq!(status_cells(&statuses, &later, false)[0][..4], cells("primary", "idle", 2, 35));
        assert_eq!(
            status_cells(&statuses, &later, false)[1][..4],
            cells("backup", "running", 3, 40)
        );
        assert_eq!(status_cells(&statuses, &later, true)[1][1], Cell::Word("paused"));

        // A recording has no partitions: it has only that all of them have ended.
        let end = closed(131, vec![Some(EventTime::END), None], Vec::new());
        statuses.observe(&end);
        let rows = status_cells(&statuses, &end, true);
        assert_eq!([&rows[0][1], &rows[0][4]], [&Cell::Word("ended"), &Cell::Unsigned(2)]);
        assert_eq!([&rows[1][1], &rows[1][4]], [&Cell::Word("paused"), &Cell::Null]);
        assert_eq!(status_cells(&statuses, &end, false)[1][1], Cell::Word("historic"));
    }
}
