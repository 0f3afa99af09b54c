//! The same for the same seed, as wrong as configured, and true all in all.

use crate::source::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{
    CalendarId, Catalog, Event, EventTime, InstrumentRule, InstrumentSpec, NameOrder, Origin,
    PartitionId, Record, SourceId, Span,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::config::Plan;
use super::*;

pub(super) fn plan(config: Value) -> Result<Plan, String> {
    let spec = InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(0) };
    let rule = InstrumentRule { spec, ..InstrumentRule::any() };
    let catalog = Catalog::new(vec![rule], 20_000);
    let config = serde_json::from_value(config).map_err(|error| error.to_string())?;
    Plan::check(config, &catalog)
}

pub(super) fn venue(config: Value) -> Vec<VenueTick> {
    Venue::new(plan(config).unwrap().params).collect()
}

pub(super) fn provider(config: &Value, number: u32) -> Vec<Arrival> {
    let mut config = config.clone();
    config["provider"] = json!(number);
    let Plan { params, faults, provider, providers } = plan(config).unwrap();
    Provider::new(params, faults, provider, providers).collect()
}

/// Records of one source: provider `number` if there is one, else the venue itself.
fn records(number: u32, events: impl Iterator<Item = Event>) -> Vec<Record> {
    let origin = |position| Origin {
        rank: number as u8,
        order: NameOrder(number),
        source: SourceId(number as u8),
        partition: PartitionId(0),
        position,
    };
    (1..).zip(events).map(|(position, event)| Record { origin: origin(position), event }).collect()
}

/// Ids that are missing, by symbol.
fn missing(records: &[Record]) -> u64 {
    oracle::gaps::of_set(records).values().map(|gap| gap.missing).sum()
}

/// Faults often enough to meet in few ticks.
pub(super) fn rough(seed: u64, ticks: u64) -> Value {
    json!({
        "seed": seed, "ticks": ticks, "ticks_per_second": 500, "providers": 2,
        "faults": {
            "late": 0.05, "corrected": 0.05, "cancelled": 0.05, "disordered": 0.1,
            "repeated": 0.05, "lost": 0.05, "conflicting": 0.02,
            "outage_every": "7s", "outage_for": "1s",
        },
    })
}

const NO_FAULTS: [&str; 7] =
    ["late", "corrected", "cancelled", "disordered", "repeated", "lost", "conflicting"];

pub(super) fn faultless(ticks: u64) -> Value {
    let mut config = json!({ "ticks": ticks, "faults": { "outage_every": "0s" } });
    NO_FAULTS.into_iter().for_each(|fault| config["faults"][fault] = json!(0.0));
    config
}

#[test]
fn the_same_seed_gives_the_same_ticks() {
    let rows = |config: &Value, after| {
        let plan = plan(config.clone()).unwrap();
        let source = SimulatedSource { name: "s".to_owned(), plan };
        let mut reader = source.open(0, Place::After(after)).unwrap();
        let mut rows = Vec::new();
        while reader.read(&mut rows).unwrap() == Progress::More {}
        assert_eq!(reader.extent(), Some((3_000, 3_000)));
        rows
    };
    let config = rough(7, 3_000);
    let whole = rows(&config, 0);
    assert_eq!(whole, rows(&config, 0));
    assert_eq!(whole[1_234..], rows(&config, 1_234), "opened again behind a row");
    assert_ne!(whole, rows(&rough(8, 3_000), 0));
    assert!(whole.iter().zip(1..).all(|(row, position)| row.position == position));
}

#[test]
fn two_providers_together_tell_the_truth() {
    for seed in 0..4 {
        let config = rough(seed, 6_000);
        let truth: Vec<VenueTick> = venue(config.clone());
        let truth = oracle::set::survivors(&records(0, truth.iter().map(|tick| tick.event)));
        let emitted = |number| provider(&config, number).into_iter().map(|arrival| arrival.event);
        let (a, b) = (records(0, emitted(1)), records(1, emitted(2)));
        assert_ne!(oracle::set::survivors(&a), truth, "one alone lacks something");
        assert_ne!(oracle::set::survivors(&b), truth);
        let both: Vec<Record> = a.into_iter().chain(b).collect();
        assert_eq!(oracle::set::survivors(&both), truth, "seed {seed}");
    }
}

#[test]
fn what_a_provider_loses_are_holes_in_ids_until_another_brings_it() {
    for seed in 0..4 {
        let mut config = rough(seed, 20_000);
        config["faults"]["late"] = json!(0.0); // else the venue itself still holds trades back at the end
        let emitted = |number| provider(&config, number).into_iter().map(|arrival| arrival.event);
        let (a, b) = (records(0, emitted(1)), records(1, emitted(2)));
        for alone in [&a, &b] {
            assert!(missing(alone) > 1_000, "{} of 20,000 ticks", missing(alone));
        }
        let both: Vec<Record> = a.into_iter().chain(b).collect();
        assert_eq!(missing(&both), 0, "seed {seed}");
    }
}

