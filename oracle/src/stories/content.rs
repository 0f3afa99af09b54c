//! What stories are made of: whose trade, when it is reported, and what is in it.

use market::{
    Event, EventTime, IdScope, Price, Quantity, SessionPrint, Side, Trade, TradeId, Updates,
};

use super::{Known, REMEMBERED, Stories, Venue};

impl Stories {
    /// An event reported now, or up to so many commits later.
    pub(super) fn soon(&mut self, delay_max: u64, event: Event) {
        let delay = match self.prng.percent(50) {
            true => 0,
            false => self.prng.below(delay_max + 1),
        };
        let commit = self.commit + delay as usize;
        self.pending.entry(commit).or_default().push(event);
    }

    /// An event reported one to so many commits later.
    pub(super) fn later(&mut self, delay_max: u64, event: Event) {
        let commit = self.commit + 1 + self.prng.below(delay_max) as usize;
        self.pending.entry(commit).or_default().push(event);
    }

    /// Any instrument, the first ones more often.
    pub(super) fn venue(&mut self) -> usize {
        let below = 1 + self.prng.index(self.instruments.len());
        self.prng.index(below)
    }

    /// Any remembered trade, the newest ones more often.
    pub(super) fn known(&mut self) -> Option<(usize, usize)> {
        let venue = self.venue();
        let count = self.instruments[venue].trades.len();
        let back = match self.prng.percent(60) {
            true => self.prng.index(count.min(4)),
            false => self.prng.index(count),
        };
        (count > 0).then(|| (venue, count - 1 - back))
    }

    pub(super) fn remember(&mut self, venue: usize, trade: Trade) {
        let trades = &mut self.instruments[venue].trades;
        if trades.len() == REMEMBERED {
            trades.remove(0);
        }
        trades.push(Known { ids: vec![trade.name()], first: trade, last: trade });
    }

    /// A trade that was not reported before.
    pub(super) fn fresh(&mut self, venue: usize) -> Trade {
        let id = self.instruments[venue].id();
        let time = self.time();
        let number = match id {
            TradeId::Number(n) | TradeId::Text(n) | TradeId::Position(n) | TradeId::OfDay(n) => n,
        };
        let Venue { instrument, spec, price, ref trades, .. } = self.instruments[venue];
        let before = trades.last().map(|known| known.first);
        let mut trade = Trade {
            instrument,
            spec,
            scope: self.scope(venue),
            id,
            time,
            sequence: if self.prng.percent(40) { self.prng.below(3) } else { number },
            // The source puts the position there.
            is_positional: match id {
                TradeId::Number(_) | TradeId::OfDay(_) => number % 13 == 4,
                TradeId::Text(_) | TradeId::Position(_) => number % 7 < 4,
            },
            price: self.price(price),
            quantity: self.quantity(),
            side: self.prng.pick(&[Side::Unknown, Side::Buy, Side::Sell]),
            updates: self.updates().of_print(print_of(number)),
        };
        // The same instant as the trade before, or even the same place in the venue's order.
        if let Some(before) = before.filter(|_| self.prng.percent(12)) {
            trade.time = before.time;
            if self.prng.percent(50) {
                trade.sequence = before.sequence;
            }
        }
        trade
    }

    /// One of two spaces of ids; of a contiguous venue mostly the contiguous one.
    fn scope(&mut self, venue: usize) -> IdScope {
        const OTHER: IdScope = IdScope(7);
        let contiguous = self.instruments[venue].contiguous;
        match self.prng.percent(if contiguous { 92 } else { 50 }) {
            true => IdScope(8).contiguous(contiguous),
            false => OTHER,
        }
    }

    /// Most trades happened within this commit's step, some long before, a few ahead.
    pub(super) fn time(&mut self) -> EventTime {
        let step = self.step;
        let back = match self.prng.below(100) {
            0..75 => self.prng.between(0, step),
            75..90 => self.prng.between(0, 8 * step),
            90..97 => self.prng.between(0, 40 * step),
            _ => self.prng.between(-3 * step, 0),
        };
        let grain = if self.prng.percent(30) { (step / 5).max(1) } else { 1 };
        EventTime((self.now.0 - back).div_euclid(grain) * grain)
    }

    /// Near `middle`, but now and then what a broken feed sends.
    fn price(&mut self, middle: i64) -> Price {
        let near = middle + self.prng.between(-500, 500);
        match self.prng.below(100) {
            0..97 => Price(near),
            97 => Price(0),
            98 => Price(near * 100),
            _ => Price(-near),
        }
    }

    pub(super) fn quantity(&mut self) -> Quantity {
        match self.prng.percent(8) {
            true => Quantity(0),
            false => Quantity(self.prng.between(1, 5_000)),
        }
    }

    pub(super) fn updates(&mut self) -> Updates {
        if self.prng.percent(80) {
            return Updates::ALL;
        }
        let parts = [Updates::VOLUME, Updates::HIGH_LOW, Updates::OPEN_CLOSE];
        let chosen = parts.into_iter().filter(|_| self.prng.percent(50));
        chosen.fold(Updates::NONE, Updates::and)
    }

    /// The same trade with another content.
    pub(super) fn altered(&mut self, trade: Trade) -> Trade {
        let mut other = trade;
        match self.prng.below(7) {
            0 | 1 => other.price.0 += self.prng.between(-300, 300),
            2 => other.quantity = self.quantity(),
            3 => other.side = self.prng.pick(&[Side::Unknown, Side::Buy, Side::Sell]),
            4 => {
                let print = print_of(self.prng.below(11));
                other.updates = self.updates().of_print(print);
            }
            5 => other.time.0 += self.prng.between(-2 * self.step, 2 * self.step),
            _ => {
                other.sequence += self.prng.below(3);
                other.is_positional = false;
            }
        }
        other
    }

    pub(super) fn correction(&mut self, venue: usize, at: usize) -> (Event, Trade) {
        let Known { ids, last, .. } = self.instruments[venue].trades[at].clone();
        let of = self.prng.pick(&ids);
        let mut with = self.altered(last);
        if self.prng.percent(25) {
            let far = self.step * 6;
            with.time.0 += self.prng.between(-far, far);
        }
        with.is_positional = last.price.0 % 10 == 3;
        with.sequence = match self.prng.percent(80) {
            true => last.sequence + 1,
            false => self.prng.below(last.sequence + 1),
        };
        if self.prng.percent(40) {
            with.id = self.instruments[venue].id();
            with.scope = self.scope(venue);
        } else {
            let named = self.prng.pick(&[of, last.name()]);
            (with.scope, with.id) = (named.scope, named.id);
        }
        (Event::Correct { of, with }, with)
    }

    pub(super) fn cancel_of(&mut self, venue: usize, at: usize) -> Event {
        let Known { ids, last, .. } = &self.instruments[venue].trades[at];
        let of = self.prng.pick(ids);
        let time = self.prng.pick(&[None, Some(last.time), Some(self.now)]);
        Event::Cancel { of, time }
    }
}

/// More than half of the prints say of what session they are.
fn print_of(number: u64) -> SessionPrint {
    match number % 11 {
        0 | 5 => SessionPrint::Closing,
        1 | 3 | 8 => SessionPrint::Opening,
        2 | 7 | 9 => SessionPrint::Ordinary,
        _ => SessionPrint::Unsaid,
    }
}
