//! Rows that clients send, with an ingest API that follows a script; and reads that must see them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use market::{BarState, Commit, Generation};
use serde_json::{Value, json};

use super::{Answer, Controlled, Server, app};
use crate::Posts;
use node_api::ingest::{
    FAULTS_MAX, IngestApi, Keeping, PostError, PostFuture, PostOutcome, PostedBody, PostedFormat,
    RowFault, Token,
};
use node_api::{Ancestor, Lineage};

const PATH: &str = "/api/streaming/process";

/// Gives prepared answers, else that all was taken into commit 17; keeps what was sent.
#[derive(Default)]
pub(super) struct Prepared {
    answers: Mutex<VecDeque<Result<PostOutcome, PostError>>>,
    sent: Mutex<Vec<PostedBody>>,
    /// Nothing is answered while this is locked.
    gate: tokio::sync::Mutex<()>,
    /// How many were answered.
    taken: AtomicUsize,
}

/// What became of rows that are bound by a commit of this run.
fn bound(accepted: usize, commit: Option<u64>) -> PostOutcome {
    PostOutcome {
        accepted,
        rejected: 0,
        faults: Vec::new(),
        token: commit.map(|commit| Token { run: 0xbeef, commit: Commit(commit) }),
        durable: false,
        is_replayed: false,
    }
}

/// The same with rows that were refused.
fn refused(outcome: PostOutcome, mut faults: Vec<RowFault>) -> PostOutcome {
    let rejected = faults.len();
    faults.truncate(FAULTS_MAX);
    PostOutcome { rejected, faults, ..outcome }
}

impl IngestApi for Prepared {
    fn take(&self, sent: PostedBody) -> PostFuture<'_> {
        let all = bound(2, Some(17));
        self.sent.lock().unwrap().push(sent);
        Box::pin(async move {
            let _open = self.gate.lock().await;
            self.taken.fetch_add(1, Ordering::SeqCst);
            self.answers.lock().unwrap().pop_front().unwrap_or(Ok(all))
        })
    }

    fn row_types(&self) -> Vec<&'static str> {
        vec!["trade", "fill"]
    }

    fn body_bytes(&self) -> usize {
        100
    }
}

