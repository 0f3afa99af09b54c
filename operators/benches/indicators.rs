//! What a bar costs each indicator, beside the crates `ta` and `yata` where they have it.
//!
//! `cargo bench -p operators --bench indicators`. Medians of some runs, ns a bar: a bar appended; the newest
//! bar changed; a bar changed so far back that every state after it that can differ does, in µs. The crates
//! know neither restatements nor exact sums, and mostly seed differently: it is the price of those that
//! the first column shows.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use market::{
    Bar, BarState, Calendars, Candle, EventTime, InstrumentId, InstrumentSpec, OrderKey, Price,
    Timeframe,
};
use operators::indicators::{INDICATORS, IndicatorSeries, IndicatorsConfig};
use ta::Next;
use yata::core::{IndicatorConfig, IndicatorInstance, Method};

const BARS: usize = 20_000;
const RUNS: usize = 9;
const BACK: usize = 5_000;

fn bars() -> Vec<Candle> {
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % below) as i64
    };
    let mut price = 61_685_990_000_000;
    let candle = |index| {
        let open_time = EventTime(index as i64 * 60_000_000_000);
        let spec = InstrumentSpec::DEFAULT;
        let mut bar = Bar::empty(spec, EventTime(open_time.0 + 60_000_000_000));
        let edge = |sequence, price| {
            Some((OrderKey { time: open_time, sequence, number: None }, Price(price)))
        };
        let open = price;
        price += (random(2_001) - 1_000) * 10_000_000;
        bar.open = edge(0, open);
        bar.close = edge(1, price);
        bar.high = Some(Price(open.max(price) + random(1_000) * 10_000_000));
        bar.low = Some(Price(open.min(price) - random(1_000) * 10_000_000));
        bar.volume = i128::from(1 + random(1_000_000_000));
        bar.notional = bar.volume * i128::from(price);
        bar.trades = 1;
        Candle { bar, state: BarState::Final, revision: 0, cause: None }
    };
    (0..BARS).map(candle).collect()
}

