//! `tickweave checkpoint`: what a state directory holds, and copies of it.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use dataflows::run::{RunError, VerifiedState, copy_state, kept_checkpoints, verify_state};
use serde_json::json;

use super::{Outcome, print};

/// Look at the state that a job keeps, and copy it. The job may run meanwhile.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave checkpoint list state
  tickweave checkpoint verify state
  tickweave checkpoint export state /backup/state && tickweave checkpoint import /backup/state state")]
pub(super) struct CheckpointCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the checkpoints of a state directory.
    List {
        /// The directory (`state.dir`).
        dir: PathBuf,
    },
    /// Read all that a start would read, and hold it to its checksums.
    Verify {
        /// The directory (`state.dir`).
        dir: PathBuf,
    },
    /// Copy what a start needs, and verify the copy, which is a state directory, too.
    Export {
        /// The directory (`state.dir`).
        dir: PathBuf,
        /// Where to; must be empty or absent.
        to: PathBuf,
    },
    /// Copy an exported state to where a job will go on with it, and verify it.
    Import {
        /// What was exported.
        from: PathBuf,
        /// The directory (`state.dir`); must be empty or absent.
        dir: PathBuf,
    },
}

impl CheckpointCommand {
    pub(super) fn run(&self, is_json: bool) -> anyhow::Result<Outcome> {
        match &self.what {
            What::List { dir } => list(dir, is_json),
            What::Verify { dir } => {
                let found = std::fs::metadata(dir);
                found.with_context(|| format!("cannot open {}", dir.display()))?;
                show(&verify_state(dir).map_err(RunError::from)?, is_json)
            }
            What::Export { dir: from, to } | What::Import { from, dir: to } => {
                show(&copy_state(from, to).map_err(RunError::from)?, is_json)
            }
        }
    }
}

fn list(dir: &std::path::Path, is_json: bool) -> anyhow::Result<Outcome> {
    let mut whole = true;
    let mut rows = Vec::new();
    for (number, checkpoint) in kept_checkpoints(dir).map_err(RunError::from)? {
        let row = match &checkpoint {
            Ok(own) => json!({
                "checkpoint": number, "run": own.generation.to_string(), "first_commit": own.first.0,
                "last_commit": own.last.0, "bytes": own.bytes, "log": own.segment,
            }),
            Err(error) => {
                whole = false;
                json!({ "checkpoint": number, "problem": error.to_string() })
            }
        };
        let line = match checkpoint {
            Ok(own) => format!(
                "checkpoint {number}: states after commits {} to {}, {} bytes, run {}; the log goes on in {}",
                own.first.0,
                own.last.0,
                own.bytes,
                own.generation,
                own.segment.display()
            ),
            Err(error) => format!("checkpoint {number}: {error}"),
        };
        rows.push((row, line));
    }
    match is_json {
        true => {
            let rows: Vec<_> = rows.into_iter().map(|(row, _)| row).collect();
            print(&format!("{}\n", json!({ "checkpoints": rows })))?;
        }
        false if rows.is_empty() => print("no checkpoint: a start reads the whole log\n")?,
        false => rows.iter().try_for_each(|(_, line)| print(&format!("{line}\n")))?,
    }
    match whole {
        true => Ok(Outcome::Done),
        false => anyhow::bail!("not all checkpoints of {} are whole", dir.display()),
    }
}

fn show(verified: &VerifiedState, is_json: bool) -> anyhow::Result<Outcome> {
    let VerifiedState { checkpoint, commits, through, torn_bytes, passed_over } = verified;
    let through = through.map(|commit| commit.0);
    if is_json {
        let verified = json!({
            "checkpoint": checkpoint, "commits": commits, "through": through, "torn_bytes": torn_bytes,
            "passed_over": passed_over,
        });
        print(&format!("{verified}\n"))?;
        return Ok(Outcome::Done);
    }
    for problem in passed_over {
        print(&format!("passed over: {problem}\n"))?;
    }
    let from = match checkpoint {
        Some(number) => format!("checkpoint {number} and {commits} commits of the log"),
        None => format!("{commits} commits of the log"),
    };
    let through = through.map_or_else(|| "nothing".to_owned(), |commit| format!("commit {commit}"));
    print(&format!("whole: a start goes on behind {through}, from {from}\n"))?;
    if *torn_bytes > 0 {
        print(&format!(
            "{torn_bytes} bytes at the end are of a commit that was not written to its end\n"
        ))?;
    }
    Ok(Outcome::Done)
}
