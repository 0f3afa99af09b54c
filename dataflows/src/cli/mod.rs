//! The command line.
//!
//! Exit codes: 0 done, or a live run stopped by a signal; 1 failed; 2 wrong command line or
//! configuration; 3 a replay was stopped by a signal before its input ended.

mod bench;
mod check;
mod demo;
mod descriptors;
mod mapping;
mod produce;
mod progress;
mod replay;
mod report;
mod run;
mod screen;
mod status;
mod tail;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::ingest::Stop;

/// Exact candles from market trades, restated when trades come late, are corrected or cancelled.
#[derive(Parser)]
#[command(name = "tickweave", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// What to log, such as `info`, `warn` or `dataflows=debug`.
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: String,
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
    /// Follow a view of a running job.
    Tail(tail::Tail),
    /// Make ticks and write them somewhere.
    Produce(Box<produce::Produce>),
    /// Measure what this machine makes of it.
    Bench(bench::Bench),
}

/// What a command came to.
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// A signal came before the input ended.
    Stopped,
}

/// Runs the command line; says on standard error why it failed.
pub fn main() -> ExitCode {
    let Cli { command, json, log } = Cli::parse();
    if let Err(error) = start_log(&log) {
        eprintln!("tickweave: --log {log}: {error}");
        return ExitCode::from(2);
    }
    let outcome = match command {
        Command::Demo(demo) => demo.run(json),
        Command::Run(run) => run.run(json),
        Command::Replay(replay) => replay.run(json),
        Command::Check(check) => check.run(json),
        Command::Tail(tail) => tail.run(json),
        Command::Produce(produce) => produce.run(json),
        Command::Bench(bench) => bench.run(json),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(3),
        Err(error) => {
            eprintln!("tickweave: {error:#}");
            let wrong_input = error.is::<ConfigError>() || error.is::<tail::Refused>();
            ExitCode::from(if wrong_input { 2 } else { 1 })
        }
    }
}

/// Prints to standard output; that nobody reads on is no failure of the command.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.context("cannot write to standard output")?),
    }
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| screen::Above);
    let log = log.with_ansi(screen::is_terminal());
    log.with_target(false).try_init().map_err(|error| anyhow::anyhow!(error))
}

/// The runtime of sockets and signals. The first SIGINT or SIGTERM asks to stop in order, the second
/// ends the process at once.
fn runtime(stop: &Stop) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("serve")
        .enable_all()
        .build()?;
    let stop = stop.clone();
    let _in_runtime = runtime.enter();
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    runtime.spawn(async move {
        for last in [false, true] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if last {
                std::process::exit(130);
            }
            tracing::info!("stopping; a second signal ends the process at once");
            stop.set();
        }
    });
    Ok(runtime)
}
