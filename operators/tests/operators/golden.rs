//! Golden scripts: trades in, bars out, in the words of the trade.
//!
//! Lines are records (`trade`, `correct`, `cancel`), `commit`, which closes one and shows what changed
//! in lines that begin with `>`, and `contiguous`: from there on ids have no holes at the venue. A line `outliers` sets
//! the rule for these. Times are seconds, bars are 1m and 5m, three gaps are kept apart, `disorder` plays no part: the
//! watermark is written out. `UPDATE_SCRIPTS=1` rewrites what is shown; read the difference before keeping it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use market::{
    CalendarId, Calendars, Candle, CandleKey, Commit, Event, EventTime, IdScope, InstrumentId,
    InstrumentSpec, NameOrder, Origin, PartitionId, Price, Quantity, Record, Side, SourceId, Span,
    Timeframe, Trade, TradeId, TradeRef, Updates,
};
use operators::{
    AuditEvent, CommitContext, Core, GapChange, GapOut, Ledger, LedgerConfig, LedgerOut,
    OutlierRule, ReadFrom, Rollup, RollupConfig, RulesInForce, Watermarks,
};

const INSTRUMENT: InstrumentId = InstrumentId(1);
const TERMS: InstrumentSpec =
    InstrumentSpec { price_scale: 0, quantity_scale: 0, calendar: CalendarId(0) };

/// The words of a line after its first: `key=value`.
struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    fn new(words: impl Iterator<Item = &'a str>) -> Words<'a> {
        Words(words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect())
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.0.get(key).map(|n| n.parse().unwrap_or_else(|_| panic!("{key}={n} is no number")))
    }

    fn time(&self, key: &str) -> Option<EventTime> {
        self.number(key).map(|secs| EventTime(secs * 1_000_000_000))
    }
}

/// One run of a script.
struct Stage {
    ledger: Ledger,
    rollup: Rollup,
    scope: IdScope,
    watermarks: Vec<Option<EventTime>>,
    context: CommitContext,
    records: Vec<Record>,
    positions: u64,
}

impl Stage {
    fn new(outliers: OutlierRule) -> Stage {
        let calendars = Calendars::utc();
        let ledger = LedgerConfig {
            base: Timeframe::MINUTE,
            calendars: calendars.clone(),
            reject_after: Span::secs(600),
            correction_horizon: Span::secs(1_200),
            gaps_max: 3,
            outliers,
        };
        let five = Timeframe::from_secs(300).unwrap();
        let rollup = RollupConfig::new(Timeframe::MINUTE, &[five], calendars).unwrap();
        let watermarks = Watermarks::none(2);
        let context = CommitContext {
            commit: Commit(0),
            at: EventTime(0),
            round: true,
            watermarks: watermarks.clone(),
            round_watermarks: watermarks.clone(),
            read_from: ReadFrom::default(),
            saves: 0..0,
            rules: RulesInForce::default(),
        };
        Stage {
            ledger: Ledger::new(Arc::new(ledger)),
            rollup: Rollup::new(Arc::new(rollup)),
            scope: IdScope(0),
            watermarks: watermarks.as_slice().to_vec(),
            context,
            records: Vec::new(),
            positions: 0,
        }
    }

    fn record(&mut self, verb: &str, words: &Words<'_>) {
        self.positions += 1;
        let source = words.number("source").unwrap_or(0);
        let rank = words.number("rank").unwrap_or(0);
        let (source, rank) = (SourceId(source as u8), rank as u8);
        let order = NameOrder(words.number("order").unwrap_or(i64::from(source.0)) as u32);
        let origin =
            Origin { rank, order, source, partition: PartitionId(0), position: self.positions };
        let id = |key| words.number(key).map(|n| TradeId::Number(n as u64));
        let scope = self.scope;
        let of = TradeRef { instrument: INSTRUMENT, scope, id: id("of").or(id("id")).unwrap() };
        let trade = || Trade {
            instrument: INSTRUMENT,
            spec: TERMS,
            scope,
            id: id("id").unwrap_or(of.id),
            time: words.time("at").expect("a trade has a time: at=…"),
            sequence: match words.0.contains_key("no-seq") {
                true => origin.position,
                false => words.number("seq").or(words.number("id")).unwrap_or(0) as u64,
            },
            is_positional: words.0.contains_key("no-seq"),
            price: Price(words.number("px").expect("a trade has a price: px=…")),
            quantity: Quantity(words.number("qty").unwrap_or(1)),
            side: Side::Unknown,
            updates: words.0.get("updates").map_or(Updates::ALL, |parts| match *parts {
                "nothing" => Updates::NONE,
                "volume" => Updates::VOLUME,
                other => panic!("updates={other} is neither nothing nor volume"),
            }),
        };
        let event = match verb {
            "trade" => Event::New(trade()),
            "correct" => Event::Correct { of, with: trade() },
            "cancel" => Event::Cancel { of, time: words.time("at") },
            other => panic!("`{other}` is not a verb (trade, correct, cancel, commit, contiguous)"),
        };
        self.records.push(Record { origin, event });
    }

