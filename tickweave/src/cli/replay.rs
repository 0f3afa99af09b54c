//! `tickweave replay`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use connectors::paths::{is_pattern, names_of_files};
use market::plural;
use operators::NoStates;

use super::check::layers;
use super::mapping::Mapping;
use super::progress::{ProgressDisplay, ProgressForm};
use super::report::{fails_by_recording, fails_by_refusals, print_report};
use super::results::ResultFlags;
use super::{Outcome, signals};
use crate::descriptors;
use crate::stderr::say;
use dataflows::config::{ConfigError, JobFile, Layers, RawConfig};
use dataflows::ingest::Stop;
use dataflows::ingest::recording::Recording;
use dataflows::run::{RunOptions, replay_files, replay_recording};

/// Replay files of trades, a configuration's files, or a recording.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave replay trades.csv --instrument x:BTC --timeframes 1m,1h --out results
  tickweave replay 'ticks/*.csv.gz' --indicators sma20,rsi14 --views candles,indicators --layout wide --out results
  tickweave replay today.twrec --digest")]
pub(super) struct Replay {
    /// A configuration (.toml), a recording, or files of trades; also folders of these, and quoted patterns such as
    /// 'trades/**/*.csv.gz'.
    #[arg(required = true, value_name = "CONFIG|PATH")]
    paths: Vec<PathBuf>,
    /// Worker threads.
    #[arg(short, long)]
    workers: Option<usize>,
    /// Timeframes, such as `1s,1m,1h,1w,1M` (a month; `1m` is a minute); all must be unions of the smallest.
    #[arg(long, value_delimiter = ',')]
    timeframes: Option<Vec<String>>,
    /// Indicators on every timeframe, such as `sma20,rsi14,macd12_26_9`.
    #[arg(long, value_delimiter = ',')]
    indicators: Option<Vec<String>>,
    /// In which order rows of files count: by `time`, or as `lines` lie, as they once arrived [default: time].
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// Refuse events after this time (RFC 3339), such as rows that are stamped in the future.
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// How far behind the newest event a trade may come, as with --order lines [default: 1h].
    #[arg(long, value_name = "SPAN")]
    reject_after: Option<String>,
    /// How many instruments there may be [default: 100000].
    #[arg(long, value_name = "COUNT")]
    max_instruments: Option<usize>,
    #[command(flatten)]
    results: ResultFlags,
    /// Let --record and --out replace files that exist, whichever program wrote them; never one that the job reads.
    #[arg(long)]
    force: bool,
    /// Print a digest of each view: equal digests, equal views.
    #[arg(long)]
    digest: bool,
    /// Pace by event time: 1 is real time [default: as fast as it goes].
    #[arg(long, value_parser = speed)]
    speed: Option<f64>,
    /// Record the run to FILE, which must not exist.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Replay files also if nearly all of their first 1,000 rows are refused, of at least 20.
    #[arg(long)]
    keep_going: bool,
    /// Keep going, and exit with 0 also if more of the input was refused than `job.refused_share` allows.
    #[arg(long)]
    lenient: bool,
    /// How to show progress [default: bar on a terminal, else plain; none with --json].
    #[arg(long, value_enum, value_name = "FORM")]
    progress: Option<ProgressForm>,
    #[command(flatten)]
    mapping: Mapping,
}

impl Replay {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let stop = Stop::default();
        descriptors::raise(); // a folder may hold more files than a process may open by default
        let _signals = signals(&stop)?;
        let Replay { paths, workers, timeframes, order, force, digest, speed, .. } = self;
        let Replay { record, lenient, mapping, not_after, reject_after, .. } = self;
        let Replay { indicators, max_instruments, results, progress, keep_going, .. } = self;
        let form = if json { ProgressForm::None } else { ProgressForm::fitting() };
        let shown = ProgressDisplay::new(progress.unwrap_or(form));
        let on_start = shown.on_start();
        let mut options =
            RunOptions { record, force, digest, speed, on_start, ..RunOptions::default() };
        options.summary = !json;
        options.keep_going = keep_going || lenient;
        let flags = |layers: Layers| {
            layers
                .flag("job.workers", "--workers", workers)?
                .flag("job.timeframes", "--timeframes", timeframes.as_ref())?
                .flag("job.indicators", "--indicators", indicators.as_ref())?
                .flag("commit.file_order", "--order", order.as_ref())?
                .flag("job.not_after", "--not-after", not_after.as_ref())?
                .flag("job.reject_after", "--reject-after", reject_after.as_ref())?
                .flag("limits.instruments", "--max-instruments", max_instruments)?
                .check()
        };

