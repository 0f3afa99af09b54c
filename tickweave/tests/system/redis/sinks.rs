//! Sinks that are slow or taken over, and how much a job needs meanwhile.

use std::fs;

use super::capture::{Capture, add};
use super::job::{Job, STREAMS, assert_becomes, in_hash, in_stream, rows, served, sinks, wait_for};
use super::server::Server;
use crate::end_to_end::binary::{Going, poll};

/// The most memory that the process has had, in MiB.
fn peak(run: &Going) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

/// The server of the sinks does not answer for a while: candles go on, memory stays bounded though everything
/// comes ten times, and in the end the hash has what it should.
#[test]
fn a_silent_server_of_sinks_holds_nothing_up() {
    let Some(capture) = Capture::get("a silent Redis server of sinks") else { return };
    let (source, target) = (Server::durable(), Server::durable());
    let job = Job::new(&source.url(), STREAMS, &sinks(&target.url()));
    let mut run = job.start(2);
    let address = run.address();
    let mut client = source.connect();
    add(&mut client, &capture.share(0, 200));
    let delivered = || rows(address, "sinks").iter().all(|row| row["batches"].as_u64() > Some(2));
    poll(|| delivered().then_some(()), || "some batches".to_owned());

    target.signal("STOP");
    for _ in 0..10 {
        add(&mut client, &capture.share(0, 1_000));
    }
    wait_for(address, capture.trades() * 10);
    assert_becomes(|| served(address), &capture.bars, "while the sinks wait");
    let state = |wanted| rows(address, "sinks").iter().all(|row| row["state"] == wanted);
    poll(|| state("retrying").then_some(()), || format!("{:?}", rows(address, "sinks")));
    target.signal("CONT");
    assert_becomes(|| in_hash(&mut target.connect()), &capture.bars, "after the silence");
    poll(|| state("running").then_some(()), || format!("{:?}", rows(address, "sinks")));
    let peak = peak(&run);
    assert!(peak < 600, "{peak} MiB for {} trades", capture.trades());
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// Of two runs that write to one place, the later one does; the sink of the earlier one fails, and its server goes on.
#[test]
fn a_later_run_takes_over() {
    let Some(capture) = Capture::get("two jobs on one Redis prefix") else { return };
    let server = Server::durable();
    let mut client = server.connect();
    add(&mut client, &capture.share(0, 500));
    let job = Job::new(&server.url(), STREAMS, &sinks(&server.url()));
    let mut early = job.start(1);
    let address = early.address();
    let delivered = || rows(address, "sinks").iter().all(|row| row["batches"].as_u64() > Some(1));
    poll(|| delivered().then_some(()), || "some batches".to_owned());
    let mut late = job.start(1);
    let other = late.address();
    wait_for(other, 1);
    add(&mut client, &capture.share(500, 1_000));
    let failed = || rows(address, "sinks").iter().all(|row| row["state"] == "failed");
    poll(|| failed().then_some(()), || format!("{:?}", rows(address, "sinks")));
    let text = format!("{:?}", rows(address, "sinks"));
    assert!(text.contains("which began later, writes there"), "{text}");
    for address in [address, other] {
        assert_becomes(|| served(address), &capture.bars, "both");
    }
    assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash of the later run");
}

/// A key of a sink is of another kind for a while: the batch is tried again until it is not, and nothing is missing.
#[test]
fn a_sink_whose_key_is_of_another_kind_goes_on_when_it_is_not() {
    let Some(capture) = Capture::get("a Redis sink whose key is of another kind") else { return };
    let server = Server::durable();
    let mut client = server.connect();
    let job = Job::new(&server.url(), STREAMS, &sinks(&server.url()));
    let mut run = job.start(1);
    let address = run.address();
    add(&mut client, &capture.share(0, 500));
    let delivered = || rows(address, "sinks").iter().all(|row| row["batches"].as_u64() > Some(1));
    poll(|| delivered().then_some(()), || "some batches".to_owned());
    let keys = ["tickweave:candles", "tickweave:candles:changes"];
    for key in keys {
        // At once: a batch that came in between would be lost.
        let mut both = redis::pipe();
        both.atomic().cmd("RENAME").arg(key).arg(format!("{key}:kept"));
        both.cmd("SET").arg(key).arg("text").exec(&mut client).unwrap();
    }
    add(&mut client, &capture.share(500, 1_000));
    let states = || -> Vec<_> {
        let rows = rows(address, "sinks");
        rows.iter().map(|row| (row["name"].clone(), row["state"].clone())).collect()
    };
    let state = |name: &str, wanted: &str| {
        poll(
            || states().contains(&(name.into(), wanted.into())).then_some(()),
            || format!("{name} is {wanted}: {:?}", rows(address, "sinks")),
        );
    };
    state("hash", "retrying");
    state("streams", "retrying");
    for key in keys {
        redis::cmd("RENAME").arg(format!("{key}:kept")).arg(key).exec(&mut client).unwrap();
    }
    assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash");
    assert_becomes(|| in_stream(&mut client).bars(), &capture.bars, "the stream");
    state("hash", "running");
    state("streams", "running");
    for name in ["hash", "streams"] {
        run.wait_for(&format!("`candles` to `{name}` goes on after "));
    }
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}
