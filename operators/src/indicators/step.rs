//! What an indicator is: a state per bar, and a step from one to the next.
//!
//! Bars are *x₁ … xₙ* in order of time, those without a needed field left out. An indicator is a
//! function `step` with *sᵢ = step(the bars and states before i, xᵢ)* and a function `read` that makes
//! outputs of *sᵢ* alone. It gives how far back `step` looks: at most *w* bars and *d* states.
//!
//! Each bar keeps its state, since a rolling state cannot be taken back. After a restatement the column is recomputed
//! only until states are bit for bit as before; a recomputation to the end would cost the whole history.

use market::EventTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::input::{Input, Units};

/// How an indicator is computed, bar by bar.
pub(super) trait Step: Clone + Send + Sync + 'static {
    /// What it sees of a bar.
    type Input: Input;
    /// What it knows after a bar. Equal states must be equal bit for bit ([`super::Reading`]).
    type State: Copy + Eq + Send + Serialize + DeserializeOwned + 'static;
    /// Its outputs, an array.
    type Outputs: AsRef<[f64]>;

    /// How far back [`Self::step`] looks.
    fn looks_back(&self) -> LookBack;

    /// The state after a bar. `past` holds all bars before it, the newest last; nothing further back than
    /// [`Self::looks_back`] may matter, also not whether there is a bar.
    fn step(
        &self,
        units: Units,
        past: &[Row<Self::Input, Self::State>],
        now: Self::Input,
    ) -> Self::State;

    /// The outputs in a state; none before the first. One that begins later is [`super::Reading::ABSENT`] until then.
    fn read(&self, units: Units, state: &Self::State) -> Option<Self::Outputs>;
}

/// A bar that takes part, and the state after it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Row<I, S> {
    pub(super) open_time: EventTime,
    /// Whether the bar is still open.
    pub(super) peek: bool,
    pub(super) input: I,
    pub(super) state: S,
}

/// How many bars and states before the one at hand a step may read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookBack {
    pub(super) bars: usize,
    pub(super) states: usize,
}

/// How sure it is, behind a change, that states are as they were: once *w* unchanged bars have gone by and the
/// last *d* states are bit for bit those of before, every later step reads what it had read before.
pub(super) struct Settling {
    look_back: LookBack,
    unchanged_bars: usize,
    equal_states: usize,
}

impl Settling {
    pub(super) fn settled(look_back: LookBack) -> Settling {
        Settling { look_back, unchanged_bars: look_back.bars, equal_states: look_back.states }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unchanged_bars >= self.look_back.bars && self.equal_states >= self.look_back.states
    }

    pub(super) fn bar_changed(&mut self) {
        (self.unchanged_bars, self.equal_states) = (0, 0);
    }

    pub(super) fn bar_unchanged(&mut self, equal_state: bool) {
        self.unchanged_bars += 1;
        self.equal_states = if equal_state { self.equal_states + 1 } else { 0 };
    }
}
