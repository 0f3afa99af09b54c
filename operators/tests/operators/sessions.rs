//! Calendars with sessions through ledger and roll-ups: weeks in which clocks change, markets close
//! early or do not open, and trades at every hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use market::{
    Bucket, Calendar, CalendarId, Calendars, CandleKey, Event, EventTime, IdScope, InstrumentId,
    InstrumentSpec, NameOrder, Origin, PartitionId, Price, Quantity, Record, SessionKind,
    SessionPrint, Side, SourceId, Span, TimeUnit, Timeframe, Trade, TradeId, TradeRef, Updates,
};
use oracle::commits::{CommitInput, Fold, History};
use oracle::outliers::Far;
use oracle::random::{Script, rebatch};
use oracle::sessions::{Market, Piece};
use oracle::set::survivors;
use oracle::values::bars_placed;
use proptest::prelude::*;

use super::harness::{cores, run_under_timely};

const FRAMES: [&str; 12] =
    ["1m", "15m", "45m", "1h", "65m", "90m", "4h", "1d", "2d", "1w", "1M", "1y"];
const WEEKS: [&str; 3] = ["2024-03-08T12:00:00Z", "2024-11-01T12:00:00Z", "2024-11-27T12:00:00Z"];
const DAYS: i64 = 5;
const MINUTE: i64 = 60_000_000_000;

/// An event of trade `id`: instrument, minute and second of the week, price, what it is, and of which print.
type TradeStep = (u64, u8, i64, i64, i64, u8, SessionPrint);

fn steps() -> impl Strategy<Value = TradeStep> {
    // Often near the hour and its half, where sessions begin and end.
    let minute = prop_oneof![
        (0..DAYS * 48, -1..=1_i64).prop_map(|(half, off)| half * 30 + off),
        // In New York a session begins or ends.
        (0..DAYS, prop::sample::select(vec![90, 150, 360, 480, 540]), -1..=1_i64)
            .prop_map(|(day, border, off)| day * 1_440 + border + off),
        0..DAYS * 1_440,
    ];
    let second = prop_oneof![0..60_i64, 0..11_i64, 50..60_i64];
    let print = prop::sample::select(SessionPrint::ALL.to_vec());
    (0..60_u64, 0..2_u8, minute, second, 1..1_000_i64, 0..10_u8, print)
}

fn record(
    start: EventTime,
    position: u64,
    (id, market, minute, second, price, kind, print): TradeStep,
) -> Record {
    let instrument = InstrumentId::of(Market::ALL[usize::from(market)].name());
    let time = EventTime(start.0 + minute.max(0) * MINUTE + second * 1_000_000_000);
    let trade = Trade {
        instrument,
        spec: InstrumentSpec { price_scale: 0, quantity_scale: 0, calendar: CalendarId(market) },
        scope: IdScope(0),
        id: TradeId::Number(id),
        time,
        sequence: position,
        is_positional: false,
        price: Price(price),
        quantity: Quantity(1 + price % 7),
        side: [Side::Buy, Side::Sell][usize::from(kind % 2)],
        updates: Updates::ALL.of_print(print),
    };
    let of = TradeRef { instrument, scope: trade.scope, id: trade.id };
    let event = match kind {
        0 => Event::Cancel { of, time: Some(time) },
        1 | 2 => Event::Correct { of, with: trade },
        _ => Event::New(trade),
    };
    Record {
        origin: Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(0),
            partition: PartitionId(0),
            position,
        },
        event,
    }
}

/// Commits of ten records, a round every third.
fn script(week: &str, steps: &[TradeStep]) -> Script {
    let start = EventTime::parse(week, TimeUnit::Rfc3339).unwrap();
    let records: Vec<_> =
        (0..).zip(steps).map(|(position, steps)| record(start, position, *steps)).collect();
    let count = records.len().div_ceil(10);
    let commits = records.chunks(10).enumerate().map(|(number, records)| CommitInput {
        records: records.to_vec(),
        // Time passes faster than trades come, so that bars become final and are revised.
        watermarks: vec![Some(EventTime(start.0 + number as i64 * 600 * MINUTE))],
        round: number % 3 == 2 || number + 1 == count,
    });
    let calendars = Market::ALL.map(|market| Calendar::named(market.name()).unwrap());
    Script {
        history: History {
            timeframes: FRAMES.iter().map(|frame| frame.parse().unwrap()).collect(),
            calendars: Calendars::new(calendars.to_vec()).unwrap(),
            reject_after: Span::FOREVER,
            correction_horizon: Span::FOREVER,
            gaps_max: 1_000,
            far: Far { bars: 5, deviations: 2, floor_bps: 50 },
            read_from: Vec::new(),
            clients: None,
        },
        commits: commits.collect(),
    }
}

