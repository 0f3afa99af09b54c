//! Random scripts: both oracles agree where both speak, and the scripts reach every rule.

use std::collections::{BTreeMap, BTreeSet};

use market::{Bar, BarState, CandleKey, Event, Gap, GapKey, Origin, Record, Trade};
use oracle::commits::{Fold, Output};
use oracle::gaps::of_set;
use oracle::prints::counted;
use oracle::random::{Script, Shape, random, rebatch};
use oracle::set::{joined, survivors, value_bars};

/// The outputs of all commits, and the fold at the end.
fn run(script: &Script) -> (Vec<Output>, Fold) {
    let mut fold = Fold::new(script.history.clone());
    let outputs = script.commits.iter().map(|c| fold.commit(c)).collect();
    (outputs, fold)
}

fn values(outputs: &[Output]) -> BTreeMap<CandleKey, Bar> {
    let rows = outputs.last().into_iter().flat_map(|o| &o.candles);
    rows.map(|(key, candle)| (*key, candle.bar)).collect()
}

#[test]
fn without_horizons_values_are_a_function_of_the_set() {
    for seed in 0..20 {
        let shape = Shape { horizons: false, instruments: 8, commits: 20, ..Shape::default() };
        let script = random(seed, &shape);
        let records = script.records();
        let want = value_bars(&records, &script.history.timeframes, &script.history.calendars);
        assert_eq!(values(&run(&script).0), want, "seed {seed}");
        let gaps = of_set(&records);
        assert!(!gaps.is_empty());
        for script in [&script, &rebatch(&script, seed)] {
            assert_eq!(run(script).0.last().map(|o| &o.gaps), Some(&gaps), "seed {seed}");
        }
        let other = rebatch(&script, seed);
        assert_eq!(values(&run(&other).0), want, "seed {seed}, other commits");
        let (a, b): (BTreeSet<Record>, BTreeSet<Record>) =
            (records.into_iter().collect(), other.records().into_iter().collect());
        assert_eq!(a, b);
    }
}

#[test]
fn scripts_are_the_same_for_a_seed_and_keep_their_promises() {
    for seed in 0..50 {
        let script = random(seed, &Shape::default());
        let again = random(seed, &Shape::default());
        assert_eq!(format!("{script:?}"), format!("{again:?}"));
        let records = script.records();
        let origins: BTreeSet<Origin> = records.iter().map(|r| r.origin).collect();
        assert_eq!(origins.len(), records.len(), "origins are unique");
        for pair in script.commits.windows(2) {
            let never_down =
                pair[0].watermarks.iter().zip(&pair[1].watermarks).all(|(a, b)| a <= b);
            assert!(never_down, "seed {seed}");
        }
        assert!(script.commits.last().unwrap().round);
        assert!(script.history.reject_after <= script.history.correction_horizon);
    }
}

/// How often each thing happens.
#[derive(Default)]
struct EventCounts(BTreeMap<String, usize>);

impl EventCounts {
    fn add(&mut self, what: String, count: usize) {
        *self.0.entry(what).or_default() += count;
    }

    fn output(&mut self, script: &Script, output: &Output) {
        let base = script.history.timeframes[0];
        let size = |key: &CandleKey| {
            if key.timeframe == base { "base" } else { "larger" }
        };
        for (key, candle) in &output.candles {
            self.add(format!("{} {}", size(key), candle.state.name()), 1);
            let open = key.open_time.0;
            let secs = (candle.bar.end_time.0 - open) / 1_000_000_000;
            if secs != i64::from(key.timeframe.secs()) {
                self.add("bars over a change of clocks".to_owned(), 1);
            }
        }
        for row in &output.revisions {
            let size = size(&row.key);
            self.add(format!("{size} by {}", row.cause.kind.name()), 1);
            self.add(format!("{size} vanished"), usize::from(row.after.is_none()));
            self.add(format!("{size} appeared"), usize::from(row.before.is_none()));
            let back = row.before.is_none() && row.revision > 1;
            self.add(format!("{size} came back"), usize::from(back));
        }
        for row in &output.unmatched {
            self.add(format!("unmatched {} {}", row.kind.name(), row.reason.name()), 1);
        }
        for row in &output.outliers {
            self.add(format!("outlier {}", row.kind.name()), 1);
            self.add("outlier below zero".to_owned(), usize::from(row.median.0 < 0));
            let full = row.bars as usize == script.history.far.bars;
            self.add(format!("outlier, window full: {full}"), 1);
        }
        self.add("conflicts".to_owned(), output.conflicts.len());
        self.add("too late".to_owned(), output.too_late.len());
    }

    /// What happened to gaps between two commits.
    fn gaps(&mut self, before: &Output, after: &Output) {
        for (key, gap) in &after.gaps {
            let was = before.gaps.get(key);
            let shrank = was.is_some_and(|was| gap.last_id < was.last_id);
            let merged =
                gap.is_merged(key.first_id) && was.is_none_or(|was| was.last_id < gap.last_id);
            let earlier = was.is_some_and(|was| {
                was.last_id == gap.last_id
                    && (was.from_time, was.to_time) != (gap.from_time, gap.to_time)
            });
            let inside = |was: (&GapKey, &Gap)| {
                (was.0.instrument, was.0.scope) == (key.instrument, key.scope)
                    && was.0.first_id < key.first_id
                    && gap.last_id < was.1.last_id
                    && !was.1.is_merged(was.0.first_id)
            };
            let split = was.is_none() && before.gaps.iter().any(inside);
            self.add("gaps that came".to_owned(), usize::from(was.is_none() && !split));
            self.add("gaps that shrank".to_owned(), usize::from(shrank));
            self.add("gaps with an earlier border".to_owned(), usize::from(earlier));
            self.add("gaps out of the middle of one".to_owned(), usize::from(split));
            self.add("gaps that were merged".to_owned(), usize::from(merged));
        }
        let went = before.gaps.keys().filter(|key| !after.gaps.contains_key(key)).count();
        self.add("gaps that went".to_owned(), went);
    }

