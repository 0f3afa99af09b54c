//! A configuration as its user writes it: everything optional, unknown keys refused.

use std::collections::BTreeMap;

use connectors::Encoding;
use serde::{Deserialize, Serialize};

use super::outliers::RawOutliers;
use super::portfolios::{RawAmount, RawFair, RawPortfolio, RawPortfolios, RawRate, RawRisk};
use super::raw_http::RawHttp;
use crate::jobs::JOBS;
use crate::rules::RawRule;

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// `[job]`: what is computed.
    pub job: RawJob,
    /// `[outliers]`: which prices are reported as far away from recent ones.
    pub outliers: RawOutliers,
    /// `[commit]`: when commits and rounds close.
    pub commit: RawCommit,
    /// `[limits]`: bounds.
    pub limits: RawLimits,
    /// `[state]`: what survives the process.
    pub state: RawState,
    /// `[http]`: serving.
    pub http: RawHttp,
    /// `[recording]`: the file of `--record`.
    pub recording: RawRecording,
    /// `[[calendar]]`: calendars with sessions, to be referred to by name.
    pub calendar: Vec<RawCalendar>,
    /// `[[instrument]]`: terms, by pattern; the first that fits counts.
    pub instrument: Vec<RawInstrument>,
    /// `[[source]]`: where records come from.
    pub source: Vec<RawSource>,
    /// `[[sink]]`: where changes of views go.
    pub sink: Vec<RawSink>,
    /// `[[rule]]`: when to raise alerts.
    pub rule: Vec<RawRule>,
    /// `[portfolios]`: what holds for portfolios that say nothing else.
    pub portfolios: RawPortfolios,
    /// `[[portfolio]]`: portfolios of which something is known besides their fills.
    pub portfolio: Vec<RawPortfolio>,
    /// `[[rate]]`: which instruments say what one currency is worth in another.
    pub rate: Vec<RawRate>,
    /// `[risk]`: what risk is measured over.
    pub risk: RawRisk,
    /// `[[fair]]`: models whose fair values are numbers of an indicator.
    pub fair: Vec<RawFair>,
}

/// `[job]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawJob {
    /// What the job computes: `candles` (bars, indicators, alerts and portfolios), or `ticks` (accepted trades, gaps and
    /// what is wrong with records; it has no bars, so it takes no indicators, rules and portfolios).
    pub kind: String,
    /// How many worker threads compute.
    pub workers: usize,
    /// Timeframes of bars: seconds, minutes or hours that divide a day, or a regular session of every calendar (`45m`,
    /// `65m`); days (`1d` to `30d`), weeks (`1w`), months (`1M`, also `1mo`; `1m` is a minute), quarters (`3M`), years
    /// (`1y`). Bars of all must be unions of those of the smallest.
    pub timeframes: Vec<String>,
    /// Indicators on every instrument and timeframe, such as `sma20` or `macd12_26_9`.
    pub indicators: Vec<String>,
    /// The calendar of instruments that name none: `UTC`, an IANA time zone, a market such as
    /// `XNYS` (docs/calendars.md has all), or the name of a `[[calendar]]`.
    pub calendar: String,
    /// The day on which weeks begin: `mon` to `sun`.
    pub week_starts: String,
    /// Trades that are older than this before the watermark are refused; at most `correction_horizon`.
    pub reject_after: String,
    /// How far before the watermark single trades are kept, so that they can be corrected.
    pub correction_horizon: String,
    /// With `start = "horizon"`, sources are read from the beginning of the longest timeframe's bar that holds the
    /// horizon, if that is at most so long before it; else from the horizon, and bars that it cuts are `partial`.
    pub read_back: String,
    /// Live: how far ahead of the system's time an event may be.
    #[serde(alias = "skew")] // its deprecated name
    pub max_clock_ahead: String,
    /// The share of its input, from 0 to 1, that a run may refuse (too late, dead or conflicting). If it refuses more, it
    /// says why and ends with an error.
    pub refused_share: f64,
    /// Live: how far ahead in event time a source is read of another that catches up, if both have the coverage `all`.
    /// `forever`: as far as it goes.
    pub alignment: String,
    /// Bare files: events after this time (RFC 3339) are refused. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// `[commit]`; its time spans are above 0 and below 1d.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCommit {
    /// A commit closes this long after its first record at the latest.
    pub period: String,
    /// A commit closes with this many records at the latest.
    pub records: usize,
    /// Without any record, a commit closes this often.
    pub idle: String,
    /// A round ends about this often: then clients and sinks see what has changed.
    pub round: String,
    /// Bare files: rows of a commit.
    pub file_rows: usize,
    /// Bare files: `time`: rows count in the order of their times, however they lie. `lines`: in the order of lines, in
    /// which they once arrived; what lies after much later rows is late. Default: `lines` if a source is simulated, since
    /// its rows do arrive, else `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_order: Option<String>,
}

