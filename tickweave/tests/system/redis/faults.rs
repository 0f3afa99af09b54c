//! What is killed comes back, and no candle differs.

use std::thread;

use super::capture::{Capture, add, try_add};
use super::job::{
    Job, STREAMS, assert_becomes, brought, close_connections, in_hash, in_stream, incidents,
    provider, served, sinks, wait_for,
};
use super::server::Server;
use crate::end_to_end::binary::poll;

/// The job is killed in the middle, and makes the bars of its horizon anew.
#[test]
fn a_job_that_is_killed_begins_at_the_horizon() {
    let Some(capture) = Capture::get("a killed job on Redis streams") else { return };
    let server = Server::durable();
    let mut client = server.connect();
    // Two hours ago came what the horizon of an hour leaves out.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    let long_ago = long_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let strange =
        capture.frames[0].1.iter().find(|frame| frame.contains(r#""e":"trade""#)).unwrap();
    let strange = strange.replace("BTCUSDT", "OLDUSDT");
    for stream in ["ticks:BTC", "ticks:ETH"] {
        let mut old = redis::cmd("XADD");
        old.arg(stream).arg(format!("{long_ago}-0")).arg("data").arg(&strange);
        old.exec(&mut client).unwrap();
    }
    let source = format!("{STREAMS}start = \"horizon\"\n");
    // Trades of years ago that are received now may have copies before the horizon: their bars are partial.
    let states = "where = { state = [\"open\", \"provisional\", \"final\", \"revised\", \"partial\"] }\nnumbers";
    let job = Job::new(&server.url(), &source, &sinks(&server.url()).replace("numbers", states));

    add(&mut client, &capture.share(0, 400));
    let mut run = job.start(2);
    let address = run.address();
    let writer = {
        let (mut client, frames) = (server.connect(), capture.share(400, 1_000));
        let frames: Vec<(&str, String)> =
            frames.into_iter().map(|(stream, frame)| (stream, frame.to_owned())).collect();
        thread::spawn(move || {
            for (stream, frame) in &frames {
                add(&mut client, &[(stream, frame)]);
            }
        })
    };
    wait_for(address, capture.trades() / 2);
    run.signal("KILL");
    assert_eq!(run.end().code, None);
    let seen = in_hash(&mut client).len();
    assert!(seen > 0, "some was delivered before");

    let mut run = job.start(1);
    let address = run.address();
    writer.join().unwrap();
    wait_for(address, capture.trades());
    assert_becomes(|| served(address), &capture.bars, "after a kill");
    assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash after a kill");
    assert_becomes(|| in_stream(&mut client).bars(), &capture.bars, "the stream after a kill");
    assert_eq!(in_stream(&mut client).snapshots, 2, "one of each run");
    assert_eq!(brought(address), capture.trades(), "nothing from before the horizon");
    assert_eq!(incidents(address), ["connected"; 2]);
}

/// Connections are closed, then the server is killed, while entries come: a server that keeps what it has
/// answered loses nothing, and the job says what happened.
#[test]
fn connections_and_a_server_are_killed_under_load() {
    let Some(capture) = Capture::get("a killed Redis server") else { return };
    let mut server = Server::durable();
    let mut client = server.connect();
    let job = Job::new(&server.url(), STREAMS, &sinks(&server.url()));
    let mut run = job.start(2);
    let address = run.address();
    add(&mut client, &capture.share(0, 300));
    wait_for(address, capture.trades() / 5);
    assert!(close_connections(&mut client) >= 2 + 3, "two readers and three writers");
    add(&mut client, &capture.share(300, 500));
    let down = || provider(address)["disconnects"].as_u64().unwrap();
    poll(|| (down() >= 2).then_some(()), || "two connections lost".to_owned());

    // Killed while a part is being added: what was not answered for is added again.
    let adding = capture.share(500, 800);
    let url = server.url();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let client = redis::Client::open(url).unwrap();
            for some in adding.chunks(500) {
                let try_to = || try_add(&mut client.get_connection().ok()?, some).ok();
                poll(try_to, || "entries are added".to_owned());
            }
        });
        wait_for(address, capture.trades() * 55 / 100);
        server.kill_and_restart();
        writer.join().unwrap();
    });
    add(&mut server.connect(), &capture.share(800, 1_000));

    assert_becomes(|| served(address), &capture.bars, "after kills");
    let reported = incidents(address);
    let count = |kind| reported.iter().filter(|own| *own == kind).count();
    let (lost, reached) = (count("disconnected"), count("connected"));
    assert!(lost >= 4 && reached == lost + 2 && count("gap") == 0, "{reported:?}");
    let provider = provider(address);
    assert_eq!((provider["state"].as_str(), &provider["gaps"]), (Some("running"), &0.into()));

    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
    let mut client = server.connect();
    assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash after kills");
    let stream = in_stream(&mut client);
    assert_becomes(|| stream.bars(), &capture.bars, "the stream after kills");
    assert_eq!(stream.snapshots, 1, "nothing was forgotten");
}
