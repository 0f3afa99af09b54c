//! Rules commit by commit, and what clients are told.

use market::{Calendars, InstrumentId, Timeframe};
use node_api::{AlertAcknowledgement, PutOutcome, RulesApi};
use operators::indicators::IndicatorsConfig;

use super::*;
use crate::rules::{RuleTerms, RulesHandle};

const HIGH: &str = r#"{"threshold":{"series":"close","above":7.0}}"#;

/// A job with the rule `fixed`.
fn job() -> (JobRules, RulesHandle) {
    let indicators = IndicatorsConfig::parse(Calendars::utc(), ["sma20"]).unwrap();
    let indicators = Arc::new(indicators);
    let terms = RuleTerms { timeframes: vec![Timeframe::MINUTE], indicators };
    let raw: RawRule = serde_json::from_str(HIGH).unwrap();
    let raw = RawRule { name: "fixed".to_owned(), ..raw };
    let registries = SharedRegistries::default();
    let id = registries.register_rule("fixed").unwrap();
    let rule = terms.rule(raw.clone(), id, Commit(0)).unwrap();
    let (raw, rules) = (vec![raw], Arc::from([rule]));
    let configured = Arc::new(ConfiguredRules { raw, rules, terms: Some(terms) });
    let (watching, metrics) = (Arc::default(), Metrics::new("0"));
    let rules = JobRules::new(Arc::clone(&configured), registries, watching, metrics);
    let handle = RulesHandle::of(&rules, configured);
    handle.requests().open();
    (rules, handle)
}

/// Binds what was asked for to a commit, and applies it.
fn close(rules: &mut JobRules, commit: u64) -> (usize, RulesInForce) {
    let at = EventTime(commit as i64);
    let (changes, answers) = rules.bind(Commit(commit), at);
    let in_force = rules.apply(&changes, (Commit(commit), at));
    answers.send();
    (changes.len(), in_force)
}

fn names(in_force: &RulesInForce) -> Vec<&str> {
    in_force.rules.iter().map(|rule| rule.name.as_str()).collect()
}

fn put(
    handle: &RulesHandle,
    name: &str,
    rule: &str,
) -> tokio::task::JoinHandle<Result<PutOutcome, RuleError>> {
    let (handle, name, rule) = (handle.clone(), name.to_owned(), rule.as_bytes().to_vec());
    tokio::spawn(async move { handle.put(name, rule, "k".to_owned()).await.map(|put| put.outcome) })
}

#[tokio::test]
async fn what_is_asked_for_is_so_from_one_commit_on() {
    let (mut rules, handle) = job();
    assert_eq!(names(&close(&mut rules, 1).1), ["fixed"]);
    let asked = put(&handle, "a", HIGH);
    tokio::task::yield_now().await;
    let (changes, in_force) = close(&mut rules, 2);
    assert_eq!((changes, names(&in_force)), (1, vec!["fixed", "a"]));
    assert_eq!((in_force.put.len(), in_force.put[0].id), (1, in_force.rules[1].id));
    assert_eq!(in_force.rules[1].since, Commit(2));
    assert_eq!(asked.await.unwrap(), Ok(PutOutcome::Created));
    let (_, after) = close(&mut rules, 3);
    assert!(Arc::ptr_eq(&after.rules, &in_force.rules) && after.put.is_empty());

    // In one commit: the same again, another, and none.
    let again = put(&handle, "a", HIGH);
    tokio::task::yield_now().await;
    let other = put(&handle, "a", &HIGH.replace('7', "8"));
    tokio::task::yield_now().await;
    let (of, by) = (handle.clone(), String::new());
    let deleted = tokio::spawn(async move { of.delete("a".to_owned(), by).await });
    tokio::task::yield_now().await;
    let (changes, in_force) = close(&mut rules, 4);
    assert_eq!((changes, names(&in_force), in_force.put.len()), (2, vec!["fixed"], 0));
    assert_eq!(again.await.unwrap(), Ok(PutOutcome::Unchanged));
    assert_eq!(other.await.unwrap(), Ok(PutOutcome::Replaced));
    assert_eq!(deleted.await.unwrap(), Ok(Commit(4)));
}

