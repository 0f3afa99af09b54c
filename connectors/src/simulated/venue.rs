//! The venue: the true trades, which its providers send.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use market::{Event, EventTime, Price, Span, Trade};

use super::backfill::Backfill;
use super::params::VenueParams;
use super::pending::{Amendment, Amendments, PendingEvent};
use super::rng::Rng;
use super::walk::Market;

/// One tick: the venue says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueTick {
    /// 1, 2, 3, …; also the `sequence` of the trade it sends.
    pub number: u64,
    /// When it says so, by its own clock; never goes back.
    pub at: EventTime,
    /// What it says.
    pub event: Event,
}

/// A venue: its ticks in the order in which it sends them, a function of its parameters.
///
/// Activity follows Zipf's law over the listings and comes in bursts: in one of ten quarters of a
/// second six times as many ticks come as in the others. Prices walk at random in steps, and stay
/// between half and twice of where they began. Memory is bounded by what is emitted within `late_by` and
/// [`AMENDED_WITHIN`]. What it tells of the time before it opens comes first.
#[derive(Clone, Debug)]
pub struct Venue {
    params: VenueParams,
    rng: Rng,
    backfill: Backfill,
    /// Per listing, the activity up to and including it.
    activity: Vec<u64>,
    markets: Vec<Market>,
    /// When the next trade happens.
    next_at: i64,
    /// The quarter of a second at hand.
    quarter: Quarter,
    /// That of the last tick.
    number: u64,
    /// How many of the ticks were told before it opened.
    told: u64,
    /// Pending events: when, which (to make the order complete), and what.
    later: BinaryHeap<Reverse<(i64, u64, PendingEvent)>>,
    latest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Quarter {
    end: i64,
    /// Activity in thirds of the mean.
    pace: i64,
}

/// A correction or cancel is emitted this long after its trade at the latest.
pub const AMENDED_WITHIN: Span = Span::secs(40);

const QUARTER_NS: i64 = 250_000_000;
const SECOND_NS: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

impl Venue {
    /// The venue of these parameters, before its first tick.
    pub fn new(params: VenueParams) -> Venue {
        let mut rng = Rng::new(params.seed);
        let mut sum = 0;
        let weights = (1..=params.listings.len() as u64).map(|rank| 1_000_000 / rank);
        let backfill = Backfill::new(&params, weights.clone());
        let activity = weights.map(|weight| {
            sum += weight;
            sum
        });
        let activity = activity.collect();
        let markets = params.listings.iter().map(|_| Market::new(&mut rng)).collect();
        let start = params.start.0;
        let mut venue = Venue {
            params,
            rng,
            backfill,
            activity,
            markets,
            next_at: start,
            quarter: Quarter { end: start, pace: 2 },
            number: 0,
            told: 0,
            later: BinaryHeap::new(),
            latest: 0,
        };
        venue.next_at = venue.pass(start);
        venue
    }

    /// When the next trade happens after `from`. Gaps are even in work, not in time: a quarter of a
    /// second holds more work the faster its pace, so bursts leave the mean number of ticks as it is.
    fn pass(&mut self, from: i64) -> i64 {
        let mean = 3 * SECOND_NS / i64::from(self.params.ticks_per_second.max(1));
        let mut work = 1 + self.rng.below(2 * mean);
        let mut at = from;
        loop {
            if at >= self.quarter.end {
                // Nine at 2/3 of the mean, one at 4 times the mean: together 10.
                let pace = if self.rng.below(10) == 0 { 12 } else { 2 };
                self.quarter = Quarter { end: at + QUARTER_NS, pace };
            }
            let left = (self.quarter.end - at) * self.quarter.pace;
            if work <= left {
                return at + (work / self.quarter.pace).max(1);
            }
            work -= left;
            at = self.quarter.end;
        }
    }

