//! Channels into candles: exact while the connection lasts, and a gap when it does not.

use redis::Connection;

use super::capture::Capture;
use super::job::{Job, assert_becomes, close_connections, incidents, provider, served};
use super::server::Server;
use crate::end_to_end::binary::poll;

const CHANNELS: &str =
    "kind = \"redis-pubsub\"\nchannels = [\"ticks:BTC\"]\npatterns = [\"ticks:E*\"]\n";

/// Publishes to whoever listens.
fn publish(server: &mut Connection, frames: &[(&str, &str)]) {
    for some in frames.chunks(200) {
        let mut publishing = redis::pipe();
        for (channel, frame) in some {
            publishing.cmd("PUBLISH").arg(*channel).arg(*frame);
        }
        let receivers: Vec<u64> = publishing.query(server).unwrap();
        assert!(receivers.iter().all(|listeners| *listeners == 1), "nobody listens");
    }
}

/// Waits until the channel and the pattern are listened to.
fn wait_for_listeners(server: &mut Connection) {
    let mut count = || {
        let (_, channel): (String, u64) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg("ticks:BTC").query(server).unwrap();
        let patterns: u64 = redis::cmd("PUBSUB").arg("NUMPAT").query(server).unwrap();
        (channel, patterns)
    };
    poll(|| (count() == (1, 1)).then_some(()), || "two listeners".to_owned());
}

#[test]
fn channels_and_patterns_become_candles() {
    let Some(capture) = Capture::get("Redis channels") else { return };
    let server = Server::forgetful();
    let mut client = server.connect();
    for workers in [1, 3] {
        let job = Job::new(&server.url(), CHANNELS, "");
        let mut run = job.start(workers);
        let address = run.address();
        wait_for_listeners(&mut client);
        publish(&mut client, &capture.share(0, 600));
        // Nothing is on its way when the connections are closed, so nothing is lost, which nobody can know.
        let half =
            capture.share(0, 600).iter().filter(|(_, f)| f.contains(r#""e":"trade""#)).count();
        super::job::wait_for(address, half as u64);
        assert_eq!(incidents(address), ["connected"; 2]);
        assert_eq!(close_connections(&mut client), 2);
        let reported = || {
            let mut reported = incidents(address);
            reported.sort();
            reported
        };
        let all = [
            "connected",
            "connected",
            "connected",
            "connected",
            "disconnected",
            "disconnected",
            "gap",
            "gap",
        ];
        poll(|| (reported() == all).then_some(()), || format!("{:?}", reported()));
        wait_for_listeners(&mut client);
        publish(&mut client, &capture.share(600, 1_000));
        assert_becomes(|| served(address), &capture.bars, &format!("{workers} workers"));
        let provider = provider(address);
        assert_eq!(
            (&provider["gaps"], &provider["disconnects"]),
            (&2.into(), &2.into()),
            "{provider}"
        );
        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
    }
}
