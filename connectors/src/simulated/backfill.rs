//! The back-fill of a venue: the trades that it tells of the time before it opens.
//!
//! They are few, since all bars that they make stay in memory: as many as it takes that a chart of 300 bars is full, of
//! five seconds and more. So each of them stands for what the venue would have traded meanwhile: the price goes as
//! far, and the size is as much. All are as they were in the end: none is late, corrected or cancelled.
//!
//! | before the venue opens | the busiest symbols trade | the others |
//! |---|---|---|
//! | the last hour | 4 times in five seconds | twice in five seconds |
//! | the four hours before | 4 times a minute | twice a minute |
//! | before that | 4 times a minute | twice in five minutes |

use std::collections::VecDeque;
use std::ops::Range;

use market::{Span, Trade};

use super::params::VenueParams;
use super::rng::Rng;
use super::walk::{LOTS_MAX, Listing, Market, VARIANCE};

/// The most trades of a back-fill.
pub(super) const TRADES_MAX: u64 = 1_000_000;
/// A trade of a back-fill has this many lots at most.
pub(super) const LOTS_OF_MANY_MAX: i64 = 100_000_000;

/// The trades of a back-fill, in order; a function of the venue's parameters.
#[derive(Clone, Debug)]
pub(super) struct Backfill {
    rng: Rng,
    slots: VecDeque<Slots>,
    symbols: Vec<Symbol>,
    /// The trades of the slot at hand: when, and of which symbol.
    slot: VecDeque<(i64, Trade)>,
}

/// Equal parts of a time: in each of them, a symbol trades equally often.
#[derive(Clone, Debug)]
struct Slots {
    /// What is left of it.
    time: Range<i64>,
    kind: SlotKind,
}

#[derive(Clone, Copy, Debug)]
enum SlotKind {
    FiveMinutes,
    Minute,
    FiveSeconds,
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    /// How often it trades when the venue is open, per second.
    pace: f64,
    /// When in a minute it trades.
    offset: i64,
    is_busy: bool,
}

/// How a symbol trades in a slot.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    /// So often its trades come,
    every: i64,
    /// so many,
    trades: i64,
    /// within this time.
    within: i64,
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
/// For so long before the venue opens, each bar of five seconds has trades, …
const SECONDS_FOR: i64 = 60 * MINUTE;
/// … and for so long each bar of a minute.
const MINUTES_FOR: i64 = 300 * MINUTE;
/// So many symbols, the first ones, are the busiest: half of all trades are theirs.
const BUSIEST: usize = 5;
/// Trades of a minute come within this time, so that it has one bar of seconds.
const BURST: i64 = SECOND / 5;
/// Of the random numbers of a seed, those of its back-fill.
const BACKFILL: u64 = 4;

impl SlotKind {
    fn span(self) -> i64 {
        match self {
            SlotKind::FiveMinutes => 5 * MINUTE,
            SlotKind::Minute => MINUTE,
            SlotKind::FiveSeconds => 5 * SECOND,
        }
    }

    fn rhythm(self, is_busy: bool) -> Rhythm {
        let trades = if is_busy { 4 } else { 2 };
        let (every, within) = match self {
            SlotKind::FiveMinutes if !is_busy => (5 * MINUTE, BURST),
            SlotKind::FiveMinutes | SlotKind::Minute => (MINUTE, BURST),
            // Evenly, so that no bar of five seconds is empty, wherever it begins.
            SlotKind::FiveSeconds => (5 * SECOND, 5 * SECOND),
        };
        Rhythm { every, trades, within }
    }
}

fn slots(span: Span, opens: i64) -> [Slots; 3] {
    let before = |span: i64| opens.saturating_sub(span);
    let span = span.as_nanos();
    let (minutes, seconds) = (before(span.min(MINUTES_FOR)), before(span.min(SECONDS_FOR)));
    // The first of the five minutes may begin earlier than asked for.
    let slots = |time, kind| Slots { time, kind };
    let whole = (minutes - before(span)).unsigned_abs().div_ceil(5 * MINUTE.unsigned_abs());
    let first = minutes.saturating_sub(whole.cast_signed().saturating_mul(5 * MINUTE));
    [
        slots(first..minutes, SlotKind::FiveMinutes),
        slots(minutes..seconds, SlotKind::Minute),
        slots(seconds..opens, SlotKind::FiveSeconds),
    ]
}

