//! The status of each source, for the views `sources` and `incidents`: from the commits as they are dispatched, live or
//! replayed, and of a live run from its connections.

use std::collections::BTreeSet;

use connectors::Incident;
use market::{Commit, Event, EventTime, Record, Span, printable};

use serde::{Deserialize, Serialize};

use crate::clock::Binding;
use crate::ingest::connections::Connections;
use crate::ingest::{ClosedCommit, ControlEvent, ControlRecord, Decided};
use crate::rules::RuleChange;
use crate::views::{ControlKind, ControlRow, DeadLetterRow, IncidentRow, SourceRow};
use rows::{Cell, PartitionNames, Row};

/// The most characters of an incident's detail.
const DETAIL_CHARS: usize = 2_000;

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
    partition_names: Vec<PartitionNames>,
    best_rank: u8,
    connections: Connections,
}

/// What a source has sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SourceActivity {
    rows: u64,
    newest: Option<EventTime>,
    /// The system's time of the last commit that brought a row; of the first one before there is any.
    at: Option<EventTime>,
    partitions: Option<KnownPartitions>,
    is_paused: bool,
    has_caught_up: bool,
}

/// The partitions of a source that are there, and those of them that have ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct KnownPartitions {
    known: BTreeSet<u32>,
    ended: BTreeSet<u32>,
}

impl SourceStatuses {
    /// No source has sent anything yet. `partition_names` are those of each source.
    pub fn new(
        statuses: Vec<Option<SourceInfo>>,
        partition_names: Vec<PartitionNames>,
        connections: Connections,
    ) -> SourceStatuses {
        let best_rank = statuses.iter().flatten().map(|info| info.rank).min().unwrap_or(0);
        let sources = statuses.into_iter().map(|info| (info, SourceActivity::default()));
        SourceStatuses { sources: sources.collect(), partition_names, best_rank, connections }
    }

    /// What each source has sent, encoded.
    pub fn encode(&self) -> Vec<u8> {
        let activities: Vec<&SourceActivity> = self.sources.iter().map(|(_, own)| own).collect();
        postcard::to_stdvec(&activities).unwrap_or_default() // plain data: nothing can fail
    }

    /// Goes on from what each source had sent; those that are new have sent nothing.
    pub fn decode(&mut self, encoded: &[u8]) {
        match postcard::from_bytes::<Vec<SourceActivity>>(encoded) {
            Ok(activities) => {
                let own = self.sources.iter_mut().map(|(_, activity)| activity);
                own.zip(activities).for_each(|(own, before)| *own = before);
            }
            Err(error) => tracing::warn!("what sources had sent is not known any more: {error}"),
        }
    }

    /// Updates the activity with a commit.
    pub fn observe(&mut self, closed: &ClosedCommit) {
        let ClosedCommit { binding, records, refused, control, .. } = closed;
        let mut rows = vec![0; self.sources.len()];
        for record in records {
            let source = usize::from(record.origin.source.0);
            let Some((_, activity)) = self.sources.get_mut(source) else { continue };
            rows[source] += 1;
            activity.newest = activity.newest.max(moves(record));
        }
        for DeadLetterRow { source, .. } in refused.iter().filter(|letter| letter.is_input()) {
            let source = self
                .sources
                .iter()
                .position(|(info, _)| info.as_ref().is_some_and(|info| info.name == *source));
            rows[source.unwrap_or_default()] += u64::from(source.is_some());
        }
        for ((_, activity), rows) in self.sources.iter_mut().zip(rows) {
            activity.rows += rows;
            if rows > 0 || activity.at.is_none() {
                activity.at = Some(binding.at);
            }
        }
        for ControlRecord { source, event } in control {
            if let Some((_, activity)) = self.sources.get_mut(*source as usize) {
                activity.observe(event);
            }
        }
    }

    /// The incidents among the control records of a commit, as rows.
    pub fn incidents(
        &self,
        commit: Commit,
        control: Vec<ControlRecord>,
    ) -> impl Iterator<Item = IncidentRow> {
        let mut numbers = 0..;
        control.into_iter().filter_map(move |ControlRecord { source, event }| {
            let ControlEvent::Link { partition, incident } = event else { return None };
            let Incident { kind, lost, detail } = incident;
            let (info, _) = self.sources.get(source as usize)?;
            let info = info.as_ref()?;
            let partition = self.partition_names.get(source as usize)?.of(partition);
            let source = info.name.clone();
            let number = numbers.next()?;
            let lost = lost.and_then(|lost| lost.positions);
            let detail = printable(&detail, DETAIL_CHARS); // a server's words may be part of it
            Some(IncidentRow { commit, number, source, partition, kind, lost, detail })
        })
    }

