//! Who cannot go on is told why, and begins anew.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::connection::{Connection, TRANSPORTS, Transport};
use super::{JOB, post};
use crate::end_to_end::made::Rng;
use crate::state::{end, start, wait_until_ready};

/// The token of a client that has everything of a view, and the last commit of which it was told when the server closed.
fn token(connection: &mut Connection) -> String {
    let mut token = None;
    while let Some(message) = connection.next() {
        token = message["resume"].as_str().map(str::to_owned).or(token);
    }
    token.unwrap()
}

/// The first message to a client that comes back.
fn first(folder: &Path, transport: Transport, view: &str, token: &str) -> Value {
    let (run, address) = start(folder, 2, &[]);
    let mut connection = Connection::open(transport, address, view, Some(token)).unwrap();
    let first = connection.next().unwrap();
    if first["type"] == "resync" {
        assert_eq!(
            (&first["resumed"], &connection.next().unwrap()["type"]),
            (&false.into(), &"snapshot".into())
        );
    }
    end(run);
    first
}

/// A server that ends in order tells all before it closes. So clients miss nothing, and go on after a restart without a
/// snapshot, also during the restore.
#[test]
fn after_an_end_in_order_nobody_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    let mut random = Rng(9);
    assert!(post(address, &mut random, 1));
    let followed = [Transport::Socket, Transport::Events, Transport::Lines];
    let mut followed =
        followed.map(|transport| Connection::open(transport, address, "candles", None).unwrap());
    assert!((2..40).all(|number| post(address, &mut random, number)));
    end(run);
    let tokens = followed.each_mut().map(token);
    let (run, address) = start(folder, 3, &[]);
    for (token, transport) in tokens.iter().zip(TRANSPORTS.into_iter().rev()) {
        let mut connection = Connection::open(transport, address, "candles", Some(token)).unwrap();
        let first = connection.next().unwrap();
        assert_eq!(
            (&first["type"], &first["resumed"]),
            (&"resumed".into(), &true.into()),
            "{first}"
        );
    }
    end(run);
}

#[test]
fn who_cannot_go_on_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    let mut random = Rng(9);
    assert!(post(address, &mut random, 1));
    let open = |view| Connection::open(Transport::Socket, address, view, None).unwrap();
    let (mut candles, mut health) = (open("candles"), open("health"));
    assert!((2..10).all(|number| post(address, &mut random, number)));
    end(run);
    let (candles, health) = (token(&mut candles), token(&mut health));
    let reason = |view: &str, token: &str| {
        let first = first(folder, Transport::Lines, view, token);
        assert_eq!(first["type"], "resync", "{first}");
        first["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("candles", "17"), "unknown_token");
    assert_eq!(reason("trades", &candles), "other_query");
    assert_eq!(reason("health", &health), "other_process");
    // Each start ends with a checkpoint, and changes before that are not kept.
    assert_eq!(reason("candles", &candles), "history_compacted");
    fs::write(folder.join("job.toml"), JOB.replace("\"1m\"]", "\"1m\", \"1h\"]")).unwrap();
    assert_eq!(reason("candles", &candles), "views_changed");
    fs::remove_dir_all(folder.join("state")).unwrap();
    assert_eq!(reason("candles", &candles), "unknown_token");
}
