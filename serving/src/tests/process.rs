//! Rows that clients send, with an ingest API that follows a script; and reads that must see them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use market::{BarState, Commit};
use serde_json::{Value, json};

use super::{Answer, Server, app};
use crate::Posts;
use node_api::ingest::{
    IngestApi, PostError, PostFuture, PostOutcome, PostedBody, PostedFormat, RowFault,
};

const PATH: &str = "/api/streaming/process";

/// Gives prepared answers, else that all was taken into commit 17; keeps what was sent.
#[derive(Default)]
pub(super) struct Prepared {
    answers: Mutex<VecDeque<Result<PostOutcome, PostError>>>,
    sent: Mutex<Vec<PostedBody>>,
    /// Nothing is answered while this is locked.
    gate: tokio::sync::Mutex<()>,
}

impl IngestApi for Prepared {
    fn take(&self, sent: PostedBody) -> PostFuture<'_> {
        let all = PostOutcome {
            accepted: 2,
            rejected: Vec::new(),
            commit: Some(Commit(17)),
            durable: false,
        };
        self.sent.lock().unwrap().push(sent);
        Box::pin(async move {
            let _open = self.gate.lock().await;
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
    ingest.answer(Ok(PostOutcome {
        accepted: 2,
        rejected,
        commit: Some(Commit(17)),
        durable: false,
    }));
    let answer = post(&server, "", &[], "[]").await;
    assert_eq!((answer.status(), answer.header("content-type")), (202, "application/json"));
    let error = |row, pointer| json!({"row": row, "pointer": pointer, "code": "bad_price", "detail": "is none"});
    let want = json!({
        "accepted": 2,
        "rejected": 3,
        "errors": [error(1, "#/body/1/price"), error(3, "#/body/3"), error(4, "#/body/4/a~1b~0")],
        "completion_token": "beef-17",
        "durable": false,
    });
    assert_eq!(answer.json(), want);
    // Rows that were not bound in time have no token.
    ingest.answer(Ok(PostOutcome {
        accepted: 1,
        rejected: Vec::new(),
        commit: None,
        durable: false,
    }));
    assert_eq!(post(&server, "", &[], "[]").await.json()["completion_token"], Value::Null);
    // A long list is cut.
    let rejected = (0..1_003).map(|row| fault(row, "price")).collect();
    ingest.answer(Ok(PostOutcome { accepted: 0, rejected, commit: None, durable: false }));
    let cut = post(&server, "", &[], "[]").await.json();
    assert_eq!((&cut["rejected"], &cut["errors_left_out"]), (&json!(1_003), &json!(3)));
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
        (PostError::Refused { rows: vec![fault(2, "price")], of: 4 }, 422, "rows-refused"),
        (PostError::Closed, 503, "unavailable"),
    ] {
        ingest.answer(Err(away.clone()));
        let answer = post(&server, "", &[], "[]").await;
        let problem = answer.json();
        assert_eq!((answer.status(), &problem["code"]), (status, &json!(code)));
        assert_eq!(problem["detail"], away.to_string());
        let again = status == 429 || status == 503;
        assert_eq!(answer.header("retry-after"), if again { "1" } else { "" }, "{code}");
        assert_eq!(problem["retryable"], again);
        if status == 422 {
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
            .contains("100 bytes, which is what `http.body_bytes`")
    );
    assert_eq!(post(&server, "", &[], &long[1..]).await.status(), 202);
}

#[tokio::test]
async fn the_same_key_has_the_same_answer() {
    let (server, ingest) = server();
    let key = [("idempotency-key", "k-1")];
    let first = post(&server, "", &key, "[1]").await;
    assert_eq!((first.status(), first.header("idempotency-replayed")), (202, ""));
    ingest.answer(Ok(PostOutcome {
        accepted: 9,
        rejected: Vec::new(),
        commit: None,
        durable: false,
    }));
    let again = post(&server, "", &key, "[1]").await;
    assert_eq!((again.status(), again.header("idempotency-replayed")), (202, "true"));
    assert_eq!((again.json(), ingest.sent().len()), (first.json(), 1), "it was taken once");
    for (query, body) in [("", "[2]"), ("?atomic=true", "[1]"), ("?type=fill", "[1]")] {
        let other = post(&server, query, &key, body).await;
        assert_eq!(
            (other.status(), &other.json()["code"]),
            (422, &json!("idempotency-key-reused"))
        );
    }
    // Waiting for more is no other request.
    assert_eq!(post(&server, "?wait=processed", &key, "[1]").await.status(), 202);
    // What was turned away may come again under its key.
    ingest.answers.lock().unwrap().clear();
    ingest.answer(Err(PostError::Busy("full".to_owned())));
    let key = [("idempotency-key", "k-2")];
    assert_eq!(post(&server, "", &key, "[1]").await.status(), 429);
    assert_eq!(post(&server, "", &key, "[1]").await.status(), 202);
    for wrong in ["", "two words", &"x".repeat(256)] {
        let answer = post(&server, "", &[("idempotency-key", wrong)], "[1]").await;
        assert_eq!(answer.status(), 400, "{wrong:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/header/idempotency-key");
    }
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_not_taken_twice() {
    let (server, ingest) = server();
    let key = [("idempotency-key", "k-1")];
    let gate = ingest.gate.lock().await;
    let mut first = Box::pin(post(&server, "", &key, "[1]"));
    while ingest.sent.lock().unwrap().is_empty() {
        let _ = tokio::time::timeout(Duration::from_millis(1), &mut first).await;
    }
    let answer = post(&server, "", &key, "[1]").await;
    assert_eq!((answer.status(), &answer.json()["code"]), (409, &json!("in-progress")));
    // The rows of a client that disconnects are taken all the same, and the answer can be fetched.
    drop(first);
    drop(gate);
    let answer = loop {
        let answer = post(&server, "", &key, "[1]").await;
        if answer.status() != 409 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!((answer.status(), ingest.sent().len()), (202, 1));
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
async fn rows_are_processed_when_views_are_complete_at_their_commit() {
    let (server, ingest) = server();
    let processed = |commit, query: &'static str| {
        ingest.answer(Ok(PostOutcome {
            accepted: 1,
            rejected: Vec::new(),
            commit,
            durable: false,
        }));
        let answer = post(&server, query, &[], "[]");
        async { answer.await.json()["processed"].clone() }
    };
    assert_eq!(processed(Some(Commit(17)), "?wait=accepted").await, Value::Null);
    assert_eq!(processed(Some(Commit(17)), "?wait=processed").await, true);
    assert_eq!(processed(Some(Commit(18)), "?wait=processed&wait_ms=5").await, false);
    assert_eq!(processed(None, "?wait=processed").await, false);
    let later = processed(Some(Commit(20)), "?wait=processed&wait_ms=20000");
    let moves = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        server.rows.commit.store(20, Ordering::SeqCst);
    };
    assert_eq!(tokio::join!(later, moves).0, true);
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
