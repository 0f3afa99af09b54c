//! PlainPortfolios in one currency: positions from fills, once, and what they are worth at the newest marks.
//!
//! `docs/portfolios.md` defines the numbers. Fills are neither corrected nor busted, and all quote currencies, and
//! those of fees, are the base currency. Bound: basis times quantity of any position fits 128 bits.

use market::{AccountEvent, AccountRecord, InstrumentId, MONEY_SCALE, PortfolioId, Price};

use crate::ids::Map;

/// All portfolios.
#[derive(Default)]
pub struct PlainPortfolios {
    positions: Vec<Position>,
    /// By instrument, its positions.
    holders: Map<InstrumentId, Vec<u32>>,
    portfolios: Vec<(PortfolioId, Totals)>,
    /// PlainPortfolios that a mark of the commit at hand has moved.
    touched: Vec<u32>,
    /// Rows of positions as they are now.
    pub rows: Map<(PortfolioId, InstrumentId), Worth>,
    /// Rows of portfolios as they are now.
    pub totals: Map<PortfolioId, Totals>,
    /// Rows that the last commit changed.
    pub changes: u64,
}

struct Position {
    portfolio: u32,
    name: PortfolioId,
    instrument: InstrumentId,
    multiplier: i128,
    quantity: i128,
    basis: i128,
    realised: i128,
    fees: i128,
    /// What the amounts must be divided by to be money.
    unit: i128,
    mark: Option<Price>,
    worth: Worth,
}

/// What a position is worth: in its quote currency at the native scale, and as money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// Its quantity.
    pub quantity: i128,
    /// Its cost.
    pub basis: i128,
    /// Its market value.
    pub value: Option<i128>,
    /// Value, basis, unrealised, realised, fees as money.
    pub base: Option<[i128; 5]>,
}

/// What a portfolio comes to, as money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Positions that are not flat.
    pub open: u64,
    /// Positions without a mark.
    pub unpriced: u64,
    /// Net, long, short, gross, realised, unrealised, fees, pnl, equity.
    pub amounts: [i128; 9],
    touched: bool,
}

impl PlainPortfolios {
    /// PlainPortfolios that hold what these fills come to, without capital.
    pub fn new(fills: &[AccountRecord]) -> PlainPortfolios {
        let mut fills: Vec<_> = fills
            .iter()
            .filter_map(|record| match record.event {
                AccountEvent::Fill(fill) => Some((record.origin, fill)),
                _ => None,
            })
            .collect();
        fills.sort_by_key(|(origin, fill)| (fill.time, fill.sequence, *origin));
        let mut all = PlainPortfolios::default();
        let (mut places, mut numbers) = (Map::default(), Map::default());
        for (_, fill) in fills {
            let next = all.portfolios.len() as u32;
            let portfolio = *numbers.entry(fill.name.portfolio).or_insert(next);
            if portfolio == next {
                all.portfolios.push((fill.name.portfolio, Totals::default()));
            }
            let next = all.positions.len() as u32;
            let place = *places.entry((portfolio, fill.instrument)).or_insert(next);
            if place == next {
                all.holders.entry(fill.instrument).or_default().push(place);
                let scale = u32::from(fill.contract.native_scale());
                all.positions.push(Position {
                    portfolio,
                    name: fill.name.portfolio,
                    instrument: fill.instrument,
                    multiplier: fill.contract.multiplier.mantissa().into(),
                    quantity: 0,
                    basis: 0,
                    realised: 0,
                    fees: 0,
                    unit: 10_i128.pow(scale.saturating_sub(u32::from(MONEY_SCALE))),
                    mark: None,
                    worth: Worth::default(),
                });
            }
            all.positions[place as usize].fill(fill.quantity.into(), fill.price, fill.fee.into());
        }
        for position in &mut all.positions {
            let totals = &mut all.portfolios[position.portfolio as usize].1;
            totals.open += u64::from(position.quantity != 0);
            position.worth = position.at(None);
            totals.add(position.worth.base, 1);
            totals.unpriced += u64::from(position.worth.base.is_none());
            all.rows.insert((position.name, position.instrument), position.worth);
        }
        all.totals.extend(all.portfolios.iter().copied());
        all
    }

