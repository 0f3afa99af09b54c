//! Runs scripts through the operators: as pure cores, and under timely on several workers.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::indicators::bars::{Numbers, follow};
use market::{
    AcceptedEvent, Candle, CandleKey, Commit, Conflict, EventTime, Gap, GapKey, Outlier, Record,
    Revision, Shard, TooLate, Unmatched,
};
use operators::indicators::IndicatorOut;
use operators::{
    AuditEvent, CommitContext, Core, GapOut, Gauge, Indicators, IndicatorsConfig, Ledger,
    LedgerConfig, LedgerOut, OutlierRule, ReadFrom, Rollup, RollupConfig, RulesInForce, SavedState,
    Sharded, SourceSet, StateReadError, StateStore, Watermarks, keyed,
};
use oracle::random::Script;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Input, Inspect, Probe};

/// What there is after a commit, in the oracle's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) candles: BTreeMap<CandleKey, Candle>,
    pub(crate) gaps: BTreeMap<GapKey, Gap>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) too_late: Vec<TooLate>,
    pub(crate) unmatched: Vec<Unmatched>,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) outliers: Vec<Outlier>,
    pub(crate) emitted: Vec<AcceptedEvent>,
    /// As of the last round.
    pub(crate) numbers: Numbers,
}

/// What one commit put out.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) candles: Vec<LedgerOut>,
    pub(crate) numbers: Vec<IndicatorOut>,
}

impl Rows {
    /// Applies what one commit put out; changes must be net and fit what was there.
    pub(crate) fn after(self, out: Outputs) -> Rows {
        let Rows { candles, gaps, numbers, .. } = self;
        let mut rows = Rows { candles, gaps, numbers, ..Rows::default() };
        follow(&mut rows.numbers, out.numbers);
        for outputs in out.candles {
            match outputs {
                LedgerOut::Bar(change) => {
                    assert_ne!(change.before, change.after, "not a net change");
                    let before = rows.candles.remove(&change.key);
                    assert_eq!(before.as_ref(), change.before.as_deref());
                    change.after.as_ref().map(|after| rows.candles.insert(change.key, **after));
                }
                LedgerOut::Restored(key, candle) => {
                    assert_eq!(rows.candles.insert(key, *candle), None);
                }
                LedgerOut::Shown(key, candle) => {
                    assert_eq!(rows.candles.get(&key), Some(&*candle), "a row that exists");
                }
                LedgerOut::Gap(gap) => match *gap {
                    GapOut::Changed(change) => {
                        assert_ne!(change.before, change.after, "not a net change");
                        assert_eq!(rows.gaps.remove(&change.key), change.before);
                        change.after.map(|after| rows.gaps.insert(change.key, after));
                    }
                    GapOut::Restored(key, gap) => assert_eq!(rows.gaps.insert(key, gap), None),
                },
                LedgerOut::Audit(event) => match *event {
                    AuditEvent::Conflict(row) => rows.conflicts.push(row),
                    AuditEvent::TooLate(row) => rows.too_late.push(row),
                    AuditEvent::Unmatched(row) => rows.unmatched.push(row),
                    AuditEvent::Revision(row) => rows.revisions.push(row),
                    AuditEvent::Outlier(row) => rows.outliers.push(row),
                },
                LedgerOut::Accepted(emitted) => rows.emitted.extend(emitted.iter()),
                LedgerOut::Counts(_) | LedgerOut::SourceSeen(..) | LedgerOut::NewestBar(..) => {}
            }
        }
        rows.conflicts.sort();
        rows.too_late.sort();
        rows.unmatched.sort();
        rows.revisions.sort();
        rows.outliers.sort();
        rows.emitted.sort_by_key(|event| event.origin);
        rows
    }
}

