//! Shares under load: one client that asks too much harms no other.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use super::{ask, begin, create, get, post, run};
use crate::end_to_end::http::Answer;

const LIMITS: &str = "\
[http.limits]
requests_per_second = 1
request_burst = 40
followed = 3
post_bytes_per_second = 1000
";

#[test]
fn a_key_that_asks_too_much_is_told_so_and_others_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [greedy, other] = [(); 2].map(|()| create(folder, &["--scopes", "read"]));
    let (going, address) = run(folder, LIMITS, &[]);

    // 4 clients with one key, 50 requests each.
    let answers: Vec<Answer> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let greedy = &greedy;
                scope.spawn(move || {
                    (0..50).map(|_| ask(address, greedy, "GET /v1/views", None)).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let of = |status| answers.iter().filter(move |answer| answer.status == status);
    let (answered, refused) = (of(200).count(), of(429).count());
    assert_eq!(answered + refused, 200);
    assert!(answered >= 40 && refused > 50, "{answered} were answered, {refused} refused");
    for answer in of(429) {
        assert_eq!(answer.json()["code"], "throttled");
        assert!(answer.headers["retry-after"].parse::<u64>().unwrap() >= 1, "{answer:?}");
        assert!(answer.headers["ratelimit"].starts_with("\"requests\";r=0;"), "{answer:?}");
    }
    let left = ask(address, &other, "GET /v1/views", None);
    assert_eq!((left.status, &*left.headers["ratelimit"]), (200, "\"requests\";r=39;t=1"));
    assert_eq!(left.headers["ratelimit-policy"], "\"requests\";q=40;w=40");

    // Followed at a time; what has ended counts no more.
    let mut followed: Vec<TcpStream> =
        (0..3).map(|_| begin(address, &other, "GET /stream?view=candles")).collect();
    assert_eq!(ask(address, &other, "GET /stream?view=trades", None).status, 429);
    followed.pop();
    let again = || Some(ask(address, &other, "GET /v1/views", None)).filter(|a| a.status == 200);
    assert!(again().is_some());

    // Whoever guesses keys is soon answered no more.
    let guesses: Vec<u16> = (0..100).map(|_| get(address, "/v1/views").status).collect();
    assert!(guesses.contains(&401) && guesses.ends_with(&[429]), "{guesses:?}");
    going.signal("INT");
    assert_eq!(going.end().code, Some(0));
}

#[test]
fn posts_have_a_share_of_bytes_and_silent_clients_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [silent, other] = [(); 2].map(|()| create(folder, &["--scopes", "ingest"]));
    let (going, address) = run(folder, LIMITS, &[]);
    let row = r#"{"type":"trade","instrument":"a:B","id":"1","time":"2026-01-05T10:00:00Z","price":"2","quantity":"1"}"#;
    assert_eq!(post(address, &other, &format!("[{row}]")).status, 202);

    // Each announces nothing and sends one byte; formerly 16 of them took all room there was.
    let held: Vec<TcpStream> = (0..30)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {silent}\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(post(address, &other, &format!("[{row}]")).status, 202);
    drop(held);

    // A body of 8 MB always fits; after that the share of a second is used up for long.
    let large = format!("[{}]", vec![row; 9_000].join(","));
    assert_eq!(post(address, &other, &large).status, 202);
    let refused = post(address, &other, &large);
    assert_eq!(refused.status, 202, "the burst is one whole body: {refused:?}");
    let larger = format!("[{}]", " ".repeat(8_000_000));
    let refused = post(address, &other, &larger);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (429, &"throttled".into()),
        "{refused:?}"
    );
    assert!(refused.headers["retry-after"].parse::<u64>().unwrap() > 10);
    going.signal("INT");
    assert_eq!(going.end().code, Some(0));
}