#[tokio::test]
async fn what_is_not_possible_is_refused() {
    let (mut rules, handle) = job();
    let refused =
        async |name: &str, rule: &str| put(&handle, name, rule).await.unwrap().unwrap_err();
    assert_eq!(refused("fixed", HIGH).await, RuleError::Configured("fixed".to_owned()));
    for (rule, want) in [
        ("{}", "exactly one of"),
        ("[", "the body is no rule"),
        (r#"{"patern":"doji"}"#, "expected one of `name`"),
        (r#"{"name":"b","pattern":"doji"}"#, "the path names the rule `a`"),
        (r#"{"pattern":"doji","timeframes":["5m"]}"#, "among job.timeframes (1m)"),
        (r#"{"threshold":{"series":"sma3","above":1}}"#, "among job.indicators (sma20)"),
    ] {
        let error = refused("a", rule).await.to_string();
        assert!(error.contains(want), "{rule}: {error}");
    }
    handle.requests().close();
    assert_eq!(refused("a", HIGH).await, RuleError::Closed);
    handle.requests().open();
    let waiting: Vec<_> = (0..64).map(|at| put(&handle, &format!("r{at}"), HIGH)).collect();
    tokio::task::yield_now().await;
    assert_eq!(refused("a", HIGH).await, RuleError::Busy);
    assert_eq!(close(&mut rules, 1).0, 64);
    for put in waiting {
        assert_eq!(put.await.unwrap(), Ok(PutOutcome::Created));
    }
}

#[test]
fn there_are_so_many_and_no_more() {
    let (mut rules, _) = job();
    let put = |name: String| RuleChange::Put { name, rule: HIGH.to_owned(), by: String::new() };
    let all: Vec<RuleChange> = (0..RULES_MAX).map(|at| put(format!("r{at}"))).collect();
    let in_force = rules.apply(&all, (Commit(1), EventTime(1)));
    assert_eq!(in_force.rules.len(), RULES_MAX + 1);
    let (mut next, at) = (rules.run_time().clone(), (Commit(2), EventTime(2)));
    let full = rules.decide(&mut next, &put("one more".to_owned()), at);
    assert_eq!(full, Err(RuleError::Full { most: RULES_MAX }));
    let other = RuleChange::Put { name: "r0".to_owned(), rule: "{}".to_owned(), by: String::new() };
    assert!(rules.decide(&mut next, &other, at).is_ok(), "one may be replaced");
}

#[test]
fn rules_go_on_as_they_were_but_for_those_of_the_configuration() {
    let (mut rules, handle) = job();
    let mut before = RunTimeRules::default();
    for (name, rule) in
        [("a", HIGH), ("fixed", HIGH), ("gone", r#"{"threshold":{"series":"rsi14","above":1}}"#)]
    {
        let (name, rule, by) = (name.to_owned(), rule.to_owned(), String::new());
        before.apply(&RuleChange::Put { name, rule, by }, (Commit(5), EventTime(6)));
    }
    rules.go_on(before);
    let in_force = rules.apply(&[], (Commit(9), EventTime(9)));
    assert_eq!(names(&in_force), ["fixed", "a"]);
    assert_eq!(in_force.rules.iter().map(|rule| rule.since.0).collect::<Vec<_>>(), [0, 5]);
    let listed = handle.rules();
    let listed: Vec<_> =
        listed.iter().map(|rule| (rule.name.as_str(), rule.problem.is_some())).collect();
    assert_eq!(listed, [("fixed", false), ("a", false), ("gone", true)]);
    let alert = AlertAcknowledgement {
        instrument: InstrumentId(1),
        timeframe: Timeframe::MINUTE,
        open_time: EventTime(0),
        rule: "a".to_owned(),
        by: "k".to_owned(),
        note: "n".to_owned(),
    };
    let in_force = rules.apply(&[alert.into()], (Commit(10), EventTime(10)));
    assert_eq!(in_force.acknowledged[0].key.rule, in_force.rules[1].id);
    assert!(!in_force.shows_bars());
}
