//! Rules that are put, replaced and deleted at random commits, and alerts that are acknowledged: at the end of each
//! round the rows are what judging all rules that there are then at all bars gives; a replay gives the same on any
//! number of workers, also from saved states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflows::config::{Config, RawConfig, RawRule};
use dataflows::ingest::recording::{NewNames, Next, Recording};
use dataflows::publish::BoardReader;
use dataflows::rules::{RuleChange, RuleTerms};
use dataflows::run::{Job, Report, RunOptions};
use market::{Candle, Commit, EventTime, InstrumentId, RuleId, Timeframe};
use operators::NoStates;
use operators::numbers::{Numbers, Reading};
use operators::signals::{Point, Rule};
use rows::{Cell, Scan, View, ViewReader};
use tokio::runtime::Runtime;

use super::made::Rng;
use super::restored::{assert_same_from_saved_states, digests, record, replay};

/// Rules that clients may put, under some names.
const RULES: [&str; 9] = [
    r#"{"threshold":{"series":"close","above":104.0},"settle":"at_once"}"#,
    r#"{"threshold":{"series":"close","below":101.0}}"#,
    r#"{"threshold":{"series":"sma3","above":103.0},"timeframes":["1s","1m"]}"#,
    r#"{"threshold":{"series":"volume","above":20.0},"instruments":["sim:S001","sim:S002"]}"#,
    r#"{"cross":{"left":"close","right":"sma3","direction":"above"},"settle":"at_once"}"#,
    r#"{"cross":{"left":"bb5_2.upper","right":"105.5","direction":"below"}}"#,
    r#"{"breakout":{"bars":2,"direction":"below"},"timeframes":["5s"]}"#,
    r#"{"pattern":"doji"}"#,
    r#"{"pattern":"inside_bar","settle":"at_once"}"#,
];
/// The last one is a rule of the configuration, so nothing comes of it.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "high"];

type Series = (InstrumentId, Timeframe);
type AlertAt = (InstrumentId, Timeframe, EventTime, String);

/// The rules by name, and the alerts that follow from them.
struct Twin {
    terms: RuleTerms,
    configured: BTreeSet<String>,
    rules: BTreeMap<String, Rule>,
    /// Acknowledged since the last round, with the time of the commit.
    acknowledged: Vec<(AlertAt, EventTime, String)>,
    alerts: BTreeMap<AlertAt, TwinAlert>,
    signals: BTreeSet<Vec<String>>,
}

#[derive(Clone)]
struct TwinAlert {
    raised: bool,
    settled: bool,
    first: Commit,
    last: Commit,
    changes: u64,
    at: EventTime,
    price: Cell,
    value: Cell,
    acknowledged: Option<(EventTime, String)>,
}

/// The bars of an instrument and a timeframe: all that have a row, and those that rules see.
#[derive(Default)]
struct Bars {
    rows: BTreeSet<EventTime>,
    points: BTreeMap<EventTime, Point>,
}

impl Twin {
    fn new(config: &Config) -> Twin {
        let configured = &config.job.rules;
        let rules = configured.rules.iter().map(|rule| (rule.name.clone(), rule.clone()));
        Twin {
            terms: configured.terms.clone().unwrap(),
            configured: configured.raw.iter().map(|rule| rule.name.clone()).collect(),
            rules: rules.collect(),
            acknowledged: Vec::new(),
            alerts: BTreeMap::new(),
            signals: BTreeSet::new(),
        }
    }

    fn change(&mut self, change: &RuleChange, (since, at): (Commit, EventTime)) {
        match change {
            RuleChange::Put { name, .. } | RuleChange::Delete { name, .. }
                if self.configured.contains(name) => {}
            RuleChange::Put { name, rule, .. } => {
                let raw: RawRule = serde_json::from_str(rule).unwrap();
                let raw = RawRule { name: name.clone(), ..raw };
                let rule = self.terms.rule(raw, RuleId(0), since).unwrap();
                self.rules.insert(name.clone(), rule);
            }
            RuleChange::Delete { name, .. } => drop(self.rules.remove(name)),
            RuleChange::Acknowledge { instrument, timeframe, open_time, rule, note, .. } => {
                let key = (*instrument, *timeframe, *open_time, rule.clone());
                self.acknowledged.push((key, at, note.clone()));
            }
        }
    }

