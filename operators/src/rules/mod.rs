//! Rules: what they look at, when they hold, and which of them count in a commit.

mod condition;
mod in_force;
mod pattern;
mod point;

pub use condition::{Condition, Direction, Rule, Series, Settle};
pub use in_force::{Acknowledged, Acknowledgement, AlertKey, RulesInForce};
pub use pattern::{PATTERNS, Pattern};
pub use point::{Point, Shape};
