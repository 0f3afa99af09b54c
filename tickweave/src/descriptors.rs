//! File descriptors: as many as the system gives, and some of them kept for the job.

use dataflows::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the process itself: its libraries, timers, outputs and what it reads at its start.
const OWN: u64 = 128;
/// Kept for each partition of a source: its file, or its connection to a server and what wakes its thread.
const OF_PARTITION: u64 = 4;
/// Kept for each view that is delivered to a sink: its file, or its connections to brokers.
const OF_DELIVERY: u64 = 8;

/// So many partitions are taken to be at a server that tells only later.
const UNTOLD_PARTITIONS: usize = 16;

/// What a job opens besides the connections of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Partitions of its sources, such as files.
    pub(crate) partitions: usize,
    /// Views that its sinks get.
    pub(crate) deliveries: usize,
}

impl Needs {
    /// Of a configured job.
    pub(crate) fn of(config: &Config) -> Needs {
        let partitions = config.sources.iter().map(|own| match own.source.partitions().len() {
            0 if own.source.is_endless() => UNTOLD_PARTITIONS,
            partitions => partitions,
        });
        Needs {
            partitions: partitions.sum(),
            deliveries: config.sinks.iter().map(|sink| sink.views.len()).sum(),
        }
    }

    /// How many descriptors that may take.
    fn descriptors(self) -> u64 {
        let Needs { partitions, deliveries } = self;
        OWN + OF_PARTITION * partitions as u64 + OF_DELIVERY * deliveries as u64
    }
}

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
/// what the job `needs`: as many as are asked for, or fewer, so that clients never take what the job needs. WebSockets
/// count apart from connections, so each connection may take two descriptors.
pub(crate) fn connections(asked: usize, needs: Needs) -> usize {
    let limit = raise();
    let connections = affordable(asked, needs, limit);
    if let Some(limit) = limit.filter(|_| connections < asked) {
        tracing::warn!("{}", lowered(asked, connections, needs, limit));
    }
    connections
}

fn affordable(asked: usize, needs: Needs, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return asked };
    asked.min(usize::try_from((limit - kept(needs, limit)) / 2).unwrap_or(usize::MAX)).max(1)
}

/// How many descriptors of `limit` are kept for the job: never more than half of them.
fn kept(needs: Needs, limit: u64) -> u64 {
    needs.descriptors().min(limit / 2)
}

/// Why there are fewer connections than were asked for, and what helps.
fn lowered(asked: usize, connections: usize, needs: Needs, limit: u64) -> String {
    let Needs { partitions, deliveries } = needs;
    let wanted = needs.descriptors() + 2 * asked as u64;
    format!(
        "`limits.connections` is {connections} instead of {asked}: the process may have {limit} files open, {} of them \
         are kept for {partitions} partitions of sources, {deliveries} views of sinks and the process itself, and a \
         connection may take two; raise the limit (`ulimit -Hn {wanted}`) or lower `limits.connections`",
        kept(needs, limit)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_the_job_its_files() {
        let needs = |partitions, deliveries| Needs { partitions, deliveries };
        for (asked, needs, limit, want) in [
            (1_024, needs(0, 0), None, 1_024),
            (1_024, needs(10, 3), Some(1 << 20), 1_024),
            (1_024, needs(10, 3), Some(1_024), (1_024 - 128 - 40 - 24) / 2),
            (1_024, needs(0, 48), Some(1_024), (1_024 - 128 - 384) / 2),
            (100, needs(10, 3), Some(1_024), 100),
            (1_024, needs(10_000, 0), Some(1_024), 256),
            (1_024, needs(0, 0), Some(64), 16),
            (1_024, needs(0, 0), Some(0), 1),
        ] {
            assert_eq!(affordable(asked, needs, limit), want, "{asked} of {limit:?} {needs:?}");
        }
        let text = lowered(1_024, 416, needs(10, 3), 1_024);
        assert!(text.starts_with("`limits.connections` is 416 instead of 1024: "), "{text}");
        assert!(
            text.contains("192 of them are kept for 10 partitions of sources, 3 views"),
            "{text}"
        );
        assert!(text.contains("`ulimit -Hn 2240`"), "{text}");
    }
}
