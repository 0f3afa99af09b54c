//! What one piece of input may say: something of the market, or something of accounts.

use crate::account::AccountEvent;
use crate::time::EventTime;
use crate::trade::Event;

/// What a source brings; each half goes its own way from the commit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Of trades.
    Market(Event),
    /// Of fills, target weights and fair values.
    Account(AccountEvent),
}

impl Entry {
    /// The time that it carries, if any.
    pub fn time(&self) -> Option<EventTime> {
        match self {
            Entry::Market(event) => event.time(),
            Entry::Account(event) => event.time(),
        }
    }

    /// The time that it carries, to be changed.
    pub fn time_mut(&mut self) -> Option<&mut EventTime> {
        match self {
            Entry::Market(Event::New(trade) | Event::Correct { with: trade, .. }) => {
                Some(&mut trade.time)
            }
            Entry::Account(AccountEvent::Fill(fill) | AccountEvent::Correct(fill)) => {
                Some(&mut fill.time)
            }
            Entry::Account(AccountEvent::Target(target)) => Some(&mut target.time),
            Entry::Account(AccountEvent::Fair(fair)) => Some(&mut fair.time),
            Entry::Market(Event::Cancel { time, .. })
            | Entry::Account(AccountEvent::Bust { time, .. }) => time.as_mut(),
        }
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Entry {
        Entry::Market(event)
    }
}

impl From<AccountEvent> for Entry {
    fn from(event: AccountEvent) -> Entry {
        Entry::Account(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_hardly_larger_than_a_correction() {
        // Batches of entries are copied once per row on the way to their commit.
        assert!(size_of::<Entry>() <= size_of::<Event>() + 16, "{}", size_of::<Entry>());
    }
}
