//! The history of a position: its fills in order, with what is held after each.
//!
//! A fill behind all others costs one step. Any other change folds anew from there on, until quantity and
//! basis are again what they were: what follows then realises what it did before.
//! That is why each row keeps what its fill realised, and not a running total: after a change far back all later totals
//! differ.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use market::{Contract, Currency, EventTime, Fill, Origin, Price};
use serde::{Deserialize, Serialize};

use super::money::{fit, rhe};
use crate::heap;

/// What a portfolio holds of an instrument, in the units of its contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Held {
    /// How much, at the quantity scale: above zero long, below zero short.
    pub quantity: i128,
    /// How many fills survive; at least one.
    pub fills: u64,
    /// What the open quantity cost, at the native scale.
    pub basis: i128,
    /// Profit of what was closed, at the native scale, without fees.
    pub realised: i128,
    /// Sum of the fees in the quote currency, at [`market::MONEY_SCALE`].
    pub fees: i128,
    /// Sums of the fees in other currencies, in their order, without those of 0.
    pub other_fees: Vec<(Currency, i128)>,
}

/// A place in the order of fills: the time, then sequence and origin of the fill as it was first told.
pub(super) type Place = (EventTime, u64, Origin);

/// What a fill trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    price: Price,
    quantity: i64,
    fee: i64,
    fee_currency: Currency,
}

/// The surviving fills of one instrument in one portfolio.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PositionHistory {
    rows: Vec<Row>,
    realised: i128,
    fees: i128,
    /// Of other currencies than the quote currency, without sums of 0.
    other_fees: BTreeMap<Currency, i128>,
}

/// A fill, and what it led to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    place: Place,
    price: Price,
    quantity: i64,
    fee: i64,
    fee_currency: Currency,
    after: Open,
    realised: i128,
}

/// What decides how later fills fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    quantity: i128,
    basis: i128,
}

impl Leg {
    pub(super) fn of(fill: &Fill) -> Leg {
        let Fill { price, quantity, fee, fee_currency, .. } = *fill;
        Leg { price, quantity, fee, fee_currency }
    }
}

impl PositionHistory {
    /// Inserts fills, which replace those at the same place, or removes them. Places are unique and
    /// ascend.
    pub(super) fn apply(&mut self, contract: &Contract, edits: &[(Place, Option<Leg>)]) {
        let Some((first, _)) = edits.first() else { return };
        let at = match self.rows.last() {
            Some(last) if last.place >= *first => {
                self.rows.partition_point(|row| row.place < *first)
            }
            _ => self.rows.len(),
        };
        let mut before = self.rows.split_off(at).into_iter().peekable();
        let mut edits = edits.iter().peekable();
        // Where the fold was before the edits; once it is there again, the rest stays as it is.
        let mut was = self.open();

        while edits.peek().is_some() || (self.open() != was && before.peek().is_some()) {
            let next = match (before.peek(), edits.peek()) {
                (Some(row), Some((place, _))) => row.place.cmp(place),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            let old = if next == Ordering::Greater { None } else { before.next() };
            let edit = if next == Ordering::Less { None } else { edits.next() };
            let new = match (edit, old) {
                (Some((place, leg)), _) => leg.map(|leg| self.row(contract, *place, leg)),
                (None, Some(old)) if self.open() == was => Some(old),
                (None, old) => old.map(|old| self.row(contract, old.place, old.leg())),
            };
            if let Some(old) = old {
                was = old.after;
                self.realised = self.realised.saturating_sub(old.realised);
                self.pay(contract, old.fee_currency, -i128::from(old.fee));
            }
            if let Some(new) = new {
                self.realised = self.realised.saturating_add(new.realised);
                self.pay(contract, new.fee_currency, i128::from(new.fee));
                self.rows.push(new);
            }
        }
        self.rows.extend(before);
    }

    /// What each fill led to, in order: its place, what it realised, and quantity and basis after it.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Place, i128, (i128, i128))> {
        self.rows.iter().map(|row| (row.place, row.realised, (row.after.quantity, row.after.basis)))
    }

    /// What is held; none without a fill.
    pub(super) fn held(&self) -> Option<Held> {
        let Open { quantity, basis } = self.open();
        let (realised, fees) = (self.realised, self.fees);
        let fills = self.rows.len() as u64;
        (fills > 0).then(|| {
            let other_fees = self.other_fees.iter().map(|(currency, sum)| (*currency, *sum));
            Held { quantity, fills, basis, realised, fees, other_fees: other_fees.collect() }
        })
    }

    /// About how many bytes it retains.
    pub(super) fn bytes(&self) -> usize {
        heap::vec::<Row>(self.rows.capacity())
            // As here, and as last put out.
            + heap::btree::<Currency, i128>(self.other_fees.len())
            + heap::vec::<(Currency, i128)>(self.other_fees.len())
    }

    /// So much more was paid in a currency. Sums of 64-bit numbers: no memory holds as many as leave 128 bits.
    fn pay(&mut self, contract: &Contract, currency: Currency, amount: i128) {
        if currency == contract.quote {
            self.fees += amount;
        } else if amount != 0 {
            let sum = self.other_fees.entry(currency).or_default();
            *sum += amount;
            if *sum == 0 {
                self.other_fees.remove(&currency);
            }
        }
    }

    /// After the last row that is in.
    fn open(&self) -> Open {
        self.rows.last().map(|row| row.after).unwrap_or_default()
    }

    /// The row of a fill behind all that are in.
    fn row(&self, contract: &Contract, place: Place, leg: Leg) -> Row {
        let Leg { price, quantity, fee, fee_currency } = leg;
        let (after, realised) = self.open().fill(contract, i128::from(quantity), price);
        Row { place, price, quantity, fee, fee_currency, after, realised }
    }
}

impl Row {
    fn leg(&self) -> Leg {
        let Row { price, quantity, fee, fee_currency, .. } = *self;
        Leg { price, quantity, fee, fee_currency }
    }
}

impl Open {
    /// After a fill, and what the fill realised.
    fn fill(self, contract: &Contract, quantity: i128, price: Price) -> (Open, i128) {
        // Bounded by the fills that are taken: see `Fills`.
        let amount = |quantity| contract.amount(quantity, price).unwrap_or_default();
        let all = self.quantity.unsigned_abs();
        if self.quantity == 0 || (quantity > 0) == (self.quantity > 0) {
            let basis = self.basis.saturating_add(amount(quantity));
            (Open { quantity: self.quantity + quantity, basis }, 0)
        } else if quantity.unsigned_abs() <= all {
            let part = rhe(self.basis, magnitude(quantity), 0, magnitude(self.quantity));
            let part = part.and_then(fit).unwrap_or_default();
            let open = Open { quantity: self.quantity + quantity, basis: self.basis - part };
            (open, amount(quantity).saturating_add(part).saturating_neg())
        } else {
            let (flat, realised) = self.fill(contract, -self.quantity, price);
            let (open, _) = flat.fill(contract, quantity + self.quantity, price);
            (open, realised)
        }
    }
}

fn magnitude(quantity: i128) -> i128 {
    quantity.saturating_abs()
}
