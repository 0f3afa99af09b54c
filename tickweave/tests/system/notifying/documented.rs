//! What docs/notifications.md says is so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The first block of Python on the page.
fn python() -> String {
    let page = fs::read_to_string(in_repository("docs/notifications.md")).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn a_receiver_verifies_signatures_as_the_page_shows() {
    if Command::new("python3").arg("-V").output().is_err() {
        let _ = std::io::stderr()
            .write_all(b"SKIPPED: the example of a receiver, as there is no python3\n");
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let is_genuine = |secret: &str, time: u64, signed: &str, body: &str| {
        let header = connectors::notify::signature(b"hush", time, signed.as_bytes());
        let program = format!(
            "{}\nimport sys\nprint(is_genuine(sys.argv[1].encode(), sys.argv[2], sys.argv[3].encode()))",
            python()
        );
        let ran =
            Command::new("python3").args(["-c", &program, secret, &header, body]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout == b"True\n"
    };
    let body = "{\"key\":\"ä|b\"}";
    assert!(is_genuine("hush", now, body, body));
    assert!(!is_genuine("other", now, body, body), "another secret");
    assert!(!is_genuine("hush", now, body, "{}"), "another body");
    assert!(!is_genuine("hush", now - 3_600, body, body), "an old request");
}
