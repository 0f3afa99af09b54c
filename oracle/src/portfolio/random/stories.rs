//! What happens to accounts: each story is a few events, some of them reported only in later commits.

use std::collections::BTreeMap;

use market::{
    AccountEvent, Contract, Currency, EventTime, FairValue, Fill, FillRef, ModelId, PortfolioId,
    Price, Side, Target, TradeId,
};

use super::quotes::Quotes;
use super::scene::{Scene, Traded, currency};
use crate::prng::Prng;

/// The teller.
#[derive(Clone, Debug)]
pub(super) struct Stories {
    prng: Prng,
    portfolios: Vec<PortfolioId>,
    instruments: Vec<Traded>,
    models: Vec<ModelId>,
    extremes: bool,
    next_id: u64,
    /// Fills that may still be amended, as last reported.
    fills: Vec<Fill>,
    /// Events that are reported in later commits.
    pending: BTreeMap<usize, Vec<AccountEvent>>,
    /// The commit at hand.
    commit: usize,
}

impl Stories {
    pub(super) fn new(seed: u64, scene: &Scene) -> Stories {
        Stories {
            prng: Prng::new(seed),
            portfolios: scene.portfolios.clone(),
            instruments: scene.instruments.clone(),
            models: scene.models.clone(),
            extremes: scene.extremes,
            next_id: 1,
            fills: Vec::new(),
            pending: BTreeMap::new(),
            commit: 0,
        }
    }

    /// The events of a commit: those that were delayed until now, and new ones, about `count`.
    pub(super) fn emit(
        &mut self,
        commit: usize,
        quotes: &Quotes,
        count: usize,
    ) -> Vec<AccountEvent> {
        self.commit = commit;
        while self.pending.get(&commit).map_or(0, Vec::len) < count {
            self.story(quotes);
        }
        self.pending.remove(&commit).unwrap_or_default()
    }

    fn story(&mut self, quotes: &Quotes) {
        match self.prng.below(100) {
            0..36 => self.fill(quotes),
            36..46 => self.close(quotes),
            46..58 => self.correct(quotes),
            58..63 => self.bust(),
            63..67 => self.report_backwards(quotes),
            67..69 => self.orphan(quotes),
            69..73 => self.replay(),
            73..78 => self.conflict(quotes),
            78..89 => self.target(quotes),
            _ => self.fair(quotes),
        }
    }

    /// A fill, often reported by a second source.
    fn fill(&mut self, quotes: &Quotes) {
        let fill = self.fresh(quotes);
        self.fills.push(fill);
        self.soon(0, AccountEvent::Fill(fill));
        if self.prng.percent(25) {
            self.soon(2, AccountEvent::Fill(fill));
        }
    }

    /// A fill that makes a position flat, or turns it round.
    fn close(&mut self, quotes: &Quotes) {
        let Some(like) = self.known() else {
            return self.fill(quotes);
        };
        let of_position = |fill: &&Fill| {
            (fill.name.portfolio, fill.instrument) == (like.name.portfolio, like.instrument)
        };
        let held: i128 =
            self.fills.iter().filter(of_position).map(|fill| i128::from(fill.quantity)).sum();
        let times = self.prng.pick(&[1, 1, 2]);
        let quantity = i64::try_from(-held * times).unwrap_or(1);
        let mut fill = self.fresh(quotes);
        fill.name.portfolio = like.name.portfolio;
        (fill.instrument, fill.contract) = (like.instrument, like.contract);
        (fill.price, fill.quantity) = (like.price, if quantity == 0 { 1 } else { quantity });
        self.summable(&mut fill);
        self.fills.push(fill);
        self.soon(0, AccountEvent::Fill(fill));
    }

    /// A known fill was really another, sometimes of another instrument; corrections of one fill may
    /// have the same sequence, and come again.
    fn correct(&mut self, quotes: &Quotes) {
        let Some(fill) = self.known() else {
            return self.fill(quotes);
        };
        let with = self.altered(fill, quotes);
        self.soon(2, AccountEvent::Correct(with));
        if self.prng.percent(25) {
            self.soon(2, AccountEvent::Correct(with));
        }
        self.forget(fill.name);
        self.fills.push(with);
    }

