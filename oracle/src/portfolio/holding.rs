//! How fills become a holding: section *Positions*, before anything is valued.

use std::collections::BTreeMap;

use market::{AccountRecord, Contract, Currency, Fill, InstrumentId, PortfolioId, Price};
use num_bigint::{BigInt, Sign};

use super::bigint::{Fraction, size};
use super::survivors;

/// A portfolio's holding of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) contract: Contract,
    /// *q*.
    pub(super) quantity: BigInt,
    /// *B*.
    pub(super) basis: BigInt,
    /// *R*.
    pub(super) realised: BigInt,
    /// By the currency that they were paid in.
    pub(super) fees: BTreeMap<Currency, BigInt>,
    pub(super) fills: u64,
}

/// The holdings that the surviving fills make.
pub(super) fn holdings(
    records: &[AccountRecord],
    ids_by_side: bool,
) -> BTreeMap<(PortfolioId, InstrumentId), Holding> {
    let mut holdings = BTreeMap::new();
    for fill in survivors::fills(records, ids_by_side) {
        let key = (fill.name.portfolio, fill.instrument);
        let holding = holdings.entry(key).or_insert_with(|| Holding::flat(fill.contract));
        holding.take(&fill);
    }
    holdings
}

impl Holding {
    fn flat(contract: Contract) -> Holding {
        Holding {
            contract,
            quantity: BigInt::ZERO,
            basis: BigInt::ZERO,
            realised: BigInt::ZERO,
            fees: BTreeMap::new(),
            fills: 0,
        }
    }

    fn take(&mut self, fill: &Fill) {
        self.trade(&BigInt::from(fill.quantity), fill.price);
        *self.fees.entry(fill.fee_currency).or_default() += fill.fee;
        self.fills += 1;
    }

    /// *d* at a price.
    fn trade(&mut self, quantity: &BigInt, price: Price) {
        let amount = quantity * price.0 * self.contract.multiplier.mantissa();
        let flat = self.quantity.sign() == Sign::NoSign;
        if flat || quantity.sign() == self.quantity.sign() {
            self.quantity += quantity;
            self.basis += amount;
        } else if size(quantity) <= size(&self.quantity) {
            let closed = Fraction::of(&self.basis * size(quantity), size(&self.quantity)).rounded();
            self.quantity += quantity;
            self.basis -= &closed;
            self.realised += -amount - closed;
        } else {
            let closing = -self.quantity.clone();
            let opening = quantity + &self.quantity;
            self.trade(&closing, price);
            self.trade(&opening, price);
        }
    }

    /// What one of it cost on average, at the price scale; none if nothing is held.
    pub(super) fn average(&self) -> Option<BigInt> {
        let held = &self.quantity * self.contract.multiplier.mantissa();
        (held != BigInt::ZERO).then(|| Fraction::of(self.basis.clone(), held).rounded())
    }
}