impl Prepared {
    fn answer(&self, answer: Result<PostOutcome, PostError>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn sent(&self) -> Vec<PostedBody> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

pub(super) fn server() -> (Server, Arc<Prepared>) {
    let mut server = Server::new();
    let ingest = Arc::new(Prepared::default());
    server.context.posts = Posts::new(Some(Arc::<Prepared>::clone(&ingest)));
    (server, ingest)
}

async fn post(server: &Server, query: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request =
        warp::test::request().method("POST").path(&format!("{PATH}{query}")).body(body);
    let typed = headers.iter().any(|(name, _)| *name == "content-type");
    for (name, value) in
        headers.iter().chain((!typed).then_some(&("content-type", "application/json")))
    {
        request = request.header(*name, *value);
    }
    Answer(request.reply(&app(&server.context)).await)
}

fn fault(row: usize, field: &str) -> RowFault {
    RowFault { row, field: field.to_owned(), code: "bad_price", detail: "is none".to_owned() }
}

#[tokio::test]
async fn the_answer_reports_every_row() {
    let (server, ingest) = server();
    let rejected = vec![fault(1, "price"), fault(3, ""), fault(4, "a/b~")];
    ingest.answer(Ok(refused(bound(2, Some(17)), rejected)));
    let answer = post(&server, "", &[], "[]").await;
    assert_eq!((answer.status(), answer.header("content-type")), (202, "application/json"));
    let error = |row, pointer| json!({"row": row, "pointer": pointer, "code": "bad_price", "detail": "is none"});
    let want = json!({
        "accepted": 2,
        "rejected": 3,
        "has_errors": true,
        "errors": [error(1, "#/body/1/price"), error(3, "#/body/3"), error(4, "#/body/4/a~1b~0")],
        "completion_token": "beef-17",
        "durable": false,
    });
    assert_eq!(answer.json(), want);
    // Rows that were not bound in time have no token.
    ingest.answer(Ok(bound(1, None)));
    assert_eq!(post(&server, "", &[], "[]").await.json()["completion_token"], Value::Null);
    // A long list is cut.
    let rejected = (0..1_003).map(|row| fault(row, "price")).collect();
    ingest.answer(Ok(refused(bound(0, None), rejected)));
    // Without any row that was taken it is a problem, too.
    let answer = post(&server, "", &[], "[]").await;
    assert_eq!((answer.status(), answer.header("content-type")), (422, "application/problem+json"));
    let cut = answer.json();
    assert_eq!((&cut["rejected"], &cut["errors_left_out"]), (&json!(1_003), &json!(3)));
    assert_eq!((&cut["code"], &cut["status"]), (&json!("rows-refused"), &json!(422)));
    // No row at all is no fault.
    ingest.answer(Ok(bound(0, None)));
    assert_eq!(post(&server, "", &[], "[]").await.status(), 202);
}

#[tokio::test]
async fn each_form_and_what_is_none() {
    let (server, ingest) = server();
    for (media, form) in [
        ("application/json", PostedFormat::Json),
        ("Application/JSON; charset=UTF-8", PostedFormat::Json),
        ("application/x-ndjson", PostedFormat::Ndjson),
        ("application/jsonl", PostedFormat::Ndjson),
        ("text/csv; header=present", PostedFormat::Csv),
    ] {
        let query = "?type=fill&atomic=true";
        assert_eq!(post(&server, query, &[("content-type", media)], "rows").await.status(), 202);
        let sent = ingest.sent();
        assert_eq!((sent[0].form, sent[0].atomic, sent.len()), (form, true, 1), "{media}");
        assert_eq!((&*sent[0].body, sent[0].row_type.as_deref()), (&b"rows"[..], Some("fill")));
    }
    // What a form of a page may send is none of them.
    for media in ["", "text/plain", "application/x-www-form-urlencoded", "text/csv; charset=latin1"]
    {
        let answer = post(&server, "", &[("content-type", media)], "rows").await;
        assert_eq!(answer.status(), 415, "{media}");
        let allowed = &answer.json()["errors"][0]["allowed"];
        assert!(allowed.as_array().unwrap().contains(&json!("text/csv")), "{allowed}");
    }
    let answer = post(&server, "", &[("content-encoding", "gzip")], "rows").await;
    assert_eq!((answer.status(), ingest.sent().len()), (415, 0));
}

#[tokio::test]
async fn rejected_requests_have_a_reason() {
    let (server, ingest) = server();
    for (away, status, code) in [
        (PostError::Busy("full".to_owned()), 429, "busy"),
        (PostError::Unreadable("no array".to_owned()), 400, "unreadable-body"),
        (PostError::TooManyRows { limit: 3 }, 413, "too-large"),
        (
            PostError::Refused { rows: vec![fault(2, "price")], rejected: 1, of: 4 },
            422,
            "rows-refused",
        ),
        (PostError::Closed, 503, "unavailable"),
        (PostError::InProgress, 409, "in-progress"),
        (PostError::OtherRequest, 422, "idempotency-key-reused"),
    ] {
        ingest.answer(Err(away.clone()));
        let answer = post(&server, "", &[], "[]").await;
        let problem = answer.json();
        assert_eq!((answer.status(), &problem["code"]), (status, &json!(code)));
        assert_eq!(problem["detail"], away.to_string());
        let again = [409, 429, 503].contains(&status);
        assert_eq!(answer.header("retry-after"), if again { "1" } else { "" }, "{code}");
        assert_eq!(problem["retryable"], again);
        if code == "rows-refused" {
            assert_eq!(problem["errors"][0]["pointer"], "#/body/2/price");
            assert_eq!(problem["errors"][0]["code"], "bad_price");
        }
    }
}

#[tokio::test]
async fn bodies_have_a_bound() {
    let (server, ingest) = server();
    let long = "x".repeat(101);
    let answer = post(&server, "", &[], &long).await;
    assert_eq!((answer.status(), ingest.sent().len()), (413, 0));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("100 bytes, the most that this path takes (of rows, `http.body_bytes`")
    );
    assert_eq!(post(&server, "", &[], &long[1..]).await.status(), 202);
}

#[tokio::test]
async fn keys_go_with_a_hash_of_what_is_asked() {
    let (server, ingest) = server();
    let key = [("idempotency-key", "k-1")];
    let mut hashes = Vec::new();
    for (query, body) in [
        ("", "[1]"),
        ("?wait=visible", "[1]"),
        ("", "[2]"),
        ("?atomic=true", "[1]"),
        ("?type=fill", "[1]"),
    ] {
        assert_eq!(post(&server, query, &key, body).await.status(), 202);
        let sent = ingest.sent().remove(0).key.unwrap();
        assert_eq!(sent.key, "k-1");
        hashes.push(sent.request_hash);
    }
    assert_eq!(hashes[0], hashes[1], "waiting for more is no other request");
    hashes.remove(0);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 4);
    ingest.answer(Ok(PostOutcome { is_replayed: true, ..bound(2, Some(17)) }));
    let again = post(&server, "", &key, "[1]").await;
    assert_eq!((again.status(), again.header("idempotency-replayed")), (202, "true"));
    assert_eq!(post(&server, "", &key, "[1]").await.header("idempotency-replayed"), "");
    for wrong in ["", "two words", &"x".repeat(256)] {
        let answer = post(&server, "", &[("idempotency-key", wrong)], "[1]").await;
        assert_eq!(answer.status(), 400, "{wrong:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/header/idempotency-key");
    }
}

