//! Messages to Slack; its server is played, with its answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::job::Job;
use super::receiver::Receiver;

#[test]
fn slack_is_told_in_its_words_and_at_its_pace_and_the_url_stays_secret() {
    let folder = tempfile::tempdir().unwrap();
    let tries = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => (429, "Retry-After: 1\r\n"),
        _ => (200, ""),
    });
    let url = format!("http://{}/services/T000/B000/hunter2", receiver.address);
    let sink = "[[sink]]\nname = \"desk\"\nkind = \"slack\"\nviews = [\"alerts\"]\nurl_env = \"SLACK_URL\"\n";
    let job = Job::start(folder.path(), sink, &[], &[("SLACK_URL", &url)]);
    job.trade("trade", "us:A&B", "120.50");
    job.wait_for_sink("desk", |sink| sink["messages"] == 1);
    job.trade("correct", "us:A&B", "100.00");
    job.wait_for_sink("desk", |sink| sink["messages"] == 2);
    let texts: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| {
            assert_eq!(request.path, "/services/T000/B000/hunter2");
            let body = request.json();
            assert_eq!(body["blocks"][0]["text"]["text"], body["text"]);
            body["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[0], texts[1]);
    assert!(texts[1].starts_with("*raised: high on us:A&amp;B 1m, bar 20"), "{texts:?}");
    assert!(texts[1].contains("\nclose 120.5\n"), "{texts:?}");
    assert!(texts[2].starts_with("*withdrawn: high on us:A&amp;B 1m"), "{texts:?}");
    let sinks = job.wait_for("sinks", |rows| !rows.is_empty());
    assert!(sinks[0]["last_error"].as_str().unwrap().contains("429"), "{sinks:?}");
    assert!(!sinks[0].to_string().contains("hunter2"), "{sinks:?}");
    let (_, err) = job.stop();
    assert!(err.contains("429") && !err.contains("hunter2"), "{err}");
}
