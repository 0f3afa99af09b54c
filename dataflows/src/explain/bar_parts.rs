//! The parts of the explanation of a bar: their columns and rows.

use market::{Bar, Cause, CauseKind, Commit, Origin, Price, Side, Trade, Updates};
use operators::ledger::explain::{
    BarEffect, BarQuestion, BarTrades, CountedTrade, LoggedRecord, Removal, RemovedTrade, Roles,
};

use crate::views::cells::{decimal, id_cell, origin_cells, price_cell, quantity_cell};
use rows::{
    Cell, Column, ColumnType, ExplainQuestion, ExplanationPart, Labels, NOTIONAL, PRICE, QUANTITY,
    Scale, count, value,
};

const COUNT: ColumnType = ColumnType::Decimal(Scale::Fixed(0));

const SUMS: &[Column] = &[
    count("listed", "trades", "number of trades that count in the bar"),
    count("removed", "trades", "number of trades that were reported for it and do not count"),
    value("open", PRICE, "the open that the listed trades make").nullable(),
    value("high", PRICE, "their high").nullable(),
    value("low", PRICE, "their low").nullable(),
    value("close", PRICE, "their close").nullable(),
    value("volume", QUANTITY, "the sum of their sizes").nullable(),
    value("notional", NOTIONAL, "the sum of price × size").nullable(),
    value("trades", COUNT, "how many of them add to volume and notional").nullable(),
];