pub(crate) fn configs(script: &Script) -> (Arc<LedgerConfig>, Arc<RollupConfig>) {
    let history = &script.history;
    let (base, larger) = history.timeframes.split_first().expect("a script has timeframes");
    let ledger = LedgerConfig {
        base: *base,
        calendars: history.calendars.clone(),
        reject_after: history.reject_after,
        correction_horizon: history.correction_horizon,
        gaps_max: history.gaps_max,
        outliers: OutlierRule {
            bars: history.far.bars,
            deviations: history.far.deviations,
            floor_bps: history.far.floor_bps,
        },
    };
    let rollup = RollupConfig::new(*base, larger, history.calendars.clone()).expect("they fit");
    (Arc::new(ledger), Arc::new(rollup))
}

/// Which commits of a script save states: those of all shards, a part of the shards after each of these commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saving {
    /// The first.
    pub(crate) at: usize,
    /// How many.
    over: usize,
}

impl Saving {
    /// From commit `at` on, over one to five of so many commits.
    pub(crate) fn from(at: usize, seed: u64, commits: usize) -> Saving {
        Saving { at, over: (1 + seed as usize % 5).min(commits - 1 - at) }
    }

    /// The last commit that saves.
    pub(crate) fn last(self) -> usize {
        self.at + self.over - 1
    }

    /// The shards that are saved after a commit.
    pub(crate) fn shards(self, number: usize) -> Range<u16> {
        let bound = |part: usize| (part.min(self.over) * Shard::COUNT / self.over) as u16;
        number.checked_sub(self.at).map_or(0..0, |part| bound(part)..bound(part + 1))
    }
}

/// The contexts of a script's commits.
pub(crate) fn contexts(script: &Script, save: Option<Saving>) -> Vec<Arc<CommitContext>> {
    let sources = script.commits[0].watermarks.len();
    let clients = script.history.clients.map(SourceSet::of).unwrap_or_default();
    let mut watermarks = Watermarks::none(sources).with_clients(clients);
    let mut round_watermarks = watermarks.clone();
    let contexts = script.commits.iter().enumerate().map(|(number, commit)| {
        let context = CommitContext {
            commit: Commit(number as u64),
            at: EventTime(number as i64),
            round: commit.round,
            watermarks: watermarks.clone(),
            round_watermarks: round_watermarks.clone(),
            read_from: ReadFrom::new(script.history.read_from.clone()),
            saves: save.map_or(0..0, |save| save.shards(number)),
            rules: RulesInForce::default(),
        };
        watermarks = Watermarks::new(commit.watermarks.clone()).with_clients(clients);
        if commit.round {
            round_watermarks = watermarks.clone();
        }
        Arc::new(context)
    });
    contexts.collect()
}

/// The rows after each commit, by the pure cores of one shard each.
pub(crate) fn cores(script: &Script) -> Vec<Rows> {
    cores_with_indicators(script, &no_indicators(script))
}

fn no_indicators(script: &Script) -> Arc<IndicatorsConfig> {
    let calendars = script.history.calendars.clone();
    Arc::new(IndicatorsConfig::new(calendars, Vec::new()).expect("an empty list is right"))
}

/// The same with numbers.
pub(crate) fn cores_with_indicators(
    script: &Script,
    indicators: &Arc<IndicatorsConfig>,
) -> Vec<Rows> {
    let (ledger, rollup) = configs(script);
    let mut shards: BTreeMap<Shard, (Ledger, Rollup, Indicators)> = BTreeMap::new();
    let mut all = Vec::new();
    let mut rows = Rows::default();
    for (context, commit) in contexts(script, None).iter().zip(&script.commits) {
        let mut inboxes: BTreeMap<Shard, Vec<Record>> = BTreeMap::new();
        for record in &commit.records {
            inboxes.entry(record.shard()).or_default().push(*record);
            shards.entry(record.shard()).or_insert_with(|| {
                let ledger = Ledger::new(Arc::clone(&ledger)).emitting_accepted(true);
                let rollup = Rollup::new(Arc::clone(&rollup));
                (ledger, rollup, Indicators::new(Arc::clone(indicators)))
            });
        }
        let mut out = Outputs::default();
        for (shard, (ledger, rollup, indicators)) in &mut shards {
            let mut inbox = inboxes.remove(shard).unwrap_or_default();
            let mut outputs = Vec::new();
            ledger.commit(context, &mut inbox, &mut outputs);
            let mut for_rollup =
                outputs.iter().filter_map(|outputs| outputs.clone().for_rollup()).collect();
            rollup.commit(context, &mut for_rollup, &mut outputs);
            let mut bars =
                outputs.iter().filter_map(|outputs| outputs.clone().bar_change()).collect();
            indicators.commit(context, &mut bars, &mut out.numbers);
            out.candles.append(&mut outputs);
        }
        rows = rows.after(out);
        all.push(rows.clone());
    }
    all
}

