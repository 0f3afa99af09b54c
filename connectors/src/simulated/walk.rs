//! The market of one symbol: the ids of its trades, and its price, which walks at random.

use market::{
    IdScope, InstrumentId, InstrumentSpec, Price, Quantity, Side, Trade, TradeId, Updates,
};

use super::pending::micros;
use super::rng::Rng;

/// An instrument on the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which one.
    pub instrument: InstrumentId,
    /// Its scales and calendar.
    pub spec: InstrumentSpec,
    /// The space of its trades' ids.
    pub scope: IdScope,
    /// The smallest step of its price, as a mantissa.
    pub price_step: i64,
    /// The smallest size, as a mantissa.
    pub lot: i64,
}

/// Prices are this many steps at most, …
pub(super) const STEPS_MAX: i64 = 100_000;
/// … and sizes this many lots.
pub(super) const LOTS_MAX: i64 = 10_000;

/// The price moves in steps, and stays between half and twice of where it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Market {
    /// The last id that was given; its trades are 1, 2, 3, ….
    last_id: u64,
    steps: i64,
    low: i64,
    high: i64,
    /// Which way it goes at the moment.
    up: bool,
}

/// A trade turns the market with a probability of one in so many.
const TURNS: i64 = 20;
/// The variance of the price after many trades, in squared steps a trade: 0.56 is that of a step while the market goes
/// one way, by 0.2 steps in the mean; and as it goes on that way for twenty trades, 0.2² · 19 come on top.
pub(super) const VARIANCE: f64 = 0.56 + 0.04 * 19.0;

impl Market {
    /// A market before its first trade.
    pub(super) fn new(rng: &mut Rng) -> Market {
        let steps = 500 + rng.mostly_small(STEPS_MAX / 2 - 500);
        Market { last_id: 0, steps, low: steps / 2, high: 2 * steps, up: true }
    }

    pub(super) fn new_id(&mut self) -> TradeId {
        self.last_id += 1;
        TradeId::Number(self.last_id)
    }

    /// The next trade, at `at`.
    pub(super) fn trade(&mut self, listing: &Listing, at: i64, rng: &mut Rng) -> Trade {
        if rng.below(TURNS) == 0 {
            self.up = !self.up;
        }
        let step = [0, 0, 1, 1, -1][rng.below(5) as usize];
        let step = if self.up { step } else { -step };
        self.steps = (self.steps + step).clamp(self.low, self.high).max(1);
        let side = if self.up == (rng.below(3) > 0) { Side::Buy } else { Side::Sell };
        let lots = 1 + rng.mostly_small(LOTS_MAX);
        self.trade_of(listing, at, side, lots)
    }

    /// A trade at `at` that stands for many others: the price goes as far as they would have moved it, which is
    /// `deviation` steps in the root mean square.
    pub(super) fn leap(
        &mut self,
        listing: &Listing,
        at: i64,
        deviation: f64,
        lots: i64,
        rng: &mut Rng,
    ) -> Trade {
        // The sum of a few even numbers is nearly normal; that of four from −1 to 1 has a variance of 4/3.
        let even = (0..4).map(|_| rng.below(2_001) - 1_000).sum::<i64>() as f64 / 1_000.0;
        let away = (even * 0.75_f64.sqrt() * deviation).round() as i64;
        let (before, steps) = (self.steps, self.steps.saturating_add(away));
        // What would leave the range comes back from its border.
        let steps = match steps {
            _ if steps > self.high => 2 * self.high - steps,
            _ if steps < self.low => 2 * self.low - steps,
            _ => steps,
        };
        self.steps = steps.clamp(self.low, self.high).max(1);
        let rises = self.steps > before || (self.steps == before && rng.below(2) == 0);
        self.trade_of(listing, at, if rises { Side::Buy } else { Side::Sell }, lots)
    }

    fn trade_of(&mut self, listing: &Listing, at: i64, side: Side, lots: i64) -> Trade {
        Trade {
            instrument: listing.instrument,
            spec: listing.spec,
            scope: listing.scope,
            id: self.new_id(),
            time: micros(at),
            sequence: 0, // set when it is emitted
            is_positional: false,
            price: Price(self.steps * listing.price_step),
            quantity: Quantity(lots * listing.lot),
            side,
            updates: Updates::ALL,
        }
    }
}
