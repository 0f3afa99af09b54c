//! The rows of the logs of rejected input, conflicts, late trades, unmatched amendments, outliers and revisions.

use market::{
    Bar, Commit, Conflict, InstrumentSpec, Outlier, Price, Quantity, Rejection, Revision, TooLate,
    TradeId, Unmatched,
};

use serde::{Deserialize, Serialize};

use rows::{Cell, Column, Row, key, value};

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
        key("commit", "commit that the input is bound to"),
        key("source", "name of the source"),
        key("partition", "name of the partition, such as the file"),
        key("position", "position in the partition: the line of a file"),
        value("reason", "kind of reason"),
        value("detail", "the reason in words, with field and value"),
        value("raw", "the input as received, cut to 512 bytes"),
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
        key("commit", "commit in which the copies met"),
        key("instrument", "name of the instrument"),
        key("id", "id of the trade"),
        value("kept_time", "event time of the copy that counts"),
        value("kept_price", "its price"),
        value("kept_size", "its size"),
        value("dropped_time", "event time of the copy that does not count"),
        value("dropped_price", "its price"),
        value("dropped_size", "its size"),
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
        key("commit", "commit that the trade is bound to"),
        key("instrument", "name of the instrument"),
        key("id", "id of the trade"),
        value("time", "its event time"),
        value("price", "its price"),
        value("size", "its size"),
        value("watermark", "the instrument's watermark that judged it"),
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
        key("commit", "commit that the record is bound to"),
        key("instrument", "name of the instrument"),
        key("id", "id of the trade that it names"),
        value("kind", "correction or cancel"),
        value("time", "event time that it carries"),
        value("reason", "unknown (applied if the trade appears) or beyond_horizon"),
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
        key("commit", "commit from which on the trade counts"),
        key("instrument", "name of the instrument"),
        key("id", "id of the trade; a correction may have given it a new one"),
        value("kind", "trade or correction: kind of the record"),
        value("time", "its event time"),
        value("price", "its price"),
        value(
            "median",
            "median of the closes before its bar, as known at the end of the commit before",
        ),
        value("deviation", "median distance of these closes from their median"),
        value("bars", "how many closes these are"),
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
        key("commit", "commit of the change"),
        key("instrument", "name of the instrument"),
        key("timeframe", "nominal length of the bar"),
        key("open_time", "first instant of the bar"),
        value("revision", "the bar's revision after the change"),
        value("cause", "kind of the highest-ranked record behind it: trade, correction, cancel"),
        value("cause_id", "id of the trade that this record names"),
        value("open_before", "open before; empty if the bar had no trades"),
        value("high_before", "high before"),
        value("low_before", "low before"),
        value("close_before", "close before"),
        value("volume_before", "volume before"),
        value("trades_before", "number of trades before"),
        value("open_after", "open after; empty if the bar has no trades any more"),
        value("high_after", "high after"),
        value("low_after", "low after"),
        value("close_after", "close after"),
        value("volume_after", "volume after"),
        value("trades_after", "number of trades after"),
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
