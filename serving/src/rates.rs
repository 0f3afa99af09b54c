//! How much a client may ask at a time: a token bucket per key, and one per address without a good key.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use node_api::ClientLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;
type AddressBuckets = RateLimiter<u16, HashMapStateStore<u16>, DefaultClock, NoOpMiddleware>;

/// The share of one key.
#[derive(Debug)]
pub(super) struct KeyRates {
    requests: Bucket,
    post_bytes: Bucket,
    /// A permit for each stream and WebSocket.
    followed: Arc<Semaphore>,
    limits: ClientLimits,
}

/// What is left of a key's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remaining {
    /// Requests that may be sent at once.
    pub(super) requests: u32,
    /// In how many seconds there are as many as there can be.
    pub(super) full_in_s: u32,
}

/// It is too much; so long nothing more is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch(pub(super) Duration);

fn quota(per_second: u32, burst: u32) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst))
}

impl KeyRates {
    /// The whole share. A body has at most `body_bytes` bytes.
    pub(super) fn new(limits: ClientLimits, body_bytes: usize) -> KeyRates {
        let body_bytes = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        let bytes = limits.post_bytes_per_second;
        let bucket = |quota| RateLimiter::direct(quota).with_middleware();
        KeyRates {
            requests: bucket(quota(limits.requests_per_second, limits.request_burst)),
            post_bytes: bucket(quota(bytes, bytes.max(body_bytes))),
            followed: Arc::new(Semaphore::new(limits.followed as usize)),
            limits,
        }
    }

    /// Takes one request.
    pub(super) fn request(&self) -> Result<Remaining, TooMuch> {
        let left = self.requests.check().map_err(|not_until| too_much(&not_until))?;
        let requests = left.remaining_burst_capacity();
        let missing = self.limits.request_burst.saturating_sub(requests);
        let full_in_s = missing.div_ceil(self.limits.requests_per_second.max(1));
        Ok(Remaining { requests, full_in_s })
    }

    /// Takes bytes of a body.
    pub(super) fn post_bytes(&self, bytes: usize) -> Result<(), TooMuch> {
        let Some(bytes) = u32::try_from(bytes).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        match self.post_bytes.check_n(bytes) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(not_until)) => Err(too_much(&not_until)),
            // More than a body may have; the bound of bodies says so.
            Err(_) => Ok(()),
        }
    }

    /// Begins to follow something, until the permit is dropped; none if the key follows as much as it may.
    pub(super) fn follow(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.followed).try_acquire_owned().ok()
    }

    /// The limits that it keeps.
    pub(super) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): the burst, and how long it takes to come back.
    pub(super) fn policy(&self) -> String {
        let ClientLimits { request_burst: burst, requests_per_second, .. } = self.limits;
        format!("\"requests\";q={burst};w={}", burst.div_ceil(requests_per_second.max(1)))
    }
}

impl Remaining {
    /// Nothing is left, and nobody knows until when.
    pub(super) const NONE: Remaining = Remaining { requests: 0, full_in_s: 1 };

    /// `RateLimit` (the same draft): what is left, and when all is back.
    pub(super) fn header(self) -> String {
        let Remaining { requests, full_in_s } = self;
        format!("\"requests\";r={requests};t={full_in_s}")
    }
}

impl TooMuch {
    /// `Retry-After`: whole seconds, at least one.
    pub(super) fn retry_after_s(self) -> u64 {
        self.0.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
    }
}

fn too_much<I>(not_until: &NotUntil<I>) -> TooMuch
where
    I: governor::clock::Reference,
    DefaultClock: Clock<Instant = I>,
{
    TooMuch(not_until.wait_time_from(DefaultClock::default().now()))
}

/// The shares of addresses. Their memory is bounded, whoever asks: 65,536 buckets, to which addresses fall by a hash
/// that nobody outside can compute; and as many counts as there are connections.
pub(super) struct AddressRates {
    requests: AddressBuckets,
    hash: RandomState,
    connections: Arc<Mutex<HashMap<IpAddr, u32>>>,
    connections_max: u32,
}