/// How many trades a back-fill of so many symbols has; its span is whole minutes.
pub(super) fn trades(span: Span, symbols: usize) -> u64 {
    let busy = symbols.min(BUSIEST) as u64;
    let of = |is_busy| {
        let trades = slots(span, 0).map(|Slots { time, kind }| {
            let Rhythm { every, trades, .. } = kind.rhythm(is_busy);
            ((time.end - time.start) / every * trades).unsigned_abs()
        });
        trades.iter().sum::<u64>()
    };
    busy * of(true) + (symbols as u64 - busy) * of(false)
}

impl Backfill {
    /// Of a venue whose symbols trade with these weights, the busiest first.
    pub(super) fn new(params: &VenueParams, weights: impl Iterator<Item = u64>) -> Backfill {
        let mut rng = Rng::of(params.seed, BACKFILL);
        let weights: Vec<u64> = weights.collect();
        let total = weights.iter().sum::<u64>().max(1) as f64;
        let symbols = weights.iter().enumerate().map(|(number, weight)| Symbol {
            pace: f64::from(params.ticks_per_second) * *weight as f64 / total,
            // Not so near to the end of a minute that a bar of a minute could be empty where these begin in between.
            offset: 3 * SECOND + rng.below(54 * SECOND),
            is_busy: number < BUSIEST,
        });
        let symbols = symbols.collect();
        let slots = slots(params.backfill, params.start.0).into();
        Backfill { rng, slots, symbols, slot: VecDeque::new() }
    }

    /// The next trade, and when it happened.
    pub(super) fn next(
        &mut self,
        listings: &[Listing],
        markets: &mut [Market],
    ) -> Option<(i64, Trade)> {
        while self.slot.is_empty() {
            let Slots { time, kind } = self.slots.front_mut()?;
            if time.is_empty() {
                self.slots.pop_front();
                continue;
            }
            let (begin, kind) = (time.start, *kind);
            time.start += kind.span();
            self.trade(kind, begin, listings, markets);
        }
        self.slot.pop_front()
    }

    /// Makes the trades of a slot.
    fn trade(&mut self, kind: SlotKind, begin: i64, listings: &[Listing], markets: &mut [Market]) {
        let mut slot = Vec::new();
        for (symbol, (listing, market)) in self.symbols.iter().zip(listings.iter().zip(markets)) {
            let rhythm = kind.rhythm(symbol.is_busy);
            let lots = symbol.lots(rhythm);
            for begin in (begin..begin + kind.span()).step_by(rhythm.every as usize) {
                for nth in 0..rhythm.trades {
                    let at = begin + symbol.time(rhythm, nth, &mut self.rng);
                    let deviation = (VARIANCE * symbol.pace * rhythm.moves_for(nth)).sqrt();
                    let lots = (lots / 2 + 1 + self.rng.below(lots)).min(LOTS_OF_MANY_MAX);
                    let trade = market.leap(listing, at, deviation, lots, &mut self.rng);
                    slot.push((at, trade));
                }
            }
        }
        slot.sort_by_key(|(at, _)| *at);
        self.slot = slot.into();
    }
}

impl Rhythm {
    fn is_even(self) -> bool {
        self.within == self.every
    }

    /// For how many seconds of trading the price goes with a trade.
    fn moves_for(self, nth: i64) -> f64 {
        let seconds = self.every as f64 / SECOND as f64;
        match nth {
            _ if self.is_even() => seconds / self.trades as f64,
            0 => 0.1, // a bar opens about where the one before has closed
            _ => seconds / (self.trades - 1) as f64,
        }
    }
}

