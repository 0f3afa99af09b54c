//! Ticks of a workload, one after the other, and as records of the engine's vocabulary.

use market::{
    Catalog, CatalogError, Event, EventTime, IdScope, InstrumentId, InstrumentSpec, Price,
    Quantity, Side, Trade, TradeId, TradeRef, Updates,
};

use super::rng::{Probability, Rng};
use super::{Ids, Tick, TickKind, Workload};

/// How many of the last trades may be repeated.
const REPEATED: usize = 4_096;
/// How many of the last trades may be amended.
const AMENDED: usize = 65_536;
/// The length of the bars whose closes corrections move.
const MINUTE: i64 = 60_000_000_000;

/// The rows of a workload.
pub struct Ticks {
    workload: Workload,
    rng: Rng,
    /// Per symbol, how often it or one before it trades, of 2⁶⁴ times.
    frequencies: Vec<u64>,
    symbols: Vec<Symbol>,
    /// The last trades, in a ring.
    last: Vec<Tick>,
    trades: usize,
    row: u64,
    probabilities: Probabilities,
}

/// How often each kind of row comes.
struct Probabilities {
    duplicates: Probability,
    corrections: Probability,
    cancels: Probability,
    of_closes: Probability,
    late: Probability,
}

/// What a symbol is at.
#[derive(Clone, Copy)]
struct Symbol {
    id: u64,
    price: i64,
    /// Its newest trade, and the last one of the minute before that one's.
    newest: Option<Tick>,
    close: Option<Tick>,
}

impl Ticks {
    pub(super) fn new(workload: Workload) -> Ticks {
        let mut rng = Rng::new(workload.seed);
        let symbol = |_| {
            let price = 1_000 + rng.below(49_000) as i64;
            Symbol { id: 0, price, newest: None, close: None }
        };
        let symbols = (0..workload.symbols).map(symbol).collect();
        let probabilities = Probabilities {
            duplicates: Probability::of(workload.duplicates),
            corrections: Probability::of(workload.corrections),
            cancels: Probability::of(workload.cancels),
            of_closes: Probability::of(workload.of_closes),
            late: Probability::of(workload.late),
        };
        let frequencies = frequencies(workload.symbols, workload.hot);
        Ticks {
            workload,
            rng,
            frequencies,
            symbols,
            last: Vec::new(),
            trades: 0,
            row: 0,
            probabilities,
        }
    }

    /// A new trade.
    fn trade(&mut self) -> Tick {
        let drawn = self.rng.below(u64::MAX);
        let number = self.frequencies.partition_point(|upto| *upto <= drawn);
        let time = self.time();
        let late = match self.rng.hits(self.probabilities.late) {
            true => self.rng.below(self.workload.late_by.unsigned_abs() + 1) as i64,
            false => 0,
        };
        let symbol = &mut self.symbols[number];
        symbol.id += 1;
        let step = (symbol.price / 5_000).max(1).unsigned_abs();
        symbol.price = (symbol.price + self.rng.below(2 * step + 1) as i64 - step as i64).max(100);
        let tick = Tick {
            symbol: number as u32,
            id: symbol.id,
            time: EventTime(time.0 - late),
            price: symbol.price,
            size: 1 + (self.rng.below(30) * self.rng.below(30)) as i64,
            row: self.row,
            kind: TickKind::Trade,
        };
        if late == 0 {
            let minute = |tick: &Tick| tick.time.0.div_euclid(MINUTE);
            if let Some(newest) = symbol.newest.filter(|newest| minute(newest) < minute(&tick)) {
                symbol.close = Some(newest);
            }
            symbol.newest = Some(tick);
        }
        if self.last.len() < AMENDED {
            self.last.push(tick);
        } else {
            self.last[self.trades % AMENDED] = tick;
        }
        self.trades += 1;
        tick
    }

    /// The time of the next row: rows are as far apart as each other, give or take.
    fn time(&mut self) -> EventTime {
        let Workload { start, span, rows, .. } = self.workload;
        let at = |row: u64| (i128::from(span) * i128::from(row) / i128::from(rows.max(1))) as i64;
        let from = at(self.row - 1);
        let apart = at(self.row) - from;
        EventTime(start.0 + from + self.rng.below(apart.unsigned_abs()) as i64)
    }

    /// One of the last `most` trades, if there are any.
    fn one_of_the_last(&mut self, most: usize) -> Option<Tick> {
        let back = self.rng.below(self.last.len().min(most) as u64) as usize;
        let at = (self.trades - 1).checked_sub(back)? % AMENDED;
        self.last.get(at).copied()
    }