/// `[state]`: live, what survives the process.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawState {
    /// A directory for the log of all commits, made if it does not exist. A job that is started again goes on where it
    /// was, with every row that it had bound, also those that were posted; one process at a time. Default: none, and
    /// nothing survives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Whether commits are made durable on the disk as they come. Without, they survive the process, and a crash of the
    /// machine may lose the last half a minute; posted rows are not called durable then.
    pub fsync: bool,
    /// How often a checkpoint begins, after which a start need not read the log before it; at most `1d`. `never`: only
    /// at an orderly end.
    pub checkpoint_every: String,
    /// Whether the log is kept from the first commit on. Without, what no checkpoint needs any more is removed, and a job
    /// with other timeframes, calendars, indicators, rules or portfolios cannot go on with the state.
    pub keep_log: bool,
    /// Whether a start goes on although rows that a source was to bring next are gone, by retention for instance, or its
    /// file is another one: then that is a `gap` in `incidents`. Without, the start is refused.
    pub accept_gaps: bool,
    /// Where checkpoints and what of the log belongs to them are copied to as they come, so that another machine can go on
    /// when the disk is lost: `s3://BUCKET/PREFIX`, or `file:///FOLDER`. A prefix belongs to one job. Credentials are those
    /// of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, …). Default: none, and nothing is copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<String>,
    /// The URL of the server of `copy_to`. Default: `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` of the environment, or
    /// Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_endpoint: Option<String>,
    /// The region of `copy_to`. Default: `AWS_REGION` of the environment, or `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_region: Option<String>,
    /// Whether a server of `copy_to` on another machine may be spoken to without TLS; one on this machine always may.
    pub copy_allow_http: bool,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimits {
    /// How many instruments there may be.
    pub instruments: usize,
    /// How many portfolios there may be.
    pub portfolios: usize,
    /// How many models of fair values there may be.
    pub models: usize,
    /// How many records may be in flight in the workers.
    pub in_flight_records: usize,
    /// Bytes that may be retained in all (`tickweave_state_bytes`); near it, the latest changes and history shrink, and
    /// beyond it, sources pause.
    pub state_bytes: usize,
    /// Bytes of each log; beyond it, its oldest rows go.
    pub log_bytes: usize,
    /// Bytes of the log of trades; beyond it, its oldest rows go. 0: none is kept.
    pub trade_log_bytes: usize,
    /// Bytes of the latest changes of each keyed view; a subscriber that is further behind receives a new snapshot.
    pub ring_bytes: usize,
    /// Bytes of the texts of ids that are no plain integers, to show them as their sources wrote them; beyond it, those that
    /// were not used for longest go, and show as hashes. At least half of it always holds the newest.
    pub id_text_bytes: usize,
    /// Gaps in the ids of an instrument that are kept apart; beyond it, the lowest are merged.
    pub gaps: usize,
    /// Bytes of what views were, for `as_of`; beyond it, the oldest goes. 0: no history.
    pub history_bytes: usize,
    /// How many HTTP connections there may be at once; more wait.
    pub connections: usize,
    /// Threads of low priority for long reads of clients. A core is left to the job: on a machine of so many cores or
    /// fewer there is one thread less than cores, but at least one.
    pub reader_threads: usize,
    /// Reads of a kind that may wait for such a thread; more are refused.
    pub reads_waiting: usize,
}

/// `[recording]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRecording {
    /// Live: what happens when the recording cannot be written (the disk is full), or its path leads to another file or
    /// none. `stop`: the run stops in order, and its exit code is 6. `pause`: sources wait until the recording can be
    /// written and is in its place again, and it lacks nothing; one that was removed is written anew, one that was moved
    /// away waits to be moved back. The default is `stop`, since not everything can wait: what clients post is refused
    /// meanwhile, and channels of Redis keep nothing; and since whoever watches the process learns of it.
    pub on_error: String,
}

