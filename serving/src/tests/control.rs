//! What can be asked of a node, and in which state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Answer, Controlled, Server, app};

async fn ask(server: &Server, query: &str) -> (u16, Value) {
    let path = format!("/streaming/control?{query}");
    let request = warp::test::request().method("POST").path(&path);
    let answer = Answer(request.reply(&app(&server.context)).await);
    (answer.status(), answer.json())
}

async fn state(server: &Server) -> Value {
    server.ask("/streaming/control").await.json()
}

#[tokio::test]
async fn sources_pause_and_resume() {
    let server = Server::new();
    let begun = state(&server).await;
    assert_eq!(
        (&begun["state"], &begun["sources"][1]["state"]),
        (&json!("running"), &json!("running"))
    );
    let (status, answer) = ask(&server, "action=pause&scope=source:b").await;
    assert_eq!(
        (status, &answer["target"], &answer["scope"]),
        (202, &json!("paused"), &json!("source:b"))
    );
    assert_eq!(state(&server).await["sources"][1]["state"], "paused");
    // One of two: the whole can still be paused, and that one not again.
    assert_eq!(ask(&server, "action=pause&scope=source:b").await.1["has_changed"], false);
    assert_eq!(ask(&server, "action=pause").await.0, 202);
    let (status, answer) = ask(&server, "action=pause&scope=all").await;
    assert_eq!((status, &answer["state"]), (200, &json!("paused")));
    assert_eq!(state(&server).await["state"], "paused");
    assert_eq!(ask(&server, "action=start").await.0, 202);
    assert_eq!(state(&server).await["state"], "running");
    assert!(!state(&server).await["allowed"].as_array().unwrap().contains(&json!("checkpoint")));
}

#[tokio::test]
async fn what_is_not_possible_says_what_is() {
    let mut server = Server::new();
    let (status, problem) = ask(&server, "action=checkpoint").await;
    assert_eq!((status, &problem["code"]), (409, &json!("invalid-transition")));
    assert_eq!(problem["errors"][0]["allowed"], json!(["pause", "resume", "stop"]));
    assert!(problem["detail"].as_str().unwrap().contains("keeps no state"), "{problem}");
    assert_eq!(ask(&server, "action=stop&scope=source:a").await.0, 409);
    let (status, problem) = ask(&server, "action=pause&scope=source:c").await;
    assert_eq!(
        (status, &problem["errors"][0]["allowed"]),
        (400, &json!(["all", "source:a", "source:b"]))
    );
    let (status, problem) = ask(&server, "").await;
    assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("absent")));
    assert_eq!(problem["errors"][0]["allowed"].as_array().unwrap().len(), 5);

    let controlled = Arc::new(Controlled { has_state: true, ..Controlled::default() });
    server.context.control = Arc::<Controlled>::clone(&controlled);
    let app = app(&server.context);
    let asked = |method: &'static str, path: String| {
        let request = warp::test::request().method(method).path(&path);
        let app = app.clone();
        async move { Answer(request.reply(&app).await) }
    };
    let begun = asked("POST", "/streaming/control?action=checkpoint".to_owned()).await;
    assert_eq!(begun.status(), 202);
    let path = begun.header("location").to_owned();
    assert_eq!(asked("GET", path).await.json()["status"], "done");
    assert_eq!(asked("GET", "/streaming/operations/7".to_owned()).await.status(), 404);

    assert_eq!(ask(&server, "action=stop").await.0, 202);
    assert_eq!(controlled.drains.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&server, "action=stop").await.1["state"], "stopping");
    let (status, problem) = ask(&server, "action=resume").await;
    assert_eq!((status, &problem["errors"][0]["allowed"]), (409, &Value::Null));
    assert_eq!(state(&server).await["allowed"], json!([]));
}