#[test]
fn faults_are_as_often_as_configured() {
    let config = rough(3, 60_000);
    let tick = venue(config.clone());
    let trades = tick.iter().filter(|tick| matches!(tick.event, Event::New(_))).count() as f64;
    let count =
        |of: &dyn Fn(&VenueTick) -> bool| tick.iter().filter(|tick| of(tick)).count() as f64;
    let about = |what: &str, got: f64, want: f64| {
        assert!((got / want - 1.0).abs() < 0.15, "{what}: {got}, not about {want}");
    };
    let late = |tick: &VenueTick| match tick.event {
        Event::New(trade) => tick.at.0 - trade.time.0 > 1_000_000,
        _ => false,
    };
    about("late", count(&late), 0.05 * trades);
    // A quarter of them twice; of those that are not corrected some are cancelled, and of the corrected.
    about("corrected", count(&|s| matches!(s.event, Event::Correct { .. })), 0.0625 * trades);
    about("cancelled", count(&|s| matches!(s.event, Event::Cancel { .. })), 0.0525 * trades);

    let (a, b) = (provider(&config, 1), provider(&config, 2));
    let numbers =
        |emitted: &[Arrival]| emitted.iter().map(|arrival| arrival.number).collect::<Vec<_>>();
    let start = plan(config).unwrap().params.start;
    for (number, emitted) in [(0, &a), (1, &b)] {
        let emitted = numbers(emitted);
        let distinct: BTreeSet<u64> = emitted.iter().copied().collect();
        about("repeated", (emitted.len() - distinct.len()) as f64, 0.05 * distinct.len() as f64);
        let silent = |at: EventTime| (at.0 - start.0) % 14_000_000_000 / 1_000_000_000;
        let missed = tick.iter().filter(|tick| !distinct.contains(&tick.number));
        let (out, lost): (Vec<&VenueTick>, Vec<&VenueTick>) =
            missed.partition(|tick| silent(tick.at) == 6 + 7 * number);
        let outage = tick.iter().filter(|tick| silent(tick.at) == 6 + 7 * number).count();
        assert_eq!(out.len(), outage, "a silent provider brings nothing");
        about("lost", lost.len() as f64, 0.05 * tick.len() as f64 * 6.0 / 7.0);
    }
    let first: BTreeMap<u64, Event> =
        a.iter().map(|emitted| (emitted.number, emitted.event)).collect();
    let second: BTreeMap<u64, Event> =
        b.iter().map(|emitted| (emitted.number, emitted.event)).collect();
    let both = second.iter().filter_map(|(number, event)| Some((first.get(number)?, event)));
    let both: Vec<_> = both.filter(|(event, _)| matches!(event, Event::New(_))).collect();
    let differ = both.iter().filter(|(a, b)| a != b).count() as f64;
    about("conflicting", differ, 0.02 * both.len() as f64);
    let emitted = numbers(&a);
    let behind = emitted.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64;
    about("disordered", behind, (0.1 + 0.05) * emitted.len() as f64);
}

#[test]
fn without_faults_there_are_none() {
    let config = faultless(20_000);
    let tick = venue(config.clone());
    let emitted = provider(&config, 1);
    assert!(tick.iter().all(|tick| matches!(tick.event, Event::New(_))));
    assert_eq!(
        tick.iter().map(|tick| tick.event).collect::<Vec<_>>(),
        emitted.iter().map(|emitted| emitted.event).collect::<Vec<_>>()
    );
}

#[test]
fn activity_is_as_configured_and_uneven() {
    let mut config = faultless(100_000);
    config["ticks_per_second"] = json!(1_000);
    let tick = venue(config);
    let seconds = (tick[tick.len() - 1].at.0 - tick[0].at.0) as f64 / 1e9;
    assert!((90.0..110.0).contains(&seconds), "100,000 ticks in {seconds} s");

    let mut quarters: BTreeMap<i64, u64> = BTreeMap::new();
    tick.iter().for_each(|tick| *quarters.entry(tick.at.0 / 250_000_000).or_default() += 1);
    let bursts = quarters.values().filter(|ticks| **ticks > 500).count();
    assert!((20..60).contains(&bursts), "{bursts} bursts in {} quarters", quarters.len());

    let mut busy: BTreeMap<_, u64> = BTreeMap::new();
    tick.iter().for_each(|tick| *busy.entry(tick.event.instrument()).or_default() += 1);
    let mut busy: Vec<u64> = busy.into_values().collect();
    busy.sort_unstable();
    assert_eq!(busy.len(), 50);
    assert!(busy[49] > 15_000 && busy[0] < 1_000, "{busy:?}");

    // Slow venues are as exact.
    let mut config = faultless(1_000);
    config["ticks_per_second"] = json!(1);
    let tick = venue(config);
    let seconds = (tick[tick.len() - 1].at.0 - tick[0].at.0) / 1_000_000_000;
    assert!((850..1_150).contains(&seconds), "1,000 ticks in {seconds} s");
}

