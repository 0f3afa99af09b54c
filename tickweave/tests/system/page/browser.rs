//! A headless browser, controlled over its debugging protocol.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;

/// Names under which Chromium is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A page of a browser; both end with this.
pub(super) struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    calls: u64,
    /// What the page did wrong so far.
    faults: Vec<String>,
    _profile: TempDir,
}

/// The browser of this machine. Without one the test is skipped with a message, unless
/// `TICKWEAVE_NEEDS_BROWSER` is set.
fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        let needed = std::env::var_os("TICKWEAVE_NEEDS_BROWSER").is_some();
        assert!(!needed, "none of {NAMES:?} is installed (Debian: apt-get install chromium)");
        // Past what the test harness captures.
        let said = "SKIPPED: the page is not tested, as Chromium is not installed\n";
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    found
}

impl Browser {
    /// Starts the browser with an empty page; none if this machine has none.
    pub(super) fn start() -> Option<Browser> {
        let browser = installed()?;
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(browser);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-port=0", "--window-size=1280,800", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = process.spawn().unwrap();
        // It writes down on which port it listens.
        let port = profile.path().join("DevToolsActivePort");
        let port: u16 = poll(
            || fs::read_to_string(&port).ok()?.lines().next()?.parse().ok(),
            || "the browser's port".to_owned(),
        );
        let address = ([127, 0, 0, 1], port).into();
        let url = poll(
            || {
                let pages = get(address, "/json").json();
                let mut pages = pages.as_array()?.iter();
                let page = pages.find(|page| page["type"] == "page")?;
                Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
            },
            || "a page of the browser".to_owned(),
        );
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let faults = Vec::new();
        let mut browser = Browser { process, socket, calls: 0, faults, _profile: profile };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    pub(super) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page; null while it has none.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", asked)["result"]["value"].take()
    }

    /// Asserts that no script failed and that nothing was refused by the page's own policy.
    pub(super) fn assert_no_faults(&self) {
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let call = json!({ "id": self.calls, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.socket.read().unwrap();
            let Message::Text(text) = message else { continue };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == self.calls {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            let entry = &message["params"]["entry"];
            let refused =
                entry["text"].as_str().is_some_and(|text| text.contains("Content Security"));
            if message["method"] == "Runtime.exceptionThrown" || refused {
                self.faults.push(message.to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Fails only if it has ended. Its helpers go when it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
