//! Clocks of CPU time, and the memory of this process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the calling thread.
pub(super) fn of_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time of the process.
pub(super) fn of_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let output = clock_gettime(clock);
    let (secs, nanos) = (u64::try_from(output.tv_sec), u32::try_from(output.tv_nsec));
    Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
}

/// CPU time of all threads of this process but those of this name, to a tick of the scheduler each (some ms); none where the
/// system does not report it.
pub(super) fn of_others(name: &str) -> Option<Duration> {
    let mut spent = 0;
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let read = |what: &str| fs::read_to_string(task.path().join(what)).ok();
        let (Some(comm), Some(schedstat)) = (read("comm"), read("schedstat")) else { continue };
        if comm.trim_end() != name {
            spent += schedstat.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(spent))
}

/// Bytes of this process in memory: `VmRSS` now, `VmHWM` at most so far.
pub(super) fn memory(what: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// The number at this share of all, sorted or not; 0 of none.
pub(super) fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = (numbers.len() as f64 * share) as usize;
    numbers.get(at.min(numbers.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