    /// What was decided in a commit, as rows.
    pub fn decisions(&self, commit: Commit, decided: &Decided) -> Vec<ControlRow> {
        let row = |kind| ControlRow { commit, number: 0, kind, source: None, rule: None, by: None };
        let of_sources = decided.control.iter().filter_map(|ControlRecord { source, event }| {
            let kind = match event {
                ControlEvent::Paused => ControlKind::Paused,
                ControlEvent::Resumed => ControlKind::Resumed,
                _ => return None,
            };
            let (info, _) = self.sources.get(*source as usize)?;
            Some(ControlRow { source: Some(info.as_ref()?.name.clone()), ..row(kind) })
        });
        let known = |by: &String| Some(by.clone()).filter(|by| !by.is_empty());
        let of_rules = decided.rules.iter().filter_map(|change| match change {
            RuleChange::Put { name, by, .. } => Some(ControlRow {
                rule: Some(name.clone()),
                by: known(by),
                ..row(ControlKind::RulePut)
            }),
            RuleChange::Delete { name, by } => Some(ControlRow {
                rule: Some(name.clone()),
                by: known(by),
                ..row(ControlKind::RuleDeleted)
            }),
            RuleChange::Acknowledge { .. } => None, // an event of the alert
        });
        let rows = (0..).zip(of_sources.chain(of_rules));
        rows.map(|(number, row)| ControlRow { number, ..row }).collect()
    }

    /// The state of each source after a commit, by its number.
    pub fn states(&self, binding: &Binding) -> Vec<(usize, &'static str)> {
        let sources = self.sources.iter().zip(&binding.watermarks).enumerate();
        let states = sources.filter_map(|(number, ((info, activity), mark))| {
            let info = info.as_ref()?;
            Some((number, self.state(number, (info, activity), *mark, binding.at)))
        });
        states.collect()
    }

    /// The state of a source whose watermark is `mark`, at system time `at`.
    fn state(
        &self,
        number: usize,
        (info, activity): (&SourceInfo, &SourceActivity),
        mark: Option<EventTime>,
        at: EventTime,
    ) -> &'static str {
        let connection = self.connections.of(number);
        let (partitions, ended) = activity.partition_counts(info, mark);
        let idle = info.idle_after.zip(activity.at);
        let is_idle = idle.is_some_and(|(idle, last_row_at)| last_row_at.after(idle) <= at);
        match mark {
            _ if connection.is_some_and(|all| all.failed > 0) => "failed",
            _ if ended == Some(partitions) => "ended",
            _ if connection.is_some_and(|all| all.up < all.links) => "disconnected",
            _ if activity.is_paused => "paused",
            None => "historic",
            Some(_) if is_idle => "idle",
            Some(_) => "running",
        }
    }

    /// A row for each source, by its name, as it is after a commit.
    pub fn rows(&self, binding: &Binding) -> Vec<(String, Vec<Cell>)> {
        let sources = self.sources.iter().zip(&binding.watermarks).enumerate();
        let rows = sources.filter_map(|(number, ((info, activity), mark))| {
            let info = info.as_ref()?;
            let (partitions, ended) = activity.partition_counts(info, *mark);
            let connection = self.connections.of(number);
            let sources = mark.filter(|mark| *mark > EventTime::NEVER && *mark < EventTime::END);
            let row = SourceRow {
                name: &info.name,
                kind: &info.kind,
                rank: info.rank,
                role: if info.rank == self.best_rank { "primary" } else { "backup" },
                state: self.state(number, (info, activity), *mark, binding.at),
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
                held: connection.map(|all| all.held.map_or(0, |held| held.rows)),
                has_caught_up: activity.has_caught_up,
                read_from: binding.read_from.of(number).filter(|from| *from > EventTime::NEVER),
            };
            let mut cells = Vec::with_capacity(SourceRow::COLUMNS.len());
            row.cells(&mut cells);
            Some((info.name.clone(), cells))
        });
        rows.collect()
    }
}

