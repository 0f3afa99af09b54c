//! The log `fill_faults`.

use std::cmp::Ordering;
use std::slice;

use market::Commit;
use operators::portfolio::{Fault, FillFault};

use super::cells::{MONEY, decimal, money, price_cell};
use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, QUANTITY, Unit, View, ViewKind, key, value};

/// The log `fill_faults`: a conflict of fills, or an amendment without its fill.
pub struct FillFaultLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that ended the round in which it was found"),
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    key("id", ColumnType::Text, "id of the fill"),
    key(
        "number",
        ColumnType::Unsigned,
        "of several of this fill in the commit, the how manieth it is, from 0",
    ),
    value(
        "fault",
        ColumnType::Word(&["conflict", "unmatched"]),
        "conflict, or unmatched: a correction or bust of a fill that is unknown",
    ),
    value("kept_time", ColumnType::Time, "time of the fill that counts").nullable(),
    value("kept_price", PRICE, "its price").nullable(),
    value("kept_quantity", QUANTITY, "its quantity").nullable(),
    value("kept_fee", MONEY, "its fee").unit(Unit::Named).nullable(),
    value("kept_fee_currency", ColumnType::Currency, "what that was paid in").nullable(),
    value("dropped_time", ColumnType::Time, "time of the fill that does not").nullable(),
    value("dropped_price", PRICE, "its price").nullable(),
    value("dropped_quantity", QUANTITY, "its quantity").nullable(),
    value("dropped_fee", MONEY, "its fee").unit(Unit::Named).nullable(),
    value("dropped_fee_currency", ColumnType::Currency, "what that was paid in").nullable(),
];

impl LogView for FillFaultLog {
    type Entry = FillFault;
    type Row = FillFault;
    const VIEW: View = View {
        name: "fill_faults",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "fills that do not agree with each other, and corrections of unknown ones",
        history: false,
        recorded: true,
    };

    fn rows(row: &FillFault) -> &[FillFault] {
        slice::from_ref(row)
    }

    fn order(one: &FillFault, other: &FillFault) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &FillFault, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(row.commit.0),
            Cell::Portfolio(row.fill.portfolio),
            Cell::TradeId(row.fill.id),
            Cell::Unsigned(row.number.into()),
            Cell::Word(row.fault.name()),
        ]);
        match row.fault {
            Fault::Unmatched => into.extend(std::iter::repeat_n(Cell::Null, 10)),
            Fault::Conflict { kept, dropped } => {
                for fill in [kept, dropped] {
                    let spec = fill.contract.spec;
                    into.extend([
                        Cell::Time(fill.time),
                        price_cell(fill.price, spec),
                        decimal(Some(fill.quantity.into()), spec.quantity_scale),
                        money(Some(fill.fee.into())),
                        Cell::Currency(fill.fee_currency),
                    ]);
                }
            }
        }
    }
}

impl TakeEntry for FillFaultLog {
    type Out = FillFault;

    fn take(fault: &FillFault) -> Option<FillFault> {
        Some(*fault)
    }
}
