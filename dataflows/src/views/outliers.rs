//! The log `outliers`.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Outlier};
use operators::{AuditEvent, LedgerOut};

use super::cells::{id_cell, price_cell};
use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, View, ViewKind, count, key, value};

/// The log `outliers`: a price far away from recent prices.
pub struct OutlierLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit from which on the trade counts"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id", ColumnType::Text, "id of the trade; a correction may have given it a new one"),
    key("id_scope", ColumnType::IdScope, "name of the space of the id"),
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
        "median of the closes before its bar, as they are at the end of the commit",
    ),
    value("deviation", PRICE, "median distance of these closes from their median"),
    count("bars", "bars", "how many closes these are"),
];

impl LogView for OutlierLog {
    type Entry = Outlier;
    type Row = Outlier;
    const VIEW: View = View {
        name: "outliers",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "trades and corrections whose price is far away from recent prices; they count all the same",
        history: false,
        recorded: true,
    };

    fn rows(entry: &Outlier) -> &[Outlier] {
        slice::from_ref(entry)
    }

    fn order(one: &Outlier, other: &Outlier) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &Outlier, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        let Outlier { commit, trade, kind, median, deviation, bars } = row;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(trade.instrument),
            id_cell(trade.id),
            Cell::IdScope(trade.scope),
            Cell::Word(kind.name()),
            Cell::Time(trade.time),
            price_cell(trade.price, trade.spec),
            price_cell(*median, trade.spec),
            Cell::Decimal { mantissa: (*deviation).into(), scale: trade.spec.price_scale },
            Cell::Unsigned((*bars).into()),
        ]);
    }
}

impl TakeEntry for OutlierLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<Outlier> {
        match out {
            LedgerOut::Audit(event) => match &**event {
                AuditEvent::Outlier(row) => Some(*row),
                _ => None,
            },
            _ => None,
        }
    }
}
