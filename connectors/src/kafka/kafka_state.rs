//! What another process needs to read a partition on.

use serde::{Deserialize, Serialize};

use crate::source::PartitionState;

/// What the reader of a partition needs to read on in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KafkaState {
    /// The id of the topic, if brokers give ids.
    pub(super) topic_id: Option<String>,
    /// What positions have on top of offsets.
    pub(super) base: u64,
    /// The offset that was to be read next when this was noted.
    pub(super) next: i64,
}

/// What was noted for another process.
pub(super) struct Noted {
    state: KafkaState,
    /// Whether it was not asked for yet.
    is_new: bool,
}

impl Noted {
    /// Of a partition that is opened, before any message is read.
    pub(super) fn opened(topic_id: Option<String>, base: u64, next: i64) -> Noted {
        Noted { state: KafkaState { topic_id, base, next }, is_new: true }
    }

    /// A partition is read on at `next` in a topic of this id, and positions have `base` on top of offsets. Gives what has
    /// changed of what another process needs to know.
    pub(super) fn note(
        &mut self,
        topic_id: Option<String>,
        base: u64,
        next: i64,
    ) -> Option<PartitionState> {
        let Noted { state, is_new } = self;
        if state.base != base {
            // No message of this topic was read yet.
            *state = KafkaState { topic_id, base, next };
            *is_new = true;
        } else if state.topic_id != topic_id {
            state.topic_id = topic_id;
            *is_new = true;
        }
        std::mem::take(is_new).then(|| PartitionState::of(state))
    }
}
