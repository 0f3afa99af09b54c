//! What happens to trades: each story is a few events, some of them reported only in later commits.
//!
//! Which source reports an event is not decided here, so copies of a trade come from any of them, and
//! replays from the same one at a new position.

mod content;

use std::collections::BTreeMap;

use market::{
    CalendarId, Event, EventTime, InstrumentId, InstrumentSpec, Trade, TradeId, TradeRef,
};

use crate::prng::Prng;
use crate::scene::Scene;

/// How many trades of an instrument are remembered, so that something may still happen to them.
const REMEMBERED: usize = 40;

/// The teller.
#[derive(Clone, Debug)]
pub(crate) struct Stories {
    prng: Prng,
    instruments: Vec<Venue>,
    /// Event time per commit.
    step: i64,
    /// Events that are reported in later commits.
    pending: BTreeMap<usize, Vec<Event>>,
    /// The commit at hand.
    commit: usize,
    now: EventTime,
}

/// One instrument and its trades.
#[derive(Clone, Debug)]
struct Venue {
    instrument: InstrumentId,
    spec: InstrumentSpec,
    /// Around which prices move.
    price: i64,
    next_id: u64,
    /// Whether its ids are declared contiguous, most of the time.
    contiguous: bool,
    trades: Vec<Known>,
}

/// A trade that something may still happen to.
#[derive(Clone, Debug)]
struct Known {
    /// Every id it has had.
    ids: Vec<TradeRef>,
    first: Trade,
    last: Trade,
}

impl Stories {
    /// Instruments of many shards, half of them by the second calendar if there is one.
    pub(crate) fn new(seed: u64, instruments: usize, scene: &Scene) -> Stories {
        let mut prng = Prng::new(seed);
        let instruments = (0..instruments.max(1)).map(|number| Venue {
            instrument: InstrumentId::of(&format!("venue:S{number}")),
            spec: InstrumentSpec {
                price_scale: 2,
                quantity_scale: 3,
                calendar: CalendarId((number % usize::from(scene.calendars)) as u8),
            },
            // Every eighth trades around zero.
            price: if number % 8 == 3 { 0 } else { 10_000 },
            next_id: 1 + prng.below(1_000),
            contiguous: number % 3 != 2,
            trades: Vec::new(),
        });
        Stories {
            instruments: instruments.collect(),
            prng,
            step: scene.step,
            pending: BTreeMap::new(),
            commit: 0,
            now: scene.start,
        }
    }

    /// The events of a commit: those that were delayed until now, and new ones, about `count`.
    pub(crate) fn emit(&mut self, commit: usize, now: EventTime, count: usize) -> Vec<Event> {
        self.commit = commit;
        self.now = now;
        while self.pending.get(&commit).map_or(0, Vec::len) < count {
            self.story();
        }
        self.pending.remove(&commit).unwrap_or_default()
    }

    fn story(&mut self) {
        match self.prng.below(100) {
            0..46 => self.trade(),
            46..48 => self.outage(),
            48..50 => self.replace(),
            50..62 => self.correct(),
            62..68 => self.chain(),
            68..74 => self.cancel(),
            74..78 => self.cancel_first(),
            78..81 => self.unmatched(),
            81..83 => self.join(),
            83..92 => self.replay(),
            92..96 => self.conflict(),
            _ => self.replace(),
        }
    }

    /// A trade, often reported by a second feed, sometimes with other content.
    fn trade(&mut self) {
        let venue = self.venue();
        let trade = self.fresh(venue);
        self.soon(0, Event::New(trade));
        if self.prng.percent(35) {
            self.soon(2, Event::New(trade));
        }
        if self.prng.percent(8) {
            let other = self.altered(trade);
            self.soon(1, Event::New(other));
        }
        self.remember(venue, trade);
    }

    /// Several trades are held up; some are reported later, in any order, and some never are.
    fn outage(&mut self) {
        let venue = self.venue();
        for _ in 0..self.prng.between(3, 9) {
            let trade = self.fresh(venue);
            if self.prng.percent(75) {
                self.later(8, Event::New(trade));
                self.remember(venue, trade);
            }
        }
        let next = self.fresh(venue);
        self.soon(0, Event::New(next));
    }

