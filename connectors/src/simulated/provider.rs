//! What a provider makes of what the venue says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use market::{Event, EventTime, Span};

use super::params::VenueParams;
use super::rng::{Probability, Rng};
use super::venue::{Venue, VenueTick};
use super::walk::Listing;

/// What goes wrong between a venue and whoever listens, as fractions of its ticks.
///
/// What is lost, and when providers are silent, must be the same for all providers of a venue: then
/// every tick reaches one of them. The others are each provider's own.
#[derive(Clone, Copy, Debug)]
pub struct TransportFaults {
    /// Ticks that one provider does not bring.
    pub lost: Probability,
    /// Ticks that fall behind their neighbours, by [`DISORDER`] at most.
    pub disordered: Probability,
    /// Ticks that come twice, the second time within [`REPEATED_WITHIN`].
    pub repeated: Probability,
    /// Trades that a provider other than the first brings at a wrong price.
    pub conflicting: Probability,
    /// How often one of the providers falls silent, in turn; never if zero.
    pub outage_every: Span,
    /// For how long. What the venue says meanwhile, this provider never brings.
    pub outage_for: Span,
}

/// A disordered tick is behind by less than this.
pub const DISORDER: Span = Span::millis(400);
/// A repeated tick comes again within this.
pub const REPEATED_WITHIN: Span = Span::secs(2);

/// A tick as a provider brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// When it comes, by the venue's clock; never goes back.
    pub at: EventTime,
    /// The number of the tick.
    pub number: u64,
    /// What it says.
    pub event: Event,
}

/// One of the redundant providers of a venue: what it brings, in order of arrival, a function of the
/// parameters and its number.
///
/// Each provider runs a venue of its own; equal parameters make equal venues. Every tick reaches at
/// least one of two or more providers, and wrong copies come only of trades that the first one brings
/// as they are. So all providers together send the true trades, if the first has the best rank.
pub struct Provider {
    venue: Venue,
    listings: std::sync::Arc<[Listing]>,
    faults: TransportFaults,
    seed: u64,
    start: EventTime,
    /// From 0, the first.
    number: u32,
    of: u32,
    coming: BinaryHeap<Reverse<Arrival>>,
    /// What the venue says from now on comes after this.
    emitted: EventTime,
}

/// Whose sequence: the shared one, or a provider's (added to its number).
const SHARED: u64 = 1;
const OWN: u64 = 2;

impl Provider {
    /// Provider `number` (from 0) of `of`.
    pub fn new(params: VenueParams, faults: TransportFaults, number: u32, of: u32) -> Provider {
        let (seed, start) = (params.seed, params.start);
        let listings = std::sync::Arc::clone(&params.listings);
        let venue = Venue::new(params);
        let coming = BinaryHeap::new();
        let emitted = EventTime::NEVER;
        Provider { venue, listings, faults, seed, start, number, of: of.max(1), coming, emitted }
    }

    fn carry(&mut self, tick: VenueTick) {
        let VenueTick { number, at, mut event } = tick;
        self.emitted = at;
        if at < self.start {
            // Of the time before the venue opens, all providers tell the same.
            self.coming.push(Reverse(Arrival { at, number, event }));
            return;
        }
        if self.misses(self.number, &tick) {
            return;
        }
        let mut rng = Rng::of(self.seed ^ (OWN + u64::from(self.number)), number);
        let mut behind = |probability, span: Span| {
            let hit = rng.hits(probability);
            let behind = 1 + rng.below(span.as_nanos() - 1);
            hit.then_some(Span::nanos(behind))
        };
        let disordered = behind(self.faults.disordered, DISORDER);
        let repeated = behind(self.faults.repeated, REPEATED_WITHIN);
        if rng.hits(self.faults.conflicting) && self.number > 0 && !self.misses(0, &tick) {
            self.distort(&mut event);
        }
        // By more than nothing, so that what is emitted next never comes before what came.
        let at = at.after(disordered.unwrap_or(Span::nanos(1)));
        self.coming.push(Reverse(Arrival { at, number, event }));
        if let Some(later) = repeated {
            self.coming.push(Reverse(Arrival { at: at.after(later), number, event }));
        }
    }

    /// Whether a provider does not bring a tick.
    fn misses(&self, provider: u32, tick: &VenueTick) -> bool {
        if let Some(silent) = self.silent(tick.at)
            && (silent == provider || self.of > 1)
        {
            return silent == provider; // while one is silent, the others lose nothing
        }
        let mut rng = Rng::of(self.seed ^ (SHARED << 32), tick.number);
        rng.hits(self.faults.lost.times(self.of))
            && rng.below(i64::from(self.of)) == i64::from(provider)
    }

    /// The provider that is silent at this time, if any: one in each period, at its end.
    fn silent(&self, at: EventTime) -> Option<u32> {
        let every = self.faults.outage_every.as_nanos();
        let since = at.0.saturating_sub(self.start.0).max(0);
        let (turn, into) = (since.checked_div(every)?, since.checked_rem(every)?);
        let silent = into >= every.saturating_sub(self.faults.outage_for.as_nanos());
        silent.then(|| (turn % i64::from(self.of)) as u32)
    }

    /// Another price for a new trade.
    fn distort(&self, event: &mut Event) {
        let Event::New(trade) = event else { return };
        let listing = self.listings.iter().find(|l| l.instrument == trade.instrument);
        trade.price.0 += listing.map_or(1, |listing| listing.price_step);
    }
}

impl Iterator for Provider {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        while self.coming.peek().is_none_or(|Reverse(first)| first.at > self.emitted) {
            match self.venue.next() {
                Some(tick) => self.carry(tick),
                None => break,
            }
        }
        self.coming.pop().map(|Reverse(first)| first)
    }
}
