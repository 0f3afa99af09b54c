//! Helpers for tests: trades of one instrument on one day, and a job that takes them.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses some of them, and only tests do

use market::{
    Calendars, Candle, CandleKey, Event, EventTime, IdScope, InstrumentId, InstrumentSpec,
    NameOrder, Origin, PartitionId, Price, Quantity, Record, Side, SourceId, Span, TimeUnit,
    Timeframe, Trade, TradeId, TradeRef, Updates,
};
use oracle::commits::{CommitInput, Fold, History, Output};
use oracle::outliers::Far;

/// A time of 2024-03-05, UTC.
pub(crate) fn at(time: &str) -> EventTime {
    instant(&format!("2024-03-05T{time}Z"))
}

pub(crate) fn instant(text: &str) -> EventTime {
    EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
}

/// A regular trade of size 1.
pub(crate) fn trade(id: u64, time: &str, price: i64) -> Trade {
    Trade {
        instrument: InstrumentId::of("venue:A"),
        spec: InstrumentSpec::DEFAULT,
        scope: IdScope(0),
        id: TradeId::Number(id),
        time: at(time),
        sequence: id,
        is_positional: false,
        price: Price(price),
        quantity: Quantity(1),
        side: Side::Unknown,
        updates: Updates::ALL,
    }
}

pub(crate) fn named(id: u64) -> TradeRef {
    trade(id, "00:00:00", 0).name()
}

pub(crate) fn new(trade: Trade) -> Event {
    Event::New(trade)
}

/// The trade `id` was really `with`; corrections rank by `sequence`.
pub(crate) fn correct(id: u64, sequence: u64, mut with: Trade) -> Event {
    with.sequence = sequence;
    Event::Correct { of: named(id), with }
}

pub(crate) fn cancel(id: u64) -> Event {
    Event::Cancel { of: named(id), time: None }
}

pub(crate) fn cancel_at(id: u64, time: &str) -> Event {
    Event::Cancel { of: named(id), time: Some(at(time)) }
}

/// A record of source (and provider rank) 0 at this position.
pub(crate) fn record(position: u64, event: Event) -> Record {
    record_by(0, position, event)
}

/// A record of another source of the same provider rank.
pub(crate) fn record_by(source: u8, position: u64, event: Event) -> Record {
    Record {
        origin: Origin {
            rank: source,
            order: NameOrder::default(),
            source: SourceId(source),
            partition: PartitionId(0),
            position,
        },
        event,
    }
}

pub(crate) fn timeframe(text: &str) -> Timeframe {
    text.parse().unwrap()
}

/// Minutes and hours in UTC, horizons that never come.
pub(crate) fn patient() -> History {
    History {
        timeframes: vec![timeframe("1m"), timeframe("1h")],
        calendars: Calendars::utc(),
        reject_after: Span::FOREVER,
        correction_horizon: Span::FOREVER,
        gaps_max: 1_000,
        far: Far { bars: 0, deviations: 1, floor_bps: 0 },
        read_from: Vec::new(),
        clients: None,
    }
}

/// Trades may be a minute late, and are forgotten after ten.
pub(crate) fn forgetful() -> History {
    History { reject_after: Span::secs(60), correction_horizon: Span::secs(600), ..patient() }
}

/// A job that takes `venue:A` from source 0, whose events have unique positions.
pub(crate) struct Job {
    fold: Fold,
    position: u64,
}

impl Job {
    pub(crate) fn new(history: History) -> Job {
        Job { fold: Fold::new(history), position: 0 }
    }

    /// A commit of source 0 in the middle of a round; its watermark afterwards is at this time.
    pub(crate) fn apply(&mut self, events: &[Event], watermark: &str) -> Output {
        self.commit(events, at(watermark), false)
    }

    /// A commit of source 0 that ends a round.
    pub(crate) fn apply_last(&mut self, events: &[Event], watermark: &str) -> Output {
        self.commit(events, at(watermark), true)
    }

    fn commit(&mut self, events: &[Event], watermark: EventTime, round: bool) -> Output {
        let mut records = Vec::new();
        for event in events {
            records.push(record(self.position, *event));
            self.position += 1;
        }
        self.input(records, vec![Some(watermark)], round)
    }

    pub(crate) fn input(
        &mut self,
        records: Vec<Record>,
        watermarks: Vec<Option<EventTime>>,
        round: bool,
    ) -> Output {
        self.fold.commit(&CommitInput { records, watermarks, round })
    }

    pub(crate) fn knows(&self, id: u64) -> bool {
        self.fold.known_ids().contains(&named(id))
    }
}

pub(crate) fn key(frame: &str, open: &str) -> CandleKey {
    CandleKey {
        instrument: InstrumentId::of("venue:A"),
        timeframe: timeframe(frame),
        open_time: at(open),
    }
}

/// The minute that opens at this time, if it has a row.
pub(crate) fn minute(output: &Output, open: &str) -> Option<Candle> {
    output.candles.get(&key("1m", open)).copied()
}

pub(crate) fn hour(output: &Output, open: &str) -> Option<Candle> {
    output.candles.get(&key("1h", open)).copied()
}

/// Open, high, low, close and count.
pub(crate) fn ohlc(candle: Option<Candle>) -> Option<[i64; 5]> {
    let bar = candle?.bar;
    let (open, high, low, close) = (bar.open?.1, bar.high?, bar.low?, bar.close?.1);
    Some([open.0, high.0, low.0, close.0, bar.trades as i64])
}