#[tokio::test]
async fn the_rows_of_a_client_that_disconnects_are_taken() {
    let (server, ingest) = server();
    let gate = ingest.gate.lock().await;
    let mut first = Box::pin(post(&server, "", &[], "[1]"));
    while ingest.sent.lock().unwrap().is_empty() {
        let _ = tokio::time::timeout(Duration::from_millis(1), &mut first).await;
    }
    drop(first);
    drop(gate);
    while ingest.taken.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn parameters_that_cannot_be() {
    let (server, _) = server();
    for (query, pointer) in [
        ("?tpye=fill", "#/query/tpye"),
        ("?type=fil", "#/query/type"),
        ("?atomic=1", "#/query/atomic"),
        ("?wait=persisted", "#/query/wait"),
        ("?wait_ms=5", "#/query/wait_ms"),
        ("?wait=processed&wait_ms=30001", "#/query/wait_ms"),
    ] {
        let answer = post(&server, query, &[], "[]").await;
        assert_eq!(
            (answer.status(), &answer.json()["errors"][0]["pointer"]),
            (400, &json!(pointer))
        );
    }
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("host", "localhost:8080"), ("origin", "http://localhost:8081")],
        &[("host", "localhost:8080"), ("origin", "null")],
        &[("origin", "http://localhost:8080")],
    ] {
        let answer = post(&server, "", headers, "[]").await;
        assert_eq!((answer.status(), &answer.json()["code"]), (403, &json!("cross-site")));
    }
    let own = [("host", "localhost:8080"), ("origin", "http://LOCALHOST:8080")];
    assert_eq!(post(&server, "", &own, "[]").await.status(), 202);
    let closed = Server::new();
    let answer = post(&closed, "", &[], "[]").await;
    assert_eq!((answer.status(), &answer.json()["code"]), (403, &json!("inlet-closed")));
    assert_eq!(server.ask(PATH).await.header("allow"), "POST");
}

#[tokio::test]
async fn rows_are_visible_when_views_are_complete_at_their_commit() {
    let (server, ingest) = server();
    let visible = |commit, query: &'static str| {
        ingest.answer(Ok(bound(1, commit)));
        let answer = post(&server, query, &[], "[]");
        async {
            let answer = answer.await.json();
            [answer["visible"].clone(), answer["processed"].clone()]
        }
    };
    let none = Value::Null;
    assert_eq!(visible(Some(17), "?wait=accepted").await, [none.clone(), none.clone()]);
    assert_eq!(visible(Some(17), "?wait=visible").await, [json!(true), none]);
    // By its former name.
    assert_eq!(visible(Some(17), "?wait=processed").await, [true, true]);
    assert_eq!(visible(Some(18), "?wait=processed&wait_ms=5").await, [false, false]);
    assert_eq!(visible(None, "?wait=processed").await, [false, false]);
    let later = visible(Some(20), "?wait=processed&wait_ms=20000");
    let moves = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        server.rows.commit.store(20, Ordering::SeqCst);
    };
    assert_eq!(tokio::join!(later, moves).0, [true, true]);
}

#[tokio::test]
async fn a_wait_for_the_disk_is_refused_where_there_is_none() {
    for (keeping, query, waits) in [
        (Keeping::Nothing, "", Some(0)),
        (Keeping::Nothing, "?wait=durable", None),
        (Keeping::Process, "?wait=durable&wait_ms=5", None),
        (Keeping::Process, "?wait=visible&wait_ms=5", Some(0)),
        (Keeping::Disk, "", Some(10_000)),
        (Keeping::Disk, "?wait_ms=7", Some(7)),
        (Keeping::Disk, "?wait=durable&wait_ms=7", Some(7)),
        (Keeping::Disk, "?wait=visible&wait_ms=7", Some(7)),
        (Keeping::Disk, "?wait=accepted", Some(0)),
    ] {
        let (mut server, ingest) = server();
        server.context.keeping = keeping;
        let answer = post(&server, query, &[], "[]").await;
        let sent = ingest.sent().pop().map(|sent| sent.durable_within.as_millis());
        assert_eq!(sent, waits, "{keeping:?} {query}: {}", answer.text());
        if waits.is_none() {
            let problem = answer.json();
            assert_eq!(
                (answer.status(), &problem["errors"][0]["allowed"]),
                (400, &json!(["accepted", "visible"]))
            );
            let cure =
                if keeping == Keeping::Nothing { "`dir` in `[state]`" } else { "`fsync = false`" };
            assert!(problem["detail"].as_str().unwrap().contains(cure), "{problem}");
        }
    }
}

