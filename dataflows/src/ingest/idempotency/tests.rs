//! Keys, and their bounds.

use super::*;

fn key(key: &str, request_hash: u128) -> PostKey {
    PostKey { key: key.to_owned(), request_hash }
}

fn post(key: &str, detail_bytes: usize) -> Arc<KeyedPost> {
    let fault = KeyedFault {
        row: 3,
        field: "price".to_owned(),
        reason: RejectionReason::BadPrice,
        detail: "x".repeat(detail_bytes),
    };
    let key = key.to_owned();
    Arc::new(KeyedPost { key, request_hash: 1, accepted: 2, rejected: 1, faults: vec![fault] })
}

fn round(commit: u64) -> Option<Token> {
    Some(token(Generation(7), Commit(commit)))
}

#[test]
fn a_token_is_the_end_of_the_round_that_follows() {
    let keys = PostKeys::default();
    keys.bound(&[post("a", 1)], None);
    assert!(matches!(keys.begin(&key("a", 1)), KeyState::InProgress), "the round goes on");
    keys.bound(&[post("b", 1)], round(4));
    keys.bound(&[], round(5));
    let KeyState::Answered(bound) = keys.begin(&key("a", 1)) else { panic!() };
    assert_eq!((bound.token, bound.post.faults[0].row_fault().code), (round(4), "bad_price"));
    assert!(matches!(keys.begin(&key("b", 2)), KeyState::Other));
    // The next start knows them, also one whose round had not ended.
    keys.bound(&[post("c", 1)], None);
    let next = PostKeys::default();
    next.restore(keys.all());
    assert_eq!(next.all(), keys.all());
    assert!(matches!(next.begin(&key("c", 1)), KeyState::InProgress));
    next.bound(&[], round(9));
    assert!(matches!(next.begin(&key("c", 1)), KeyState::Answered(of) if of.token == round(9)));
    // A commit that a checkpoint and the log have is bound again.
    next.bound(&[post("c", 1)], round(9));
    assert_eq!(next.bytes(), keys.bytes());
}

#[test]
fn the_oldest_go() {
    let keys = PostKeys::default();
    for number in 0..=KEYS_MAX {
        keys.bound(&[post(&number.to_string(), 1)], round(number as u64));
    }
    assert!(matches!(keys.begin(&key("1", 1)), KeyState::Answered(_)));
    assert!(matches!(keys.begin(&key("0", 1)), KeyState::New(_)));
    let half = BYTES_MAX / 2;
    for name in ["a", "b"] {
        keys.bound(&[post(name, half)], round(9_999));
    }
    assert!(matches!(keys.begin(&key("b", 1)), KeyState::Answered(_)));
    let gone = keys.begin(&key("a", 1));
    assert!(matches!(gone, KeyState::New(_)), "two halves and what is around them are too much");
    assert!(keys.bytes() <= BYTES_MAX);
    assert_eq!(keys.all().len(), 1);
}
