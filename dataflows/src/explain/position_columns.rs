//! The columns of the parts of the explanation of a position.

use market::BarState;

use crate::views::FILL_KINDS;
use crate::views::cells::MONEY;
use rows::{Column, ColumnType, NOTIONAL, PRICE, QUANTITY, Unit, count, key, value};

pub(super) const SUMS: &[Column] = &[
    count("listed", "fills", "number of fills that count in the position"),
    count("removed", "fills", "number of fills that were reported for it and do not count"),
    value("quantity", QUANTITY, "what the listed fills leave open").nullable(),
    value("basis", NOTIONAL, "what that cost").nullable(),
    value("realised", NOTIONAL, "what they realised").nullable(),
    value("fees", MONEY, "their fees in the quote currency").unit(Unit::Quote).nullable(),
];

pub(super) const FILLS: &[Column] = &[
    value("id", ColumnType::Text, "id of the fill"),
    value("time", ColumnType::Time, "event time"),
    value("price", PRICE, "price"),
    value("quantity", QUANTITY, "above 0 bought, below 0 sold"),
    value("fee", MONEY, "what it cost besides").unit(Unit::Named),
    value("fee_currency", ColumnType::Currency, "what that was paid in"),
    value("realised", NOTIONAL, "what it realised"),
    value("quantity_after", QUANTITY, "what is held after it"),
    value("basis_after", NOTIONAL, "what that cost"),
    value("commit", ColumnType::Unsigned, "commit that its report is bound to"),
    value("source", ColumnType::Text, "source of its report"),
    value("partition", ColumnType::Text, "partition of its report"),
    value("position", ColumnType::Identifier, "position of its report"),
    value("corrected_commit", ColumnType::Unsigned, "commit of the correction that counts")
        .nullable(),
    value("corrected_source", ColumnType::Text, "source of that").nullable(),
    value("corrected_partition", ColumnType::Text, "partition of that").nullable(),
    value("corrected_position", ColumnType::Identifier, "position of that").nullable(),
];

pub(super) const REMOVALS: [&str; 2] = ["busted", "moved"];

pub(super) const REMOVED: &[Column] = &[
    value("id", ColumnType::Text, "id of the fill"),
    value("time", ColumnType::Time, "its event time as reported"),
    value("price", PRICE, "its price as reported"),
    value("quantity", QUANTITY, "its quantity as reported"),
    value("commit", ColumnType::Unsigned, "commit that its report is bound to"),
    value("source", ColumnType::Text, "source of its report"),
    value("partition", ColumnType::Text, "partition of its report"),
    value("position", ColumnType::Identifier, "position of its report"),
    value("cause", ColumnType::Word(&REMOVALS), "busted, or moved to another instrument"),
    value("moved_to", ColumnType::Instrument, "the instrument in which it counts now").nullable(),
    value("by_commit", ColumnType::Unsigned, "commit of the record that made it so").nullable(),
    value("by_source", ColumnType::Text, "source of that").nullable(),
    value("by_partition", ColumnType::Text, "partition of that").nullable(),
    value("by_position", ColumnType::Identifier, "position of that").nullable(),
];

pub(super) const MARK: &[Column] = &[
    key("instrument", ColumnType::Instrument, "the instrument"),
    value("price", PRICE, "the mark"),
    value("timeframe", ColumnType::Timeframe, "of the bar whose close it is"),
    value("open_time", ColumnType::Time, "when that opens"),
    value("state", ColumnType::Word(&BarState::NAMES), "how sure that is").nullable(),
    value("id", ColumnType::Text, "id of the trade that set it, if the log has it").nullable(),
    value("time", ColumnType::Time, "its event time").nullable(),
    value("commit", ColumnType::Unsigned, "commit that its report is bound to").nullable(),
    value("source", ColumnType::Text, "source of its report").nullable(),
    value("partition", ColumnType::Text, "partition of its report").nullable(),
    value("position", ColumnType::Identifier, "position of its report").nullable(),
];

pub(super) const RATES: &[Column] = &[
    count(
        "step",
        "steps",
        "number of the step from the quote currency to the base currency, from 1",
    ),
    key(
        "pair",
        ColumnType::Instrument,
        "the instrument whose mark is the rate; none of a fixed one",
    )
    .nullable(),
    value("applied", ColumnType::Word(&APPLIED), "whether amounts are multiplied or divided by it"),
    value("rate", PRICE, "the rate; none if the instrument has no mark").nullable(),
];

pub(super) const APPLIED: [&str; 2] = ["multiplied", "divided"];

pub(super) const CHANGED: &[Column] = &[
    value("id", ColumnType::Text, "id of the fill"),
    value("price_before", PRICE, "its price then; empty if it did not count").nullable(),
    value("quantity_before", QUANTITY, "its quantity then").nullable(),
    value("price_after", PRICE, "its price now; empty if it does not count").nullable(),
    value("quantity_after", QUANTITY, "its quantity now").nullable(),
    value("profit", NOTIONAL, "its part in the change of profit, at the mark of now").nullable(),
    value("by_kind", ColumnType::Word(&FILL_KINDS), "kind of the last record about it since then")
        .nullable(),
    value("by_commit", ColumnType::Unsigned, "commit of that").nullable(),
    value("by_source", ColumnType::Text, "source of that").nullable(),
    value("by_partition", ColumnType::Text, "partition of that").nullable(),
    value("by_position", ColumnType::Identifier, "position of that").nullable(),
];

pub(super) const PROFIT: &[Column] = &[
    value("then", NOTIONAL, "realised and unrealised profit then").nullable(),
    value("now", NOTIONAL, "the same now").nullable(),
    value("by_fills", NOTIONAL, "what other fills made of the difference, at the mark of now")
        .nullable(),
    value("by_mark", NOTIONAL, "what the mark made of it, on the quantity of then").nullable(),
    value("base_then", MONEY, "profit then, in the base currency").unit(Unit::Base).nullable(),
    value("base_now", MONEY, "profit now, in the base currency").unit(Unit::Base).nullable(),
    value("base_by_rate", MONEY, "what the rate made of the difference, on the amounts of then")
        .unit(Unit::Base)
        .nullable(),
    value("base_by_fills_and_mark", MONEY, "what fills and mark made of it, at the rate of now")
        .unit(Unit::Base)
        .nullable(),
];
