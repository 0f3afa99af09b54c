//! Input made by the tests: trades of many instruments as two redundant providers send them, with
//! everything that goes wrong on the way. The same seed makes the same input.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// 2024-03-04T12:00:00Z.
pub(crate) const START_MS: i64 = 1_709_553_600_000;
pub(crate) const INSTRUMENTS: usize = 72;

/// Pseudo-random numbers (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: i64) -> i64 {
        (self.next() % n.unsigned_abs().max(1)).cast_signed()
    }

    fn per_mille(&mut self, n: i64) -> bool {
        self.below(1_000) < n
    }
}

/// A statement of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    said_ms: i64,
    pub(crate) symbol: usize,
    pub(crate) kind: &'static str,
    pub(crate) id: u64,
    pub(crate) of: Option<u64>,
    pub(crate) time_ms: Option<i64>,
    cents: i64,
    size: i64,
    sequence: u64,
    side: &'static str,
}

impl Line {
    /// The cancel of this trade.
    pub(crate) fn cancelled(&self) -> Line {
        Line { kind: "cancel", ..self.clone() }
    }
}

/// What two providers say.
pub(crate) struct Made {
    pub(crate) a: Vec<Line>,
    pub(crate) b: Vec<Line>,
    span_ms: i64,
}

impl Made {
    /// So many trades within so many milliseconds.
    pub(crate) fn new(seed: u64, trades: i64, span_ms: i64) -> Made {
        let mut rng = Rng(seed);
        let mut truth = Vec::new();
        for number in 0..trades {
            add_trade(&mut rng, number, number * span_ms / trades, span_ms, &mut truth);
        }
        let a = shown(&mut rng, &truth, span_ms, 0);
        let b = shown(&mut rng, &truth, span_ms, 12);
        Made { a, b, span_ms }
    }

    /// How many lines there are, headers aside.
    pub(crate) fn rows(&self) -> u64 {
        (self.a.len() + self.b.len()) as u64
    }

    /// Writes `a0.csv` and `a1.csv` (the first provider), `b.jsonl` (the second) and `job.toml`.
    /// `play` is the value of the sources' key of this name; `more` further tables.
    pub(crate) fn write(&self, folder: &Path, play: Option<&str>, more: &str) {
        for part in 0..2 {
            let own: Vec<&Line> = self.a.iter().filter(|line| line.symbol % 2 == part).collect();
            fs::write(folder.join(format!("a{part}.csv")), csv(&own)).unwrap();
        }
        fs::write(folder.join("b.jsonl"), jsonl(&self.b)).unwrap();
        fs::write(folder.join("job.toml"), self.config(play, more)).unwrap();
    }

    fn config(&self, play: Option<&str>, more: &str) -> String {
        let play = play.map_or(String::new(), |play| format!("play = {play}"));
        // Lines lie in the order in which they arrive, and some of them late.
        const LINES: &str = "[commit]\nfile_order = \"lines\"";
        let more = match more.contains("[commit]") {
            true => more.replacen("[commit]", LINES, 1),
            false => format!("{LINES}\n{more}"),
        };
        let ms = |part: i64| self.span_ms * part / 1_000;
        let (disorder, reject, horizon) = (ms(11), ms(300), ms(500));
        format!(
            r#"
[job]
timeframes = ["1s", "5s", "1m", "5m"]
reject_after = "{reject}ms"
correction_horizon = "{horizon}ms"
max_clock_ahead = "1d"
[http]
listen = "127.0.0.1:0"
{more}
[[source]]
name = "a"
kind = "file"
rank = 0
paths = ["a0.csv", "a1.csv"]
instrument = "sim:{{symbol}}"
columns = {{ time = "time", price = "price", size = "size", symbol = "symbol", id = "id", kind = "kind", of = "of", sequence = "seq", side = "side" }}
units = {{ time = "ms" }}
disorder = "{disorder}ms"
{play}
[[source]]
name = "b"
kind = "file"
rank = 1
paths = ["b.jsonl"]
instrument = "sim:{{symbol}}"
columns = {{ time = "t", price = "d.p", size = "d.q", symbol = "s", id = "d.id", kind = "k", of = "d.of", sequence = "n", side = "d.side" }}
units = {{ time = "ms" }}
disorder = "{disorder}ms"
{play}
[[rule]]
name = "high"
breakout = {{ bars = 1, direction = "above" }}
[[rule]]
name = "eager"
settle = "at_once"
timeframes = ["5s", "1m"]
threshold = {{ series = "close", above = 105.0 }}
[[rule]]
name = "turn"
pattern = "bearish_engulfing"
"#
        )
    }
}