/// `[[calendar]]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawCalendar {
    /// Its name, which `calendar` of `[job]` and of `[[instrument]]` refer to.
    pub name: String,
    /// A calendar that ships, such as `XNYS`, whose zone, sessions and dates it has, but for its own `dates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// The zone that all its times are in: `UTC` or an IANA time zone. Required without `like`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long after the end of a regular session its last prints come, such as the closing auction; up to `1h`.
    /// Default: that of `like`, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_grace: Option<String>,
    /// A file of days without sessions and with other hours: lines of `date, closed | open | HH:MM | HH:MM-HH:MM …,
    /// name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holidays: Option<String>,
    /// The text of such a file, instead of `holidays`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<String>,
    /// Its sessions; at least one, and none with `like`.
    #[serde(default)]
    pub session: Vec<RawSession>,
}

/// `[[calendar.session]]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawSession {
    /// On which trading days, such as `mon-fri` or `mon,wed,fri`.
    pub days: String,
    /// Its first minute, such as `09:30` or `17:00 previous day`.
    pub opens: String,
    /// The first minute after it, such as `16:00` or `02:00 next day`.
    pub closes: String,
    /// `regular` or `extended`.
    #[serde(default = "default_session_kind")]
    pub kind: String,
}

/// `[[instrument]]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawInstrument {
    /// A name in which each `*` stands for any text.
    pub pattern: String,
    /// Decimals of prices: 0 to 18.
    #[serde(default = "default_price_decimals")]
    pub price_decimals: u8,
    /// Decimals of sizes: 0 to 18.
    #[serde(default = "default_size_decimals")]
    pub size_decimals: u8,
    /// Its calendar, as in `[job]`. Default: that of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// The currency that prices are in, such as `USD`; needed for portfolios.
    #[serde(default)]
    pub quote: String,
    /// Units of the underlying per unit of size, such as 100 or 0.01; above 0, with at most 9 decimals.
    #[serde(default = "default_multiplier")]
    pub multiplier: RawAmount,
    /// Whether it is an inverse contract, worth so much of the currency of its prices and settled in `quote`. Fills of
    /// such are refused. Default: by the name, so that `BTCUSD` with `quote = "BTC"` is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<bool>,
    /// Whether prices at or below zero are legal.
    #[serde(default)]
    pub negative_prices: bool,
}

/// `[[source]]`: what all kinds have; the rest belongs to the kind.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct RawSource {
    /// Required: its name, which no other source has.
    pub name: String,
    /// Required: its kind, which says what other keys it has.
    pub kind: String,
    /// The rank of its provider; 0 is best.
    pub rank: u8,
    /// How far behind its newest event an event may come without being late; at most `job.reject_after`. Default:
    /// 5s, or `job.reject_after` if that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disorder: Option<String>,
    /// A partition that is connected and has had nothing more to read for so long follows the system's time, so
    /// that its bars become final. A source that is silent for so long otherwise (not reached, frozen, behind) is
    /// carried on by others if `coverage` is `any`. Default: 30s; pipes, which nobody knows to be at their end while
    /// they are open, and files without `follow`: never. With it, one that has sent nothing for so long counts as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    /// A partition that is not reached, cannot be read or does not answer for so long is given up: bars no longer wait
    /// for it, what it brings later may be too late, and the process is not ready until it brings something. Default:
    /// never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<String>,
    /// `any`: other sources of coverage `any` send the same trades, and cover this one while it is silent.
    /// `all`: it has a part of its own, and while it is silent, finality waits for it. Default: `any` if it names
    /// its `provider` or if another source has another `rank`, else `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<String>,
    /// Whether the process is not ready before this source was reached once.
    pub required: bool,
    /// A back-fill: it has no watermark, and nothing waits for it.
    pub historic: bool,
    /// Live, for sources that can be read again: plays them at the pace of their event times. Simulated
    /// venues are played in real time as if now unless this says otherwise, others as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play: Option<RawPlay>,
    /// What belongs to the kind.
    #[serde(flatten)]
    pub rest: BTreeMap<String, toml::Value>,
}