impl Symbol {
    /// When a trade is, after its rhythm begins anew.
    fn time(&self, rhythm: Rhythm, nth: i64, rng: &mut Rng) -> i64 {
        let part = rhythm.within / rhythm.trades;
        match nth {
            _ if rhythm.is_even() => nth * part + rng.below(part),
            // Exactly so long after the one before: so no bar is empty, wherever it begins.
            0 => self.offset,
            _ => self.offset + nth * part + rng.below(part),
        }
    }

    /// How many lots a trade has in the mean.
    fn lots(&self, rhythm: Rhythm) -> i64 {
        let mean = LOTS_MAX as f64 / 8.0;
        let seconds = rhythm.every as f64 / SECOND as f64;
        (self.pace * mean * seconds / rhythm.trades as f64) as i64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use market::{Event, EventTime};
    use serde_json::{Value, json};

    use super::super::tests::{faultless, plan, provider, rough, venue};
    use super::super::{SimulatedSource, VenueTick};
    use super::*;
    use crate::source::{Place, Progress, Source};

    /// Six hours and a minute before a venue that is as `config` says.
    fn backfilled(mut config: Value) -> Value {
        config["backfill"] = json!("361m");
        config
    }

    /// The trades of ticks of a venue without faults.
    fn trades(ticks: &[VenueTick]) -> Vec<Trade> {
        let trade = |tick: &VenueTick| match tick.event {
            Event::New(trade) => trade,
            other => panic!("{other:?}"),
        };
        ticks.iter().map(trade).collect()
    }

    /// The ticks before and after the venue opens.
    fn split(config: &Value) -> (Vec<VenueTick>, Vec<VenueTick>) {
        let opens = plan(config.clone()).unwrap().params.start;
        venue(config.clone()).into_iter().partition(|tick| tick.at < opens)
    }

    /// 13 parts of five minutes, four hours and an hour: trades of a busy symbol, and of another.
    const TRADES: [usize; 2] = [13 * 5 * 4 + 240 * 4 + 720 * 4, 13 * 2 + 240 * 2 + 720 * 2];

    #[test]
    fn no_bar_is_empty_wherever_bars_begin() {
        let config = backfilled(faultless(0));
        let opens = plan(config.clone()).unwrap().params.start.0;
        let (told, live) = split(&config);
        assert!(live.is_empty() && told.is_sorted_by_key(|tick| tick.at));
        assert_eq!(told.len() as u64, super::trades(Span::secs(361 * 60), 50));
        assert_eq!(told.len(), 5 * TRADES[0] + 45 * TRADES[1]);
        let mut times: BTreeMap<_, Vec<i64>> = BTreeMap::new();
        for (trade, number) in trades(&told).iter().zip(1..) {
            let times = times.entry(trade.instrument).or_default();
            times.push(trade.time.0);
            assert_eq!(trade.id, market::TradeId::Number(times.len() as u64), "without holes");
            assert_eq!(trade.sequence, number);
        }
        let busy = times.values().filter(|times| times.len() == TRADES[0]).count();
        assert_eq!((busy, times.len()), (5, 50));
        for times in times.values() {
            let minutes = if times.len() == TRADES[0] { 360 } else { 299 };
            let bars =
                [(5 * MINUTE, 355 * MINUTE), (MINUTE, minutes * MINUTE), (5 * SECOND, SECONDS_FOR)];
            for offset in [0, 700_000_000, 3_333_333_000, 17_000_000_000, 59_999_999_000] {
                for (span, since) in bars {
                    let begins = (opens - since + offset..=opens - span).step_by(span as usize);
                    begins.for_each(|begin| {
                        let next = times.partition_point(|time| *time < begin);
                        assert!(times[next] < begin + span, "nothing in {span} ns from {begin}");
                    });
                }
            }
        }
    }

    #[test]
    fn prices_go_on_from_the_back_fill_and_all_else_is_as_without_one() {
        let config = faultless(20_000);
        let without = trades(&venue(config.clone()));
        let (told, live) = split(&backfilled(config));
        let (told, live) = (trades(&told), trades(&live));
        let mut last: BTreeMap<_, &Trade> =
            told.iter().map(|trade| (trade.instrument, trade)).collect();
        assert_eq!(live.len(), 20_000, "`ticks` does not count what is told before");
        let mut moved = 0;
        for (own, without) in live.iter().zip(&without) {
            assert_eq!(
                (own.time, own.instrument, own.side, own.quantity),
                (without.time, without.instrument, without.side, without.quantity)
            );
            let before = last.insert(own.instrument, own).unwrap();
            let cents = (own.price.0 - before.price.0).abs();
            assert!(cents <= 1, "{own:?} after {before:?}");
            moved += usize::from(own.price != without.price);
        }
        assert!(moved > 19_000, "the price of {moved} is not where it began");
    }

    #[test]
    fn all_providers_tell_the_same_and_it_is_read_on_from_anywhere() {
        let config = backfilled(rough(5, 3_000));
        let opens = plan(config.clone()).unwrap().params.start;
        let (told, _) = split(&config);
        let of = |number: u32| {
            let mut rows = provider(&config, number);
            rows.retain(|arrival| arrival.at < opens);
            rows.iter().map(|row| (row.at, row.number, row.event)).collect::<Vec<_>>()
        };
        let whole: Vec<_> = told.iter().map(|tick| (tick.at, tick.number, tick.event)).collect();
        assert_eq!(of(1), whole);
        assert_eq!(of(2), whole);

        let plan = plan(config.clone()).unwrap();
        let source = SimulatedSource { name: "s".to_owned(), plan };
        assert_eq!(source.live_from(), Some(opens));
        let rows = |after| {
            let mut reader = source.open(0, Place::After(after)).unwrap();
            let mut rows = Vec::new();
            while reader.read(&mut rows).unwrap() == Progress::More {}
            let all = told.len() as u64 + 3_000;
            assert_eq!(reader.extent().map(|(_, of)| of), Some(all));
            rows
        };
        let all = rows(0);
        for after in [777, told.len(), told.len() + 99] {
            assert_eq!(all[after..], rows(after as u64), "opened again behind row {after}");
        }
    }

    /// How far the price of the busiest symbol goes in a minute, and how much of it is traded, told and live.
    #[test]
    fn the_price_goes_as_far_and_as_much_is_traded_as_when_the_venue_is_open() {
        let minutes = |ticks: Vec<VenueTick>| {
            let mut minutes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            let busiest = trades(&ticks)[0].instrument;
            for trade in trades(&ticks).iter().filter(|trade| trade.instrument == busiest) {
                let (close, volume) =
                    minutes.entry(trade.time.0.div_euclid(MINUTE)).or_insert((0, 0));
                (*close, *volume) = (trade.price.0, *volume + trade.quantity.0);
            }
            let minutes: Vec<(i64, i64)> = minutes.into_values().collect();
            let moves = minutes.windows(2).map(|pair| (pair[1].0 - pair[0].0).pow(2));
            let deviation = (moves.sum::<i64>() as f64 / (minutes.len() - 1) as f64).sqrt();
            let volume = minutes.iter().map(|(_, volume)| volume).sum::<i64>();
            (deviation, volume as f64 / minutes.len() as f64)
        };
        let mut config = faultless(300 * 60 * 100);
        (config["symbols"], config["ticks_per_second"]) = (json!(1), json!(100));
        config["backfill"] = json!("24h");
        let (told, live) = split(&config);
        let hour = told.partition_point(|tick| tick.at < EventTime(live[0].at.0 - SECONDS_FOR));
        let (told, last_hour) = (told[..hour].to_vec(), told[hour..].to_vec());
        let (deviation, volume) = minutes(live);
        for (what, part) in [("minutes", told), ("last hour", last_hour)] {
            let (far, much) = minutes(part);
            assert!((far / deviation - 1.0).abs() < 0.3, "{what}: {far}, live {deviation}");
            assert!((much / volume - 1.0).abs() < 0.1, "{what}: {much}, live {volume}");
        }
    }
}
