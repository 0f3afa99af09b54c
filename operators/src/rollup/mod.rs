//! Roll-ups: bars of larger timeframes as unions of smaller ones.
//!
//! * **Key**: instrument. **Input**: [`RollupIn`], what the ledger emits of base bars. **Output**:
//!   [`LedgerOut`], of larger bars.
//! * **Meaning**: `docs/semantics.md`, last section: they see rounds as base bars see commits.
//! * **State bound**: one entry per bar of every timeframe, base included, and per day where bars are longer than one.
//! * **Cost**: per round and changed base bar, one fold per timeframe over the bars of the largest smaller one of which
//!   it is a union. A bar longer than a day is never folded from shorter ones than days.

mod ladder;

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{Calendars, EventTime, InstrumentId, Timeframe};

use crate::context::CommitContext;
use crate::deadlines::Deadlines;
use crate::keyed::Core;
use crate::output::{LedgerOut, RollupIn};
use ladder::Ladder;

/// Which timeframes there are.
#[derive(Clone, Debug)]
pub struct RollupConfig {
    /// The job's calendars.
    pub calendars: Calendars,
    rungs: Vec<Rung>,
}

/// One timeframe above the base, and the smaller one that it is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    timeframe: Timeframe,
    /// Index of the largest rung below of whose bars it is a union; none is the base.
    from: Option<usize>,
    /// Whether its bars are put out; else longer ones are made from them.
    shown: bool,
}

/// One shard of the roll-ups.
pub struct Rollup {
    config: Arc<RollupConfig>,
    ladders: BTreeMap<InstrumentId, Ladder>,
    deadlines: Deadlines,
    /// Instruments with input in this round.
    dirty: std::collections::BTreeSet<InstrumentId>,
    bytes: usize,
}

impl RollupConfig {
    /// The timeframes above `base`; each must be a union of base bars.
    ///
    /// ```
    /// use market::{Calendars, Timeframe};
    /// use operators::RollupConfig;
    /// let frames = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>();
    /// assert!(RollupConfig::new(Timeframe::MINUTE, &frames(&["5m", "1d"]), Calendars::utc()).is_ok());
    /// assert!(RollupConfig::new(Timeframe::MINUTE, &frames(&["90s"]), Calendars::utc()).is_err());
    /// ```
    pub fn new(
        base: Timeframe,
        larger: &[Timeframe],
        calendars: Calendars,
    ) -> Result<RollupConfig, String> {
        let mut frames = larger.to_vec();
        // A month has tens of thousands of minutes.
        let is_long = frames.iter().any(|frame| *frame > Timeframe::DAY);
        frames.extend((is_long && base < Timeframe::DAY).then_some(Timeframe::DAY));
        frames.sort_unstable();
        frames.dedup();
        let mut rungs: Vec<Rung> = Vec::new();
        for timeframe in frames {
            if timeframe <= base || !timeframe.is_union_of(base) {
                return Err(format!(
                    "bars of {timeframe} are not unions of bars of {base}, the smallest timeframe{}",
                    common(base, larger)
                ));
            }
            let from = rungs.iter().rposition(|rung| timeframe.is_union_of(rung.timeframe));
            rungs.push(Rung { timeframe, from, shown: larger.contains(&timeframe) });
        }
        Ok(RollupConfig { calendars, rungs })
    }
}

/// Advice: the largest usual timeframe of which bars of all are unions.
fn common(base: Timeframe, larger: &[Timeframe]) -> String {
    let usual = [86_400, 14_400, 3_600, 1_800, 900, 300, 60, 30, 15, 10, 5, 1];
    let mut usual = usual.into_iter().filter_map(Timeframe::from_secs);
    let fits = |small: &Timeframe| {
        larger.iter().chain([&base]).all(|frame| frame == small || frame.is_union_of(*small))
    };
    usual
        .find(fits)
        .map_or_else(String::new, |small| format!(" (with {small} as well, all are of {small})"))
}

impl Rollup {
    /// An empty shard.
    pub fn new(config: Arc<RollupConfig>) -> Rollup {
        let (ladders, deadlines) = (BTreeMap::new(), Deadlines::default());
        Rollup { config, ladders, deadlines, dirty: Default::default(), bytes: 0 }
    }
}

impl Core for Rollup {
    type In = RollupIn;
    type Out = LedgerOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<RollupIn>,
        out: &mut Vec<LedgerOut>,
    ) {
        let rungs = self.config.rungs.len();
        for input in records.drain(..) {
            let instrument = input.instrument();
            self.dirty.insert(instrument);
            let ladder =
                self.ladders.entry(instrument).or_insert_with(|| Ladder::new(instrument, rungs));
            ladder.apply(input);
        }
        if !context.round {
            return;
        }
        let mut at_hand = std::mem::take(&mut self.dirty);
        at_hand.append(&mut self.deadlines.take_due(&context.round_watermarks));
        for instrument in at_hand {
            let Some(ladder) = self.ladders.get_mut(&instrument) else {
                continue;
            };
            let watermark = ladder.round(&self.config, context, out);
            self.bytes = self.bytes.saturating_add_signed(ladder.grown());
            self.deadlines.set(instrument, ladder.clock(), ladder.next_deadline(), watermark);
        }
    }

    fn restate(&self, out: &mut Vec<LedgerOut>) {
        self.ladders.values().for_each(|ladder| ladder.restate(&self.config, out));
    }

    fn show(&self, context: &CommitContext, out: &mut Vec<LedgerOut>) {
        let mut rows = Vec::new();
        for ladder in self.ladders.values() {
            ladder.restate(&self.config, &mut rows);
            let shown = rows.drain(..).filter_map(LedgerOut::shown);
            out.extend(shown.filter(|row| match row {
                LedgerOut::Shown(key, _) => context.rules.shows(key.instrument, key.timeframe),
                _ => false,
            }));
        }
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&(&self.ladders, &self.dirty))
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        (self.ladders, self.dirty) = postcard::from_bytes(state)?;
        let grown: isize = self.ladders.values_mut().map(Ladder::grown).sum();
        self.bytes = 0_usize.saturating_add_signed(grown);
        for (instrument, ladder) in &self.ladders {
            let first = EventTime::NEVER;
            self.deadlines.set(*instrument, ladder.clock(), Some(first), first);
        }
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.ladders.len(), self.bytes)
    }
}