const TRADES: &[Column] = &[
    value("id", ColumnType::Text, "id of the trade as it counts"),
    value("time", ColumnType::Time, "event time"),
    value("counts_at", ColumnType::Time, "when it counts, if that is another time").nullable(),
    value("price", PRICE, "price"),
    value("size", QUANTITY, "size"),
    value("side", ColumnType::Word(&Side::NAMES), "who took liquidity"),
    value("updates", ColumnType::Text, "what it may change in a bar: all, or parts joined by +"),
    value("sets", ColumnType::Text, "what of the bar it sets: open, high, low, close, joined by +")
        .nullable(),
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

const REMOVED: &[Column] = &[
    value("id", ColumnType::Text, "id of the trade as it was last reported for the bar"),
    value("time", ColumnType::Time, "its event time then"),
    value("price", PRICE, "its price then"),
    value("size", QUANTITY, "its size then"),
    value("side", ColumnType::Word(&Side::NAMES), "who took liquidity"),
    value("commit", ColumnType::Unsigned, "commit that this report is bound to"),
    value("source", ColumnType::Text, "source of this report"),
    value("partition", ColumnType::Text, "partition of this report"),
    value("position", ColumnType::Identifier, "position of this report"),
    value(
        "cause",
        ColumnType::Word(&Removal::NAMES),
        "cancelled; moved to another bar; joined: a correction says that it is another trade of the bar; updates_nothing",
    ),
    value("moved_to", ColumnType::Time, "when the base bar opens in which it counts now")
        .nullable(),
    value("by_kind", ColumnType::Word(&CauseKind::NAMES), "kind of the record that made it so")
        .nullable(),
    value("by_commit", ColumnType::Unsigned, "commit of that").nullable(),
    value("by_source", ColumnType::Text, "source of that").nullable(),
    value("by_partition", ColumnType::Text, "partition of that").nullable(),
    value("by_position", ColumnType::Identifier, "position of that").nullable(),
];

const EFFECTS: &[Column] = &[
    value("commit", ColumnType::Unsigned, "commit of the change"),
    value(
        "kind",
        ColumnType::Word(&CauseKind::NAMES),
        "kind of the highest-ranked record behind it",
    ),
    value("id", ColumnType::Text, "id of the trade that this record names"),
    value("source", ColumnType::Text, "its source"),
    value("partition", ColumnType::Text, "its partition"),
    value("position", ColumnType::Identifier, "its position"),
    value("price_before", PRICE, "price that counted in the bar before; of several the first")
        .nullable(),
    value("size_before", QUANTITY, "size that counted before").nullable(),
    value("price_after", PRICE, "price that counts since").nullable(),
    value("size_after", QUANTITY, "size that counts since").nullable(),
    value("trades", COUNT, "by how much the number of trades changed"),
    value("volume", QUANTITY, "by how much the volume changed"),
    value("notional", NOTIONAL, "by how much the notional changed"),
];

/// The parts of a bar.
pub(super) fn parts(
    asked: &ExplainQuestion,
    trades: &BarTrades,
    fold: Option<Bar>,
    labels: &Labels,
) -> Vec<ExplanationPart> {
    vec![
        ExplanationPart::one("sums", SUMS, Some(sums(trades, fold))),
        ExplanationPart::list("trades", TRADES, asked, &trades.trades, |one| counted(one, labels)),
        ExplanationPart::list("removed", REMOVED, asked, &trades.removed, |one| {
            removed(one, labels)
        }),
    ]
}

/// What changed a bar.
pub(super) fn effects(
    asked: &ExplainQuestion,
    rows: &[EffectRow],
    labels: &Labels,
) -> ExplanationPart {
    ExplanationPart::list("causes", EFFECTS, asked, rows, |row| row.cells(labels))
}

fn sums(trades: &BarTrades, fold: Option<Bar>) -> Vec<Cell> {
    let of = |cell: &dyn Fn(&Bar) -> Cell| fold.as_ref().map_or(Cell::Null, cell);
    let price = |price: Option<Price>, bar: &Bar| {
        price.map_or(Cell::Null, |price| price_cell(price, bar.spec))
    };
    vec![
        Cell::Unsigned(trades.trades.len() as u64),
        Cell::Unsigned(trades.removed.len() as u64),
        of(&|bar| price(bar.open.map(|(_, open)| open), bar)),
        of(&|bar| price(bar.high, bar)),
        of(&|bar| price(bar.low, bar)),
        of(&|bar| price(bar.close.map(|(_, close)| close), bar)),
        of(&|bar| decimal(Some(bar.volume), bar.spec.quantity_scale)),
        of(&|bar| decimal(Some(bar.notional), bar.spec.notional_scale())),
        of(&|bar| decimal(Some(bar.trades.into()), 0)),
    ]
}

fn counted(one: &CountedTrade, labels: &Labels) -> Vec<Cell> {
    let CountedTrade { trade, counts_at, report, correction, roles } = one;
    let is_elsewhere = *counts_at != trade.time;
    let mut cells = vec![
        id_cell(trade.id),
        Cell::Time(trade.time),
        if is_elsewhere { Cell::Time(*counts_at) } else { Cell::Null },
        price_cell(trade.price, trade.spec),
        quantity_cell(trade.quantity, trade.spec),
        Cell::Word(trade.side.name()),
        Cell::Text(updates(trade.updates)),
        sets(*roles),
    ];
    cells.extend(record_cells(Some(report), labels));
    cells.extend(record_cells(correction.as_ref(), labels));
    cells
}

fn removed(one: &RemovedTrade, labels: &Labels) -> Vec<Cell> {
    let RemovedTrade { trade, report, removal, by } = one;
    let mut cells = vec![
        id_cell(trade.id),
        Cell::Time(trade.time),
        price_cell(trade.price, trade.spec),
        quantity_cell(trade.quantity, trade.spec),
        Cell::Word(trade.side.name()),
    ];
    cells.extend(record_cells(Some(report), labels));
    cells.push(Cell::Word(removal.name()));
    cells.push(match removal {
        Removal::Moved(open) => Cell::Time(*open),
        _ => Cell::Null,
    });
    cells.push(by.map_or(Cell::Null, |by| Cell::Word(by.event.kind.name())));
    cells.extend(record_cells(by.as_ref(), labels));
    cells
}

/// Commit, source, partition and position of a record.
pub(super) fn record_cells(record: Option<&LoggedRecord>, labels: &Labels) -> Vec<Cell> {
    place_cells(record.map(|record| (record.commit, record.event.origin)), labels)
}

/// The same of any record.
pub(super) fn place_cells(record: Option<(Commit, Origin)>, labels: &Labels) -> Vec<Cell> {
    let Some((commit, origin)) = record else { return vec![Cell::Null; 4] };
    let mut cells = vec![Cell::Unsigned(commit.0)];
    cells.extend(origin_cells(origin, labels));
    cells
}

/// What a trade may change in a bar.
fn updates(updates: Updates) -> String {
    let parts = [
        (Updates::VOLUME, "volume"),
        (Updates::HIGH_LOW, "high_low"),
        (Updates::OPEN_CLOSE, "open_close"),
    ];
    if updates.has(Updates::ALL) {
        return "all".to_owned();
    }
    let own = parts.into_iter().filter(|(part, _)| updates.has(*part)).map(|(_, name)| name);
    own.collect::<Vec<_>>().join("+")
}

fn sets(roles: Roles) -> Cell {
    let Roles { open, high, low, close } = roles;
    let all = [(open, "open"), (high, "high"), (low, "low"), (close, "close")];
    let own: Vec<&str> = all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    if own.is_empty() { Cell::Null } else { Cell::Text(own.join("+")) }
}

/// What a commit changed in a bar by one trade.
pub(super) struct EffectRow {
    commit: Commit,
    cause: Cause,
    before: Option<Trade>,
    after: Option<Trade>,
    /// What counted before, and what does since, as bars of their own.
    alone: [Bar; 2],
}

impl EffectRow {
    pub(super) fn of(effect: &BarEffect, question: &BarQuestion<'_>) -> EffectRow {
        let BarEffect { commit, cause, before, after } = effect;
        let spec = before.first().or(after.as_ref()).map(|trade| trade.spec);
        let spec = spec.unwrap_or(market::InstrumentSpec::DEFAULT); // an effect has a trade
        let alone = |trades: &mut dyn Iterator<Item = &Trade>| {
            let mut bar = Bar::empty(spec, question.end);
            trades.for_each(|trade| bar.add(trade));
            bar
        };
        let alone = [alone(&mut before.iter()), alone(&mut after.iter())];
        let before = before.first().copied();
        EffectRow { commit: *commit, cause: *cause, before, after: *after, alone }
    }

    fn cells(&self, labels: &Labels) -> Vec<Cell> {
        let EffectRow { commit, cause, before, after, alone: [was, is] } = self;
        let spec = is.spec;
        let price = |trade: &Option<Trade>| {
            trade.map_or(Cell::Null, |trade| price_cell(trade.price, trade.spec))
        };
        let size = |trade: &Option<Trade>| {
            trade.map_or(Cell::Null, |trade| quantity_cell(trade.quantity, trade.spec))
        };
        let mut cells =
            vec![Cell::Unsigned(commit.0), Cell::Word(cause.kind.name()), id_cell(cause.id)];
        cells.extend(origin_cells(cause.origin, labels));
        cells.extend([
            price(before),
            size(before),
            price(after),
            size(after),
            decimal(Some(i128::from(is.trades) - i128::from(was.trades)), 0),
            decimal(Some(is.volume - was.volume), spec.quantity_scale),
            decimal(Some(is.notional - was.notional), spec.notional_scale()),
        ]);
        cells
    }
}