    /// A trade that will be corrected.
    fn take_correctable(&mut self) -> Option<Tick> {
        let any = self.one_of_the_last(AMENDED)?;
        match self.rng.hits(self.probabilities.of_closes) {
            true => self.symbols[any.symbol as usize].close.or(Some(any)),
            false => Some(any),
        }
    }
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        if self.row >= self.workload.rows {
            return None;
        }
        self.row += 1;
        let row = self.row;
        if self.trades == 0 {
            return Some(self.trade());
        }
        if self.rng.hits(self.probabilities.duplicates) {
            return self.one_of_the_last(REPEATED);
        }
        if self.rng.hits(self.probabilities.corrections) {
            let of = self.take_correctable()?;
            let off = 1 + self.rng.below((of.price / 200).max(1).unsigned_abs()) as i64;
            return Some(Tick { price: of.price + off, row, kind: TickKind::Correct, ..of });
        }
        if self.rng.hits(self.probabilities.cancels) {
            let of = self.one_of_the_last(AMENDED)?;
            return Some(Tick { time: self.time(), row, kind: TickKind::Cancel, ..of });
        }
        Some(self.trade())
    }
}

/// How often symbols trade: by 1 / (n + 1), the first one by `hot` if that is given.
fn frequencies(symbols: u32, hot: Option<f64>) -> Vec<u64> {
    let mut weights: Vec<f64> = (1..=symbols).map(|rank| 1.0 / f64::from(rank)).collect();
    if let (Some(hot), [first, rest @ ..]) = (hot, &mut *weights)
        && !rest.is_empty()
    {
        let others: f64 = rest.iter().sum();
        *first = hot / (1.0 - hot).max(1e-9) * others;
    }
    let all: f64 = weights.iter().sum();
    let mut upto = 0.0;
    let mut frequencies: Vec<u64> = weights
        .iter()
        .map(|weight| {
            upto += weight;
            (upto / all * u64::MAX as f64) as u64
        })
        .collect();
    if let Some(last) = frequencies.last_mut() {
        *last = u64::MAX;
    }
    frequencies
}

/// The instruments of a workload: its ticks as events.
pub struct Market {
    ids: Ids,
    scope: IdScope,
    instruments: Vec<InstrumentId>,
    spec: InstrumentSpec,
    /// What a cent is in price mantissas, and one unit in quantity mantissas.
    cent: i64,
    unit: i64,
}

impl Market {
    /// Registers the symbols of a workload as `venue:S000` and so on.
    pub fn new(
        workload: &Workload,
        venue: &str,
        catalog: &Catalog,
    ) -> Result<Market, CatalogError> {
        let mut spec = InstrumentSpec::DEFAULT;
        let mut instruments = Vec::with_capacity(workload.symbols as usize);
        for number in 0..workload.symbols {
            let instrument = catalog.resolve(&format!("{venue}:{}", symbol(number)))?;
            spec = instrument.spec;
            instruments.push(instrument.id);
        }
        Ok(Market {
            ids: workload.ids,
            scope: IdScope::of(venue),
            instruments,
            cent: 10_i64.pow(u32::from(spec.price_scale).saturating_sub(2)),
            unit: 10_i64.pow(u32::from(spec.quantity_scale)),
            spec,
        })
    }

    /// The instruments, by the numbers of their symbols.
    pub fn instruments(&self) -> &[InstrumentId] {
        &self.instruments
    }

    /// What a tick says.
    pub fn event(&self, tick: &Tick) -> Event {
        let instrument = self.instruments[tick.symbol as usize];
        let id = match self.ids {
            Ids::Integer => TradeId::Number(tick.id),
            Ids::Hashed => TradeId::of(&text_id(tick.symbol, tick.id)),
        };
        let of = TradeRef { instrument, scope: self.scope, id };
        let trade = Trade {
            instrument,
            spec: self.spec,
            scope: self.scope,
            id,
            time: tick.time,
            sequence: if tick.kind == TickKind::Correct { tick.row } else { tick.id },
            is_positional: false,
            price: Price(tick.price * self.cent),
            quantity: Quantity(tick.size * self.unit),
            side: Side::Unknown,
            updates: Updates::ALL,
        };
        match tick.kind {
            TickKind::Trade => Event::New(trade),
            TickKind::Correct => Event::Correct { of, with: trade },
            TickKind::Cancel => Event::Cancel { of, time: Some(tick.time) },
        }
    }
}

/// The name of a symbol.
pub(super) fn symbol(number: u32) -> String {
    format!("S{number:03}")
}

/// A trade's id where ids are texts.
pub(super) fn text_id(symbol: u32, id: u64) -> String {
    format!("T{symbol:x}-{id:x}")
}
