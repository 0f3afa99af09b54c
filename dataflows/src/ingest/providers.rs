//! How each source is, for the view `providers`: pure, from the commits as they are handed over.

use market::{Event, EventTime, Record, Span};

use super::handover::Sealed;
use super::links::Links;
use crate::clock::{Binding, Partitions};
use crate::views::{Cell, DeadLetterRow, Row, SourceRow};

/// What is configured of a source.
#[derive(Clone, Debug)]
pub struct Provider {
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

/// All sources, by number.
#[derive(Debug, Default)]
pub struct Providers {
    known: Vec<(Provider, Heard)>,
    best_rank: u8,
    links: Links,
}

/// What was heard of a source.
#[derive(Debug, Default)]
struct Heard {
    rows: u64,
    newest: Option<EventTime>,
    /// The system's time of the last commit that brought a row; of the first one before there is any.
    at: Option<EventTime>,
    partitions: Option<Partitions>,
}

impl Providers {
    /// Nothing is heard yet.
    pub fn new(providers: Vec<Provider>, links: Links) -> Providers {
        let best_rank = providers.iter().map(|provider| provider.rank).min().unwrap_or(0);
        let known = providers.into_iter().map(|provider| (provider, Heard::default()));
        Providers { known: known.collect(), best_rank, links }
    }

    /// Takes what a commit brings.
    pub fn hear(&mut self, sealed: &Sealed) {
        let Sealed { binding, records, refused, partitions, .. } = sealed;
        let mut rows = vec![0; self.known.len()];
        for record in records {
            let source = usize::from(record.origin.source.0);
            let Some((_, heard)) = self.known.get_mut(source) else { continue };
            rows[source] += 1;
            heard.newest = heard.newest.max(moves(record));
        }
        for DeadLetterRow { source, .. } in refused {
            let source = self.known.iter().position(|(provider, _)| provider.name == *source);
            rows[source.unwrap_or_default()] += u64::from(source.is_some());
        }
        for (source, ((_, heard), rows)) in self.known.iter_mut().zip(rows).enumerate() {
            heard.rows += rows;
            if rows > 0 || heard.at.is_none() {
                heard.at = Some(binding.at);
            }
            heard.partitions = partitions.get(source).copied();
        }
    }