pub(crate) fn symbol(number: usize) -> String {
    format!("S{number:03}")
}

/// A trade and what its venue says of it later.
fn add_trade(rng: &mut Rng, number: i64, at_ms: i64, span_ms: i64, truth: &mut Vec<Line>) {
    // Some instruments trade often, most rarely.
    let among = if rng.per_mille(500) { 8 } else { INSTRUMENTS.cast_signed() as i64 };
    let symbol = rng.below(among) as usize;
    let id = number.unsigned_abs() * 8 + 1;
    let trade = Line {
        said_ms: at_ms,
        symbol,
        kind: "trade",
        id,
        of: None,
        time_ms: Some(START_MS + at_ms),
        cents: 10_000 + 100 * symbol.cast_signed() as i64 + rng.below(200),
        size: 1 + rng.below(500),
        sequence: id,
        side: ["buy", "sell", ""][rng.below(3) as usize],
    };
    truth.push(trade.clone());
    let mut last = trade;
    if rng.per_mille(30) {
        // A chain of corrections, of which some give a new id.
        for step in 0..=rng.below(3) {
            let renamed = rng.per_mille(400);
            let next = Line {
                said_ms: last.said_ms + 1 + rng.below(span_ms / 20),
                kind: "correct",
                id: if renamed { id + 1 + step.unsigned_abs() } else { last.id },
                of: renamed.then_some(last.id),
                time_ms: last.time_ms.map(|time| time + rng.below(span_ms / 100) * rng.below(2)),
                cents: last.cents + rng.below(50) - 25,
                sequence: last.sequence + 1,
                ..last
            };
            truth.push(next.clone());
            last = next;
        }
    }
    if rng.per_mille(12) {
        let unknown = rng.per_mille(100);
        truth.push(Line {
            said_ms: last.said_ms + 1 + rng.below(span_ms / 10),
            kind: "cancel",
            id: if unknown { id + 7 } else { last.id },
            of: None,
            time_ms: last.time_ms.filter(|_| rng.per_mille(700)),
            ..last
        });
    }
}

/// What a provider makes of the truth; `wrong` in a thousand of its copies have another price.
fn shown(rng: &mut Rng, truth: &[Line], span_ms: i64, wrong: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in truth {
        if rng.per_mille(20) {
            continue;
        }
        let mut line = line.clone();
        line.said_ms += rng.below(span_ms / 100);
        if rng.per_mille(10) {
            line.said_ms += span_ms / 20 + rng.below(span_ms / 5); // late
        } else if rng.per_mille(4) {
            line.said_ms += span_ms / 2; // too late
        }
        if line.kind == "trade" && rng.per_mille(wrong) {
            line.cents += 1;
        }
        if rng.per_mille(15) {
            lines.push(line.clone());
        }
        lines.push(line);
    }
    lines.sort_by_key(|line| line.said_ms);
    lines
}

const HEADER: &str = "time,symbol,id,kind,of,seq,price,size,side\n";

pub(crate) fn csv(lines: &[&Line]) -> String {
    let mut text = HEADER.to_owned();
    for line in lines {
        let (whole, cents) = (line.cents / 100, line.cents % 100);
        let (time, of) = (optional(line.time_ms), optional(line.of));
        let Line { id, kind, sequence, size, side, .. } = line;
        let symbol = symbol(line.symbol);
        writeln!(
            text,
            "{time},{symbol},{id},{kind},{of},{sequence},{whole}.{cents:02},{size},{side}"
        )
        .unwrap();
    }
    text
}

fn jsonl(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let time = line.time_ms.map_or("null".to_owned(), |time| time.to_string());
        let of = line.of.map_or(String::new(), |of| format!(r#","of":{of}"#));
        let (whole, cents) = (line.cents / 100, line.cents % 100);
        let Line { id, kind, sequence, size, side, .. } = line;
        let symbol = symbol(line.symbol);
        writeln!(
            text,
            r#"{{"t":{time},"s":"{symbol}","k":"{kind}","n":{sequence},"d":{{"p":"{whole}.{cents:02}","q":{size},"id":{id},"side":"{side}"{of}}}}}"#
        )
        .unwrap();
    }
    text
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
