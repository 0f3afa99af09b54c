//! Fills that contradict other records of them.

use market::{AccountEvent, AccountRecord, Commit, Fill};
use oracle::portfolio::commits::{CommitInput, Fault, FillFault, Fold};

use super::vocabulary::*;

/// A fold that takes commits, and the position of its next record.
struct Clerk(Fold, u64);

impl Clerk {
    fn new() -> Clerk {
        Clerk(Fold::new(Scenario::new().config), 0)
    }

    fn apply(&mut self, events: &[AccountEvent], round: bool) -> Vec<FillFault> {
        let records: Vec<AccountRecord> = events
            .iter()
            .map(|event| {
                self.1 += 1;
                record(self.1, *event)
            })
            .collect();
        let input = CommitInput { records, round, ..CommitInput::default() };
        self.0.commit(&input).fill_faults
    }
}

fn filled(fill: Fill) -> AccountEvent {
    AccountEvent::Fill(fill)
}

fn conflict(commit: u64, kept: Fill, dropped: Fill) -> FillFault {
    let fault = Fault::Conflict { kept, dropped };
    FillFault { commit: Commit(commit), fill: kept.name, fault }
}

#[test]
fn a_conflict_is_logged_once_at_the_end_of_its_round() {
    let (first, other, third) = (buy(1, 10, 100), buy(1, 10, 101), buy(1, 10, 102));
    let mut clerk = Clerk::new();
    assert_eq!(clerk.apply(&[filled(first), filled(first), filled(other)], false), []);
    assert_eq!(clerk.apply(&[], true), [conflict(1, first, other)]);
    assert_eq!(clerk.apply(&[filled(other)], true), [], "known");
    assert_eq!(clerk.apply(&[AccountEvent::Correct(third)], true), [], "a correction may differ");
    assert_eq!(clerk.apply(&[filled(third), filled(first)], true), [conflict(4, first, third)]);
}

#[test]
fn a_better_origin_makes_new_pairs() {
    let (first, better) = (buy(1, 10, 100), buy(1, 10, 101));
    let mut clerk = Clerk::new();
    assert_eq!(clerk.apply(&[filled(first)], true), []);
    let input = CommitInput {
        records: vec![record(0, filled(better))],
        round: true,
        ..CommitInput::default()
    };
    assert_eq!(clerk.0.commit(&input).fill_faults, [conflict(1, better, first)]);
}

#[test]
fn records_of_an_unknown_fill_are_logged_in_every_round_that_has_them() {
    let unknown = |commit| FillFault {
        commit: Commit(commit),
        fill: buy(1, 1, 1).name,
        fault: Fault::Unmatched,
    };
    let mut clerk = Clerk::new();
    let correction = AccountEvent::Correct(buy(1, 10, 100));
    assert_eq!(clerk.apply(&[correction, bust(1)], true), [unknown(0)], "one row");
    assert_eq!(clerk.apply(&[], true), []);
    assert_eq!(clerk.apply(&[correction], true), [unknown(2)]);
    // A fill in the same round is early enough.
    assert_eq!(clerk.apply(&[correction], false), []);
    assert_eq!(clerk.apply(&[filled(buy(1, 10, 101))], true), []);
}

#[test]
fn two_portfolios_may_use_one_id() {
    let mut other = buy(1, 10, 101);
    other.name.portfolio = market::PortfolioId::of("another fund");
    assert_eq!(Clerk::new().apply(&[filled(buy(1, 10, 100)), filled(other)], true), []);
}

#[test]
fn the_sides_of_a_trade_with_oneself_are_two_fills() {
    let (bought, sold) = (buy(1, 3, 100), Fill { quantity: -3, ..buy(1, 3, 100) });
    let both = [filled(sold), filled(bought)];
    assert_eq!(Clerk::new().apply(&both, true), []);
    let mut config = Scenario::new().config;
    config.ids_by_side = false;
    let mut clerk = Clerk(Fold::new(config), 0);
    assert_eq!(clerk.apply(&both, true), [conflict(0, sold, bought)]);
}