/// `[[sink]]`: what all kinds have; the rest belongs to the kind.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct RawSink {
    /// Required: its name, which no other sink has.
    pub name: String,
    /// Required: its kind, which says what other keys it has.
    pub kind: String,
    /// Required: the views whose changes it is given; at most 64 views of all sinks together.
    pub views: Vec<String>,
    /// Which rows: by column, the texts that it may have. All views must have the column. Default: all rows; of
    /// `candles`, those that are not `partial`.
    #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, toml::Value>,
    /// What a record holds of a change: the row now (`upserts`), or the row before as well (`deltas`).
    pub encoding: Encoding,
    /// Exact numbers as JSON numbers (`number`) or as strings (`string`).
    pub numbers: String,
    /// A time span below 1d: at least this long between two batches of a view. Default: `commit.round`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Replaces what earlier runs have written, for `kind = "kafka"` with upserts: the sink begins when all sources have
    /// caught up, so that no row becomes less than it was, and then writes tombstones for rows that this run does not have
    /// although it has read all that could make them. Nothing else may write to the topic; what was posted to an earlier
    /// run counts as gone.
    pub replace_earlier: bool,
    /// What belongs to the kind.
    #[serde(flatten)]
    pub rest: BTreeMap<String, toml::Value>,
}

/// `[source.play]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPlay {
    /// Seconds of event time per second; above 0.
    pub speed: f64,
    /// Shifts event times so that the first of all played sources is now; what they back-fill lies before.
    pub as_if_now: bool,
}

fn default_price_decimals() -> u8 {
    market::InstrumentSpec::DEFAULT.price_scale
}

fn default_size_decimals() -> u8 {
    market::InstrumentSpec::DEFAULT.quantity_scale
}

fn default_session_kind() -> String {
    market::SessionKind::Regular.name().to_owned()
}

fn default_multiplier() -> RawAmount {
    RawAmount::Whole(1)
}

impl Default for RawJob {
    fn default() -> RawJob {
        RawJob {
            kind: JOBS[0].name.to_owned(),
            workers: 1,
            timeframes: ["1m", "5m", "15m", "1h", "4h", "1d"].map(str::to_owned).to_vec(),
            indicators: ["sma20", "ema20", "rsi14", "macd12_26_9", "bb20_2"]
                .map(str::to_owned)
                .to_vec(),
            calendar: "UTC".to_owned(),
            week_starts: "mon".to_owned(),
            reject_after: "1h".to_owned(),
            correction_horizon: "1d".to_owned(),
            read_back: "5d".to_owned(),
            max_clock_ahead: "10s".to_owned(),
            refused_share: 0.1,
            alignment: "1h".to_owned(),
            not_after: None,
        }
    }
}

impl Default for RawCommit {
    fn default() -> RawCommit {
        RawCommit {
            period: "5ms".to_owned(),
            records: 4_096,
            idle: "1s".to_owned(),
            round: "100ms".to_owned(),
            file_rows: 10_000,
            file_order: None,
        }
    }
}

impl Default for RawState {
    fn default() -> RawState {
        RawState {
            dir: None,
            fsync: true,
            checkpoint_every: "1m".to_owned(),
            keep_log: false,
            accept_gaps: false,
            copy_to: None,
            copy_endpoint: None,
            copy_region: None,
            copy_allow_http: false,
        }
    }
}

impl Default for RawLimits {
    fn default() -> RawLimits {
        RawLimits {
            instruments: 100_000,
            portfolios: market::Catalog::PORTFOLIOS,
            models: market::Catalog::MODELS,
            in_flight_records: 262_144,
            state_bytes: 8 << 30,
            log_bytes: 64 << 20,
            trade_log_bytes: 64 << 20,
            ring_bytes: 16 << 20,
            history_bytes: 128 << 20,
            id_text_bytes: market::Catalog::ID_TEXT_BYTES,
            gaps: 10_000,
            connections: 1_024,
            reader_threads: 2,
            reads_waiting: 256,
        }
    }
}

impl Default for RawRecording {
    fn default() -> RawRecording {
        RawRecording { on_error: "stop".to_owned() }
    }
}

impl Default for RawSource {
    fn default() -> RawSource {
        RawSource {
            name: String::new(),
            kind: String::new(),
            rank: 0,
            disorder: None,
            idle_timeout: None,
            give_up_after: None,
            coverage: None,
            required: true,
            historic: false,
            play: None,
            rest: BTreeMap::new(),
        }
    }
}

impl Default for RawSink {
    fn default() -> RawSink {
        RawSink {
            name: String::new(),
            kind: String::new(),
            views: Vec::new(),
            only: BTreeMap::new(),
            encoding: Encoding::default(),
            numbers: "number".to_owned(),
            every: None,
            replace_earlier: false,
            rest: BTreeMap::new(),
        }
    }
}

impl Default for RawPlay {
    fn default() -> RawPlay {
        RawPlay { speed: 1.0, as_if_now: false }
    }
}