    /// Makes a trade; its event and its amendments become pending.
    fn trade(&mut self) {
        let happens = self.next_at;
        self.next_at = self.pass(happens);
        let (market, trade) = self.happened(happens);
        let late = self.rng.hits(self.params.late);
        let held = if late { self.rng.mostly_small(self.params.late_by.as_nanos()) } else { 0 };
        let emitted = happens.saturating_add(held);
        self.emit(emitted, PendingEvent::New(trade));

        let mut coming = VecDeque::new();
        if self.rng.hits(self.params.corrected) {
            coming = self.corrections(emitted, market, trade.price);
        } else if self.rng.hits(self.params.cancelled) {
            let at = emitted + 200 * MS + self.rng.below(20 * SECOND_NS);
            coming.push_back(Amendment { at, change: None });
        }
        self.tell_next(Amendments { market, trade, coming });
    }

    fn happened(&mut self, at: i64) -> (usize, Trade) {
        let total = self.activity.last().copied().unwrap_or(1);
        let drawn = self.rng.next() % total;
        let number = self.activity.partition_point(|sum| *sum <= drawn);
        let listing = self.params.listings[number];
        (number, self.markets[number].trade(&listing, at, &mut self.rng))
    }

    /// A trade becomes another, one in four of them a second time, and one in ten nothing in the end;
    /// half of the corrections give a new id.
    fn corrections(&mut self, emitted: i64, market: usize, price: Price) -> VecDeque<Amendment> {
        let price_step = self.params.listings[market].price_step;
        let (mut price, mut at) = (price.0, emitted);
        let mut amendments = VecDeque::new();
        let times = 1 + i64::from(self.rng.below(4) == 0);
        for _ in 0..times {
            at += 200 * MS + self.rng.below(10 * SECOND_NS);
            let renames = self.rng.below(2) == 0;
            let away = (1 + self.rng.below(8)) * price_step;
            let down = self.rng.below(2) == 0 && price > away;
            let away = if down { -away } else { away };
            price += away;
            amendments.push_back(Amendment { at, change: Some((away, renames)) });
        }
        if self.rng.below(10) == 0 {
            at += 200 * MS + self.rng.below(10 * SECOND_NS);
            amendments.push_back(Amendment { at, change: None });
        }
        amendments
    }

    fn tick(&mut self, at: EventTime, mut event: Event) -> VenueTick {
        self.number += 1;
        if let Event::New(trade) | Event::Correct { with: trade, .. } = &mut event {
            trade.sequence = self.number;
        }
        VenueTick { number: self.number, at, event }
    }

    fn emit(&mut self, at: i64, pending: PendingEvent) {
        self.latest += 1;
        self.later.push(Reverse((at, self.latest, pending)));
    }

    fn tell_next(&mut self, amendments: Amendments) {
        if let Some(at) = amendments.at() {
            self.emit(at, PendingEvent::Amend(amendments));
        }
    }

    /// Emits an event at its time.
    fn emitted(&mut self, pending: PendingEvent) -> Option<Event> {
        match pending {
            PendingEvent::New(trade) => Some(Event::New(trade)),
            PendingEvent::Amend(mut amendments) => {
                let market = &mut self.markets[amendments.market];
                let event = amendments.emit(|| market.new_id());
                self.tell_next(amendments);
                event
            }
        }
    }
}

impl Iterator for Venue {
    type Item = VenueTick;

    fn next(&mut self) -> Option<VenueTick> {
        if let Some((at, trade)) = self.backfill.next(&self.params.listings, &mut self.markets) {
            self.told += 1;
            return Some(self.tick(EventTime(at), Event::New(trade)));
        }
        if self.params.ticks.is_some_and(|ticks| self.number - self.told >= ticks) {
            return None;
        }
        // A later trade is emitted later.
        while self.later.peek().is_none_or(|Reverse((at, ..))| *at > self.next_at) {
            self.trade();
        }
        let Reverse((at, _, pending)) = self.later.pop()?;
        let event = self.emitted(pending)?;
        let at = EventTime(at);
        if at.after(AMENDED_WITHIN) >= EventTime::LATEST {
            return None; // the last year that a record may carry
        }
        Some(self.tick(at, event))
    }
}
