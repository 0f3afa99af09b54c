//! The rows of the logs of rejected input, conflicts, late trades, unmatched amendments, outliers and revisions.

use market::{
    Bar, CauseKind, Commit, Conflict, InstrumentSpec, Outlier, Price, Quantity, Rejection,
    RejectionReason, Revision, TooLate, TradeId, Unmatched, UnmatchedReason,
};

use serde::{Deserialize, Serialize};

use rows::{Cell, Column, ColumnType, PRICE, QUANTITY, Row, count, key, value};

/// Input that did not become a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// The commit of the input.
    pub commit: Commit,
    /// The source's name.
    pub source: String,
    /// The partition's name.
    pub partition: String,
    /// The position in the partition.
    pub position: u64,
    /// The reason.
    pub rejection: Rejection,
}

fn price_cell(price: Price, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: price.0.into(), scale: spec.price_scale }
}

fn size_cell(size: Quantity, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: size.0.into(), scale: spec.quantity_scale }
}

fn id_cell(id: TradeId) -> Cell {
    Cell::Text(id.to_string())
}

impl Row for DeadLetterRow {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit that the input is bound to"),
        key("source", ColumnType::Text, "name of the source"),
        key("partition", ColumnType::Text, "name of the partition, such as the file"),
        key("position", ColumnType::Unsigned, "position in the partition: the line of a file"),
        value("reason", ColumnType::Word(&RejectionReason::NAMES), "kind of reason"),
        value("detail", ColumnType::Text, "the reason in words, with field and value"),
        value("raw", ColumnType::Text, "the input as received, cut to 512 bytes"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(self.commit.0),
            Cell::Text(self.source.clone()),
            Cell::Text(self.partition.clone()),
            Cell::Unsigned(self.position),
            Cell::Word(self.rejection.reason.name()),
            Cell::Text(self.rejection.detail.clone()),
            Cell::Text(self.rejection.raw.clone()),
        ]);
    }
}

/// Two copies of a trade that do not agree.
#[derive(Clone, Copy, Debug)]
pub struct ConflictRow<'a>(pub &'a Conflict);

impl Row for ConflictRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit in which the copies met"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("id", ColumnType::Text, "id of the trade"),
        value("kept_time", ColumnType::Time, "event time of the copy that counts"),
        value("kept_price", PRICE, "its price"),
        value("kept_size", QUANTITY, "its size"),
        value("dropped_time", ColumnType::Time, "event time of the copy that does not count"),
        value("dropped_price", PRICE, "its price"),
        value("dropped_size", QUANTITY, "its size"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let Conflict { commit, kept, dropped } = self.0;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(kept.instrument),
            id_cell(kept.id),
            Cell::Time(kept.time),
            price_cell(kept.price, kept.spec),
            size_cell(kept.quantity, kept.spec),
            Cell::Time(dropped.time),
            price_cell(dropped.price, dropped.spec),
            size_cell(dropped.quantity, dropped.spec),
        ]);
    }
}

/// A trade that came too late.
#[derive(Clone, Copy, Debug)]
pub struct TooLateRow<'a>(pub &'a TooLate);

impl Row for TooLateRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit that the trade is bound to"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("id", ColumnType::Text, "id of the trade"),
        value("time", ColumnType::Time, "its event time"),
        value("price", PRICE, "its price"),
        value("size", QUANTITY, "its size"),
        value("watermark", ColumnType::Time, "the instrument's watermark that judged it"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let TooLate { commit, trade, watermark } = self.0;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(trade.instrument),
            id_cell(trade.id),
            Cell::Time(trade.time),
            price_cell(trade.price, trade.spec),
            size_cell(trade.quantity, trade.spec),
            Cell::Time(*watermark),
        ]);
    }
}

/// A correction or cancel of an unknown trade.
#[derive(Clone, Copy, Debug)]
pub struct UnmatchedRow<'a>(pub &'a Unmatched);