    fn round(&mut self, bars: &BTreeMap<Series, Bars>, (commit, at): (Commit, EventTime)) {
        for (key, at, note) in std::mem::take(&mut self.acknowledged) {
            if let Some(alert) = self.alerts.get_mut(&key).filter(|alert| alert.raised) {
                alert.acknowledged = Some((at, note));
            }
        }
        for (key, alert) in &mut self.alerts {
            let rule = self.rules.get(&key.3);
            let is_watched = rule.is_some_and(|rule| rule.applies_to(key.0, key.1));
            if alert.raised && !is_watched {
                (alert.raised, alert.last, alert.changes) = (false, commit, alert.changes + 1);
            }
        }
        self.signals.clear();
        let rules: Vec<Rule> = self.rules.values().cloned().collect();
        for (of, bars) in bars {
            for rule in rules.iter().filter(|rule| rule.applies_to(of.0, of.1)) {
                self.judge(*of, rule, bars, (commit, at));
            }
        }
    }

    fn judge(&mut self, of: Series, rule: &Rule, bars: &Bars, (commit, at): (Commit, EventTime)) {
        let seen: Vec<(&EventTime, &Point)> =
            bars.points.iter().filter(|(_, point)| rule.takes_part(point)).collect();
        let mut held = BTreeSet::new();
        for end in 1..=seen.len() {
            let from = end.saturating_sub(rule.looks_back() + 1);
            let window: Vec<&Point> = seen[from..end].iter().map(|(_, point)| *point).collect();
            if rule.holds(&window) {
                held.insert(*seen[end - 1].0);
            }
        }
        for open in &held {
            let key = (of.0, of.1, *open, rule.name.clone());
            let point = &bars.points[open];
            let known = self.alerts.get(&key).cloned();
            if known.as_ref().is_some_and(|known| known.raised) {
                continue;
            }
            let price = point.ends.map_or(Cell::Null, |(_, close)| Cell::Decimal {
                mantissa: close.into(),
                scale: point.price_scale,
            });
            let alert = TwinAlert {
                raised: true,
                settled: false,
                first: known.as_ref().map_or(commit, |known| known.first),
                last: commit,
                changes: known.map_or(0, |known| known.changes) + 1,
                at,
                price,
                value: rule.compared(point).map_or(Cell::Null, Cell::number),
                acknowledged: None,
            };
            self.alerts.insert(key, alert);
        }
        let own = self.alerts.iter_mut();
        let own = own.filter(|((i, t, _, name), _)| (*i, *t) == of && *name == rule.name);
        for ((_, _, open, _), alert) in own {
            if alert.raised && !held.contains(open) {
                (alert.raised, alert.last, alert.changes) = (false, commit, alert.changes + 1);
            }
            alert.settled = bars.points.get(open).is_some_and(|point| point.is_final);
        }
        let Some(newest) = bars.rows.last() else { return };
        self.signals.insert(texts(&[
            Cell::Instrument(of.0),
            Cell::Timeframe(of.1),
            Cell::Text(rule.name.clone()),
            Cell::Word(if held.contains(newest) { "yes" } else { "no" }),
            Cell::Time(*newest),
            held.last().map_or(Cell::Null, |open| Cell::Time(*open)),
            Cell::Unsigned(held.len() as u64),
        ]));
    }

