//! Metrics of the process as the system counts them, by the names that clients of Prometheus give them. Read when they
//! are asked for, and absent where there is no `/proc`.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use super::list::{CPU, MAX_FDS, OPEN_FDS, RESIDENT, START, THREADS, VIRTUAL};
use super::parts::{encode_gauge, help, unit};

/// The process itself.
#[derive(Debug)]
pub(super) struct Process;

/// The ticks of a second in which Linux counts the time of a process: `USER_HZ`, 100 on every platform of today.
const TICKS_PER_SECOND: f64 = 100.0;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(status) = read("/proc/self/status") {
            let kilobytes = |key: &str| number_after(&status, key).map(|number| number * 1_024);
            for (of, value) in [
                (RESIDENT, kilobytes("VmRSS:")),
                (VIRTUAL, kilobytes("VmSize:")),
                (THREADS, number_after(&status, "Threads:")),
            ] {
                value.map_or(Ok(()), |value| encode_gauge(&mut encoder, of, value))?;
            }
        }
        if let Some(ticks) = read("/proc/self/stat").and_then(|stat| Ticks::of(&stat)) {
            let (cpu, unit) = (ConstCounter::new(ticks.cpu / TICKS_PER_SECOND), unit(CPU));
            let metric = encoder.encode_descriptor(
                CPU.name,
                &help(CPU),
                unit.as_ref(),
                cpu.metric_type(),
            )?;
            cpu.encode(metric)?;
            let booted = read("/proc/stat").and_then(|stat| number_after(&stat, "btime "));
            if let Some(booted) = booted {
                let start = booted as f64 + ticks.start / TICKS_PER_SECOND;
                encode_gauge(&mut encoder, START, start)?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            encode_gauge(&mut encoder, OPEN_FDS, (open.count() as u64).saturating_sub(1))?;
        }
        let most = read("/proc/self/limits").and_then(|all| number_after(&all, "Max open files"));
        most.map_or(Ok(()), |most| encode_gauge(&mut encoder, MAX_FDS, most))
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The first number after `key` at the beginning of a line.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Numbers of `/proc/self/stat`, in ticks.
struct Ticks {
    /// Used, by user and system.
    cpu: f64,
    /// From when the system was booted to when the process began.
    start: f64,
}

impl Ticks {
    /// The name of the program, in parentheses, may hold anything; fields are counted behind it.
    fn of(stat: &str) -> Option<Ticks> {
        let (_, behind) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Ticks { cpu: field(14)? + field(15)?, start: field(22)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_found() {
        let status = "Name:\tVmRSS: 7\nVmRSS:\t  1234 kB\nThreads:\t5\n";
        assert_eq!(number_after(status, "VmRSS:"), Some(1_234));
        assert_eq!(number_after(status, "VmSize:"), None);
        assert_eq!(
            number_after("Max open files            unlimited  unlimited  files", "Max open files"),
            None
        );
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 7700 99 98";
        let Ticks { cpu, start } = Ticks::of(stat).unwrap();
        assert_eq!((cpu, start), (300.0, 7_700.0));
    }
}
