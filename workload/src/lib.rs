//! Made-up trades to measure with: seeded, as skewed, repeated, late and amended as is asked for.
//!
//! Unlike a simulated venue, which plays a day of a market in its own time, a workload is a number of rows, spread
//! evenly over a length of event time. The same workload makes the same ticks on every machine: all of it is done in integers.
//!
//! ```
//! use workload::{TickKind, Workload};
//! let made: Vec<_> = Workload { rows: 1_000, ..Workload::default() }.ticks().collect();
//! assert_eq!(made.len(), 1_000);
//! assert!(made.iter().all(|tick| matches!(tick.kind, TickKind::Trade)), "nothing is amended unless asked for");
//! ```

mod made;
pub mod produce;
mod rng;
mod text;

use market::EventTime;

pub use made::{Market, Ticks};
pub use text::{HEADER, Lines};

/// What is made, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Everything random follows from it.
    pub seed: u64,
    /// How many rows, copies and amendments included.
    pub rows: u64,
    /// How many symbols trade, called S000, S001, …: 1 to 100,000. The first ones trade most: symbol *n* so often as 1 / (*n* + 1) says.
    pub symbols: u32,
    /// The share of all trades that the first symbol has instead; none for what the skew gives it.
    pub hot: Option<f64>,
    /// When the first trade happens.
    pub start: EventTime,
    /// Over how much event time the rows are spread, in nanoseconds.
    pub span: i64,
    /// The share of rows that repeat one of the last 4,096 trades exactly.
    pub duplicates: f64,
    /// The share of rows that come late.
    pub late: f64,
    /// How late at most, in nanoseconds.
    pub late_by: i64,
    /// The share of rows that correct one of the last 65,536 trades.
    pub corrections: f64,
    /// The share of rows that cancel one of them.
    pub cancels: f64,
    /// Of corrections, the share that names the last trade of a symbol's minute before, so that the close of a closed
    /// bar moves.
    pub of_closes: f64,
    /// How trades are called.
    pub ids: Ids,
}

/// How trades are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// 1, 2, 3, … per symbol, as most venues do.
    Integer,
    /// Texts, which travel as hashes.
    Hashed,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The symbol's number.
    pub symbol: u32,
    /// The trade's number within its symbol, from 1.
    pub id: u64,
    /// When it happened; of a cancel, when it was sent.
    pub time: EventTime,
    /// In cents.
    pub price: i64,
    /// In whole units.
    pub size: i64,
    /// Which row it is, from 1: the sequence of a correction.
    pub row: u64,
    /// What the row says of the trade.
    pub kind: TickKind,
}

/// What a row says of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickKind {
    /// It happened.
    Trade,
    /// It was really this one.
    Correct,
    /// It did not happen.
    Cancel,
}

impl Default for Workload {
    /// A million trades of 200 symbols in six hours; one in fifty is repeated, one in a hundred up to 5 s late.
    fn default() -> Workload {
        Workload {
            seed: 1,
            rows: 1_000_000,
            symbols: 200,
            hot: None,
            start: EventTime(1_767_607_200_000_000_000), // 2026-01-05T10:00:00Z
            span: 6 * 3_600 * 1_000_000_000,
            duplicates: 0.02,
            late: 0.01,
            late_by: 5_000_000_000,
            corrections: 0.0,
            cancels: 0.0,
            of_closes: 0.5,
            ids: Ids::Integer,
        }
    }
}

impl Workload {
    /// The most symbols.
    pub const SYMBOLS_MAX: u32 = 100_000;

    /// Says what cannot be made, if anything.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=Workload::SYMBOLS_MAX).contains(&self.symbols) {
            let most = Workload::SYMBOLS_MAX;
            return Err(format!("{} symbols are not between 1 and {most}", self.symbols));
        }
        let shares = [
            ("duplicates", self.duplicates),
            ("late", self.late),
            ("corrections", self.corrections),
            ("cancels", self.cancels),
            ("of_closes", self.of_closes),
            ("hot", self.hot.unwrap_or(0.0)),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} = {share} is not a share from 0 to 1"));
            }
        }
        let others = self.duplicates + self.corrections + self.cancels;
        if others > 0.9 {
            return Err(format!(
                "{others} of the rows would repeat or amend trades; leave a tenth for trades"
            ));
        }
        if self.span < 1 || self.late_by < 0 || self.span > 400 * 86_400 * 1_000_000_000 {
            return Err("the rows must span between a nanosecond and 400 days".to_owned());
        }
        Ok(())
    }

    /// The rows, in the order in which they come.
    pub fn ticks(&self) -> Ticks {
        Ticks::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn amended() -> Workload {
        Workload {
            rows: 200_000,
            corrections: 0.02,
            cancels: 0.01,
            hot: Some(0.3),
            ..Workload::default()
        }
    }

    #[test]
    fn rows_are_as_asked_for_and_the_same_again() {
        let made: Vec<Tick> = amended().ticks().collect();
        assert_eq!(made.len(), 200_000);
        assert_eq!(made, amended().ticks().collect::<Vec<_>>());
        let other = Workload { seed: 2, ..amended() };
        assert_ne!(made, other.ticks().collect::<Vec<_>>());

        let share = |is: &dyn Fn(&Tick) -> bool| {
            made.iter().filter(|tick| is(tick)).count() as f64 / made.len() as f64
        };
        let near = |share: f64, want: f64| (share - want).abs() < want / 10.0;
        assert!(near(share(&|tick| tick.kind == TickKind::Correct), 0.02));
        assert!(near(share(&|tick| tick.kind == TickKind::Cancel), 0.01));
        assert!(near(share(&|tick| tick.symbol == 0), 0.3));
        let mut copies = BTreeMap::<_, u64>::new();
        for tick in made.iter().filter(|tick| tick.kind == TickKind::Trade) {
            *copies.entry((tick.symbol, tick.id)).or_default() += 1;
        }
        let copies = copies.values().map(|count| count - 1).sum::<u64>() as f64 / 200_000.0;
        assert!(near(copies, 0.02), "{copies}");
    }

    #[test]
    fn times_go_on_but_for_what_is_late_or_speaks_of_earlier() {
        let plain = Workload { late: 0.0, duplicates: 0.0, rows: 10_000, ..Workload::default() };
        let times: Vec<_> = plain.ticks().map(|tick| tick.time).collect();
        assert!(times.is_sorted());
        let end = plain.start.0 + plain.span;
        assert!(times[0] >= plain.start && times.iter().all(|time| time.0 < end));
        let late = Workload { late: 0.5, ..plain };
        let mut newest = EventTime::NEVER;
        for tick in late.ticks() {
            assert!(tick.time.0 >= newest.0.saturating_sub(late.late_by));
            newest = newest.max(tick.time);
        }
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        assert_eq!(Workload::default().check(), Ok(()));
        for wrong in [
            Workload { symbols: 0, ..Workload::default() },
            Workload { late: 1.5, ..Workload::default() },
            Workload { cancels: 0.95, ..Workload::default() },
            Workload { span: 0, ..Workload::default() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
