//! The row of the view `trades`.

use market::{AcceptedEvent, CauseKind, Commit, EventTime, Side};

use rows::{Cell, Column, ColumnType, Labels, PRICE, QUANTITY, Row, key, value};

/// One accepted event of a trade.
#[derive(Clone, Copy, Debug)]
pub struct TradeRow<'a> {
    /// The commit of the event.
    pub commit: Commit,
    /// The event.
    pub statement: &'a AcceptedEvent,
    /// Names for the numbers of its source and partition.
    pub labels: &'a Labels,
}

impl Row for TradeRow<'_> {
    const COLUMNS: &'static [Column] = &[
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
        key("source", ColumnType::Text, "name of the source"),
        key("partition", ColumnType::Text, "name of the partition, such as the file"),
        key("position", ColumnType::Unsigned, "position in the partition: the line of a file"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let TradeRow { commit, statement, labels } = self;
        let is_cancel = statement.kind == CauseKind::Cancel;
        let unless_cancel = |cell: Cell| if is_cancel { Cell::Null } else { cell };
        let id =
            |id: Option<market::TradeId>| id.map_or(Cell::Null, |id| Cell::Text(id.to_string()));
        let origin = statement.origin;
        let source = labels.sources.get(usize::from(origin.source.0));
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(statement.instrument),
            Cell::Word(statement.kind.name()),
            id(statement.id),
            id(statement.of),
            match statement.time {
                EventTime::NEVER => Cell::Null,
                time => Cell::Time(time),
            },
            unless_cancel(Cell::Decimal {
                mantissa: statement.price.0.into(),
                scale: statement.price_scale,
            }),
            unless_cancel(Cell::Decimal {
                mantissa: statement.quantity.0.into(),
                scale: statement.quantity_scale,
            }),
            unless_cancel(Cell::Word(statement.side.name())),
            Cell::Text(source.map_or_else(String::new, |(name, _)| name.clone())),
            Cell::Text(
                source.map_or_else(String::new, |(_, names)| names.of(origin.partition.0.into())),
            ),
            Cell::Unsigned(origin.position),
        ]);
    }
}