    fn commit(&mut self, words: &Words<'_>) -> String {
        self.context.round = !words.0.contains_key("no-round");
        let (mut outputs, mut out) = (Vec::new(), Vec::new());
        self.ledger.commit(&self.context, &mut self.records, &mut outputs);
        let mut for_rollup =
            outputs.iter().filter_map(|outputs| outputs.clone().for_rollup()).collect();
        self.rollup.commit(&self.context, &mut for_rollup, &mut out);
        outputs.extend(out);

        for (watermark, key) in self.watermarks.iter_mut().zip(["mark", "mark1"]) {
            *watermark = words.time(key).or(*watermark);
        }
        self.context.commit = self.context.commit.next();
        self.context.watermarks = Watermarks::new(self.watermarks.clone());
        if self.context.round {
            self.context.round_watermarks = self.context.watermarks.clone();
        }
        outputs
            .iter()
            .filter_map(emitted)
            .fold(String::new(), |text, line| text + "> " + &line + "\n")
    }
}

fn secs(time: EventTime) -> i64 {
    time.0 / 1_000_000_000
}

fn bar(key: &CandleKey, candle: &Candle) -> String {
    let bar = &candle.bar;
    let price = |p: Option<Price>| p.map_or("-".to_owned(), |p| p.0.to_string());
    let mut text = format!(
        "{}@{} {} o={} h={} l={} c={} v={} n={}",
        key.timeframe,
        secs(key.open_time),
        candle.state.name(),
        price(bar.open.map(|(_, p)| p)),
        price(bar.high),
        price(bar.low),
        price(bar.close.map(|(_, p)| p)),
        bar.volume,
        bar.trades,
    );
    if let Some(cause) = &candle.cause {
        write!(text, " rev={} by {} of {}", candle.revision, cause.kind.name(), cause.id).unwrap();
    }
    text
}

/// What a script shows of an output; what is only counted or passed on is not shown.
fn emitted(outputs: &LedgerOut) -> Option<String> {
    match outputs {
        LedgerOut::Audit(event) => audit_line(event),
        LedgerOut::Bar(change) => Some(match &change.after {
            Some(candle) => bar(&change.key, candle),
            None => format!("{}@{} gone", change.key.timeframe, secs(change.key.open_time)),
        }),
        LedgerOut::Gap(gap) => missing(gap),
        LedgerOut::Restored(..)
        | LedgerOut::Shown(..)
        | LedgerOut::Counts(_)
        | LedgerOut::Accepted(_)
        | LedgerOut::SourceSeen(..)
        | LedgerOut::NewestBar(..) => None,
    }
}

fn missing(outputs: &GapOut) -> Option<String> {
    let GapOut::Changed(GapChange { key, after, .. }) = outputs else { return None };
    Some(match after {
        Some(gap) => format!(
            "gap: {} to {}, {} missing, between {} and {}",
            key.first_id,
            gap.last_id,
            gap.missing,
            secs(gap.from_time),
            secs(gap.to_time)
        ),
        None => format!("gap: none from {} on", key.first_id),
    })
}

fn audit_line(event: &AuditEvent) -> Option<String> {
    match event {
        AuditEvent::Conflict(row) => Some(format!(
            "conflict: {} px={} counts, px={} does not",
            row.kept.id, row.kept.price.0, row.dropped.price.0
        )),
        AuditEvent::TooLate(row) => Some(format!(
            "too late: {} at={}, watermark {}",
            row.trade.id,
            secs(row.trade.time),
            secs(row.watermark)
        )),
        AuditEvent::Unmatched(row) => {
            Some(format!("unmatched: {} of {}, {}", row.kind.name(), row.of.id, row.reason.name()))
        }
        AuditEvent::Outlier(row) => Some(format!(
            "outlier: {} of {} px={}, median {}, deviation {}, {} bars",
            row.kind.name(),
            row.trade.id,
            row.trade.price.0,
            row.median.0,
            row.deviation,
            row.bars
        )),
        AuditEvent::Revision(_) => None,
    }
}

/// The rule of the script's line `outliers`; without one, nothing is an outlier.
fn outlier_rule(script: &str) -> OutlierRule {
    let Some(rule) = script.lines().find_map(|line| line.strip_prefix("outliers ")) else {
        return OutlierRule::OFF;
    };
    let words = Words::new(rule.split_whitespace());
    let number = |key| u32::try_from(words.number(key).expect("all three numbers")).unwrap();
    OutlierRule {
        bars: number("bars") as usize,
        deviations: number("deviations"),
        floor_bps: number("floor_bps"),
    }
}

fn perform(script: &str) -> String {
    let mut stage = Stage::new(outlier_rule(script));
    let mut performed = String::new();
    for line in script.lines().filter(|line| !line.starts_with('>')) {
        performed += line;
        performed.push('\n');
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        let Some(verb) = words.next() else { continue };
        let words = Words::new(words);
        match verb {
            "outliers" => {} // set before the first commit
            "commit" => performed += &stage.commit(&words),
            "contiguous" => stage.scope = stage.scope.contiguous(true),
            verb => stage.record(verb, &words),
        }
    }
    performed
}

#[test]
fn scripts_show_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/scripts");
    let mut performed = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let written = std::fs::read_to_string(&path).unwrap();
        let shown = perform(&written);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, &shown).unwrap();
        } else {
            assert_eq!(shown, written, "{} (UPDATE_SCRIPTS=1 rewrites it)", path.display());
        }
        performed += 1;
    }
    assert!(performed > 0, "no scripts in {}", folder.display());
}