    /// The newest close of an instrument is this.
    pub(crate) fn mark(&mut self, instrument: InstrumentId, mark: Option<Price>) {
        let Some(holders) = self.holders.get(&instrument) else { return };
        for place in holders {
            let position = &mut self.positions[*place as usize];
            if position.mark == mark {
                return; // and so is that of all others
            }
            let worth = position.at(mark);
            let before = std::mem::replace(&mut position.worth, worth);
            position.mark = mark;
            self.rows.insert((position.name, instrument), worth);
            self.changes += 1;
            let totals = &mut self.portfolios[position.portfolio as usize].1;
            totals.add(before.base, -1);
            totals.add(worth.base, 1);
            totals.unpriced += u64::from(worth.base.is_none());
            totals.unpriced -= u64::from(before.base.is_none());
            if !std::mem::replace(&mut totals.touched, true) {
                self.touched.push(position.portfolio);
            }
        }
    }

    /// Brings the rows of portfolios up to date.
    pub(crate) fn settle(&mut self) {
        for portfolio in self.touched.drain(..) {
            let (name, totals) = &mut self.portfolios[portfolio as usize];
            totals.touched = false;
            self.totals.insert(*name, *totals);
            self.changes += 1;
        }
    }
}

impl Position {
    fn fill(&mut self, moved: i128, price: Price, fee: i128) {
        self.fees += fee;
        self.trade(moved, price);
    }

    fn trade(&mut self, moved: i128, price: Price) {
        let amount = moved * i128::from(price.0) * self.multiplier;
        if self.quantity == 0 || self.quantity.signum() == moved.signum() {
            self.quantity += moved;
            self.basis += amount;
        } else if moved.abs() <= self.quantity.abs() {
            let cost = rhe(self.basis * moved.abs(), self.quantity.abs());
            self.quantity += moved;
            self.basis -= cost;
            self.realised += -amount - cost;
        } else {
            let rest = moved + self.quantity;
            self.trade(-self.quantity, price);
            self.trade(rest, price);
        }
    }

    fn at(&self, mark: Option<Price>) -> Worth {
        let value = match mark {
            _ if self.quantity == 0 => Some(0),
            mark => mark.map(|mark| self.quantity * i128::from(mark.0) * self.multiplier),
        };
        let base = value.map(|value| {
            let money = |amount| rhe(amount, self.unit);
            let (value, basis) = (money(value), money(self.basis));
            [value, basis, value - basis, money(self.realised), self.fees]
        });
        Worth { quantity: self.quantity, basis: self.basis, value, base }
    }
}

impl Totals {
    fn add(&mut self, base: Option<[i128; 5]>, sign: i128) {
        let Some([value, _, unrealised, realised, fees]) = base else { return };
        let pnl = realised + unrealised - fees;
        let parts =
            [value, value.max(0), value.min(0), value.abs(), realised, unrealised, fees, pnl, pnl];
        self.amounts.iter_mut().zip(parts).for_each(|(sum, part)| *sum += sign * part);
    }
}

/// To the nearest integer, halves to the even one; `divisor` is above zero.
fn rhe(number: i128, divisor: i128) -> i128 {
    // Most amounts fit 64 bits, which divide several times as fast.
    let (quotient, rest) = match (i64::try_from(number), i64::try_from(divisor)) {
        (Ok(number), Ok(divisor)) => {
            (i128::from(number.div_euclid(divisor)), i128::from(number.rem_euclid(divisor)))
        }
        _ => (number.div_euclid(divisor), number.rem_euclid(divisor)),
    };
    let missing = divisor - rest;
    quotient + i128::from(rest > missing || (rest == missing && quotient & 1 != 0))
}
