//! Commands of README.md and `docs/` run as they are printed, those that need no server and no file from elsewhere.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Words of commands that are left out: they need a server, a running job or a file that is not in the repository.
const ELSEWHERE: [&str; 10] = [
    "run ",
    "tail ",
    "kafka:",
    "capture.gz",
    ".zip",
    ".rec",
    "--rate",
    "examples/binance.toml",
    "replay trades ",
    "'trades/",
];

/// The commands of the shell blocks of a page, lines that are continued joined.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_shell = false;
    let mut command = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            in_shell = line == "```sh";
            continue;
        }
        if !in_shell {
            continue;
        }
        command += line.strip_suffix('\\').unwrap_or(line);
        if !line.ends_with('\\') {
            found.push(std::mem::take(&mut command));
        }
    }
    found
}

#[test]
fn commands_of_the_documents_run_as_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("views");
    let mut ran = 0;
    for page in pages {
        for command in commands(&fs::read_to_string(&page).unwrap()) {
            let Some(args) = command.strip_prefix("cargo run --release -- ") else { continue };
            if ELSEWHERE.iter().any(|word| args.contains(word)) {
                continue;
            }
            // As printed, but for places and sizes.
            let args = args
                .replace("/tmp/views", &results.display().to_string())
                .replace("5000000", "50000")
                .replace("examples/", &format!("{}/examples/", root.display()));
            let script = format!("'{}' {args}", env!("CARGO_BIN_EXE_tickweave"));
            let output =
                Command::new("sh").args(["-c", &script]).current_dir(&folder).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {command}\n{said}", page.display());
            ran += 1;
        }
    }
    assert!(ran >= 5, "{ran} commands were found");
}
