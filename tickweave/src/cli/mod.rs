//! The command line.
//!
//! Exit codes: 0 done, or a live run stopped by a signal; 1 failed; 2 wrong command line or
//! configuration; 3 a replay was stopped by a signal before its input ended; 4 too much of the input was refused; 5 a
//! sink lacks a part; 6 the recording is not whole, or stopped the run.

mod check;
mod checkpoint;
mod completions;
mod demo;
mod keys;
mod logging;
mod mapping;
mod produce;
mod progress;
mod replay;
mod report;
mod results;
mod run;
mod screen;
mod status;
mod tail;

use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::keys::KeyFileError;
use crate::log_format::{self, LogFormat};
use crate::stderr::{self, problem};
use dataflows::config::ConfigError;
use dataflows::ingest::Stop;
use dataflows::run::RunError;
use serving::TlsError;
use workload::produce::ProduceError;

/// What stands below the list of commands.
const AFTER_HELP: &str = "\
Examples:
  tickweave demo
  tickweave replay trades.csv --instrument x:BTC --timeframes 1m,1h --indicators sma20,rsi14 --out results
  tickweave check job.toml && tickweave run job.toml
  tickweave tail candles x:BTC --where timeframe=1m

Environment: TICKWEAVE__SECTION__KEY=VALUE sets a key of a configuration, such as TICKWEAVE__JOB__WORKERS=3 or
TICKWEAVE__JOB__TIMEFRAMES=1m,5m.

Exit codes: 0 done; 1 failed; 2 wrong command line or configuration; 3 a replay was stopped; 4 more of the input was
refused than `job.refused_share` allows; 5 a sink lacks a part; 6 the recording is not whole; 130 a second signal came.";

/// Exact candles from market trades, restated when trades come late, are corrected or cancelled.
#[derive(Parser)]
#[command(name = "tickweave", version = env!("TICKWEAVE_VERSION"), after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// What to log: error, warn, info, debug, trace or off, or a list such as `warn,dataflows=debug` [default: RUST_LOG,
    /// else info].
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How to log.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Watch candles of a simulated venue; needs no configuration and no network.
    Demo(demo::Demo),
    /// Run a job live and serve its views over HTTP, until SIGINT or SIGTERM.
    Run(run::Run),
    /// Replay files of trades, a configuration's files, or a recording, as fast as it goes.
    Replay(Box<replay::Replay>),
    /// Check a configuration and show what it comes to.
    Check(check::Check),
    /// Look at the state that a job keeps, and copy it.
    Checkpoint(checkpoint::CheckpointCommand),
    /// Make, list and revoke API keys.
    Keys(keys::Keys),
    /// Follow a view of a running job.
    Tail(tail::Tail),
    /// Make ticks and write them somewhere.
    Produce(Box<produce::Produce>),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Write a page for `man` per command.
    Man(completions::Man),
}

/// What a command came to.
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// A signal came before the input ended.
    Stopped,
    /// More of the input was refused than may be, or a part of it could not be read to its end.
    Refused,
    /// A sink has failed, and lacks a part.
    Undelivered,
    /// The recording is not whole, or has stopped the run.
    Unrecorded,
    /// A configuration is wrong, which was printed.
    Wrong,
}

/// Lines of standard error that are left at the end are written within this time, or not at all.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// So is the summary of a run, to standard output.
const PRINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes what is left of standard error when it is dropped, also if a panic ends the command.
struct Flush;

impl Drop for Flush {
    fn drop(&mut self) {
        stderr::flush(FLUSH_TIMEOUT);
    }
}

