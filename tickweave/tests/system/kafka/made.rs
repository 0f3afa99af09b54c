//! Trades of some hours until now, and the bars that come of them, folded by hand.

use std::collections::BTreeMap;

use super::topics::{Produced, Topic};
use crate::expected::bars::Bars;

pub(super) const SYMBOLS: usize = 5;
pub(super) const MINUTE_MS: i64 = 60_000;

/// A trade every few milliseconds of some hours; each is a whole number of cents.
pub(super) struct Made {
    pub(super) first_ms: i64,
    pub(super) span_ms: i64,
    pub(super) count: usize,
}

impl Made {
    fn trade(&self, at: usize) -> (usize, i64, i64) {
        let time_ms = self.first_ms + (at as i64 * self.span_ms) / self.count as i64;
        (at % SYMBOLS, time_ms, cents_of(at))
    }

    fn message(&self, at: usize) -> String {
        let (symbol, time_ms, cents) = self.trade(at);
        let price = price(cents);
        format!(
            "{{\"symbol\":\"S{symbol}\",\"time\":{time_ms},\"id\":{at},\"price\":\"{price}\",\"size\":\"1\"}}"
        )
    }

    /// All of them, as messages.
    pub(super) fn messages(&self) -> Vec<String> {
        (0..self.count).map(|at| self.message(at)).collect()
    }

    /// Produces all of them, received when they happened, to the partitions of a topic in turn.
    pub(super) fn produce(&self, topic: &Topic<'_>, partitions: i32) {
        let messages = self.messages();
        topic.produce(messages.iter().enumerate().map(|(at, message)| Produced {
            partition: at as i32 % partitions,
            payload: Some(message.as_bytes()),
            made: Some(self.trade(at).1),
            ..Produced::default()
        }));
    }

    /// Produces some of them, by their number, to the only partition of a topic, in batches of ten.
    pub(super) fn produce_those(&self, topic: &Topic<'_>, is_one: impl Fn(usize) -> bool) {
        let messages: Vec<(usize, String)> =
            (0..self.count).filter(|at| is_one(*at)).map(|at| (at, self.message(at))).collect();
        topic.produce_in_batches(
            10,
            messages.iter().map(|(at, message)| Produced {
                payload: Some(message.as_bytes()),
                made: Some(self.trade(*at).1),
                ..Produced::default()
            }),
        );
    }

    /// The bars of so many minutes.
    pub(super) fn bars(&self, timeframe: &str, minutes: i64) -> Bars {
        let mut folded: BTreeMap<(usize, i64), [i64; 6]> = BTreeMap::new();
        for at in 0..self.count {
            let (symbol, time_ms, cents) = self.trade(at);
            let key = (symbol, time_ms - time_ms.rem_euclid(minutes * MINUTE_MS));
            let bar = folded.entry(key).or_insert([cents, cents, cents, cents, 0, 0]);
            let [open, high, low, _, sum, trades] = *bar;
            *bar = [open, high.max(cents), low.min(cents), cents, sum + cents, trades + 1];
        }
        let bar = |[open, high, low, close, sum, trades]: [i64; 6]| {
            let [open, high, low, close, sum] = [open, high, low, close, sum].map(money);
            [open, high, low, close, trades.to_string(), sum, trades.to_string()]
        };
        let named = |(symbol, open)| (format!("o:S{symbol}"), timeframe.to_owned(), open);
        folded.into_iter().map(|(key, values)| (named(key), bar(values))).collect()
    }
}

/// The price of the trade of this number.
pub(super) fn cents_of(at: usize) -> i64 {
    10_000 + (at as i64 * 7_919) % 1_000
}

/// A price as a feed writes it.
pub(super) fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// An amount as bars are compared: without zeros at its end.
pub(super) fn money(cents: i64) -> String {
    price(cents).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a source says of these trades.
pub(super) const COLUMNS: &str = "format = \"json\"\ninstrument = \"o:{symbol}\"\nunits = { time = \"ms\" }\n\
     columns = { symbol = \"symbol\", time = \"time\", id = \"id\", price = \"price\", size = \"size\" }\n";