    fn bust(&mut self) {
        if let Some(fill) = self.known() {
            let bust = self.bust_of(fill);
            self.soon(1, bust);
            self.forget(fill.name);
        }
    }

    /// A correction or bust of a fill comes before it, or in the same commit.
    fn report_backwards(&mut self, quotes: &Quotes) {
        let fill = self.fresh(quotes);
        let event = match self.prng.percent(60) {
            true => AccountEvent::Correct(self.altered(fill, quotes)),
            false => self.bust_of(fill),
        };
        self.soon(0, event);
        self.soon(3, AccountEvent::Fill(fill));
    }

    /// A correction or bust of a fill that no source reports.
    fn orphan(&mut self, quotes: &Quotes) {
        let never = self.fresh(quotes);
        let event = match self.prng.percent(50) {
            true => AccountEvent::Correct(never),
            false => self.bust_of(never),
        };
        self.soon(0, event);
        self.soon(3, event);
    }

    /// A fill is reported again as it is known, which is another than the first if it was corrected.
    fn replay(&mut self) {
        if let Some(fill) = self.known() {
            self.soon(1, AccountEvent::Fill(fill));
        }
    }

    /// A fill is reported with another content, sometimes by two sources.
    fn conflict(&mut self, quotes: &Quotes) {
        if let Some(fill) = self.known() {
            let other = self.altered(fill, quotes);
            self.soon(1, AccountEvent::Fill(other));
            if self.prng.percent(40) {
                self.soon(2, AccountEvent::Fill(other));
            }
        }
    }

    /// A target is set, changed or taken back; often for what is held.
    fn target(&mut self, quotes: &Quotes) {
        let held = self.known().filter(|_| self.prng.percent(70));
        let some = self.prng.pick(&self.instruments);
        let portfolio = held.map_or(self.prng.pick(&self.portfolios), |fill| fill.name.portfolio);
        let (instrument, contract) =
            held.map_or((some.id, some.contract), |fill| (fill.instrument, fill.contract));
        let weight = match self.extremes && self.prng.percent(20) {
            true => self.prng.pick(&[i64::MAX, i64::MIN, 1]),
            false => self.prng.between(-50, 100) * 10_000_000,
        };
        let weight = self.prng.percent(75).then_some(weight);
        let time = self.time(quotes);
        let target = Target { portfolio, instrument, contract, time, weight };
        self.soon(2, AccountEvent::Target(target));
    }

    /// A model gives a fair value near the price, or takes it back.
    fn fair(&mut self, quotes: &Quotes) {
        let Traded { id: instrument, contract } = self.prng.pick(&self.instruments);
        let near = quotes.price(instrument).saturating_add(self.prng.between(-100, 100));
        let value = match self.extremes && self.prng.percent(20) {
            true => self.prng.pick(&[i64::MAX, i64::MIN, 0]),
            false => near,
        };
        let value = self.prng.percent(85).then_some(Price(value));
        let (model, time) = (self.prng.pick(&self.models), self.time(quotes));
        let fair = FairValue { instrument, spec: contract.spec, model, time, value };
        self.soon(2, AccountEvent::Fair(fair));
    }

    /// A fill that no source has reported yet.
    fn fresh(&mut self, quotes: &Quotes) -> Fill {
        // Few positions, of which the first are the busiest.
        let some = self.prng.index(self.instruments.len());
        let traded = self.instruments[self.prng.index(some + 1)];
        let number = self.next_id;
        self.next_id += 1;
        let id = match number % 5 {
            0 => TradeId::of(&format!("F{number}")),
            // Two portfolios may have fills of one id, and later ids come before earlier ones.
            _ => TradeId::Number(number ^ 7),
        };
        let mut fill = Fill {
            name: FillRef { portfolio: self.prng.pick(&self.portfolios), id },
            instrument: traded.id,
            contract: traded.contract,
            time: self.time(quotes),
            sequence: self.prng.below(3),
            price: Price(quotes.price(traded.id)),
            quantity: 0,
            fee: self.prng.between(-2_000_000_000, 10_000_000_000),
            fee_currency: self.fee_currency(traded.contract),
        };
        self.deal(&mut fill);
        fill
    }