impl SourceActivity {
    /// How many partitions it has, and how many of them have ended, if that is known.
    fn partition_counts(
        &self,
        info: &SourceInfo,
        mark: Option<EventTime>,
    ) -> (usize, Option<usize>) {
        let partitions = self.partitions.as_ref().map_or(info.partitions, |all| all.known.len());
        let ended = match mark {
            Some(EventTime::END) => Some(partitions),
            _ => self.partitions.as_ref().map(|all| all.ended.len()),
        };
        (partitions, ended)
    }

    fn observe(&mut self, event: &ControlEvent) {
        match event {
            ControlEvent::Opened { partition } => {
                let all = self.partitions.get_or_insert_default();
                all.ended.remove(partition);
                if !all.known.insert(*partition) {
                    // The job was started again, and goes on.
                    (self.is_paused, self.has_caught_up) = (false, false);
                }
            }
            ControlEvent::Ended { partition } => {
                self.partitions.get_or_insert_default().ended.insert(*partition);
            }
            ControlEvent::Link { .. } | ControlEvent::State { .. } => {}
            ControlEvent::Paused => self.is_paused = true,
            ControlEvent::Resumed => self.is_paused = false,
            ControlEvent::CaughtUp => self.has_caught_up = true,
        }
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
    use connectors::{IncidentKind, LostRows};
    use market::{
        IdScope, InstrumentId, InstrumentSpec, NameOrder, Origin, PartitionId, Price, Quantity,
        Rejection, RejectionReason, Side, SourceId, Trade, TradeId, Updates,
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

    fn closed(secs: i64, watermarks: Vec<Option<EventTime>>) -> ClosedCommit {
        let (at, positions) = (at(secs), Vec::new());
        let read_from = ReadFrom::default();
        let binding =
            Binding { commit: Commit(0), at, round: true, positions, watermarks, read_from };
        ClosedCommit {
            binding,
            records: Vec::new(),
            accounts: Vec::new(),
            id_texts: Vec::new(),
            refused: Vec::new(),
            control: Vec::new(),
            posts: Vec::new(),
            rule_changes: Vec::new(),
            oldest: None,
        }
    }

    fn control(source: u32, event: ControlEvent) -> ControlRecord {
        ControlRecord { source, event }
    }

    fn statuses() -> SourceStatuses {
        let infos = vec![Some(info("a", 1)), Some(info("b", 2))];
        let names = vec![PartitionNames::one("p"), PartitionNames::new(|n| format!("b/{n}"))];
        SourceStatuses::new(infos, names, Connections::default())
    }

    /// Of each source: role, state, rows, lag and how many partitions have ended.
    fn status_cells(statuses: &SourceStatuses, closed: &ClosedCommit) -> Vec<[Cell; 5]> {
        let rows = statuses.rows(&closed.binding);
        rows.into_iter().map(|(_, row)| [3, 4, 5, 8, 10].map(|cell| row[cell].clone())).collect()
    }

    fn cells(role: &'static str, state: &'static str, rows: u64, lag: i128) -> [Cell; 4] {
        let lag = Cell::Decimal { mantissa: lag * 1_000_000_000, scale: 9 };
        [Cell::Word(role), Cell::Word(state), Cell::Unsigned(rows), lag]
    }

    #[test]
    fn a_source_runs_falls_silent_pauses_and_ends() {
        let mut statuses = statuses();
        let mut first = closed(100, vec![Some(at(95)), Some(at(90))]);
        first.records = vec![trade(0, 100), trade(0, 99), trade(1, 95)];
        first.refused = vec![DeadLetterRow {
            commit: Commit(0),
            source: "b".to_owned(),
            partition: "p".to_owned(),
            position: 2,
            rejection: Rejection::new(RejectionReason::Malformed, "no", b"x"),
        }];
        let opened = |source, partition| control(source, ControlEvent::Opened { partition });
        first.control = vec![opened(0, 0), opened(0, 1), opened(1, 0), opened(1, 1)];
        first.control.push(control(1, ControlEvent::Ended { partition: 0 }));
        statuses.observe(&first);
        let rows = status_cells(&statuses, &first);
        assert_eq!(rows[0][..4], cells("primary", "running", 2, 5));
        assert_eq!(rows[1][..4], cells("backup", "running", 2, 10));
        assert_eq!([&rows[0][4], &rows[1][4]], [&Cell::Unsigned(0), &Cell::Unsigned(1)]);
        assert_eq!(statuses.rows(&first.binding)[0].1[6], Cell::Time(at(100)));

        let mut later = closed(130, vec![Some(at(95)), Some(at(90))]);
        later.records = vec![trade(1, 96)];
        statuses.observe(&later);
        assert_eq!(status_cells(&statuses, &later)[0][..4], cells("primary", "idle", 2, 35));
        assert_eq!(status_cells(&statuses, &later)[1][..4], cells("backup", "running", 3, 40));

        later.control = vec![control(1, ControlEvent::Paused)];
        statuses.observe(&later);
        let states = |statuses: &SourceStatuses| {
            status_cells(statuses, &later).into_iter().map(|row| row[1].clone()).collect::<Vec<_>>()
        };
        assert_eq!(states(&statuses), [Cell::Word("idle"), Cell::Word("paused")]);
        let mut resumed = closed(131, vec![Some(at(95)), Some(at(90))]);
        resumed.control = vec![control(1, ControlEvent::Resumed)];
        statuses.observe(&resumed);
        assert_eq!(states(&statuses), [Cell::Word("idle"), Cell::Word("running")]);

        let mut end = closed(132, vec![Some(at(95)), Some(at(90))]);
        end.control = vec![control(1, ControlEvent::Ended { partition: 1 })];
        statuses.observe(&end);
        assert_eq!(states(&statuses), [Cell::Word("idle"), Cell::Word("ended")]);
    }

    #[test]
    fn without_control_records_a_source_has_ended_with_its_watermark() {
        let mut statuses = statuses();
        let end = closed(131, vec![Some(EventTime::END), None]);
        statuses.observe(&end);
        let rows = status_cells(&statuses, &end);
        assert_eq!([&rows[0][1], &rows[0][4]], [&Cell::Word("ended"), &Cell::Unsigned(2)]);
        assert_eq!([&rows[1][1], &rows[1][4]], [&Cell::Word("historic"), &Cell::Null]);
    }

    #[test]
    fn incidents_have_the_names_of_their_partitions() {
        let (kind, lost, detail) =
            (IncidentKind::Gap, Some(LostRows::of_positions(3, 4)), "gone".to_owned());
        let incident = Incident { kind, lost, detail };
        let gap = control(1, ControlEvent::Link { partition: 7, incident });
        let events = vec![control(0, ControlEvent::Paused), gap];
        let rows: Vec<IncidentRow> = statuses().incidents(Commit(5), events).collect();
        let want = IncidentRow {
            commit: Commit(5),
            number: 0,
            source: "b".to_owned(),
            partition: "b/7".to_owned(),
            kind: IncidentKind::Gap,
            lost: Some((3, 4)),
            detail: "gone".to_owned(),
        };
        assert_eq!(rows, [want]);
    }

    #[test]
    fn decisions_have_the_names_of_their_sources() {
        let events = vec![
            control(0, ControlEvent::Paused),
            control(1, ControlEvent::CaughtUp),
            control(1, ControlEvent::Resumed),
        ];
        let (name, by) = ("r".to_owned(), String::new());
        let put =
            RuleChange::Put { name: name.clone(), rule: "{}".to_owned(), by: "me".to_owned() };
        let rules = vec![put, RuleChange::Delete { name, by }];
        let rows = statuses().decisions(Commit(5), &Decided { control: events, rules });
        let shown = rows.iter().map(|row| {
            let ControlRow { number, kind, source, rule, by, commit: _ } = row;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let texts = [source, rule, by].map(text);
            (*number, *kind, texts.join(","))
        });
        let want = [
            (0, ControlKind::Paused, "a,,"),
            (1, ControlKind::Resumed, "b,,"),
            (2, ControlKind::RulePut, ",r,me"),
            (3, ControlKind::RuleDeleted, ",r,"),
        ];
        assert_eq!(
            shown.collect::<Vec<_>>(),
            want.map(|(at, kind, all)| (at, kind, all.to_owned()))
        );
    }
}