    fn records(&mut self, script: &Script, fold: &Fold) {
        let records = script.records();
        let shards = records.iter().map(|r| r.event.instrument().shard());
        let shards: BTreeSet<_> = shards.collect();
        self.add("scripts over 20 shards".to_owned(), usize::from(shards.len() > 20));
        let zero = records.iter().any(|r| matches!(r.event, Event::New(t) if t.quantity.0 == 0));
        self.add("scripts with empty sizes".to_owned(), usize::from(zero));
        let below = records.iter().any(|r| matches!(r.event, Event::New(t) if t.price.0 < 0));
        self.add("scripts with negative prices".to_owned(), usize::from(below));
        let historic = script.commits[0].watermarks.contains(&None);
        self.add("scripts with a historic source".to_owned(), usize::from(historic));
        let chains = joined(&records).iter().filter(|t| t.ids.len() > 2).count();
        self.add("chains of three ids".to_owned(), chains);
        self.prints(script, &records);
        let mut places = BTreeSet::new();
        let ties = survivors(&records)
            .iter()
            .filter(|t| !places.insert((t.instrument, t.time, t.sequence)))
            .count();
        self.add("equal times and sequences".to_owned(), ties);
        self.add("forgotten".to_owned(), fold.forgotten());
        let mut known: BTreeMap<_, Trade> = BTreeMap::new();
        let mut is_copy = |trade: Trade| {
            let first = known.entry(trade.name()).or_insert(trade);
            trade.is_positional
                && *first != trade
                && Trade { sequence: trade.sequence, ..*first } == trade
        };
        let news = records.iter().filter_map(|record| match record.event {
            Event::New(trade) => Some(trade),
            Event::Correct { .. } | Event::Cancel { .. } => None,
        });
        let copies = news.filter(|trade| is_copy(*trade)).count();
        self.add("copies that only lie elsewhere".to_owned(), copies);
    }
}

impl EventCounts {
    /// Prints that count to another session than their time, and what becomes of them.
    fn prints(&mut self, script: &Script, records: &[Record]) {
        let is_moved = |trade: &Trade| counted(trade, &script.history.calendars).time != trade.time;
        for trade in joined(records) {
            let mut moved = None;
            let (mut is_corrected, mut is_cancelled) = (false, false);
            for record in &trade.records {
                match &record.event {
                    Event::New(trade) => moved = moved.or(Some(*trade).filter(is_moved)),
                    Event::Correct { .. } => is_corrected = true,
                    Event::Cancel { .. } => is_cancelled = true,
                }
            }
            if let Some(print) = moved.map(|trade| trade.updates.print()) {
                self.add(format!("{print:?} prints, moved"), 1);
                self.add(format!("{print:?} prints, corrected"), usize::from(is_corrected));
                self.add(format!("{print:?} prints, cancelled"), usize::from(is_cancelled));
            }
        }
    }
}

#[test]
fn fifty_scripts_reach_every_rule() {
    let mut counts = EventCounts::default();
    for seed in 0..50 {
        let script = random(seed, &Shape::default());
        let (outputs, fold) = run(&script);
        outputs.iter().for_each(|output| counts.output(&script, output));
        outputs.windows(2).for_each(|pair| counts.gaps(&pair[0], &pair[1]));
        counts.records(&script, &fold);
    }
    let mut want: Vec<String> = Vec::new();
    for size in ["base", "larger"] {
        for state in [BarState::Open, BarState::Provisional, BarState::Final, BarState::Revised] {
            want.push(format!("{size} {}", state.name()));
        }
        for what in ["by trade", "by correction", "by cancel", "vanished", "appeared", "came back"]
        {
            want.push(format!("{size} {what}"));
        }
    }
    for what in [
        "unmatched correction unknown",
        "unmatched cancel unknown",
        "unmatched correction beyond_horizon",
        "conflicts",
        "too late",
        "outlier trade",
        "outlier correction",
        "outlier below zero",
        "outlier, window full: true",
        "outlier, window full: false",
        "forgotten",
        "gaps that came",
        "gaps that shrank",
        "gaps that went",
        "gaps that were merged",
        "gaps out of the middle of one",
        "gaps with an earlier border",
        "bars over a change of clocks",
        "chains of three ids",
        "equal times and sequences",
        "copies that only lie elsewhere",
        "scripts over 20 shards",
        "scripts with empty sizes",
        "scripts with negative prices",
        "scripts with a historic source",
        "Closing prints, moved",
        "Closing prints, corrected",
        "Closing prints, cancelled",
        "Opening prints, moved",
        "Opening prints, corrected",
        "Opening prints, cancelled",
        "Ordinary prints, moved",
        "Ordinary prints, corrected",
        "Ordinary prints, cancelled",
    ] {
        want.push(what.to_owned());
    }
    for what in want {
        let count = counts.0.get(&what).copied().unwrap_or(0);
        assert!(count >= 5, "{what}: {count} times in {:#?}", counts.0);
    }
}