    /// The rows of `alerts`.
    fn rows(&self) -> BTreeSet<Vec<String>> {
        let rows = self.alerts.iter().map(|((instrument, timeframe, open, rule), alert)| {
            let acknowledged = alert.acknowledged.clone();
            let (at, note) = acknowledged.unzip();
            let note = note.filter(|note| !note.is_empty());
            texts(&[
                Cell::Instrument(*instrument),
                Cell::Timeframe(*timeframe),
                Cell::Time(*open),
                Cell::Text(rule.clone()),
                Cell::Word(if alert.raised { "raised" } else { "withdrawn" }),
                Cell::Word(if alert.settled { "final" } else { "open" }),
                Cell::Time(alert.at),
                alert.price.clone(),
                alert.value.clone(),
                Cell::Unsigned(alert.first.0),
                Cell::Unsigned(alert.last.0),
                Cell::Unsigned(alert.changes),
                at.map_or(Cell::Null, Cell::Time),
                at.map_or(Cell::Null, |_| Cell::Text("somebody".to_owned())),
                note.map_or(Cell::Null, Cell::Text),
            ])
        });
        rows.collect()
    }

    /// Something that clients might ask for now.
    fn random_change(&self, rng: &mut Rng) -> RuleChange {
        let (name, by) = (one_of(&NAMES, rng).to_owned(), "somebody".to_owned());
        match rng.below(6) {
            0 => RuleChange::Delete { name, by },
            1..4 => RuleChange::Put { name, rule: one_of(&RULES, rng).to_owned(), by },
            _ => {
                let raised = self.alerts.iter().filter(|(_, alert)| alert.raised);
                let raised: Vec<&AlertAt> = raised.map(|(key, _)| key).collect();
                if raised.is_empty() {
                    return RuleChange::Delete { name, by };
                }
                let (instrument, timeframe, open_time, rule) = one_of(&raised, rng).clone();
                let note = "n".repeat(rng.below(2) as usize);
                RuleChange::Acknowledge { instrument, timeframe, open_time, rule, by, note }
            }
        }
    }
}

fn one_of<'a, T: ?Sized>(all: &[&'a T], rng: &mut Rng) -> &'a T {
    all[rng.below(all.len() as i64) as usize]
}

fn texts(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(|cell| format!("{cell:?}")).collect()
}

/// Reads what workers publish.
struct Views {
    reader: BoardReader,
    runtime: Runtime,
    slots: Vec<(String, String)>,
}

impl Views {
    fn view(name: &str) -> &'static View {
        dataflows::jobs::JOBS[0].views.named(name).unwrap()
    }

    fn rows(&self, name: &str) -> Vec<Vec<Cell>> {
        let scan = Scan { limit: usize::MAX, ..Scan::all(Views::view(name)) };
        self.runtime.block_on(self.reader.scan(scan)).unwrap().rows
    }

    /// All bars with the numbers at them.
    fn bars(&self) -> BTreeMap<Series, Bars> {
        let mut numbers: BTreeMap<(Series, EventTime), Vec<Reading>> = BTreeMap::new();
        for row in self.rows("indicators") {
            let [
                Cell::Instrument(instrument),
                Cell::Timeframe(timeframe),
                Cell::Time(open),
                Cell::Text(indicator),
                Cell::Text(output),
                Cell::Number(value),
                ..,
            ] = &row[..]
            else {
                panic!("{row:?}")
            };
            let slot = self.slots.iter().position(|slot| slot.0 == *indicator && slot.1 == *output);
            let of = ((*instrument, *timeframe), *open);
            let all = numbers.entry(of).or_insert_with(|| vec![Reading::ABSENT; self.slots.len()]);
            all[slot.unwrap()] = Reading(f64::from_bits(*value));
        }
        let scan = Scan { limit: usize::MAX, ..Scan::all(Views::view("candles")) };
        let candles = self.runtime.block_on(self.reader.candles(scan)).unwrap().rows;
        let mut bars: BTreeMap<Series, Bars> = BTreeMap::new();
        for (key, candle) in &candles {
            let candle: &Candle = candle;
            let of = (key.instrument, key.timeframe);
            let own = bars.entry(of).or_default();
            own.rows.insert(key.open_time);
            let slots = numbers.get(&(of, key.open_time));
            let at_bar = slots.and_then(|slots| Numbers::new(slots, false));
            if let Some(point) = Point::of(candle, at_bar) {
                own.points.insert(key.open_time, point);
            }
        }
        bars
    }
}

