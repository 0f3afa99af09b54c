//! The account state of one portfolio: its lines, and the rows last emitted of it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use market::{Currency, InstrumentId, PortfolioId, Price};

use super::conversion::Conversion;
use super::{Holding, Rows};
use crate::arrange::Update;
use crate::heap;
use crate::portfolio::config::{Account, Route};
use crate::portfolio::fills::PortfolioLine;
use crate::portfolio::row::{Drift, FeeKey, FeeTotal, Portfolio, Position, PositionKey};
use crate::portfolio::totals::{Share, Sums};
use crate::portfolio::value::{Paid, paid};
use crate::time::Time;

/// What is known of one portfolio.
pub(super) struct AccountState {
    portfolio: PortfolioId,
    account: Account,
    lines: Vec<Row>,
    /// Where the lines are, in order.
    numbers: BTreeMap<InstrumentId, usize>,
    /// As it was last put out.
    emitted: Option<Portfolio>,
    dirty: bool,
    /// Of what lines retain of fees.
    fee_bytes: usize,
}

/// A line, with what values it.
struct Row {
    instrument: InstrumentId,
    /// None if there is no such line any more; its place waits for it to come back.
    line: Option<PortfolioLine>,
    mark: Option<Price>,
    /// From the quote currency.
    conversion: Conversion,
    /// From other currencies in which fees were paid, in their order. Those of which there is nothing any more wait.
    fee_conversions: Vec<(Currency, Conversion)>,
    stale: Stale,
    /// As they were last put out, and so are the next.
    fees: Vec<Paid>,
    position: Option<Arc<Position>>,
    drift: Option<Arc<Drift>>,
}

/// What of a row's position does not hold any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stale {
    Nothing,
    Mark,
    All,
}

impl AccountState {
    pub(super) fn new(portfolio: PortfolioId, account: Account) -> AccountState {
        let (lines, numbers) = (Vec::new(), BTreeMap::new());
        let (emitted, dirty, fee_bytes) = (None, false, 0);
        AccountState { portfolio, account, lines, numbers, emitted, dirty, fee_bytes }
    }

    /// How many lines it has ever had.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// How many bytes it retains beside itself, with the rows last put out, which arrangements share.
    pub(super) fn bytes(&self) -> usize {
        let rows = heap::shared::<Position>() + heap::shared::<Drift>();
        heap::vec::<Row>(self.lines.capacity())
            + self.lines.len() * rows
            + self.fee_bytes
            + heap::btree::<InstrumentId, usize>(self.numbers.len())
    }

    /// Where the line of an instrument is, and whether the place is new.
    pub(super) fn place(&mut self, instrument: InstrumentId) -> (usize, bool) {
        let next = self.lines.len();
        let place = *self.numbers.entry(instrument).or_insert(next);
        if place == next {
            self.lines.push(Row {
                instrument,
                line: None,
                mark: None,
                conversion: Conversion::default(),
                fee_conversions: Vec::new(),
                stale: Stale::Nothing,
                fees: Vec::new(),
                position: None,
                drift: None,
            });
        }
        (place, place == next)
    }

    /// Sets the line at this place. Like the next two, returns whether it is the first relevant change
    /// of this portfolio in the round.
    pub(super) fn set_line(&mut self, place: usize, line: Option<PortfolioLine>) -> bool {
        let row = &mut self.lines[place];
        let matters = row.line.is_some() || line.is_some();
        row.line = line;
        row.stale = Stale::All;
        matters && !std::mem::replace(&mut self.dirty, true)
    }

    /// The mark of its instrument is this.
    pub(super) fn set_mark(&mut self, place: usize, mark: Option<Price>) -> bool {
        let row = &mut self.lines[place];
        row.mark = mark;
        row.stale = row.stale.max(Stale::Mark);
        row.line.is_some() && !std::mem::replace(&mut self.dirty, true)
    }

    /// The mark of this pair is this.
    pub(super) fn set_pair(
        &mut self,
        place: usize,
        pair: InstrumentId,
        mark: Option<Price>,
    ) -> bool {
        let row = &mut self.lines[place];
        let mut is_on_route = row.conversion.set_pair(pair, mark);
        for (_, conversion) in &mut row.fee_conversions {
            is_on_route |= conversion.set_pair(pair, mark);
        }
        if !is_on_route {
            return false;
        }
        row.stale = Stale::All;
        row.line.is_some() && !std::mem::replace(&mut self.dirty, true)
    }

    /// Sets the FX route of the line at this place, whose rate is none until its pairs have marks; returns whether
    /// that is new.
    pub(super) fn set_route(&mut self, place: usize, route: Option<&Route>) -> bool {
        let row = &mut self.lines[place];
        let is_new = row.conversion.set_route(route);
        if is_new {
            row.stale = Stale::All;
        }
        is_new
    }

    /// The same for the fees that the line at this place has in this currency, which is not its quote currency.
    pub(super) fn set_fee_route(
        &mut self,
        place: usize,
        currency: Currency,
        route: Option<&Route>,
    ) -> bool {
        let row = &mut self.lines[place];
        let at = row.fee_conversions.binary_search_by_key(&currency, |(known, _)| *known);
        let Err(at) = at else { return false };
        let mut conversion = Conversion::default();
        conversion.set_route(route);
        self.fee_bytes += size_of::<(Currency, Conversion)>() + conversion.bytes();
        row.fee_conversions.insert(at, (currency, conversion));
        row.stale = Stale::All;
        true
    }

