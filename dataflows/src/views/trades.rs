//! The log `trades`: the trade log.

use std::cmp::Ordering;
use std::sync::Arc;

use market::{
    AcceptedEvent, CauseKind, Commit, EventTime, InstrumentId, Origin, Price, Quantity, Side,
    TradeId,
};
use operators::{LedgerOut, heap};
use serde::Deserialize;

use super::cells::{PARTITION, POSITION, SOURCE, origin_cells};
use super::kinds::{LogBound, LogView, SavedEntries, TakeEntry};
use rows::{
    Cell, Column, ColumnType, Labels, PRICE, QUANTITY, RowFilter, View, ViewKind, key, value,
};

/// The log `trades`: accepted trades, corrections and cancels. It has a row per record, so its entries are what workers
/// have: they append the ledger's output unchanged, and readers make cells of it.
pub struct TradeLog;

/// The events of one shard in a commit.
pub type ShardEvents = Arc<Vec<AcceptedEvent>>;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the event is bound to"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    value("kind", ColumnType::Word(&CauseKind::NAMES), "trade, correction or cancel"),
    value("id", ColumnType::Text, "id of the trade; empty of a cancel").nullable(),
    value("of", ColumnType::Text, "id of the trade that is corrected or cancelled").nullable(),
    value("time", ColumnType::Time, "event time; of a cancel, when it was sent, if it has one")
        .nullable(),
    value("price", PRICE, "price; empty of a cancel").nullable(),
    value("size", QUANTITY, "size; empty of a cancel").nullable(),
    value("side", ColumnType::Word(&Side::NAMES), "who took liquidity; empty of a cancel")
        .nullable(),
    SOURCE,
    PARTITION,
    POSITION,
];

impl LogView for TradeLog {
    type Entry = ShardEvents;
    type Row = AcceptedEvent;
    const VIEW: View = View {
        name: "trades",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "accepted trades, corrections and cancels, without copies of trades that change nothing",
        history: false,
        recorded: true,
    };
    const BOUND: LogBound = LogBound::TradeLogBytes;
    const SAVED_AS: &'static str = "trades-2";
    /// As cells, rows take several times the memory that they take here.
    const CATCH_UP_ROWS_MAX: usize = 50_000;

    fn rows(events: &ShardEvents) -> &[AcceptedEvent] {
        events
    }

    fn read_former(piece: &[u8]) -> Result<SavedEntries<ShardEvents>, postcard::Error> {
        let commits: SavedEntries<Vec<FormerEvent>> = postcard::from_bytes(piece)?;
        let events = |part: Vec<FormerEvent>| {
            Arc::new(part.into_iter().map(AcceptedEvent::from).collect::<Vec<_>>())
        };
        let commits = commits.into_iter();
        Ok(commits
            .map(|(commit, parts)| (commit, parts.into_iter().map(events).collect()))
            .collect())
    }

    fn bytes(events: &ShardEvents) -> usize {
        size_of::<ShardEvents>()
            + heap::shared::<Vec<AcceptedEvent>>()
            + heap::vec::<AcceptedEvent>(events.capacity())
    }

    fn may_match(event: &AcceptedEvent, filter: &RowFilter) -> bool {
        filter.instruments.as_ref().is_none_or(|of| of.contains(&event.instrument))
    }

    /// In the order of records.
    fn order(one: &AcceptedEvent, other: &AcceptedEvent) -> Ordering {
        one.origin.cmp(&other.origin)
    }

    fn cells(event: &AcceptedEvent, commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let is_cancel = event.kind == CauseKind::Cancel;
        let unless_cancel = |cell: Cell| if is_cancel { Cell::Null } else { cell };
        let id = |id: Option<TradeId>| id.map_or(Cell::Null, Cell::TradeId);
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(event.instrument),
            Cell::Word(event.kind.name()),
            id(event.id),
            id(event.of),
            match event.time {
                EventTime::NEVER => Cell::Null,
                time => Cell::Time(time),
            },
            unless_cancel(Cell::Decimal {
                mantissa: event.price.0.into(),
                scale: event.price_scale,
            }),
            unless_cancel(Cell::Decimal {
                mantissa: event.quantity.0.into(),
                scale: event.quantity_scale,
            }),
            unless_cancel(Cell::Word(event.side.name())),
        ]);
        into.extend(origin_cells(event.origin, labels));
    }
}

/// An event as checkpoints had it before it said by what bars are folded.
#[derive(Deserialize)]
struct FormerEvent {
    origin: Origin,
    instrument: InstrumentId,
    kind: CauseKind,
    id: Option<TradeId>,
    of: Option<TradeId>,
    time: EventTime,
    price: Price,
    quantity: Quantity,
    price_scale: u8,
    quantity_scale: u8,
    side: Side,
}

impl From<FormerEvent> for AcceptedEvent {
    fn from(former: FormerEvent) -> AcceptedEvent {
        let FormerEvent { origin, instrument, kind, id, of, time, price, quantity, side, .. } =
            former;
        let FormerEvent { price_scale, quantity_scale, .. } = former;
        let scales = (price_scale, quantity_scale);
        AcceptedEvent {
            origin,
            instrument,
            kind,
            id,
            of,
            time,
            price,
            quantity,
            price_scale: scales.0,
            quantity_scale: scales.1,
            side,
            terms: None,
        }
    }
}

impl TakeEntry for TradeLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<ShardEvents> {
        match out {
            LedgerOut::Accepted(events) => Some(Arc::clone(events)),
            _ => None,
        }
    }
}
