//! Says which commit is built, for `tickweave --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=TICKWEAVE_COMMIT");
    // A package that is built outside a repository says its commit itself.
    let commit = std::env::var("TICKWEAVE_COMMIT").ok().or_else(of_repository);
    let version = env!("CARGO_PKG_VERSION");
    let version = match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    };
    println!("cargo:rustc-env=TICKWEAVE_VERSION={version}");
}

/// The commit and its day, such as `5d1f3c9a0 2026-01-05`.
fn of_repository() -> Option<String> {
    // A repository around this one is none of ours.
    if !Path::new("../.git").exists() {
        return None;
    }
    for changes in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", changes])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["log", "-1", "--format=%h %cs", "--abbrev=9"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
