//! One input event: of the market or of accounts.

use crate::account::AccountEvent;
use crate::time::EventTime;
use crate::trade::Event;

/// An event of a source; the two kinds take separate paths from the commit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputEvent {
    /// Of trades.
    Market(Event),
    /// Of fills, target weights and fair values.
    Account(AccountEvent),
}

impl InputEvent {
    /// The time that it carries, if any.
    pub fn time(&self) -> Option<EventTime> {
        match self {
            InputEvent::Market(event) => event.time(),
            InputEvent::Account(event) => event.time(),
        }
    }

    /// The time that it carries, to be changed.
    pub fn time_mut(&mut self) -> Option<&mut EventTime> {
        match self {
            InputEvent::Market(Event::New(trade) | Event::Correct { with: trade, .. }) => {
                Some(&mut trade.time)
            }
            InputEvent::Account(AccountEvent::Fill(fill) | AccountEvent::Correct(fill)) => {
                Some(&mut fill.time)
            }
            InputEvent::Account(AccountEvent::Target(target)) => Some(&mut target.time),
            InputEvent::Account(AccountEvent::Fair(fair)) => Some(&mut fair.time),
            InputEvent::Market(Event::Cancel { time, .. })
            | InputEvent::Account(AccountEvent::Bust { time, .. }) => time.as_mut(),
        }
    }
}

impl From<Event> for InputEvent {
    fn from(event: Event) -> InputEvent {
        InputEvent::Market(event)
    }
}

impl From<AccountEvent> for InputEvent {
    fn from(event: AccountEvent) -> InputEvent {
        InputEvent::Account(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_hardly_larger_than_a_correction() {
        // Batches of entries are copied once per row on the way to their commit.
        assert!(size_of::<InputEvent>() <= size_of::<Event>() + 16, "{}", size_of::<InputEvent>());
    }
}
