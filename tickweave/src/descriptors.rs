//! File descriptors: as many as the system gives, and some of them kept for the job.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for sources, sinks and outputs of the job, besides the files that its sources read.
const OWN: u64 = 256;

/// Raises the number of files that the process may have open as far as it may; returns how many that is, if there is a
/// bound.
pub(crate) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current, // some systems allow less than they say
    }
}

/// Raises the number of files that the process may have open, and says how many connections can be had then beside
/// `files` of sources: as many as are asked for, or fewer, so that clients never take what the job needs. WebSockets
/// count apart from connections, so each connection may take two descriptors.
pub(crate) fn connections(asked: usize, files: usize) -> usize {
    let limit = raise();
    let connections = affordable(asked, OWN + files as u64, limit);
    if connections < asked {
        tracing::warn!(
            "`limits.connections` is {connections} instead of {asked}: the process may have {} files open (`ulimit -Hn`)",
            limit.unwrap_or(u64::MAX)
        );
    }
    connections
}

fn affordable(asked: usize, own: u64, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return asked };
    let spare = limit.saturating_sub(own.min(limit / 2)) / 2;
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
            assert_eq!(affordable(asked, OWN, limit), want, "{asked} of {limit:?}");
        }
        assert_eq!(affordable(1_024, OWN + 400, Some(1_024)), 256);
    }
}