/// States in memory.
#[derive(Default)]
pub(crate) struct States {
    saved: Mutex<HashMap<(String, Shard), SavedState>>,
    restored: HashMap<(String, Shard), SavedState>,
}

impl States {
    /// What was saved, to be restored.
    pub(crate) fn to_restore(&self) -> States {
        States { restored: self.saved.lock().unwrap().clone(), saved: Mutex::default() }
    }
}

impl StateStore for States {
    fn restored_through(&self) -> Option<Commit> {
        self.restored.values().map(|saved| saved.after).max()
    }
    fn load(&self, operator: &str, shard: Shard) -> Result<Option<SavedState>, StateReadError> {
        Ok(self.restored.get(&(operator.to_owned(), shard)).cloned())
    }
    fn save(
        &self,
        operator: &'static str,
        shard: Shard,
        commit: Commit,
        encode: &mut dyn FnMut() -> Vec<u8>,
    ) {
        let saved = SavedState { after: commit, encoded: Some(encode()) };
        let known = self.saved.lock().unwrap().insert((operator.to_owned(), shard), saved);
        assert!(known.is_none(), "{operator} saved shard {} twice", shard.0);
    }
}

/// What a run under timely gave.
pub(crate) struct Run {
    /// The rows after each commit that was run.
    pub(crate) rows: Vec<Rows>,
    /// Per worker, the most keys that its ledger held.
    pub(crate) keys_held: Vec<usize>,
    states: Arc<States>,
    saving: Option<Saving>,
    indicators: Arc<IndicatorsConfig>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("keys_held", &self.keys_held).finish()
    }
}

impl Run {
    /// Goes on from the states that this run saved. Gives the rows from after the last commit that saved any.
    pub(crate) fn restored_on(&self, script: &Script, workers: usize, seed: u64) -> Run {
        let saving = self.saving.expect("the run saved its states");
        let states = self.states.to_restore();
        assert_eq!(
            states.restored.len(),
            3 * Shard::COUNT,
            "every shard of all operators is saved"
        );
        run(script, workers, None, Some(saving), Arc::new(states), seed, &self.indicators)
    }
}

/// Runs a script on so many workers; saves states as `save` says.
pub(crate) fn run_under_timely(
    script: &Script,
    workers: usize,
    save: Option<Saving>,
    seed: u64,
) -> Run {
    run_under_timely_with_indicators(script, workers, save, seed, &no_indicators(script))
}

/// The same with numbers.
pub(crate) fn run_under_timely_with_indicators(
    script: &Script,
    workers: usize,
    save: Option<Saving>,
    seed: u64,
    indicators: &Arc<IndicatorsConfig>,
) -> Run {
    run(script, workers, save, None, Arc::new(States::default()), seed, indicators)
}