/// Runs the command line; says on standard error why it failed.
pub fn main() -> ExitCode {
    let Cli { command, json, log, log_format } = Cli::parse();
    log_format::choose(log_format);
    stderr::begin(Box::new(screen::write_above));
    let _flush = Flush;
    if let Err(error) = logging::start(log) {
        problem!("{error}");
        return ExitCode::from(2);
    }
    let outcome = match command {
        Command::Demo(demo) => demo.run(json),
        Command::Run(run) => run.run(json),
        Command::Replay(replay) => replay.run(json),
        Command::Check(check) => check.run(json),
        Command::Checkpoint(checkpoint) => checkpoint.run(json),
        Command::Keys(keys) => keys.run(json),
        Command::Tail(tail) => tail.run(json),
        Command::Produce(produce) => produce.run(json),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(3),
        Ok(Outcome::Refused) => ExitCode::from(4),
        Ok(Outcome::Undelivered) => ExitCode::from(5),
        Ok(Outcome::Unrecorded) => ExitCode::from(6),
        Ok(Outcome::Wrong) => ExitCode::from(2),
        Err(error) => {
            problem!("{error:#}");
            ExitCode::from(if is_wrong_input(&error) { 2 } else { 1 })
        }
    }
}

/// Whether another command line or configuration is needed.
fn is_wrong_input(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>()
        || error.is::<tail::Refused>()
        || error.is::<KeyFileError>()
        || error.is::<TlsError>()
        || error.downcast_ref().is_some_and(RunError::is_refusal)
        || error.downcast_ref().is_some_and(ProduceError::is_refusal)
}

/// Prints to standard output; that nobody reads on is no failure of the command.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.context("cannot write to standard output")?),
    }
}

/// Prints a summary to standard output; that nobody reads on, or that nothing is read, is no failure of the command.
fn print_last(text: String) -> anyhow::Result<()> {
    let (done, printed) = sync_channel(1);
    std::thread::Builder::new().name("stdout".to_owned()).spawn(move || done.send(print(&text)))?;
    match printed.recv_timeout(PRINT_TIMEOUT) {
        Ok(printed) => printed,
        Err(RecvTimeoutError::Disconnected) => anyhow::bail!("cannot write to standard output"),
        Err(RecvTimeoutError::Timeout) => {
            tracing::warn!("the summary is not printed: standard output takes nothing");
            Ok(())
        }
    }
}

/// Heeds signals until what this gives is dropped. The first SIGINT, SIGTERM or SIGHUP (the terminal was closed) asks
/// to stop in order, the second ends the process at once.
fn signals(stop: &Stop) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("signals")
        .enable_all()
        .build()?;
    let stop = stop.clone();
    let _in_runtime = runtime.enter();
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        let mut is_asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            heed(&stop, &mut is_asked, || std::process::exit(130));
        }
    });
    Ok(runtime)
}

/// Heeds a signal: the first asks to stop, the second ends the process. The stop is set before anything else is
/// done, and a panic does not end the task that heeds signals.
fn heed(stop: &Stop, is_asked: &mut bool, end: impl FnOnce()) {
    stop.set();
    if std::mem::replace(is_asked, true) {
        stderr::flush(Duration::from_millis(100));
        return end();
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        tracing::info!("stopping; a second signal ends the process at once");
    }));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The commands of ours in a line of a shell, as words.
    fn own_commands(line: &str) -> Vec<Vec<String>> {
        let commands = line.split(" && ").flat_map(|part| part.split(" | "));
        let own =
            commands.filter_map(|command| command.find("tickweave ").map(|at| &command[at..]));
        own.map(|command| {
            let command = command.split(" > ").next().unwrap();
            command.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
        })
        .collect()
    }

    #[test]
    fn examples_of_help_are_commands() {
        let mut root = Cli::command();
        root.build();
        let mut examples = 0;
        for command in std::iter::once(&root).chain(root.get_subcommands()) {
            let Some(help) = command.get_after_help() else {
                assert_eq!(command.get_name(), "help", "a command without examples");
                continue;
            };
            let help = help.to_string();
            for words in help.lines().filter(|line| line.starts_with("  ")).flat_map(own_commands) {
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{words:?}: {}", parsed.err().unwrap());
                examples += 1;
            }
        }
        assert!(examples >= 20, "{examples}");
    }

    #[test]
    fn the_command_line_is_whole() {
        Cli::command().debug_assert();
    }
}
