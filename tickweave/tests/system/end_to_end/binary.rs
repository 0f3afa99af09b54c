//! Runs the binary as a user does. Nothing here measures time: waiting is polling with a bound that only
//! a hang reaches.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

/// How often something is looked at, and the pause between.
const POLLS: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` sees something; a hang fails the test with what `otherwise` says.
pub(crate) fn poll<T>(
    mut look: impl FnMut() -> Option<T>,
    otherwise: impl FnOnce() -> String,
) -> T {
    for _ in 0..POLLS {
        if let Some(seen) = look() {
            return seen;
        }
        sleep(PAUSE);
    }
    panic!("waited in vain: {}", otherwise())
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The summary, after a run that went well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.summary()
    }

    /// The summary, however the run went.
    pub(crate) fn summary(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Asserts that it failed with this code and that standard error contains all of `wanted`; returns standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, wanted: &[&str]) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in wanted {
            assert!(self.err.contains(text), "`{text}` is not in {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        &self.err
    }
}

/// A process that runs. It ends with the test if the test fails before it.
pub(crate) struct Going {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// Runs `tickweave` in `folder` to its end. That much of the input is refused is no failure: most tests are about
/// something else.
pub(crate) fn tickweave(folder: &Path, args: &[&str]) -> Ran {
    Going::start(folder, args).end()
}

/// Runs `tickweave` in `folder` to its end, exactly as it is called.
pub(crate) fn tickweave_strict(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
    Going::spawn(folder, command.args(args)).end()
}

impl Going {
    /// Starts `tickweave` in `folder`; see [`tickweave`].
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Going {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
        command.args(args);
        if args.iter().any(|arg| ["run", "replay"].contains(arg)) {
            command.arg("--lenient");
            if args.contains(&"--out") && !args.contains(&"--views") {
                command.args(["--views", "all"]);
            }
        }
        Going::spawn(folder, &mut command)
    }

    /// Starts a command in `folder`, exactly as it is.
    pub(crate) fn spawn(folder: &Path, command: &mut Command) -> Going {
        // Files, not pipes: a full pipe would hold the process up.
        let mut number = 0;
        let name = |kind: &str, number| folder.join(format!(".{kind}{number}"));
        while name("out", number).exists() {
            number += 1;
        }
        let (out, err) = (name("out", number), name("err", number));
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Going { child, out, err }
    }

    /// Standard error so far.
    pub(crate) fn stderr_text(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout_text(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Waits until it says `text` on standard error.
    pub(crate) fn wait_for(&mut self, text: &str) {
        poll(
            || {
                let ended = self.child.try_wait().unwrap();
                let output = fs::read_to_string(&self.err).unwrap_or_default();
                let found = output.contains(text);
                assert!(found || ended.is_none(), "ended ({ended:?}) without `{text}`: {output}");
                found.then_some(())
            },
            || format!("`{text}` in {}", fs::read_to_string(&self.err).unwrap_or_default()),
        );
    }

    /// Waits until it serves; gives the address.
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.wait_for("serving http://");
        let output = self.stderr_text();
        let (_, rest) = output.split_once("serving http://").unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    /// The address, if it serves.
    pub(crate) fn address_if_known(&self) -> Option<SocketAddr> {
        let output = self.stderr_text();
        let (_, rest) = output.split_once("serving http://")?;
        rest.split_once('/')?.0.parse().ok()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// Its number in the system.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended.
    pub(crate) fn end(mut self) -> Ran {
        let Going { child, err, .. } = &mut self;
        let output = || fs::read_to_string(&err).unwrap_or_default();
        let status = poll(|| child.try_wait().unwrap(), || format!("the end: {}", output()));
        Ran {
            code: status.code(),
            out: fs::read_to_string(&self.out).unwrap(),
            err: self.stderr_text(),
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