    /// A row for each source, by its name, as it is after a commit.
    pub fn rows(&self, binding: &Binding, paused: bool) -> Vec<(String, Vec<Cell>)> {
        let known = self.known.iter().zip(&binding.marks).enumerate();
        let rows = known.map(|(number, ((provider, heard), mark))| {
            let partitions = heard.partitions.map_or(provider.partitions, |all| all.known);
            let ended = match mark {
                Some(EventTime::END) => Some(partitions),
                _ => heard.partitions.map(|all| all.ended),
            };
            let has_ended = ended == Some(partitions);
            let linked = self.links.of(number);
            let idle = provider.idle_after.zip(heard.at);
            let is_idle = idle.is_some_and(|(idle, heard_at)| heard_at.after(idle) <= binding.at);
            let known = mark.filter(|mark| *mark > EventTime::NEVER && *mark < EventTime::END);
            let row = SourceRow {
                name: &provider.name,
                kind: &provider.kind,
                rank: provider.rank,
                role: if provider.rank == self.best_rank { "primary" } else { "backup" },
                state: match mark {
                    _ if linked.is_some_and(|all| all.failed > 0) => "failed",
                    _ if has_ended => "ended",
                    _ if linked.is_some_and(|all| all.up < all.links) => "disconnected",
                    _ if paused => "paused",
                    None => "historic",
                    Some(_) if is_idle => "idle",
                    Some(_) => "running",
                },
                rows: heard.rows,
                newest: heard.newest,
                watermark: known,
                lag: known.map(|mark| binding.at.0.saturating_sub(mark.0)),
                partitions: partitions as u64,
                ended: ended.map(|ended| ended as u64),
                connected: linked.map(|all| all.up),
                disconnects: linked.map(|all| all.losses),
                gaps: linked.map(|all| all.gaps),
                behind: linked.and_then(|all| all.behind),
                read_from: binding.read_from.of(number).filter(|from| *from > EventTime::NEVER),
            };
            let mut cells = Vec::with_capacity(SourceRow::COLUMNS.len());
            row.cells(&mut cells);
            (provider.name.clone(), cells)
        });
        rows.collect()
    }
}

/// The event time of a record that moves watermarks; when a cancel was said does not.
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
        Commit, IdScope, InstrumentId, Origin, Price, Quantity, Refusal, RefusalReason, Side,
        SourceId, Terms, Trade, TradeId, Updates,
    };
    use operators::ReadFrom;

    fn at(secs: i64) -> EventTime {
        EventTime(secs * 1_000_000_000)
    }

    fn provider(name: &str, rank: u8) -> Provider {
        let (kind, partitions) = ("files".to_owned(), 2);
        let idle_after = Some(Span::secs(30));
        Provider { name: name.to_owned(), kind, rank, partitions, idle_after }
    }

    fn trade(source: u8, secs: i64) -> Record {
        let trade = Trade {
            instrument: InstrumentId(1),
            terms: Terms::DEFAULT,
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
        let origin = Origin { rank: 0, source: SourceId(source), partition: 0, position: 1 };
        Record { origin, event: Event::New(trade) }
    }

    fn sealed(secs: i64, marks: Vec<Option<EventTime>>, ended: Vec<usize>) -> Sealed {
        let (at, positions) = (at(secs), Vec::new());
        let read_from = ReadFrom::default();
        let binding = Binding { commit: Commit(0), at, round: true, positions, marks, read_from };
        let ended = ended.into_iter().map(|ended| Partitions { known: 2, ended });
        Sealed {
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
    fn told(providers: &Providers, sealed: &Sealed, paused: bool) -> Vec<[Cell; 5]> {
        let rows = providers.rows(&sealed.binding, paused);
        rows.into_iter().map(|(_, row)| [3, 4, 5, 8, 10].map(|cell| row[cell].clone())).collect()
    }

    fn cells(role: &'static str, state: &'static str, rows: u64, lag: i128) -> [Cell; 4] {
        let lag = Cell::Decimal { mantissa: lag * 1_000_000_000, scale: 9 };
        [Cell::Word(role), Cell::Word(state), Cell::Unsigned(rows), lag]
    }

    #[test]
    fn a_source_runs_falls_silent_pauses_and_ends() {
        let mut providers =
            Providers::new(vec![provider("a", 1), provider("b", 2)], Links::default());
        let mut first = sealed(100, vec![Some(at(95)), Some(at(90))], vec![0, 1]);
        first.records = vec![trade(0, 100), trade(0, 99), trade(1, 95)];
        first.refused = vec![DeadLetterRow {
            commit: Commit(0),
            source: "b".to_owned(),
            partition: "p".to_owned(),
            position: 2,
            refusal: Refusal::new(RefusalReason::Malformed, "no", b"x"),
        }];
        providers.hear(&first);
        let rows = told(&providers, &first, false);
        assert_eq!(rows[0][..4], cells("primary", "running", 2, 5));
        assert_eq!(rows[1][..4], cells("backup", "running", 2, 10));
        assert_eq!([&rows[0][4], &rows[1][4]], [&Cell::Unsigned(0), &Cell::Unsigned(1)]);
        assert_eq!(providers.rows(&first.binding, false)[0].1[6], Cell::Time(at(100)));

        let mut later = sealed(130, vec![Some(at(95)), Some(at(90))], vec![0, 1]);
        later.records = vec![trade(1, 96)];
        providers.hear(&later);
        assert_eq!(told(&providers, &later, false)[0][..4], cells("primary", "idle", 2, 35));
        assert_eq!(told(&providers, &later, false)[1][..4], cells("backup", "running", 3, 40));
        assert_eq!(told(&providers, &later, true)[1][1], Cell::Word("paused"));

        // A recording does not tell partitions: what it tells is that all of them have ended.
        let end = sealed(131, vec![Some(EventTime::END), None], Vec::new());
        providers.hear(&end);
        let rows = told(&providers, &end, true);
        assert_eq!([&rows[0][1], &rows[0][4]], [&Cell::Word("ended"), &Cell::Unsigned(2)]);
        assert_eq!([&rows[1][1], &rows[1][4]], [&Cell::Word("paused"), &Cell::Null]);
        assert_eq!(told(&providers, &end, false)[1][1], Cell::Word("historic"));
    }
}
