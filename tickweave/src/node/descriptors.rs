//! File descriptors: as many as the system gives, and some of them kept for the job.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for files, sources and sinks of the job.
const OWN: u64 = 256;

/// Raises the number of files that the process may have open as far as it may, and says how many connections can be
/// had then: as many as are asked for, or fewer, so that clients never take what the job needs. WebSockets count
/// apart from connections, so each connection may take two descriptors.
pub(super) fn connections(asked: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current, // some systems allow less than they say
    };
    let connections = affordable(asked, limit);
    if connections < asked {
        tracing::warn!(
            "`limits.connections` is {connections} instead of {asked}: the process may have {} files open (`ulimit -Hn`)",
            limit.unwrap_or(u64::MAX)
        );
    }
    connections
}

fn affordable(asked: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return asked };
    let spare = limit.saturating_sub(OWN.min(limit / 2)) / 2;
    asked.min(usize::try_from(spare).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_the_job_its_files() {
        for (asked, limit, want) in [
            (1_024, None, 1_024),
            (1_024, Some(1 << 20), 1_024),
            (1_024, Some(1_024), 384),
            (100, Some(1_024), 100),
            (1_024, Some(64), 16),
            (1_024, Some(0), 1),
        ] {
            assert_eq!(affordable(asked, limit), want, "{asked} of {limit:?}");
        }
    }
}