    /// A known trade is corrected: under its id, a former one or a new one.
    fn correct(&mut self) {
        let Some((venue, at)) = self.known() else {
            return self.trade();
        };
        let (event, with) = self.correction(venue, at);
        self.soon(2, event);
        if self.prng.percent(25) {
            self.soon(3, event); // by another feed
        }
        let known = &mut self.instruments[venue].trades[at];
        known.ids.push(with.name());
        known.last = with;
    }

    /// A trade that is corrected again and again, reported in any order.
    fn chain(&mut self) {
        let venue = self.venue();
        let trade = self.fresh(venue);
        self.remember(venue, trade);
        let mut events = vec![Event::New(trade)];
        let at = self.instruments[venue].trades.len() - 1;
        for _ in 0..self.prng.between(1, 3) {
            let of = self.instruments[venue].trades[at].last;
            let mut with = self.altered(of);
            with.id = self.instruments[venue].id();
            (with.sequence, with.is_positional) = (of.sequence + 1, false);
            events.push(Event::Correct { of: of.name(), with });
            let known = &mut self.instruments[venue].trades[at];
            known.ids.push(with.name());
            known.last = with;
        }
        for event in events {
            self.soon(3, event);
        }
    }

    fn cancel(&mut self) {
        let Some((venue, at)) = self.known() else {
            return self.trade();
        };
        let event = self.cancel_of(venue, at);
        self.soon(1, event);
        if self.prng.percent(20) {
            self.soon(3, event);
        }
    }

    /// A trade and its cancel, which may come first or in the same commit.
    fn cancel_first(&mut self) {
        let venue = self.venue();
        let trade = self.fresh(venue);
        self.remember(venue, trade);
        let at = self.instruments[venue].trades.len() - 1;
        let cancel = self.cancel_of(venue, at);
        self.soon(0, cancel);
        self.soon(2, Event::New(trade));
    }

    /// A correction or cancel of a trade that no source reports.
    fn unmatched(&mut self) {
        let venue = self.venue();
        let never = self.fresh(venue);
        let of = never.name();
        let event = if self.prng.percent(50) {
            let time = self.prng.percent(50).then_some(never.time);
            Event::Cancel { of, time }
        } else {
            let mut with = self.altered(never);
            with.id = self.instruments[venue].id();
            Event::Correct { of, with }
        };
        self.soon(1, event);
    }

    /// A correction joins two known trades.
    fn join(&mut self) {
        let Some((venue, at)) = self.known() else {
            return self.trade();
        };
        let (_, mut with) = self.correction(venue, at);
        let other = self.prng.index(self.instruments[venue].trades.len());
        let other = self.instruments[venue].trades[other].last;
        (with.scope, with.id) = (other.scope, other.id);
        let of = self.instruments[venue].trades[at].last.name();
        self.soon(0, Event::Correct { of, with });
    }

    /// A trade is reported again as it was first, whatever became of it.
    fn replay(&mut self) {
        if let Some((venue, at)) = self.known() {
            let first = self.instruments[venue].trades[at].first;
            self.soon(1, Event::New(first));
        }
    }

    /// A known trade is reported with other content.
    fn conflict(&mut self) {
        if let Some((venue, at)) = self.known() {
            let first = self.instruments[venue].trades[at].first;
            let other = self.altered(first);
            self.soon(1, Event::New(other));
        }
    }

    /// A trade is cancelled, and a new one comes into the same bar, so that the bar may go and return.
    fn replace(&mut self) {
        let Some((venue, at)) = self.known() else {
            return self.trade();
        };
        let cancel = self.cancel_of(venue, at);
        let mut trade = self.instruments[venue].trades[at].last;
        trade.id = self.instruments[venue].id();
        self.soon(0, cancel);
        self.soon(3, Event::New(trade));
        self.remember(venue, trade);
    }
}

impl Venue {
    /// An id that no trade of this instrument had: a number, a text or a position.
    fn id(&mut self) -> TradeId {
        let number = self.next_id;
        self.next_id += 1;
        match number % if self.contiguous { 25 } else { 5 } {
            0 => TradeId::of(&format!("T{number}")),
            1 => TradeId::Position(number),
            // Every second of these has the number of the one before, on another day.
            2..=4 if self.contiguous => TradeId::of_day(number as i64 % 2, number / 2 * 2)
                .unwrap_or(TradeId::Number(number)),
            _ => TradeId::Number(number),
        }
    }
}
