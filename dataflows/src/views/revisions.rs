//! The log `revisions`.

use std::cmp::Ordering;
use std::slice;

use market::{Bar, CauseKind, Commit, Price, Revision};
use operators::{AuditEvent, LedgerOut};

use super::cells::{id_cell, price_cell};
use super::kinds::{LogView, TakeEntry};
use rows::{
    Cell, Column, ColumnType, Labels, NOTIONAL, PRICE, QUANTITY, View, ViewKind, count, key, value,
};

/// The log `revisions`: a change of a final bar.
pub struct RevisionLog;

const COLUMNS: &[Column] = &[
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
    value("notional_before", NOTIONAL, "sum of price × size before").nullable(),
    value("buy_volume_before", QUANTITY, "volume of aggressive buyers before").nullable(),
    value("buy_notional_before", NOTIONAL, "notional of aggressive buyers before").nullable(),
    value("first_time_before", ColumnType::Time, "time of the trade that set the open before")
        .nullable(),
    value("last_time_before", ColumnType::Time, "time of the trade that set the close before")
        .nullable(),
    value("open_after", PRICE, "open after; empty if the bar has no trades any more").nullable(),
    value("high_after", PRICE, "high after").nullable(),
    value("low_after", PRICE, "low after").nullable(),
    value("close_after", PRICE, "close after").nullable(),
    value("volume_after", QUANTITY, "volume after").nullable(),
    count("trades_after", "trades", "number of trades after").nullable(),
    value("notional_after", NOTIONAL, "sum of price × size after").nullable(),
    value("buy_volume_after", QUANTITY, "volume of aggressive buyers after").nullable(),
    value("buy_notional_after", NOTIONAL, "notional of aggressive buyers after").nullable(),
    value("first_time_after", ColumnType::Time, "time of the trade that set the open after")
        .nullable(),
    value("last_time_after", ColumnType::Time, "time of the trade that set the close after")
        .nullable(),
];

impl LogView for RevisionLog {
    type Entry = Revision;
    type Row = Revision;
    const VIEW: View = View {
        name: "revisions",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "every change of a bar that was final, with all its values before and after, and the cause",
        history: false,
        recorded: true,
    };

    fn rows(entry: &Revision) -> &[Revision] {
        slice::from_ref(entry)
    }

    fn order(one: &Revision, other: &Revision) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &Revision, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(row.commit.0),
            Cell::Instrument(row.key.instrument),
            Cell::Timeframe(row.key.timeframe),
            Cell::Time(row.key.open_time),
            Cell::Unsigned(row.revision.into()),
            Cell::Word(row.cause.kind.name()),
            id_cell(row.cause.id),
        ]);
        for bar in [&row.before, &row.after] {
            let price = |price: Option<Price>, bar: &Bar| {
                price.map_or(Cell::Null, |price| price_cell(price, bar.spec))
            };
            match bar {
                None => into.extend(std::iter::repeat_n(Cell::Null, 11)),
                Some(bar) => into.extend([
                    price(bar.open.map(|(_, p)| p), bar),
                    price(bar.high, bar),
                    price(bar.low, bar),
                    price(bar.close.map(|(_, p)| p), bar),
                    Cell::Decimal { mantissa: bar.volume, scale: bar.spec.quantity_scale },
                    Cell::Unsigned(bar.trades),
                    Cell::Decimal { mantissa: bar.notional, scale: bar.spec.notional_scale() },
                    Cell::Decimal { mantissa: bar.buy_volume, scale: bar.spec.quantity_scale },
                    Cell::Decimal { mantissa: bar.buy_notional, scale: bar.spec.notional_scale() },
                    bar.open.map_or(Cell::Null, |(at, _)| Cell::Time(at.time)),
                    bar.close.map_or(Cell::Null, |(at, _)| Cell::Time(at.time)),
                ]),
            }
        }
    }
}

impl TakeEntry for RevisionLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<Revision> {
        match out {
            LedgerOut::Audit(event) => match &**event {
                AuditEvent::Revision(row) => Some(*row),
                _ => None,
            },
            _ => None,
        }
    }
}
