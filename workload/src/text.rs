//! Ticks as lines of CSV.

use std::io::Write;

use super::made::{symbol, text_id};
use super::{Ids, Tick, Workload};

/// The columns of [`Lines`].
pub const HEADER: &str = "ts_ns,symbol,trade_id,price,size";

/// Writes ticks as lines of [`HEADER`], which have no word for corrections and cancels.
pub struct Lines {
    ids: Ids,
    symbols: Vec<String>,
    line: Vec<u8>,
}

impl Lines {
    /// A writer of the ticks of a workload.
    pub fn new(workload: &Workload) -> Lines {
        let symbols = (0..workload.symbols).map(symbol).collect();
        Lines { ids: workload.ids, symbols, line: Vec::new() }
    }

    /// The symbol of a tick, and its line without an end.
    pub fn line(&mut self, tick: &Tick) -> (&str, &[u8]) {
        let Lines { ids, symbols, line } = self;
        let symbol = &*symbols[tick.symbol as usize];
        let (time, size) = (tick.time.0, tick.size);
        let (units, cents) = (tick.price / 100, tick.price % 100);
        line.clear();
        // Writing to memory does not fail.
        let _ = match ids {
            Ids::Integer => write!(line, "{time},{symbol},{},{units}.{cents:02},{size}", tick.id),
            Ids::Hashed => {
                let id = text_id(tick.symbol, tick.id);
                write!(line, "{time},{symbol},{id},{units}.{cents:02},{size}")
            }
        };
        (symbol, line)
    }
}