impl Row for UnmatchedRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit that the record is bound to"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("id", ColumnType::Text, "id of the trade that it names"),
        value("kind", ColumnType::Word(&["correction", "cancel"]), "correction or cancel"),
        value("time", ColumnType::Time, "event time that it carries").nullable(),
        value(
            "reason",
            ColumnType::Word(&UnmatchedReason::NAMES),
            "unknown (applied if the trade appears) or beyond_horizon",
        ),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(self.0.commit.0),
            Cell::Instrument(self.0.of.instrument),
            id_cell(self.0.of.id),
            Cell::Word(self.0.kind.name()),
            self.0.time.map_or(Cell::Null, Cell::Time),
            Cell::Word(self.0.reason.name()),
        ]);
    }
}

/// A price far away from recent prices.
#[derive(Clone, Copy, Debug)]
pub struct OutlierRow<'a>(pub &'a Outlier);

impl Row for OutlierRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit from which on the trade counts"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("id", ColumnType::Text, "id of the trade; a correction may have given it a new one"),
        value(
            "kind",
            ColumnType::Word(&["trade", "correction"]),
            "trade or correction: kind of the record",
        ),
        value("time", ColumnType::Time, "its event time"),
        value("price", PRICE, "its price"),
        value(
            "median",
            PRICE,
            "median of the closes before its bar, as known at the end of the commit before",
        ),
        value("deviation", PRICE, "median distance of these closes from their median"),
        count("bars", "bars", "how many closes these are"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let Outlier { commit, trade, kind, median, deviation, bars } = self.0;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(trade.instrument),
            id_cell(trade.id),
            Cell::Word(kind.name()),
            Cell::Time(trade.time),
            price_cell(trade.price, trade.spec),
            price_cell(*median, trade.spec),
            Cell::Decimal { mantissa: (*deviation).into(), scale: trade.spec.price_scale },
            Cell::Unsigned((*bars).into()),
        ]);
    }
}

/// A change of a final bar.
#[derive(Clone, Copy, Debug)]
pub struct RevisionRow<'a>(pub &'a Revision);

impl Row for RevisionRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("commit", ColumnType::Unsigned, "commit of the change"),
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
        key("open_time", ColumnType::Time, "first instant of the bar"),
        count("revision", "commits", "the bar's revision after the change"),
        value(
            "cause",
            ColumnType::Word(&CauseKind::NAMES),
            "kind of the highest-ranked record behind it: trade, correction, cancel",
        ),
        value("cause_id", ColumnType::Text, "id of the trade that this record names"),
        value("open_before", PRICE, "open before; empty if the bar had no trades").nullable(),
        value("high_before", PRICE, "high before").nullable(),
        value("low_before", PRICE, "low before").nullable(),
        value("close_before", PRICE, "close before").nullable(),
        value("volume_before", QUANTITY, "volume before").nullable(),
        count("trades_before", "trades", "number of trades before").nullable(),
        value("open_after", PRICE, "open after; empty if the bar has no trades any more")
            .nullable(),
        value("high_after", PRICE, "high after").nullable(),
        value("low_after", PRICE, "low after").nullable(),
        value("close_after", PRICE, "close after").nullable(),
        value("volume_after", QUANTITY, "volume after").nullable(),
        count("trades_after", "trades", "number of trades after").nullable(),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(self.0.commit.0),
            Cell::Instrument(self.0.key.instrument),
            Cell::Timeframe(self.0.key.timeframe),
            Cell::Time(self.0.key.open_time),
            Cell::Unsigned(self.0.revision.into()),
            Cell::Word(self.0.cause.kind.name()),
            id_cell(self.0.cause.id),
        ]);
        for bar in [&self.0.before, &self.0.after] {
            let price = |price: Option<Price>, bar: &Bar| {
                price.map_or(Cell::Null, |price| price_cell(price, bar.spec))
            };
            match bar {
                None => into.extend(std::iter::repeat_n(Cell::Null, 6)),
                Some(bar) => into.extend([
                    price(bar.open.map(|(_, p)| p), bar),
                    price(bar.high, bar),
                    price(bar.low, bar),
                    price(bar.close.map(|(_, p)| p), bar),
                    Cell::Decimal { mantissa: bar.volume, scale: bar.spec.quantity_scale },
                    Cell::Unsigned(bar.trades),
                ]),
            }
        }
    }
}
