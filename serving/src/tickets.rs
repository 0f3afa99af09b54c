//! Tickets: what a page presents in place of a key where it cannot set a header, as for a WebSocket.
//!
//! A ticket is in the URL, which proxies log and browsers remember. So it is good once, and for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use node_api::{ApiKey, KEYS_MAX, KeySecret, Scopes, SecretHash};
use ring::rand::{SecureRandom, SystemRandom};

/// How long a ticket is good.
pub(super) const TICKET_TTL: Duration = Duration::from_secs(60);
/// The most unused tickets of a key.
pub(super) const TICKETS_MAX: usize = 64;

const PREFIX: &str = "tt_";

/// The tickets that are not used yet: at most 64 for each of [`KEYS_MAX`] keys. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tickets(Arc<Mutex<HashMap<SecretHash, Ticket>>>);

/// What a ticket stands for.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    /// The key with which it was asked for; none if there are no keys.
    pub(super) key: Option<Arc<ApiKey>>,
    /// What it allows.
    pub(super) scopes: Scopes,
    until: Instant,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTicket {
    /// The key has too many.
    TooMany,
    /// The system gives no random bits.
    NoRandom,
}

impl Tickets {
    /// A ticket that allows `scopes` from `now` on.
    pub(super) fn issue(
        &self,
        key: Option<Arc<ApiKey>>,
        scopes: Scopes,
        now: Instant,
    ) -> Result<String, NoTicket> {
        let mut random = [0; 32];
        SystemRandom::new().fill(&mut random).map_err(|_| NoTicket::NoRandom)?;
        let secret = KeySecret::of(random);
        let mut tickets = self.lock();
        tickets.retain(|_, ticket| ticket.until > now);
        let id = |key: &Option<Arc<ApiKey>>| key.as_ref().map(|key| key.id.clone());
        let own = tickets.values().filter(|ticket| id(&ticket.key) == id(&key)).count();
        if own >= TICKETS_MAX || tickets.len() >= TICKETS_MAX * KEYS_MAX {
            return Err(NoTicket::TooMany);
        }
        tickets.insert(secret.hash(), Ticket { key, scopes, until: now + TICKET_TTL });
        Ok(format!("{PREFIX}{}", secret.text()))
    }

    /// What the ticket of this text stands for, if it is good at `now`. Then it is used.
    pub(super) fn take(&self, text: &str, now: Instant) -> Option<Ticket> {
        let secret: KeySecret = text.strip_prefix(PREFIX)?.parse().ok()?;
        let ticket = self.lock().remove(&secret.hash())?;
        (ticket.until > now).then_some(ticket)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretHash, Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let issue = |now| tickets.issue(None, "read".parse().unwrap(), now);
        let (one, two) = (issue(now).unwrap(), issue(now).unwrap());
        assert_ne!(one, two);
        assert!(tickets.take(&one, now + Duration::from_secs(59)).is_some());
        assert!(tickets.take(&one, now).is_none(), "it was used");
        assert!(tickets.take(&two, now + TICKET_TTL).is_none(), "it is too old");
        for wrong in ["", "tt_", "tt_x", &two[3..]] {
            assert!(tickets.take(wrong, now).is_none(), "{wrong}");
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let issue = |now| tickets.issue(None, Scopes::default(), now);
        let all: Vec<_> = (0..TICKETS_MAX).map(|_| issue(now).unwrap()).collect();
        assert_eq!(issue(now), Err(NoTicket::TooMany));
        assert!(tickets.take(&all[0], now).is_some());
        assert!(issue(now).is_ok() && issue(now).is_err());
        assert!(issue(now + TICKET_TTL).is_ok(), "the others are too old");
    }
}
