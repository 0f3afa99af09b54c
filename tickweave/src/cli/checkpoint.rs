//! `tickweave checkpoint`: what a state directory holds, and copies of it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use dataflows::run::{
    CopyIndex, RestoreError, RunError, StoreOptions, VerifiedState, copy_state, export_copy,
    import_copy, is_url, kept_checkpoints, look_at_copy, verify_copy, verify_state,
};
use market::Generation;
use serde_json::json;

use super::{Outcome, print};

/// Look at the state that a job keeps, and copy it. The job may run meanwhile.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave checkpoint list state
  tickweave checkpoint verify state
  tickweave checkpoint export state /backup/state && tickweave checkpoint import /backup/state state
  tickweave checkpoint list s3://bucket/prefix && tickweave checkpoint import s3://bucket/prefix state

A copy in an object store is s3://BUCKET/PREFIX or file:///FOLDER, as `state.copy_to` names it. Credentials are those of the
environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...).")]
pub(super) struct CheckpointCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

/// What is known of an object store besides the URL of the copy.
#[derive(Args)]
struct StoreArgs {
    /// The server of an s3:// URL; without, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL of the environment, or Amazon's.
    #[arg(long, value_name = "URL", global = true)]
    endpoint: Option<String>,
    /// Its region; without, AWS_REGION of the environment, or us-east-1.
    #[arg(long, global = true)]
    region: Option<String>,
    /// Speak to a server on another machine without TLS; one on this machine may always be.
    #[arg(long, global = true)]
    allow_http: bool,
}

#[derive(Subcommand)]
enum What {
    /// List the checkpoints of a state directory.
    List {
        /// The directory (`state.dir`), or the URL of a copy.
        dir: PathBuf,
    },
    /// Read all that a start would read, and hold it to its checksums.
    Verify {
        /// The directory (`state.dir`), or the URL of a copy, which is downloaded to a temporary folder.
        dir: PathBuf,
    },
    /// Copy what a start needs, and verify the copy, which is a state directory, too.
    Export {
        /// The directory (`state.dir`).
        dir: PathBuf,
        /// Where to: a folder, which must be empty or absent, or the URL of a copy, which must be of this state.
        to: PathBuf,
    },
    /// Copy an exported state to where a job will go on with it, and verify it.
    Import {
        /// What was exported, or the URL of a copy.
        from: PathBuf,
        /// The directory (`state.dir`); must be empty or absent.
        dir: PathBuf,
    },
}

impl CheckpointCommand {
    pub(super) fn run(&self, is_json: bool) -> anyhow::Result<Outcome> {
        let StoreArgs { endpoint, region, allow_http } = &self.store;
        let options = StoreOptions {
            endpoint: endpoint.clone(),
            region: region.clone(),
            allow_http: *allow_http,
        };
        match &self.what {
            What::List { dir } if let Some(url) = url(dir) => list_copy(url, &options, is_json),
            What::List { dir } => list(dir, is_json),
            What::Verify { dir } if let Some(url) = url(dir) => {
                show(&verify_copy(url, &options).map_err(RunError::from)?, is_json)
            }
            What::Verify { dir } => {
                let found = std::fs::metadata(dir);
                found.with_context(|| format!("cannot open {}", dir.display()))?;
                show(&verify_state(dir).map_err(RunError::from)?, is_json)
            }
            What::Export { dir, to } if let Some(url) = url(to) => {
                export(dir, url, &options, is_json)
            }
            What::Import { from, dir } if let Some(url) = url(from) => {
                show(&import_copy(url, &options, dir).map_err(RunError::from)?, is_json)
            }
            What::Export { dir: from, to } | What::Import { from, dir: to } => {
                show(&copy_state(from, to).map_err(RunError::from)?, is_json)
            }
        }
    }
}

/// The URL that was named in the place of a directory.
fn url(dir: &Path) -> Option<&str> {
    dir.to_str().filter(|text| is_url(text))
}

fn list_copy(url: &str, options: &StoreOptions, is_json: bool) -> anyhow::Result<Outcome> {
    let index =
        look_at_copy(url, options).map_err(|error| RunError::from(RestoreError::from(error)))?;
    let Some(index) = index else {
        match is_json {
            true => print(&format!("{}\n", json!({ "copy": null })))?,
            false => print(&format!("there is no copy in {url}\n"))?,
        }
        return Ok(Outcome::Done);
    };
    let run = Generation(index.generation).to_string();
    if is_json {
        let files = index.files.iter().map(|file| {
            json!({ "name": file.name, "bytes": file.bytes, "checksum": file.checksum, "object": file.object })
        });
        let copy = json!({
            "state": index.state, "run": run, "sequence": index.sequence, "through": index.through,
            "bytes": index.bytes(), "files": files.collect::<Vec<_>>(),
        });
        print(&format!("{}\n", json!({ "copy": copy })))?;
        return Ok(Outcome::Done);
    }
    let CopyIndex { state, sequence, through, files, .. } = &index;
    print(&format!(
        "copy {sequence} of state {state}, written by run {run}: through commit {through} at least, {} bytes in {} files\n",
        index.bytes(),
        files.len()
    ))?;
    files.iter().try_for_each(|file| print(&format!("{} {} bytes\n", file.name, file.bytes)))?;
    Ok(Outcome::Done)
}

fn export(dir: &Path, url: &str, options: &StoreOptions, is_json: bool) -> anyhow::Result<Outcome> {
    let copied = export_copy(dir, url, options).map_err(RunError::from)?;
    match is_json {
        true => print(&format!(
            "{}\n",
            json!({
                "through": copied.through, "files": copied.files, "bytes": copied.bytes,
                "uploaded_bytes": copied.uploaded,
            })
        ))?,
        false => print(&format!(
            "copied through commit {} at least: {} files of {} bytes, of which {} were uploaded\n",
            copied.through, copied.files, copied.bytes, copied.uploaded
        ))?,
    }
    match copied.unremoved {
        None => Ok(Outcome::Done),
        Some(why) => anyhow::bail!("the copy is complete, but old objects are left: {why}"),
    }
}

fn list(dir: &Path, is_json: bool) -> anyhow::Result<Outcome> {
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