fn run(
    script: &Script,
    workers: usize,
    save: Option<Saving>,
    restored: Option<Saving>,
    states: Arc<States>,
    seed: u64,
    indicators: &Arc<IndicatorsConfig>,
) -> Run {
    let script = Arc::new(script.clone());
    let shared = Arc::clone(&script);
    let for_workers = Arc::clone(&states);
    let outputs: Arc<Mutex<BTreeMap<u64, Outputs>>> = Arc::default();
    let collected = Arc::clone(&outputs);
    let for_indicators = Arc::clone(indicators);

    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index(), worker.peers());
        let (ledger, rollup) = configs(&shared);
        let gauge = Arc::new(Gauge::default());
        let indicators = Arc::clone(&for_indicators);
        let (outputs, numbers_said) = (Arc::clone(&outputs), Arc::clone(&outputs));
        let states: Arc<dyn StateStore> = Arc::<States>::clone(&for_workers);
        let (mut contexts_in, mut records_in, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (contexts_in, contexts) = scope.new_input::<Vec<Arc<CommitContext>>>();
            let (records_in, records) = scope.new_input::<Vec<Record>>();
            let ledger = keyed(
                contexts.clone(),
                records,
                "ledger",
                move || Ledger::new(Arc::clone(&ledger)).emitting_accepted(true),
                Arc::clone(&states),
                Arc::clone(&gauge),
            )
            .unwrap();
            let rollup = keyed(
                contexts.clone(),
                ledger.clone().flat_map(LedgerOut::for_rollup),
                "rollup",
                move || Rollup::new(Arc::clone(&rollup)),
                Arc::clone(&states),
                Arc::default(),
            )
            .unwrap();
            let candles = ledger.concat(rollup).inspect_time(move |time, out| {
                outputs.lock().unwrap().entry(*time).or_default().candles.push(out.clone());
            });
            let numbers = keyed(
                contexts,
                candles.flat_map(LedgerOut::bar_change),
                "indicators",
                move || Indicators::new(Arc::clone(&indicators)),
                states,
                Arc::default(),
            )
            .unwrap();
            let numbers = numbers.inspect_time(move |time, out| {
                numbers_said.lock().unwrap().entry(*time).or_default().numbers.push(out.clone());
            });
            let (probe, _) = numbers.probe();
            (contexts_in, records_in, probe)
        });

        let mut keys = 0;
        let first = restored.map_or(0, |saving| saving.at);
        for (number, context) in contexts(&shared, save).into_iter().enumerate().skip(first) {
            let time = number as u64;
            contexts_in.advance_to(time);
            records_in.advance_to(time);
            // Records reach a worker in any order, and may come before their context.
            let records = oracle::random::shuffle(&shared.commits[number].records, seed + time);
            for record in records.into_iter().filter(|r| r.shard().worker(peers) == index) {
                records_in.send(record);
            }
            contexts_in.send(context);
            contexts_in.advance_to(time + 1);
            records_in.advance_to(time + 1);
            // Sometimes several commits are in flight behind each other.
            if number % 3 == 0 {
                worker.step_while(|| probe.less_than(&(time + 1)));
            }
            keys = keys.max(gauge.keys());
        }
        contexts_in.close();
        records_in.close();
        worker.step_while(|| !probe.done());
        keys.max(gauge.keys())
    })
    .unwrap();
    let keys_held = guards.join().into_iter().map(|worker| worker.unwrap()).collect();

    let mut outputs = std::mem::take(&mut *collected.lock().unwrap());
    let first = restored.map_or(0, |saving| saving.at);
    let all = (first..script.commits.len()).scan(Rows::default(), |rows, number| {
        let outputs = outputs.remove(&(number as u64)).unwrap_or_default();
        *rows = std::mem::take(rows).after(outputs);
        Some(rows.clone())
    });
    // While not all shards are restored, some of their rows are missing.
    let whole_after = restored.map_or(0, |saving| saving.last() + 1 - saving.at);
    let all = all.collect::<Vec<_>>().split_off(whole_after);
    assert!(outputs.is_empty(), "output outside the commits: {:?}", outputs.keys());
    let indicators = Arc::clone(indicators);
    Run { rows: all, keys_held, states, saving: save, indicators }
}
