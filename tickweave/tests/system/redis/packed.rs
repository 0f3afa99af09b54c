//! Entries and messages that hold several trades.

use super::job::{Job, incidents, rows, wait_for};
use super::server::Server;
use crate::end_to_end::binary::poll;

/// A position is made of the entry's id and a row's place in the entry; a stream that begins anew goes on behind it.
#[test]
fn rows_of_one_entry_have_positions_of_their_own() {
    if !super::server::is_here("several trades in entries of Redis streams") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let mut add = |id: &str, prices: &[u32]| {
        let rows: Vec<_> =
            prices.iter().map(|price| format!(r#"["1767607201.5","{price}","1"]"#)).collect();
        let payload = format!(r#"[336,[{}],"trade","XBT/USD"]"#, rows.join(","));
        redis::cmd("XADD")
            .arg("kraken")
            .arg(id)
            .arg(&["data", &payload])
            .exec(&mut client)
            .unwrap();
    };
    add("1767607201000-0", &[10, 10, 11]);
    add("1767607201000-7", &[12]);
    let source = "kind = \"redis-streams\"\nstreams = [\"kraken\"]\npayload = \"data\"\nrows = [\"2\"]\n\
                  instrument = \"kraken:{symbol}\"\nunits = { time = \"s\" }\n\
                  columns = { time = 1, price = 2, size = 3, symbol = \"$.4\" }\n";
    let job = Job::without_codec(&server.url(), source);
    let mut run = job.start(2);
    let address = run.address();
    wait_for(address, 4);
    let positions = || -> Vec<u64> {
        let position = |row: &serde_json::Value| row["position"].as_str().unwrap().parse().unwrap();
        rows(address, "trades").iter().map(position).collect()
    };
    let id = 1_767_607_201_000_u64 << 22;
    poll(|| (positions().len() == 4).then_some(()), || format!("{:?}", positions()));
    assert_eq!(positions(), [id, id + 1, id + 2, id + (7 << 12)]);
    // Made anew, with ids of its producer's own.
    redis::cmd("DEL").arg("kraken").exec(&mut server.connect()).unwrap();
    poll(
        || {
            let length: u64 =
                redis::cmd("XLEN").arg("kraken").query(&mut server.connect()).unwrap();
            (length == 0).then_some(())
        },
        || "an empty stream".to_owned(),
    );
    add("1-1", &[13, 14]);
    wait_for(address, 6);
    poll(|| (positions().len() == 6).then_some(()), || format!("{:?}", positions()));
    let next = id + (8 << 12);
    assert_eq!(positions()[4..], [next, next + 1]);
    assert!(incidents(address).contains(&"gap".to_owned()));
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}
