//! Makes a small file of trades to replay: `cargo run --example demo_data > examples/demo.csv`.
//!
//! Ten minutes of four made-up symbols. Lines stand in order of arrival; of a hundred trades, about two
//! come late, one is repeated, one is corrected and one is cancelled some time after.

use market::EventTime;

const START_S: i64 = 1_767_607_200; // 2026-01-05T10:00:00Z
const LENGTH_MS: i64 = 600_000;
/// Symbol, price in cents, mean time between trades.
const SYMBOLS: [(&str, i64, i64); 4] =
    [("ALFA", 18_150, 350), ("BRAVO", 4_275, 500), ("CHARLIE", 99_900, 800), ("DELTA", 730, 1_500)];

/// A line, and when it arrives.
struct Line {
    arrives_ms: i64,
    text: String,
}

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.unsigned_abs()) as i64
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }
}

fn time(ms: i64) -> EventTime {
    EventTime((START_S * 1_000 + ms) * 1_000_000)
}

fn main() {
    let mut dice = Dice(20_260_105);
    let mut lines: Vec<Line> = Vec::new();
    for (number, (symbol, start, gap)) in SYMBOLS.into_iter().enumerate() {
        let (mut cents, mut id) = (start, (number as i64 + 1) * 100_000);
        let mut at = dice.below(gap);
        while at < LENGTH_MS {
            id += 1;
            cents = (cents + (dice.below(7) - 3) * (start / 4_000).max(1)).max(1);
            let size = 1 + dice.below(9) * dice.below(30);
            let side = if dice.one_in(2) { "buy" } else { "sell" };
            let price = market::decimal::format(cents.into(), 2);
            let text = format!("{},{symbol},{id},{price},{size},{side},trade,", time(at));
            let arrives_ms = at + if dice.one_in(50) { 1_000 + dice.below(6_000) } else { 0 };
            if dice.one_in(100) {
                lines.push(Line { arrives_ms: arrives_ms + dice.below(2_000), text: text.clone() });
            }
            lines.push(Line { arrives_ms, text });
            let later = arrives_ms + 500 + dice.below(45_000);
            if dice.one_in(100) {
                let better = market::decimal::format((cents + start / 200 + 1).into(), 2);
                let text = format!(
                    "{},{symbol},{},{better},{size},{side},correction,{id}",
                    time(at),
                    id + 50_000
                );
                lines.push(Line { arrives_ms: later, text });
            } else if dice.one_in(100) {
                let text = format!("{},{symbol},{id},,,,cancel,{id}", time(later));
                lines.push(Line { arrives_ms: later, text });
            }
            at += 1 + dice.below(2 * gap);
        }
    }
    lines.sort_by(|a, b| (a.arrives_ms, &a.text).cmp(&(b.arrives_ms, &b.text)));
    println!("time,symbol,id,price,size,side,kind,of");
    lines.iter().for_each(|line| println!("{}", line.text));
}
