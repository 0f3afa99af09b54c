//! Several reads at one frontier: they are repeated until no commit falls between them.

use super::problem::{Problem, UNAVAILABLE};

/// How often a sequence of reads is repeated until all have the same frontier.
pub(super) const ATTEMPTS: usize = 16;

/// The problem of reads that had no common frontier.
pub(super) fn view_moving() -> Problem {
    let detail = "commits follow so fast on each other that no consistent state could be read";
    Problem::new(UNAVAILABLE, detail)
}