#[tokio::test]
async fn tokens_of_earlier_runs() {
    let (mut server, _) = server();
    let lineage = Lineage::of(Generation(0xbeef));
    let of =
        |run, end| Ancestor { generation: Generation(run), first: Commit(0), end: Commit(end) };
    lineage.restoring([of(0xcafe, 10)]);
    server.context.lineage = lineage.clone();
    let ask = |token: &str| format!("/v1/views/candles?min_frontier={token}&wait_ms=0");
    let early = server.ask(&ask("cafe-9")).await;
    assert_eq!((early.status(), &early.json()["code"]), (425, &json!("frontier-not-reached")));
    assert!(early.text().contains("is being restored"), "{}", early.text());
    let waiting = server.ask("/v1/views/candles?min_frontier=cafe-9&wait_ms=20000");
    let restores = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        lineage.restored(Commit(10));
    };
    assert_eq!(tokio::join!(waiting, restores).0.status(), 200);
    let lost = server.ask(&ask("cafe-10")).await;
    assert_eq!((lost.status(), &lost.json()["code"]), (410, &json!("commit-lost")));
    let detail = lost.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("commit 10 of run cafe") && detail.contains("through 9"), "{detail}");
    assert_eq!(server.ask(&ask("f00d-1")).await.status(), 400);
    assert_eq!(server.ask(&ask("beef-17")).await.status(), 200);
}

#[tokio::test]
async fn a_drain_is_asked_for_as_often_as_one_likes() {
    let (mut server, _) = server();
    let controlled = Arc::new(Controlled::default());
    server.context.control = Arc::<Controlled>::clone(&controlled);
    server.context.keeping = Keeping::Disk;
    let drain = |headers: &'static [(&'static str, &'static str)]| {
        let mut request = warp::test::request().method("POST").path("/streaming/drain");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let app = app(&server.context);
        async move { Answer(request.reply(&app).await) }
    };
    let first = drain(&[]).await;
    let json = first.json();
    assert_eq!(
        (first.status(), &json["run"], &json["status"]),
        (202, &json!(server.context.run.to_string()), &json!("draining"))
    );
    assert_eq!(json["kept"], "disk");
    assert_eq!(drain(&[]).await.json(), json);
    let foreign = drain(&[("sec-fetch-site", "cross-site")]).await;
    assert_eq!((foreign.status(), controlled.drains.load(Ordering::SeqCst)), (403, 2));
    assert_eq!(server.ask("/streaming/drain").await.header("allow"), "POST");
}

#[tokio::test]
async fn reads_wait_for_a_frontier() {
    let (server, _) = server();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    for path in ["/v1/views/candles", "/v1/candles/a:B", "/v1/indicators/a:B"] {
        for (query, status) in [
            ("min_frontier=beef-17", 200),
            ("min_frontier=17", 200),
            ("min_frontier=beef-18&wait_ms=5", 425),
            ("min_frontier=18&wait_ms=0", 425),
            ("min_frontier=cafe-17", 400), // of another run
            ("min_frontier=soon", 400),
            ("min_frontier=-1", 400),
            ("wait_ms=5", 400),
            ("min_frontier=17&wait_ms=60000", 400),
        ] {
            let answer = server.ask(&format!("{path}?{query}")).await;
            assert_eq!(answer.status(), status, "{path}?{query}: {}", answer.text());
        }
    }
    let early = server.ask("/v1/views/candles?min_frontier=18&wait_ms=0").await;
    let problem = early.json();
    assert_eq!(
        (&problem["code"], &problem["retryable"]),
        (&json!("frontier-not-reached"), &json!(true))
    );
    assert_eq!(problem["detail"], "views are at commit 17, and not yet at commit 18 after 0 ms");
    assert_eq!(early.header("retry-after"), "1");

    let read = server.ask("/v1/candles/a:B?min_frontier=beef-19&wait_ms=20000");
    let moves = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        server.rows.commit.store(19, Ordering::SeqCst);
    };
    let (answer, ()) = tokio::join!(read, moves);
    assert_eq!((answer.status(), answer.header("x-commit")), (200, "19"));
}
