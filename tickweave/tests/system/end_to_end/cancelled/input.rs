//! The input: trades of one instrument, one of which is cancelled long after, and of others that the cancel must
//! not touch.

use std::fmt::Write as _;

use super::super::made::Rng;

/// A trade of the instrument that is touched.
#[derive(Clone, Copy)]
pub(super) struct Trade {
    pub(super) ms: i64,
    pub(super) price: i64,
}

/// How much each trade trades.
pub(super) const SIZE: i64 = 10;
/// Trades go on for so long; from then on only the clock's.
pub(super) const SECS: i64 = 20 * 60;
/// The second whose last trade is cancelled: the last of its five seconds and of its minute, so that the close
/// of every timeframe moves.
pub(super) const TOUCHED: i64 = 9 * 60 + 59;
/// What the close of that second is, and what it is without the cancelled trade.
pub(super) const OLD_CLOSE: i64 = 1_300;
pub(super) const NEW_CLOSE: i64 = 900;
/// The id of the cancelled trade.
pub(super) const CANCELLED: &str = "9000";
/// An instrument that only moves the watermark on.
pub(super) const CLOCK: &str = "x:CLOCK";

/// A trade a second, most at prices from 1,000 to 1,059; in the touched second two.
pub(super) fn trades(cancelled: bool) -> Vec<Trade> {
    let mut rng = Rng(3);
    let mut trades = Vec::new();
    for sec in 0..SECS {
        let price = 1_000 + rng.below(60);
        let price = match sec - TOUCHED {
            0 => NEW_CLOSE,
            // Each closes a bar after the touched one, of another timeframe, above all but the old close.
            2 => 1_100,
            5 => 1_200,
            60 => 1_250,
            _ => price,
        };
        trades.push(Trade { ms: 1_000 * sec + 200, price });
        if sec == TOUCHED && !cancelled {
            trades.push(Trade { ms: 1_000 * sec + 700, price: OLD_CLOSE });
        }
    }
    trades
}

/// The file. Twenty minutes after its trade, when every bar but the clock's is final, it has the cancel; or in
/// this very place a copy of the trade, which changes nothing, so that both files make the same commits.
pub(super) fn csv(cancelled: bool, more: &str) -> String {
    let mut text = "time,symbol,id,kind,price,size\n".to_owned();
    let mut line = |ms: i64, symbol: &str, id: &str, kind: &str, price: i64| {
        let time = time(ms);
        writeln!(text, "{time},{symbol},{id},{kind},{price},{SIZE}").unwrap();
    };
    for (number, Trade { ms, price }) in trades(false).into_iter().enumerate() {
        let id = if price == OLD_CLOSE { CANCELLED.to_owned() } else { number.to_string() };
        line(ms, "TOUCHED", &id, "trade", price);
        if ms % 3_000 == 200 {
            line(ms, "OTHER", &id, "trade", 2 * price);
        }
    }
    let cancel_sec = 30 * 60;
    for sec in (SECS..40 * 60).step_by(5) {
        line(1_000 * sec, "CLOCK", &sec.to_string(), "trade", 1);
        if sec == cancel_sec {
            let kind = if cancelled { "cancel" } else { "trade" };
            line(1_000 * TOUCHED + 700, "TOUCHED", CANCELLED, kind, OLD_CLOSE);
        }
    }
    text + more
}

/// The job, its indicators and rules.
pub(super) const CONFIG: &str = r#"
[job]
timeframes = ["1s", "5s", "1m"]
indicators = ["sma5", "ema5", "rsi5", "macd3_6_4", "bb5_2"]
max_clock_ahead = "1d"
[http]
listen = "127.0.0.1:0"
[commit]
file_rows = 10
file_order = "lines"
period = "1ms"
round = "10ms"
idle = "100ms"
[[instrument]]
pattern = "x:*"
price_decimals = 0
size_decimals = 0
[[source]]
name = "trades"
kind = "file"
paths = ["trades.csv"]
instrument = "x:{symbol}"
columns = { time = "time", symbol = "symbol", id = "id", kind = "kind", price = "price", size = "size" }
disorder = "1s"
play = { speed = 900.0 }
[[rule]]
name = "high"
breakout = { bars = 3, direction = "above" }
[[rule]]
name = "low"
threshold = { series = "close", below = 950.0 }
[[rule]]
name = "strong"
threshold = { series = "rsi5", above = 70.0 }
[[rule]]
name = "falls"
cross = { left = "close", right = "ema5", direction = "below" }
[[rule]]
name = "turns"
cross = { left = "macd3_6_4.macd", right = "macd3_6_4.signal", direction = "above" }
[[rule]]
name = "doji"
pattern = "doji"
"#;

/// So many milliseconds after noon, as views write it.
pub(super) fn time(ms: i64) -> String {
    let (secs, ms) = (ms / 1_000, ms % 1_000);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    let fraction = fraction.trim_end_matches('0');
    format!("2024-03-04T12:{:02}:{:02}{fraction}Z", secs / 60, secs % 60)
}