#[test]
fn wrong_settings_say_what_is_possible() {
    for (config, want) in [
        (json!({"symbols": 0}), "`symbols` = 0 is not between 1 and 10000"),
        (json!({"ticks_per_second": 0}), "`ticks_per_second` = 0 is not between 1 and 1000000"),
        (json!({"providers": 9}), "`providers` = 9 is not between 1 and 8"),
        (json!({"providers": 2, "provider": 3}), "`provider` = 3 is not between 1 and 2"),
        (json!({"start": "noon"}), "`start` = \"noon\" is not an RFC 3339 time"),
        (json!({"instrument": "demo:X"}), "write a template such as \"demo:{symbol}\""),
        (json!({"faults": {"late": 0.2}}), "`faults.late` = 0.2 is not between 0 and 0.1"),
        (json!({"faults": {"late_by": "1d"}}), "`faults.late_by` = \"1d\" is not between 1ms"),
        (json!({"faults": {"outage_for": "1h"}}), "is not less than `faults.outage_every`"),
        (json!({"faults": {"luck": 1}}), "unknown field `luck`"),
        (json!({"backfill": "90s"}), "`backfill` = \"90s\" is not whole minutes from 0s to 7d"),
        (json!({"backfill": "8d"}), "`backfill` = \"8d\" is not whole minutes from 0s to 7d"),
        (
            json!({"backfill": "24h", "symbols": 500}),
            "`backfill` = \"24h\" of 500 symbols is 1218120 trades, more than 1000000",
        ),
        (json!({"seed": -1}), "invalid value: integer `-1`"),
    ] {
        let problem = plan(config.clone()).err().unwrap_or_default();
        assert!(problem.contains(want), "{config}: `{problem}` lacks `{want}`");
    }
    // Scales that prices and sizes do not fit into.
    let spec = InstrumentSpec { price_scale: 18, quantity_scale: 18, calendar: CalendarId(0) };
    let rule = InstrumentRule { spec, ..InstrumentRule::any() };
    let catalog = Catalog::new(vec![rule], 100);
    let problem = Plan::check(SimulatedConfig::default(), &catalog).err().unwrap_or_default();
    assert!(problem.contains("`demo:ALFA` has 18 decimals of prices"), "{problem}");
    // The default scales do.
    assert!(Plan::check(SimulatedConfig::default(), &Catalog::new(Vec::new(), 100)).is_ok());
}

#[test]
fn a_venue_closes_before_the_last_year_that_records_carry() {
    let config = json!({"start": "2199-12-31T23:59:00Z", "ticks_per_second": 10});
    let tick = venue(config);
    assert!(!tick.is_empty() && tick.iter().all(|tick| tick.at < EventTime::LATEST));
}

/// What a decoder would have refused.
fn is_valid(event: &Event, start: EventTime) -> bool {
    let time = event.time().is_some_and(|time| time.checked().is_ok() && time >= start);
    time && match event {
        Event::New(trade) => trade.price.0 > 0 && trade.price.summable(trade.quantity),
        Event::Correct { of, with } => {
            with.price.0 > 0
                && with.price.summable(with.quantity)
                && of.instrument == with.instrument
        }
        Event::Cancel { .. } => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_tick_is_invalid(
        seed: u64, symbols in 1_u32..200, rate in 1_u32..100_000, number in 1_u32..=2,
        late_ms in 1_i64..3_600_000,
    ) {
        let mut config = rough(seed, 2_000);
        config["symbols"] = json!(symbols);
        config["ticks_per_second"] = json!(rate);
        config["faults"]["late_by"] = json!(Span::millis(late_ms).to_string());
        let start = plan(config.clone()).unwrap().params.start;
        let emitted = provider(&config, number);
        let mut before = EventTime::NEVER;
        let mut known = Vec::new();
        for tick in venue(config) {
            prop_assert!(before <= tick.at, "{tick:?} after {before}");
            before = tick.at;
            // What is amended was emitted before.
            match tick.event {
                Event::New(trade) => known.push(trade.name()),
                Event::Correct { of, with } => {
                    prop_assert!(known.contains(&of));
                    known.push(with.name());
                }
                Event::Cancel { of, .. } => prop_assert!(known.contains(&of)),
            }
        }
        let mut before = EventTime::NEVER;
        for arrival in emitted {
            prop_assert!(is_valid(&arrival.event, start), "{arrival:?}");
            prop_assert!(before <= arrival.at, "{arrival:?} after {before}");
            before = arrival.at;
        }
    }
}

#[test]
fn endless_venues_are_read_batch_by_batch() {
    let source = SimulatedSource {
        name: "s".to_owned(),
        plan: plan(json!({"providers": 2, "provider": 2})).unwrap(),
    };
    let mut reader = source.open(0, Place::After(0)).unwrap();
    let mut rows = Vec::new();
    for _ in 0..20 {
        assert_eq!(reader.read(&mut rows).unwrap(), Progress::More);
    }
    assert_eq!(rows.len(), 20 * BATCH_ROWS);
    assert_eq!(reader.extent(), None);
    assert_eq!(source.live_from(), None, "there is no back-fill");
    assert!(source.open(1, Place::After(0)).is_err());
    assert!(Arc::strong_count(&source.plan.params.listings) > 1, "listings are shared");
}