/// Registers names that a recording has.
fn register(config: &Config, names: &NewNames) {
    names.instruments.iter().for_each(|name| drop(config.catalog.resolve(name).unwrap()));
    for (source, partition, name) in &names.partitions {
        assert_eq!(config.registries.register_partition(*source, name).unwrap(), *partition);
    }
}

/// Dispatches the commits of a recording with random changes of rules in between, which is recorded; holds the views to
/// the twin at the end of each round.
fn changed(file: &Path, workers: usize, seed: u64) -> (PathBuf, Report) {
    let mut recording = Recording::open(file).unwrap();
    let mut raw = RawConfig::parse(&recording.header().config, "recorded").unwrap();
    raw.job.workers = workers;
    let registries = recording.header().registries.clone();
    let config = raw.check_with(file.parent().unwrap(), registries).unwrap();
    let to = file.with_file_name(format!("changed-{seed}.rec"));
    let record = Some(to.clone());
    let options = RunOptions { digest: true, record, force: true, ..RunOptions::default() };
    let job = Job::new(&config, Arc::new(NoStates), &options).unwrap();
    let labels = config.labels();
    let slots = labels.indicators.iter().flat_map(|(indicator, outputs)| {
        outputs.iter().map(|output| (indicator.clone(), (*output).to_owned()))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let views = Views { reader: job.reader(), runtime, slots: slots.collect() };
    let (mut twin, mut rng, mut rounds) = (Twin::new(&config), Rng(seed), 0);
    let report = job.sequence(&options, |dispatcher| {
        loop {
            match recording.read().unwrap() {
                Next::Names(names) => register(&config, &names),
                Next::Commit(mut closed) => {
                    let (commit, at) = (closed.binding.commit, closed.binding.at);
                    let count = if rng.below(3) == 0 { rng.below(3) } else { 0 };
                    let changes = (0..count).map(|_| twin.random_change(&mut rng));
                    closed.rule_changes = changes.collect();
                    let is_round = closed.binding.round;
                    for change in &closed.rule_changes {
                        twin.change(change, (commit, at));
                    }
                    dispatcher.dispatch(closed).unwrap();
                    if is_round {
                        dispatcher.drain().unwrap();
                        twin.round(&views.bars(), (commit, at));
                        compare(&twin, &views, commit);
                        rounds += 1;
                    }
                }
                Next::End { .. } => return Ok(true),
                Next::Scales(_) | Next::Partitions(_) | Next::Rules(_) => {}
            }
        }
    });
    let acknowledged = twin.alerts.values().filter(|alert| alert.acknowledged.is_some()).count();
    assert!(rounds > 20 && acknowledged > 2, "{rounds} rounds, {acknowledged} acknowledged");
    (to, report.unwrap())
}

fn compare(twin: &Twin, views: &Views, commit: Commit) {
    for (name, want) in [("alerts", twin.rows()), ("signals", twin.signals.clone())] {
        let rows: BTreeSet<Vec<String>> = views.rows(name).iter().map(|row| texts(row)).collect();
        let more: Vec<_> = rows.difference(&want).take(3).collect();
        let less: Vec<_> = want.difference(&rows).take(3).collect();
        assert!(rows == want, "{name} at commit {commit}: {more:#?} instead of {less:#?}");
    }
}

#[test]
fn rules_that_come_and_go_give_what_judging_all_bars_gives() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "indicators = [\"sma3\", \"bb5_2\"]\n", 1_500);
    for (seed, workers) in [(1, 2), (2, 1), (3, 3)] {
        let (to, report) = changed(&file, workers, seed);
        for workers in [1, 3] {
            let again = replay(&to, workers, Arc::new(NoStates), RunOptions::default());
            assert_eq!(digests(&again), digests(&report), "seed {seed}, {workers} workers");
        }
        assert_same_from_saved_states(&to, &[(2, 3), (1, 1), (3, 2)], seed);
    }
}