/// The sessions of both markets around a week; they are walked once.
fn pieces(week: &str, (start, end): (EventTime, EventTime)) -> Arc<[Vec<Piece>; 2]> {
    static WALKED: Mutex<BTreeMap<String, Arc<[Vec<Piece>; 2]>>> = Mutex::new(BTreeMap::new());
    let mut walked = WALKED.lock().unwrap();
    let walk = || Arc::new(Market::ALL.map(|market| market.pieces(start, end)));
    Arc::clone(walked.entry(week.to_owned()).or_insert_with(walk))
}

type Borders = [Vec<Bucket>; 2];

/// The bars of both markets in a week; each is walked once.
fn borders(week: &str, timeframe: Timeframe, (start, end): (EventTime, EventTime)) -> Arc<Borders> {
    static WALKED: Mutex<BTreeMap<(String, Timeframe), Arc<Borders>>> = Mutex::new(BTreeMap::new());
    let mut walked = WALKED.lock().unwrap();
    let all = walked
        .entry((week.to_owned(), timeframe))
        .or_insert_with(|| Arc::new(Market::ALL.map(|market| market.bars(timeframe, start, end))));
    Arc::clone(all)
}

/// The trade at the time at which it counts, by the sessions that the slow walk gives.
fn counted(pieces: &[Vec<Piece>; 2], trade: &Trade) -> Trade {
    let market = usize::from(trade.spec.calendar.0);
    let (pieces, time) = (&pieces[market], trade.time);
    let grace = if Market::ALL[market] == Market::UsEquities { 10_000_000_000 } else { 0 };
    let at = pieces.iter().position(|piece| piece.open <= time && time < piece.end).unwrap();
    let is_regular = |at: usize| pieces[at].kind == SessionKind::Regular;
    let Piece { open, end, .. } = pieces[at];
    let counts = match trade.updates.print() {
        SessionPrint::Ordinary if is_regular(at) && time.0 >= end.0 - grace => end,
        SessionPrint::Closing if !is_regular(at) && is_regular(at - 1) => EventTime(open.0 - 1),
        SessionPrint::Opening
            if !is_regular(at) && is_regular(at + 1) && time.0 >= end.0 - grace =>
        {
            end
        }
        _ => time,
    };
    Trade { time: counts, ..*trade }
}

/// The bars that the slow walk over minutes gives for the trades that survive.
fn slowly(week: &str, script: &Script) -> BTreeMap<CandleKey, market::Bar> {
    let start = EventTime::parse(week, TimeUnit::Rfc3339).unwrap();
    let end = EventTime(start.0 + (DAYS + 1) * 1_440 * MINUTE);
    let around =
        (EventTime(start.0 - DAYS * 1_440 * MINUTE), EventTime(end.0 + DAYS * 1_440 * MINUTE));
    let pieces = pieces(week, around);
    let trades = survivors(&script.records());
    let trades: Vec<Trade> = trades.iter().map(|trade| counted(&pieces, trade)).collect();
    let frames: Vec<Timeframe> = script.history.timeframes.clone();
    frames
        .into_iter()
        .flat_map(|timeframe| {
            let borders = borders(week, timeframe, (start, end));
            bars_placed(&trades, |trade| {
                let inside = |bar: &&Bucket| bar.open <= trade.time && trade.time < bar.end;
                let borders = &borders[usize::from(trade.spec.calendar.0)];
                let bucket = *borders.iter().find(inside).expect("bars tile time");
                let key =
                    CandleKey { instrument: trade.instrument, timeframe, open_time: bucket.open };
                (key, bucket)
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn values_are_what_the_slow_walk_gives(
        week in prop::sample::select(&WEEKS[..]),
        steps in prop::collection::vec(steps(), 1..150),
        seed in any::<u64>(),
    ) {
        let script = script(week, &steps);
        let want = slowly(week, &script);
        for script in [script.clone(), rebatch(&script, seed)] {
            let rows = cores(&script).pop().unwrap_or_default();
            let got: BTreeMap<_, _> = rows.candles.iter().map(|(key, c)| (*key, c.bar)).collect();
            prop_assert_eq!(&got, &want);
        }
    }

    #[test]
    fn history_is_what_the_fold_over_commits_gives(
        week in prop::sample::select(&WEEKS[..]),
        steps in prop::collection::vec(steps(), 1..150),
    ) {
        let script = script(week, &steps);
        let mut fold = Fold::new(script.history.clone());
        let run = run_under_timely(&script, 2, None, 1);
        for (commit, got) in script.commits.iter().zip(&run.rows) {
            let want = fold.commit(commit);
            prop_assert_eq!(&got.candles, &want.candles);
            prop_assert_eq!(&got.revisions, &want.revisions);
        }
    }
}
