//! How long a tick takes to a subscriber, and a point read to its answer, while an even load flows; beside an echo of the
//! same load through the same server without a dataflow.
//!
//! Of so many ticks one is a *probe*: a trade of a symbol of its own, whose price is its number. A subscriber of that
//! symbol's bar sees a close, and with it every probe up to that number.

mod echo;
mod paced;
mod served;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::clocks::quantile;
use super::{Asked, Figures, Measurement};
use echo::Echo;

pub(super) use paced::{PROBE, Schedule};
pub(super) use served::{Served, engine, start_node};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "latency",
    doc: "from when a tick is due to when a WebSocket has output its bar, and point reads over HTTP, at \
          an even load, beside an echo without a dataflow",
    by_default: true,
    run: measure,
};

/// A probe that has arrived.
pub(super) struct Probe {
    /// When it was due, from the beginning.
    pub(super) due: Duration,
    /// How long after that it arrived.
    pub(super) delay: Duration,
}

/// Ticks per probe.
const TICKS_PER_PROBE: u64 = 500;
/// Point reads a second.
const READS: u32 = 200;
/// What is due in this time after the beginning is not counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// After the end, what is still on its way is waited for so long.
const GRACE: Duration = Duration::from_secs(5);

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let length = WARM_UP + Duration::from_secs(asked.seconds.max(1).into());
    // A schedule begins once: each of the two has its own.
    let schedule = || Schedule::new(asked.rate, TICKS_PER_PROBE, length, asked.seed);
    let of_echo = schedule();
    let served = Served::start(&Echo::new(Arc::clone(&of_echo)))?;
    let until_end = AtomicBool::new(false);
    let mut echo = counted(follow(served.address(), &of_echo, &until_end)?);
    served.stop()?;

    let schedule = schedule();
    let (config, source) = engine(&schedule, "")?;
    let served = Served::run(config, source)?;
    let address = served.address();
    let reads = Arc::clone(&schedule);
    let reading =
        thread::Builder::new().name("clients".to_owned()).spawn(move || read(address, &reads))?;
    let mut ticks = counted(follow(address, &schedule, &until_end)?);
    let mut reads = reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    served.stop()?;

    say!("latency at {} ticks/s, ms from when it was due", asked.rate);
    let mut report = |name: &str, what: &str, times: &mut Vec<f64>| {
        let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        let most = times.last().copied().unwrap_or(0.0);
        say!("  {what:<20} p50 {p50:>8.2}   p99 {p99:>8.2}   max {most:>8.2}   ({})", times.len());
        figures.report(&format!("{name}_p50_ms"), p50);
        figures.report(&format!("{name}_p99_ms"), p99);
        p99
    };
    let echo = report("echo", "echo", &mut echo);
    let ticks = report("tick_to_subscriber", "tick to subscriber", &mut ticks);
    report("point_read", "point read", &mut reads);
    let allowed = 5.0 + 2.0 * echo;
    say!("  a commit's 5 ms and two echoes are {allowed:.2}: {:.2} of it", ticks / allowed);
    figures.report("tick_to_subscriber_allowed_ms", allowed);
    Ok(())
}

/// The delays of probes that are counted, in ms.
fn counted(probes: Vec<Probe>) -> Vec<f64> {
    let counted = probes.into_iter().filter(|probe| probe.due >= WARM_UP);
    counted.map(|probe| probe.delay.as_secs_f64() * 1e3).collect()
}

/// Receives all probes, or those that are due before it is ended.
pub(super) fn follow(
    address: SocketAddr,
    schedule: &Arc<Schedule>,
    ended: &AtomicBool,
) -> anyhow::Result<Vec<Probe>> {
    let ask = format!(
        r#"{{"op":"subscribe","id":1,"sub":"p","view":"candles","filter":{{"symbol":["{PROBE}"],"timeframe":"1m"}},"fields":"close"}}"#
    );
    let mut client = Client::follow(address, &ask)?;
    let mut probes = Vec::new();
    let mut arrived = |number: u64| {
        let due = schedule.due_of_probe(number);
        probes.push(Probe { due, delay: schedule.elapsed().saturating_sub(due) });
    };
    let (mut next, last) = (0, schedule.probes());
    while next < last && schedule.elapsed() < schedule.length + GRACE {
        let output = closes(client.text()?);
        // Probe n has the price n + 1.
        while next < output.min(last) {
            arrived(next);
            next += 1;
        }
        if ended.load(Ordering::Relaxed) {
            return Ok(probes);
        }
    }
    // What never came has taken this long already.
    (next..last).for_each(arrived);
    Ok(probes)
}

/// The largest close in a message.
fn closes(message: &str) -> u64 {
    let numbers = message.split("\"close\":").skip(1);
    let digits = numbers.map(|text| text.bytes().take_while(u8::is_ascii_digit));
    let parsed = digits.map(|digits| digits.fold(0, |n, d| n * 10 + u64::from(d - b'0')));
    parsed.max().unwrap_or(0)
}

/// Reads the newest bar of symbols in turn, as often as is due; how long after it was due each answer was there, in ms.
fn read(address: SocketAddr, schedule: &Arc<Schedule>) -> anyhow::Result<Vec<f64>> {
    let mut client = Client::connect(address)?;
    let mut times = Vec::new();
    let end = schedule.length;
    for number in 0.. {
        let due = Duration::from_secs(number) / READS + WARM_UP;
        if due >= end {
            break;
        }
        thread::sleep(due.saturating_sub(schedule.elapsed()));
        let symbol = number % 50;
        let status = client.get(&format!("/v1/candles/bench:S{symbol:03}?timeframe=1m&limit=1"))?;
        anyhow::ensure!(status == 200, "a point read is answered with {status}");
        times.push(schedule.elapsed().saturating_sub(due).as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// The schedule of a load of probes alone, so many a second.
pub(super) fn schedule(rate: u32, length: Duration, seed: u64) -> Arc<Schedule> {
    Schedule::new(rate, 1, length, seed)
}

/// Now, for schedules.
fn now() -> Instant {
    Instant::now()
}