/// A connection that counts for its address until it is dropped.
pub(super) struct CountedConnection {
    connections: Arc<Mutex<HashMap<IpAddr, u32>>>,
    address: IpAddr,
}

impl AddressRates {
    pub(super) fn new(limits: ClientLimits) -> AddressRates {
        let quota = quota(limits.requests_per_second, limits.request_burst);
        AddressRates {
            requests: RateLimiter::hashmap(quota),
            hash: RandomState::new(),
            connections: Arc::default(),
            connections_max: limits.connections,
        }
    }

    /// Takes one request of an address.
    pub(super) fn request(&self, address: IpAddr) -> Result<(), TooMuch> {
        let [low, high, ..] = self.hash.hash_one(prefix(address)).to_le_bytes();
        let bucket = u16::from_le_bytes([low, high]);
        self.requests.check_key(&bucket).map_err(|not_until| too_much(&not_until))
    }

    /// Counts a connection of an address; none if it has as many as it may.
    pub(super) fn connect(&self, address: IpAddr) -> Option<CountedConnection> {
        let address = prefix(address);
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let own = connections.entry(address).or_default();
        if *own >= self.connections_max && !address.is_loopback() {
            return None;
        }
        *own += 1;
        Some(CountedConnection { connections: Arc::clone(&self.connections), address })
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        match connections.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(connections.remove(&self.address)),
        }
    }
}

/// What counts as one address: of IPv6 the network, since a client has all addresses of its own.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientLimits = ClientLimits {
        requests_per_second: 1,
        request_burst: 5,
        post_bytes_per_second: 10,
        followed: 2,
        connections: 2,
    };

    #[test]
    fn a_key_has_a_burst_and_is_told_what_is_left() {
        let rates = KeyRates::new(LIMITS, 100);
        assert_eq!(rates.policy(), "\"requests\";q=5;w=5");
        let left: Vec<_> = (0..5).map(|_| rates.request().unwrap()).collect();
        assert_eq!(left[0].header(), "\"requests\";r=4;t=1");
        assert_eq!(left[4].header(), "\"requests\";r=0;t=5");
        let wait = rates.request().unwrap_err();
        assert_eq!(wait.retry_after_s(), 1);

        assert_eq!(rates.post_bytes(100), Ok(()), "one body always fits");
        assert!(rates.post_bytes(100).unwrap_err().retry_after_s() > 5);
        assert_eq!(rates.post_bytes(0), Ok(()));

        let permits = [rates.follow(), rates.follow()];
        assert!(permits.iter().all(Option::is_some) && rates.follow().is_none());
        drop(permits);
        assert!(rates.follow().is_some());
    }

    #[test]
    fn an_address_has_a_share_and_its_connections_are_counted() {
        let rates = AddressRates::new(LIMITS);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = address("192.0.2.1");
        assert!((0..5).all(|_| rates.request(one).is_ok()) && rates.request(one).is_err());

        let held = [rates.connect(one).unwrap(), rates.connect(one).unwrap()];
        assert!(rates.connect(one).is_none());
        assert!(rates.connect(address("::ffff:192.0.2.1")).is_none(), "it is the same");
        assert!(rates.connect(address("192.0.2.2")).is_some());
        drop(held);
        let net = ["2001:db8::1", "2001:db8::2"].map(|text| rates.connect(address(text)).unwrap());
        assert!(rates.connect(address("2001:db8::3")).is_none(), "of one network");
        assert!(rates.connect(address("2001:db8:0:1::3")).is_some());
        let own: Vec<_> = (0..9).map(|_| rates.connect(address("::1"))).collect();
        assert!(own.iter().all(Option::is_some), "the loopback is not counted");
        drop((net, own));
        assert!(rates.connections.lock().unwrap().is_empty(), "nothing is left of who is gone");
    }

    #[test]
    fn addresses_take_up_bounded_memory() {
        let rates = AddressRates::new(LIMITS);
        for number in 0..300_000_u32 {
            let _ = rates.request(IpAddr::from(number.to_be_bytes()));
        }
        assert!(rates.requests.len() <= 65_536);
    }
}
