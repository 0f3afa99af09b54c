//! What a start tells that goes on with the state of the one before.

use super::job::Job;
use super::receiver::Receiver;

fn more(receiver: &Receiver) -> String {
    format!(
        "[state]\ndir = \"state\"\n[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nviews = [\"alerts\"]\nurl = \"http://{}/\"\n",
        receiver.address
    )
}

fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let of = |request: super::receiver::Request| {
        let body = request.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (format!("{} {}", text("type"), body["row"]["instrument"].as_str().unwrap()), text("id"))
    };
    receiver.requests().into_iter().map(of).collect()
}

#[test]
fn after_a_stop_nothing_is_told_again_and_after_a_crash_under_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| (200, ""));
    let start = || Job::start(folder.path(), &more(&receiver), &[], &[]);
    let first = start();
    first.trade("trade", "us:AAPL", "120.50");
    first.wait_for_sink("hook", |sink| sink["messages"] == 1);
    first.stop();

    let second = start();
    second.trade("trade", "us:MSFT", "130.50");
    second.wait_for_sink("hook", |sink| sink["messages"] == 1 && sink["skipped"] == 0);
    second.trade("correct", "us:AAPL", "100.00");
    second.wait_for_sink("hook", |sink| sink["messages"] == 2);
    let before = told(&receiver);
    let types: Vec<&str> = before.iter().map(|(told, _)| &**told).collect();
    assert_eq!(types, ["raised us:AAPL", "raised us:MSFT", "withdrawn us:AAPL"]);
    second.going.signal("KILL");
    second.going.end();

    let third = start();
    third.wait_for_sink("hook", |sink| sink["messages"] == 2);
    let mut again = told(&receiver).split_off(before.len());
    again.sort();
    let mut want = before[1..].to_vec();
    want.sort();
    assert_eq!(again, want, "what the last start may not have told, under the ids that it had");
    third.stop();
}