    /// The fill with some of its fields changed.
    fn altered(&mut self, fill: Fill, quotes: &Quotes) -> Fill {
        let mut with = Fill { sequence: fill.sequence + self.prng.below(3), ..fill };
        match self.prng.below(5) {
            0 => with.time = self.time(quotes),
            1 => {
                with.fee = self.prng.between(-5, 5);
                with.fee_currency = self.fee_currency(fill.contract);
            }
            2 => {
                let other = self.prng.pick(&self.instruments);
                (with.instrument, with.contract) = (other.id, other.contract);
                with.price = Price(quotes.price(other.id));
            }
            3 => self.deal(&mut with),
            _ => with.price = Price(quotes.price(fill.instrument).saturating_add(1)),
        }
        self.summable(&mut with);
        with
    }

    /// Most fees are in the quote currency, few in one that nothing converts.
    fn fee_currency(&mut self, contract: Contract) -> Currency {
        match self.prng.below(100) {
            0..60 => contract.quote,
            60 => currency("CHF"),
            _ => currency(self.prng.pick(&["BNB", "BNB", "USD", "EUR", "JPY"])),
        }
    }

    /// Chooses how much, and in extremes at what price.
    fn deal(&mut self, fill: &mut Fill) {
        let most = self.prng.pick(&[3, 10, 1_000, 1_000_000]);
        fill.quantity = self.prng.between(1, most) * self.prng.pick(&[1, 1, -1]);
        if self.extremes && self.prng.percent(25) {
            let bits = self.prng.below(64) as u32;
            fill.price = Price(self.prng.pick(&[i64::MAX >> bits, i64::MIN >> bits, 0]));
            fill.quantity =
                self.prng.pick(&[i64::MAX, i64::MIN, i64::MAX >> bits]).max(1 - i64::MAX);
            fill.quantity = if fill.quantity == 0 { 1 } else { fill.quantity };
            fill.fee = self.prng.pick(&[i64::MAX, i64::MIN, 0]);
        }
        self.summable(fill);
    }

    /// Brings the quantity below the bound beyond which a fill is refused.
    fn summable(&mut self, fill: &mut Fill) {
        let unit = fill.price.0.unsigned_abs().max(1);
        let unit = u128::from(unit) * u128::from(fill.contract.multiplier.mantissa());
        let most = i64::try_from(((1_u128 << 96) - 1) / unit).unwrap_or(i64::MAX);
        fill.quantity = fill.quantity.clamp(-most, most);
    }

    /// A full minute of the last half hour: many things have the same time.
    fn time(&mut self, quotes: &Quotes) -> EventTime {
        let minutes = self.prng.pick(&[0, 0, 1, 2, 30]);
        EventTime(quotes.now.0 - self.prng.between(0, minutes) * 60_000_000_000)
    }

    /// One of the latest fills that are known.
    fn known(&mut self) -> Option<Fill> {
        let recent = self.fills.len().saturating_sub(60);
        let recent = &self.fills[recent..];
        (!recent.is_empty()).then(|| self.prng.pick(recent))
    }

    fn forget(&mut self, name: FillRef) {
        self.fills.retain(|fill| fill.name != name);
    }

    fn bust_of(&mut self, fill: Fill) -> AccountEvent {
        let time = self.prng.percent(50).then_some(fill.time);
        let side = if self.prng.percent(50) { fill.side() } else { Side::Unknown };
        AccountEvent::Bust { of: fill.name, side, time }
    }

    /// Emits an event in this commit or in one of the next.
    fn soon(&mut self, within: u64, event: AccountEvent) {
        let commit = self.commit + self.prng.below(within + 1) as usize;
        self.pending.entry(commit).or_default().push(event);
    }
}
