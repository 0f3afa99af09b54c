//! Real servers for tests, started by `scripts/services` and stopped when the tests end, however they end.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::end_to_end::binary::poll;

/// A server on this machine.
pub(crate) struct Server {
    name: &'static str,
    folder: PathBuf,
    /// `host:port`.
    pub(crate) address: String,
    /// Stops the server and removes the folder when its standard input closes: at the end of this process.
    keeper: Child,
}

/// The Kafka that tests share, each with topics of its own. None where it is not installed.
pub(crate) fn kafka() -> Option<&'static Server> {
    static SHARED: LazyLock<Option<Server>> = LazyLock::new(|| Server::start("kafka"));
    SHARED.as_ref()
}

impl Server {
    /// Starts a server. Where it is not installed there is none, which is said, unless
    /// `TICKWEAVE_NEEDS_SERVICES` is set.
    pub(crate) fn start(name: &'static str) -> Option<Server> {
        if !services("installed", None, name) {
            let needed = std::env::var_os("TICKWEAVE_NEEDS_SERVICES").is_some();
            assert!(!needed, "{name} is not installed (scripts/services install {name})");
            // Past what the test harness captures.
            let text = format!("SKIPPED: {name} is not tested, as it is not installed\n");
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return None;
        }
        let folder = tempfile::tempdir().map(TempDir::keep).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", "trap '' INT; cat > /dev/null; \"$0\" stop \"$1\" \"$2\"; rm -rf \"$1\""])
            .args([&script(), &folder])
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(services("start", Some(&folder), name), "{name} does not start");
        let reported = fs::read_to_string(folder.join(format!("{name}.env"))).unwrap();
        let of_name = format!("{}=", name.to_ascii_uppercase());
        let address =
            reported.lines().find_map(|line| line.strip_prefix(&of_name)).unwrap().to_owned();
        Some(Server { name, folder, address, keeper })
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&self) {
        assert!(services("kill", Some(&self.folder), self.name));
    }

    /// Stops its process where it is: connections stay, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let reported = fs::read_to_string(self.folder.join(format!("{}.env", self.name))).unwrap();
        let of_name = format!("{}_PID=", self.name.to_ascii_uppercase());
        let pid = reported.lines().find_map(|line| line.strip_prefix(&of_name)).unwrap();
        let sent = Command::new("kill").args([&format!("-{signal}"), pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Starts it again, with the data that it had.
    pub(crate) fn restart(&self) {
        assert!(services("restart", Some(&self.folder), self.name));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        poll(|| self.keeper.try_wait().unwrap(), || format!("the end of {}", self.name));
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services")
}

fn services(command: &str, folder: Option<&Path>, name: &str) -> bool {
    let mut script = Command::new(script());
    script.arg(command).args(folder).arg(name);
    script.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success()
}
