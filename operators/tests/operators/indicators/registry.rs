//! Every indicator of the registry, whatever it is, beside its own definition.

use super::bars::{Bars, Dice, Numbers, Scene};
use super::bars::{INSTRUMENT, afresh, assert_as_defined, edits, follow, line, random_config};
use market::{Calendar, CalendarId, Calendars, InstrumentSpec, Timeframe};
use operators::indicators::{INDICATORS, Indicator};

const LINE: (market::InstrumentId, Timeframe) = (INSTRUMENT, Timeframe::MINUTE);

/// Common prices; a fraction of a cent; the largest and the negative.
fn scene(seed: u64) -> Scene {
    let scene = |price_scale, quantity_scale, around, step| Scene {
        spec: InstrumentSpec { price_scale, quantity_scale, calendar: CalendarId(0) },
        around,
        step,
    };
    match seed % 4 {
        0 => scene(2, 3, 10_000, 400),
        1 => scene(9, 8, 61_685_990_000_000, 40_000_000),
        2 => scene(0, 0, 3, 5),
        _ => scene(12, 0, 1 << 61, 1 << 58),
    }
}

fn calendars(seed: u64) -> Calendars {
    let names = ["UTC", "America/New_York"];
    Calendars::new(vec![Calendar::named(names[seed as usize / 4 % 2]).unwrap()]).unwrap()
}

#[test]
fn after_every_round_of_restatements_numbers_are_as_defined() {
    for seed in 0..24 {
        let (mut dice, scene) = (Dice(seed), scene(seed));
        let config = random_config(&mut dice, &calendars(seed));
        let (mut line, mut bars, mut numbers) = (line(&config), Bars::new(), Numbers::new());
        for round in 0..60 {
            let edits = edits(&mut dice, &scene, &bars, round + 8);
            let mut out = Vec::new();
            line.apply(edits.iter().map(|(time, candle)| (*time, candle.as_ref())), &mut out);
            follow(&mut numbers, out);
            for (open_time, candle) in edits {
                match candle {
                    Some(candle) => bars.insert(open_time, candle),
                    None => bars.remove(&open_time),
                };
            }
            let place = format!("seed {seed}, round {round}");
            // Bit for bit what it would be had the bars always been so …
            let fresh = afresh(&config, &bars);
            let strange = numbers.iter().find(|(key, number)| fresh.get(key) != Some(number));
            assert_eq!(strange, None, "{place}: not what {config:?} gives for these bars");
            assert_eq!(numbers.len(), fresh.len(), "{place}: too few numbers");
            // … and what the definition gives, but for rounding.
            assert_as_defined(&place, &config, LINE, &bars, &numbers);
        }
        assert!(bars.len() > 30, "seed {seed} made {} bars", bars.len());
    }
}

#[test]
fn the_registry_is_in_order_and_says_what_a_user_needs() {
    assert!(INDICATORS.is_sorted_by(|a, b| a.name() < b.name()), "by name, each once");
    for spec in INDICATORS {
        let name = spec.name();
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase()),
            "{name}: labels end a name at a digit"
        );
        assert!(spec.doc().len() > 60 && spec.doc().ends_with('.'), "{name}: {}", spec.doc());
        assert!((1..=3).contains(&spec.outputs().len()), "{name} has one to three outputs");
        for parameter in spec.parameters() {
            let bounds = parameter.least..=parameter.most;
            assert!(bounds.contains(&parameter.default), "{name}: {parameter:?}");
        }
        let by_default: Indicator = name.parse().unwrap();
        let again: Indicator = by_default.label().parse().unwrap();
        assert_eq!(again.params(), by_default.params(), "{by_default} does not parse back");
    }
}
