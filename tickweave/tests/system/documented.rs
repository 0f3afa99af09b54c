//! Commands of README.md and `docs/` run as they are printed, those that need no server and no file from elsewhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::{get, post};

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

/// What follows `--data-binary` in the section on posting rows: the media type and the body.
fn posted_bodies(page: &str) -> Vec<(&str, String)> {
    let (_, section) = page.split_once("\n## Posting rows\n").unwrap();
    let mut bodies = Vec::new();
    for command in section.split("\ncurl ").skip(1) {
        let Some((head, rest)) = command.split_once("--data-binary ") else { continue };
        let (_, of) = head.split_once("Content-Type: ").unwrap();
        let of = of.split('\'').next().unwrap();
        let quoted = rest.trim_start_matches('$').strip_prefix('\'').unwrap();
        let body = quoted.split('\'').next().unwrap();
        bodies.push((of, body.replace("\\n", "\n")));
    }
    bodies
}

#[test]
fn examples_of_posted_rows_do_what_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/http.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = root.join("examples/bot.toml").display().to_string();
    let mut run =
        Going::start(folder.path(), &["run", &config, "--listen", "127.0.0.1:0", "--json"]);
    let address = run.address();
    let bodies = posted_bodies(&page);
    let kinds = ["\"trade\"", "\"correct\"", "\"cancel\"", "fill,"];
    assert_eq!(bodies.len(), kinds.len(), "{bodies:?}");
    for ((of, body), kind) in bodies.iter().zip(kinds) {
        assert!(body.contains(kind), "{kind}: {body}");
        let path = "/api/streaming/process?wait=processed&wait_ms=30000";
        let sent = || post(address, path, &[("Content-Type", of)], body);
        let sent = poll(|| Some(sent()).filter(|sent| sent.status != 503), || body.clone()).json();
        assert_eq!((&sent["accepted"], &sent["rejected"]), (&1.into(), &0.into()), "{sent}");
        let closes: Vec<_> = get(address, "/v1/candles/demo:ALFA?tf=1m").json()["candles"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|bar| bar["trades"] != 0)
            .map(|bar| bar["close"].as_f64().unwrap())
            .collect();
        let wanted = match kind {
            "\"trade\"" => vec![200.5],
            "\"correct\"" => vec![200.25],
            _ => Vec::new(),
        };
        assert_eq!(closes, wanted, "{body}");
    }
    let positions = get(address, "/v1/views/positions?portfolio=mine").json();
    assert_eq!(positions["rows"][0]["quantity"], 10, "{positions}");
    run.signal("TERM");
    run.end().json();
}