    /// How many of the routes of the line at this place go over this pair.
    pub(super) fn conversions_over(&self, place: usize, pair: InstrumentId) -> usize {
        let row = &self.lines[place];
        let of_fees = row.fee_conversions.iter().map(|(_, conversion)| conversion);
        of_fees.chain([&row.conversion]).filter(|conversion| conversion.is_over(pair)).count()
    }

    /// Whose it is.
    pub(super) fn portfolio(&self) -> PortfolioId {
        self.portfolio
    }

    /// Puts out what differs from what was put out, in the order of keys and rows.
    pub(super) fn settle(&mut self, time: Time, out: &mut Rows) {
        let portfolio = self.portfolio;
        self.dirty = false;
        let (mut sums, mut otherwise) = (Sums::default(), None);
        for place in self.numbers.values() {
            let row = &mut self.lines[*place];
            row.value(portfolio, time, out);
            row.position.iter().for_each(|position| sums.add(position));
            if row.line.as_ref().is_some_and(|line| line.target.is_some()) {
                otherwise = Some(0);
            }
        }
        let (totals, whole) = sums.totals(&self.account);
        change(&mut out.portfolios, time, portfolio, &mut self.emitted, totals);

        for place in self.numbers.values() {
            let row = &mut self.lines[*place];
            let drift = row.drift(whole, otherwise);
            let key = PositionKey { portfolio, instrument: row.instrument };
            if row.drift.as_deref() != drift.as_ref() {
                change(&mut out.drift, time, key, &mut row.drift, drift.map(Arc::new));
            }
        }
    }
}

impl Row {
    /// Values the line anew, if anything of it has moved.
    fn value(&mut self, portfolio: PortfolioId, time: Time, out: &mut Rows) {
        let (instrument, mark, rate) = (self.instrument, self.mark, self.conversion.rate());
        let after = match (std::mem::replace(&mut self.stale, Stale::Nothing), &self.position) {
            (Stale::Nothing, _) => return,
            (Stale::Mark, Some(position)) => Some(position.marked(mark, rate, &self.fees)),
            _ => {
                self.value_fees(portfolio, time, out);
                let line = self.line.as_ref();
                line.and_then(|line| Position::of(line, mark, rate, &self.fees))
            }
        };
        let before = self.position.as_deref();
        let open = |row: Option<&Position>| row.filter(|row| row.is_open()).map(|_| instrument);
        emit(&mut out.open, time, portfolio, &open(before), &open(after.as_ref()));
        let priced = |row: Option<&Position>| {
            let Position { quantity, contract, base, .. } = row.filter(|row| row.is_open())?;
            let (quantity, contract) = (*quantity, *contract);
            base.is_ok().then_some(Holding { portfolio, quantity, contract })
        };
        emit(&mut out.priced, time, instrument, &priced(before), &priced(after.as_ref()));
        let key = PositionKey { portfolio, instrument };
        if before != after.as_ref() {
            change(&mut out.positions, time, key, &mut self.position, after.map(Arc::new));
        }
    }

    /// Values what was paid besides anew.
    fn value_fees(&mut self, portfolio: PortfolioId, time: Time, out: &mut Rows) {
        let after = self.line.as_ref().map_or_else(Vec::new, |line| {
            paid(line, |currency| {
                if currency == line.contract.quote {
                    return self.conversion.rate();
                }
                let at = self.fee_conversions.binary_search_by_key(&currency, |(known, _)| *known);
                self.fee_conversions[at.ok()?].1.rate()
            })
        });
        if after == self.fees {
            return;
        }
        let (mut before, mut now) = (self.fees.as_slice(), after.as_slice());
        while let Some((currency, _)) = before.first().into_iter().chain(now.first()).min() {
            let currency = *currency;
            let key = FeeKey { portfolio, instrument: self.instrument, currency };
            let (gone, come) = (first(&mut before, currency), first(&mut now, currency));
            emit(&mut out.fees, time, key, &gone, &come);
        }
        self.fees = after;
    }

    /// Of a portfolio that is worth `whole`, where a line without a target has the target `otherwise`.
    fn drift(&self, whole: Option<i128>, otherwise: Option<i64>) -> Option<Drift> {
        let line = self.line.as_ref()?;
        let position = self.position.as_deref();
        if line.target.is_none() && !position.is_some_and(Position::is_open) {
            return None;
        }
        let (contract, target) = (&line.contract, line.target.or(otherwise));
        let rate = self.conversion.rate();
        let share = Share { contract, position, target, mark: self.mark, rate };
        Some(share.drift(whole))
    }
}

/// Takes what was paid in this currency, if it is the first.
fn first(paid: &mut &[Paid], currency: Currency) -> Option<FeeTotal> {
    let ((known, total), rest) = paid.split_first()?;
    (*known == currency).then(|| {
        *paid = rest;
        *total
    })
}

/// A row was as last emitted and is `after`.
fn change<K: Copy, V: Clone + Ord>(
    rows: &mut Vec<Update<K, V>>,
    time: Time,
    key: K,
    emitted: &mut Option<V>,
    after: Option<V>,
) {
    emit(rows, time, key, emitted, &after);
    *emitted = after;
}

/// A row was `before` and is `after`. The lesser is emitted first: arrangements sort what is in order already
/// by looking at it.
fn emit<K: Copy, V: Clone + Ord>(
    rows: &mut Vec<Update<K, V>>,
    time: Time,
    key: K,
    before: &Option<V>,
    after: &Option<V>,
) {
    let (before, after) = ((before, -1), (after, 1));
    let ordered = match before.0.cmp(after.0) {
        Ordering::Equal => return,
        Ordering::Less => [before, after],
        Ordering::Greater => [after, before],
    };
    for (row, diff) in ordered {
        rows.extend(row.iter().map(|row| ((key, row.clone()), time, diff)));
    }
}