/// The median over some runs of what one call of `run` takes, in ns for each of `of`.
fn median(of: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / of as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn open_time(index: usize) -> EventTime {
    EventTime(index as i64 * 60_000_000_000)
}

fn line(texts: &[&str]) -> IndicatorSeries {
    let config = IndicatorsConfig::parse(Calendars::utc(), texts.iter().copied()).unwrap();
    IndicatorSeries::new(Arc::new(config), InstrumentId(1), Timeframe::MINUTE)
}

/// Appended, newest changed (ns), far back changed (µs), numbers changed by the last.
fn ours(texts: &[&str], bars: &[Candle]) -> [f64; 4] {
    let mut out = Vec::with_capacity(1_024);
    let append = median(bars.len(), || {
        let mut line = line(texts);
        for (index, bar) in bars.iter().enumerate() {
            line.apply([(open_time(index), Some(bar))], &mut out);
            out.clear();
        }
        black_box(line.bytes());
    });

    let mut line = line(texts);
    line.apply(bars.iter().enumerate().map(|(index, bar)| (open_time(index), Some(bar))), &mut out);
    out.clear();
    let newest = open_time(bars.len() - 1);
    let newest = median(bars.len(), || {
        for bar in bars {
            line.apply([(newest, Some(bar))], &mut out);
            out.clear();
        }
    });

    let mut changed = 0;
    let back = bars.len() - BACK;
    let far = median(100, || {
        for bar in &bars[..100] {
            line.apply([(open_time(back), Some(bar))], &mut out);
            changed = changed.max(out.len());
            out.clear();
        }
    });
    [append, newest, far / 1_000.0, changed as f64]
}

/// What `ta` takes for a bar, if it has the indicator.
fn with_ta(name: &str, bars: &[Candle]) -> Option<f64> {
    use ta::indicators as ta;
    let unit = 1e9;
    let closes: Vec<f64> =
        bars.iter().map(|bar| bar.bar.close.unwrap().1.0 as f64 / unit).collect();
    let item = |bar: &Candle| {
        let price = |price: Option<Price>| price.unwrap().0 as f64 / unit;
        ::ta::DataItem::builder()
            .open(bar.bar.open.unwrap().1.0 as f64 / unit)
            .close(bar.bar.close.unwrap().1.0 as f64 / unit)
            .high(price(bar.bar.high))
            .low(price(bar.bar.low))
            .volume(bar.bar.volume as f64 / 1e8)
            .build()
            .unwrap()
    };
    let items: Vec<::ta::DataItem> = bars.iter().map(item).collect();
    macro_rules! over {
        ($inputs:expr, $new:expr) => {
            Some(median(bars.len(), || {
                let mut indicator = $new;
                for input in $inputs {
                    black_box(indicator.next(input));
                }
            }))
        };
    }
    let closes = || closes.iter().copied();
    match name {
        "sma" => over!(closes(), ta::SimpleMovingAverage::new(20).unwrap()),
        "ema" => over!(closes(), ta::ExponentialMovingAverage::new(20).unwrap()),
        "rsi" => over!(closes(), ta::RelativeStrengthIndex::new(14).unwrap()),
        "macd" => over!(closes(), ta::MovingAverageConvergenceDivergence::new(12, 26, 9).unwrap()),
        "bb" => over!(closes(), ta::BollingerBands::new(20, 2.0).unwrap()),
        "roc" => over!(closes(), ta::RateOfChange::new(10).unwrap()),
        "atr" => over!(&items, ta::AverageTrueRange::new(14).unwrap()),
        "cci" => over!(&items, ta::CommodityChannelIndex::new(20).unwrap()),
        "mfi" => over!(&items, ta::MoneyFlowIndex::new(14).unwrap()),
        "obv" => over!(&items, ta::OnBalanceVolume::new()),
        "keltner" => over!(&items, ta::KeltnerChannel::new(20, 2.0).unwrap()),
        "stoch" => over!(&items, ta::SlowStochastic::new(5, 3).unwrap()),
        _ => None,
    }
}

/// What `yata` takes for a bar, if it has the indicator.
fn with_yata(name: &str, bars: &[Candle]) -> Option<f64> {
    use yata::{indicators, methods};
    let unit = 1e9;
    let closes: Vec<f64> =
        bars.iter().map(|bar| bar.bar.close.unwrap().1.0 as f64 / unit).collect();
    let candle = |bar: &Candle| yata::core::Candle {
        open: bar.bar.open.unwrap().1.0 as f64 / unit,
        high: bar.bar.high.unwrap().0 as f64 / unit,
        low: bar.bar.low.unwrap().0 as f64 / unit,
        close: bar.bar.close.unwrap().1.0 as f64 / unit,
        volume: bar.bar.volume as f64 / 1e8,
    };
    let candles: Vec<yata::core::Candle> = bars.iter().map(candle).collect();
    macro_rules! method {
        ($method:ty, $parameters:expr) => {
            Some(median(bars.len(), || {
                let mut method = <$method>::new($parameters, &closes[0]).unwrap();
                for close in &closes {
                    black_box(method.next(close));
                }
            }))
        };
    }
    macro_rules! indicator {
        ($indicator:expr) => {
            Some(median(bars.len(), || {
                let mut indicator = $indicator.init(&candles[0]).unwrap();
                for candle in &candles {
                    black_box(indicator.next(candle));
                }
            }))
        };
    }
    match name {
        "sma" => method!(methods::SMA, 20),
        "ema" => method!(methods::EMA, 20),
        "wma" => method!(methods::WMA, 20),
        "dema" => method!(methods::DEMA, 20),
        "tema" => method!(methods::TEMA, 20),
        "mom" => method!(methods::Momentum, 10),
        "roc" => method!(methods::RateOfChange, 10),
        "cci" => method!(methods::CCI, 20),
        "rsi" => indicator!(indicators::RSI::default()),
        "macd" => indicator!(indicators::MACD::default()),
        "bb" => indicator!(indicators::BollingerBands::default()),
        "adx" => indicator!(indicators::AverageDirectionalIndex::default()),
        "donchian" => indicator!(indicators::DonchianChannel::default()),
        "keltner" => indicator!(indicators::KeltnerChannel::default()),
        "mfi" => indicator!(indicators::MoneyFlowIndex::default()),
        "stoch" => indicator!(indicators::StochasticOscillator::default()),
        _ => None,
    }
}

fn main() {
    let bars = bars();
    let shown = |ns: Option<f64>| ns.map_or("-".to_owned(), |ns| format!("{ns:.1}"));
    println!(
        "{:14}{:>10}{:>10}{:>12}{:>10}{:>8}{:>8}",
        "ns a bar", "append", "newest", "back, µs", "changes", "ta", "yata"
    );
    let row = |name: &str, texts: &[&str]| {
        let [append, newest, back, changes] = ours(texts, &bars);
        let (ta, yata) = (shown(with_ta(name, &bars)), shown(with_yata(name, &bars)));
        println!("{name:14}{append:>10.1}{newest:>10.1}{back:>12.2}{changes:>10}{ta:>8}{yata:>8}");
    };
    for spec in INDICATORS {
        row(spec.name(), &[spec.name()]);
    }
    row("(the first 5)", &["sma20", "ema20", "rsi14", "macd", "bb"]);
    row("(all)", &INDICATORS.iter().map(|spec| spec.name()).collect::<Vec<_>>());
}
