//! TLS and a password, which is never shown.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::job::{Job, incidents};
use super::server::{Server, is_here};
use crate::end_to_end::binary::{poll, tickweave};

/// Makes an authority (`ca.pem`) and what it vouches for on this machine; false without `openssl`.
fn certificates(folder: &Path) -> bool {
    let run = |args: &str| {
        let command = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .status();
        command.is_ok_and(|status| status.success())
    };
    fs::write(folder.join("leaf.cnf"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority")
        && run("req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=redis")
        && run(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2 -extfile leaf.cnf",
        )
}

#[test]
fn a_password_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    if !is_here("TLS to Redis") {
        return;
    }
    assert!(certificates(folder.path()), "openssl is installed");
    let server = Server::secured(folder.path(), "hidden-word");
    let source = "kind = \"redis-streams\"\nstreams = [\"s\"]\npayload = \"data\"\nformat = \"entries\"\n\
                  ca_file = \"ca.pem\"\npassword_file = \"word\"\n";
    let url = server.url().replace("redis://", "rediss://");
    let job = Job::without_codec(&url, source);
    fs::copy(folder.path().join("ca.pem"), job.folder().join("ca.pem")).unwrap();
    for (word, goes) in [("wrong-word\n", false), ("hidden-word\n", true)] {
        fs::write(job.folder().join("word"), word).unwrap();
        let mut run = job.start(1);
        let text = if goes {
            let address = run.address();
            poll(
                || (incidents(address) == ["connected"]).then_some(()),
                || "a connection".to_owned(),
            );
            run.signal("TERM");
            let ran = run.end();
            assert_eq!(ran.code, Some(0), "{ran:?}");
            ran.err
        } else {
            // It is tried again for a while: passwords are changed.
            run.wait_for("tried again");
            run.stderr_text()
        };
        assert_eq!(text.contains("rediss://127.0.0.1"), !goes, "{text}");
        assert!(!text.contains("-word"), "{text}");
    }
    let shown = tickweave(job.folder(), &["check", "job.toml"]);
    assert!(!shown.out.contains("-word") && shown.out.contains("password_file"), "{shown:?}");
}
