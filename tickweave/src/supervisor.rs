//! Tells the supervisor that started the process how it is, by the protocol of `sd_notify(3)`: lines `NAME=VALUE` in a
//! datagram to the socket that `NOTIFY_SOCKET` names.
//!
//! `READY=1` is sent once the process serves; it may still be catching up, and `STATUS=` says so. `WATCHDOG=1` is sent
//! twice per `WATCHDOG_USEC` as long as the process can say how it is; `STOPPING=1` when it is asked to stop.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use node_api::{Health, Readiness, Status};

/// The status is told this often if it has changed.
const PERIOD: Duration = Duration::from_secs(1);
const STOPPING: &str = "STOPPING=1";

/// The supervisor of this process.
pub(crate) struct Supervisor {
    socket: UnixDatagram,
    period: Duration,
    is_watching: bool,
    /// What was told last.
    status: String,
    is_stopping: bool,
}

impl Supervisor {
    /// The one that the environment names; none if it names none.
    ///
    /// # Errors
    /// If its socket cannot be reached, or `WATCHDOG_USEC` is no number.
    pub(crate) fn of_environment() -> io::Result<Option<Supervisor>> {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let socket = UnixDatagram::unbound()?;
        connect(&socket, path.as_bytes())?;
        // A supervisor that does not read must not hold up the job.
        socket.set_nonblocking(true)?;
        let watchdog =
            watchdog(std::env::var("WATCHDOG_USEC").ok(), std::env::var("WATCHDOG_PID").ok())?;
        let period = watchdog.map_or(PERIOD, |within| PERIOD.min(within / 2));
        let is_watching = watchdog.is_some();
        let status = String::new();
        Ok(Some(Supervisor { socket, period, is_watching, status, is_stopping: false }))
    }

    /// How often [`Supervisor::tell`] must be called.
    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// Says that the process serves.
    pub(crate) fn ready(&mut self) {
        self.send("READY=1");
    }

    /// Says how the process is, if that has changed, and that it lives.
    pub(crate) fn tell(&mut self, health: &Health, is_stopping: bool) {
        let status = if is_stopping { "stopping".to_owned() } else { in_words(health) };
        let mut lines = Vec::new();
        if is_stopping && !self.is_stopping {
            lines.push(STOPPING.to_owned());
            self.is_stopping = true;
        }
        if status != self.status {
            lines.push(format!("STATUS={status}"));
            self.status = status;
        }
        if self.is_watching {
            lines.push("WATCHDOG=1".to_owned());
        }
        if !lines.is_empty() {
            self.send(&lines.join("\n"));
        }
    }

    /// A supervisor that is gone, or does not read, is none of the job's business.
    fn send(&self, lines: &str) {
        if let Err(error) = self.socket.send(lines.as_bytes()) {
            tracing::debug!(%error, "the supervisor is not told `{lines}`");
        }
    }
}

impl Drop for Supervisor {
    /// The end was quicker than the next time to tell.
    fn drop(&mut self) {
        if !self.is_stopping {
            self.send(STOPPING);
        }
    }
}

/// A path, or on Linux a name beginning with `@`.
fn connect(socket: &UnixDatagram, path: &[u8]) -> io::Result<()> {
    match path {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)
        }
        path => socket.connect(std::ffi::OsStr::from_bytes(path)),
    }
}

/// How often the supervisor wants to hear from this process at least; none if it does not, or wants to of another one.
fn watchdog(micros: Option<String>, of: Option<String>) -> io::Result<Option<Duration>> {
    let Some(micros) = micros else { return Ok(None) };
    if of.is_some_and(|of| of != std::process::id().to_string()) {
        return Ok(None);
    }
    match micros.parse::<u64>() {
        Ok(micros) if micros > 0 => Ok(Some(Duration::from_micros(micros))),
        _ => Err(io::Error::other(format!(
            "WATCHDOG_USEC is `{micros}`, not a number of microseconds"
        ))),
    }
}

/// The state in a line: whether the process is ready, and which checks do not pass.
fn in_words(health: &Health) -> String {
    let state = match &health.readiness {
        Readiness::Ready => "ready",
        Readiness::NotYet(why) => why,
    };
    let not_passed = health.checks.iter().filter(|(_, check)| check.status != Status::Pass);
    let mut text = state.to_owned();
    for (name, check) in not_passed {
        text += &format!("; {} {name}: {}", check.status.name(), check.output);
    }
    market::printable(&text, STATUS_BYTES_MAX)
}

/// A status is one line, and short enough for any receiver.
const STATUS_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use node_api::Check;

    use super::*;

    #[test]
    fn a_watchdog_is_that_of_this_process() {
        let own = std::process::id().to_string();
        let text = |text: &str| Some(text.to_owned());
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(None, None).unwrap(), None);
        assert_eq!(watchdog(text("1000000"), None).unwrap(), second);
        assert_eq!(watchdog(text("1000000"), Some(own)).unwrap(), second);
        assert_eq!(watchdog(text("1000000"), text("1")).unwrap(), None);
        for wrong in ["", "0", "1s"] {
            let error = watchdog(text(wrong), None).unwrap_err().to_string();
            assert!(error.contains("microseconds"), "{error}");
        }
    }

    #[test]
    fn the_status_names_what_does_not_pass() {
        let mut health = Health::default();
        assert_eq!(in_words(&health), "ready");
        let output = "source `a`\nis away".to_owned();
        let check = Check { status: Status::Warn, output, observed: None };
        health.checks.insert("sources".to_owned(), check);
        health.readiness = Readiness::NotYet("catching up".to_owned());
        let text = in_words(&health);
        assert!(text.starts_with("catching up; warn sources: source `a`"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}