        let report = match &paths[..] {
            [path] if Recording::is_at(path) => {
                options.reads.push(JobFile::new(path, "the recording that is replayed"));
                let recording = Recording::open(path)?;
                let config = flags(recorded(&recording, path)?)?;
                results.choose(&config, &mut options)?;
                replay_recording(&config, recording, Arc::new(NoStates), &options, &stop)?
            }
            [path] if path.extension().is_some_and(|ending| ending == "toml") => {
                let config = flags(layers(path)?.to_end())?;
                results.choose(&config, &mut options)?;
                replay_files(config, &options, &stop)?
            }
            paths => {
                are_there(paths)?;
                paths.iter().try_for_each(|path| is_no_state(path))?;
                let config = flags(mapped(&mapping, paths, max_instruments)?)?;
                results.choose(&config, &mut options)?;
                replay_files(config, &options, &stop)?
            }
        };
        drop(shown);
        print_report("replayed", &report, json)?;
        let fails = fails_by_refusals(&report, lenient);
        let is_unrecorded = fails_by_recording(&report);
        Ok(match report.complete {
            _ if is_unrecorded => Outcome::Unrecorded,
            false => Outcome::Stopped,
            true if fails => Outcome::Refused,
            true => Outcome::Done,
        })
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| *speed > 0.0 && speed.is_finite());
    speed.ok_or_else(|| "is not a number above 0".to_owned())
}

/// Says so if a path is not there. What a pattern or folder names is found when the job is checked.
fn are_there(paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        let about = path.metadata();
        if about.is_err() && path.to_str().is_some_and(is_pattern) {
            continue;
        }
        about.with_context(|| format!("cannot open {}", path.display()))?;
    }
    Ok(())
}

/// Refuses the folder in which a job keeps its state: it holds parts of a recording, and no files of trades.
fn is_no_state(path: &Path) -> Result<(), ConfigError> {
    let names =
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|file| file.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut segments: Vec<String> =
        names.filter(|name| name.starts_with("log-") && name.ends_with(".twrec")).collect();
    segments.sort_unstable();
    let (Some(first), count) = (segments.first(), segments.len()) else { return Ok(()) };
    let folder = path.display();
    let problem = format!(
        "{folder} is the state of a job, with its commits in {} from {first} on: `tickweave run CONFIG --state \
         {folder}` goes on with it. A file alone has its own commits only (`tickweave replay {folder}/{first}`)",
        plural(count as u64, "file"),
    );
    Err(ConfigError::Value { place: "files".to_owned(), problem })
}

/// The job of a recording: what was configured when it was made, whatever the environment is now.
fn recorded(recording: &Recording, path: &Path) -> Result<Layers, ConfigError> {
    let name = format!("configuration in {}", path.display());
    let header = recording.header();
    let layers = Layers::parse(header.config.clone(), name, Path::new("."))?;
    Ok(layers.recorded_with(header.registries.clone()))
}

/// The job of bare files: what the environment says, and how flags say to read them.
fn mapped(
    mapping: &Mapping,
    paths: &[PathBuf],
    max_instruments: Option<usize>,
) -> Result<Layers, ConfigError> {
    const FLAGS: &str = "flags of how to read files";
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    // What names no file is refused when the configuration is checked.
    let names = names_of_files(&names, Path::new(".")).unwrap_or_default();
    let look = mapping.look(&names)?;
    if let Some(told) = look.told() {
        let of = match &names[..] {
            [one] => one.clone(),
            names => format!("{} files", names.len()),
        };
        say!("{of}: read as if by {told}");
    }
    let RawConfig { source, mut instrument, .. } = mapping.configuration(paths, &look);
    let layers = Layers::defaults(Path::new(".")).environment(std::env::vars_os())?;
    let mut found = mapping.scanned(&source, max_instruments);
    found.append(&mut instrument);
    let layers = layers.flag("source", FLAGS, Some(source))?;
    // What the environment says of instruments holds unless flags or numbers need something else.
    layers.flag("instrument", FLAGS, (!found.is_empty()).then_some(found))
}
