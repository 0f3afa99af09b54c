//! A real Alertmanager.

use serde_json::Value;

use super::job::Job;
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;
use crate::servers::Server;

#[test]
fn alertmanager_knows_which_alerts_stand() {
    let Some(server) = Server::start("alertmanager") else { return };
    let folder = tempfile::tempdir().unwrap();
    let sink = format!(
        "[[sink]]\nname = \"am\"\nkind = \"alertmanager\"\nviews = [\"alerts\"]\nurl = \"http://{}\"\n\
         labels = {{ job = \"test\", severity = \"page\" }}\ngenerator_url = \"http://example.org/\"\nresend = \"5s\"\n",
        server.address
    );
    let job = Job::start(folder.path(), &sink, &[], &[]);
    let address = server.address.parse().unwrap();
    let standing = |count: usize| -> Vec<Value> {
        let alerts = || get(address, "/api/v2/alerts").json().as_array().unwrap().clone();
        let enough = || Some(alerts()).filter(|alerts| alerts.len() == count);
        poll(enough, || format!("{count} alerts: {:#?}", alerts()))
    };
    job.trade("trade", "us:AAPL", "120.50");
    job.trade("trade", "us:MSFT", "130.25");
    let alerts = standing(2);
    let of = |instrument: &str| {
        let is_of = |alert: &&Value| alert["labels"]["instrument"] == instrument;
        alerts.iter().find(is_of).unwrap_or_else(|| panic!("{alerts:#?}"))
    };
    let labels = &of("us:AAPL")["labels"];
    let found =
        ["alertname", "timeframe", "job", "severity"].map(|name| labels[name].as_str().unwrap());
    assert_eq!(found, ["high", "1m", "test", "page"]);
    assert!(labels["open_time"].is_string());
    assert_eq!(of("us:AAPL")["annotations"]["price"], "120.5");
    assert_eq!(of("us:AAPL")["generatorURL"], "http://example.org/");
    // It is sent again before it ends, with a later end.
    let ends = of("us:MSFT")["endsAt"].clone();
    let is_later = || (standing(2).iter().all(|alert| alert["endsAt"] != ends)).then_some(());
    poll(is_later, || "a later end".to_owned());
    job.trade("correct", "us:AAPL", "100.00");
    assert_eq!(standing(1)[0]["labels"]["instrument"], "us:MSFT");
    job.wait_for_sink("am", |sink| sink["state"] == "running" && sink["rejected"] == 0);
    job.stop();
}
