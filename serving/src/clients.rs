//! The clients of a server: each key has routes of its own, which know nothing but what there is for this key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use market::EventTime;
use node_api::{ApiKey, KeyRefusal, KeySet};
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::Client;
use super::credentials::Credentials;
use super::rates::{AddressRates, CountedConnection, KeyRates, Remaining, TooMuch};
use super::routes::{Authenticated, Route, app};
use super::visible_rows::VisibleReader;
use super::{Context, closed};

/// How often keys are looked at that may have expired.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);

/// The clients of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Clients(Arc<Shared>);

struct Shared {
    context: Context,
    /// The shares of clients without a good key.
    addresses: AddressRates,
    /// The routes of clients without a key.
    without_key: Route,
    /// By the id of the key; at most as many as there are keys.
    holders: Mutex<HashMap<String, Holder>>,
}

/// The holder of a key.
struct Holder {
    key: Arc<ApiKey>,
    rates: Arc<KeyRates>,
    route: Route,
    /// Ends what it follows.
    close: watch::Sender<bool>,
    client: Client,
}

/// A client that is known.
pub(super) struct KnownClient {
    /// The routes that answer it.
    pub(super) route: Route,
    /// What the request was authenticated as.
    pub(super) authenticated: Authenticated,
    /// Its key, and the share of it.
    pub(super) key: Option<(Arc<ApiKey>, Arc<KeyRates>)>,
}

/// An address has as many connections as it may.
pub(super) struct TooMany;

impl Clients {
    /// Those of the server that `context` is of.
    pub(super) fn new(context: Context) -> Clients {
        let client = match &context.keys {
            Some(_) => Client::stranger(),
            None => Client::default(),
        };
        let without_key = app(&Context { client, ..context.clone() });
        let addresses = AddressRates::new(context.limits.clients);
        Clients(Arc::new(Shared { context, addresses, without_key, holders: Mutex::default() }))
    }

    /// Whether they need keys.
    pub(super) fn need_keys(&self) -> bool {
        self.0.context.keys.is_some()
    }

    /// Who presents these credentials.
    pub(super) fn authenticate(&self, credentials: Credentials) -> KnownClient {
        let Some(keys) = &self.0.context.keys else {
            let scopes = Client::default().scopes();
            let authenticated = Authenticated { scopes, by_ticket: false, refusal: None };
            return KnownClient { route: self.0.without_key.clone(), authenticated, key: None };
        };
        let now = now();
        let keys = Arc::clone(&keys.borrow());
        let by_ticket = matches!(credentials, Credentials::Ticket(_));
        let found = match credentials {
            Credentials::Nothing => return self.stranger(None),
            Credentials::Unclear => Err(KeyRefusal::Malformed),
            Credentials::Key(text) => {
                let found = text.parse().and_then(|presented| keys.find(&presented, now));
                found.map(|key| (key.scopes, key))
            }
            Credentials::Ticket(text) => {
                let ticket = self.0.context.tickets.take(&text, Instant::now());
                let of = ticket.and_then(|ticket| Some((ticket.scopes, ticket.key?)));
                of.filter(|(_, key)| keys.has(key, now)).ok_or(KeyRefusal::Unknown)
            }
        };
        match found {
            Err(refusal) => self.stranger(Some(refusal)),
            Ok((scopes, key)) => {
                let (route, rates) = self.holder(&key);
                let authenticated = Authenticated { scopes, by_ticket, refusal: None };
                KnownClient { route, authenticated, key: Some((key, rates)) }
            }
        }
    }

    fn stranger(&self, refusal: Option<KeyRefusal>) -> KnownClient {
        let scopes = Client::stranger().scopes();
        let authenticated = Authenticated { scopes, by_ticket: false, refusal };
        KnownClient { route: self.0.without_key.clone(), authenticated, key: None }
    }

    /// Takes a request from the share of a client; gives what is left, where that is told.
    pub(super) fn take_request(
        &self,
        client: &KnownClient,
        address: IpAddr,
    ) -> Result<Option<Remaining>, TooMuch> {
        match &client.key {
            _ if !self.need_keys() => Ok(None),
            Some((_, rates)) => rates.request().map(Some),
            None => self.0.addresses.request(address).map(|()| None),
        }
    }

    /// Counts a connection; an error if its address has as many as it may.
    pub(super) fn connect(&self, address: IpAddr) -> Result<Option<CountedConnection>, TooMany> {
        match self.need_keys() {
            true => self.0.addresses.connect(address).map(Some).ok_or(TooMany),
            false => Ok(None),
        }
    }

    /// The routes and the share of the holder of a key.
    fn holder(&self, key: &Arc<ApiKey>) -> (Route, Arc<KeyRates>) {
        let mut holders = self.0.holders();
        if let Some(holder) = holders.get(&key.id).filter(|holder| holder.key == *key) {
            return (holder.route.clone(), Arc::clone(&holder.rates));
        }
        let holder = self.0.new_holder(key);
        let (route, rates) = (holder.route.clone(), Arc::clone(&holder.rates));
        if let Some(before) = holders.insert(key.id.clone(), holder) {
            before.end();
        }
        (route, rates)
    }

    /// Ends what holders follow whose keys are good no more, and, when the server closes, what all follow.
    pub(super) async fn follow_keys(self) {
        let Some(mut keys) = self.0.context.keys.clone() else { return };
        let mut closing = self.0.context.closing.clone();
        loop {
            tokio::select! {
                () = closed(&mut closing) => break,
                Ok(()) = keys.changed() => {}
                () = sleep(EXPIRY_CHECK) => {}
            }
            let (good, now) = (Arc::clone(&keys.borrow_and_update()), now());
            self.0.holders().retain(|_, holder| {
                let stays = good.has(&holder.key, now);
                if !stays {
                    holder.end();
                }
                stays
            });
        }
        for (_, holder) in self.0.holders().drain() {
            holder.close.send_replace(true);
        }
    }
}

impl Holder {
    /// Ends what it follows: its key is good no more.
    fn end(&self) {
        self.client.end();
        self.close.send_replace(true);
    }
}

impl Shared {
    fn new_holder(&self, key: &Arc<ApiKey>) -> Holder {
        let (close, closing) = watch::channel(*self.context.closing.borrow());
        let body_bytes = self.context.posts.body_bytes();
        let rates = Arc::new(KeyRates::new(self.context.limits.clients, body_bytes));
        let client = Client::of_key(Arc::clone(key), Arc::clone(&rates));
        let posts = self.context.posts.of_one_client();
        let mut context = Context { closing, client, posts, ..self.context.clone() };
        let visible = context.client.visible().clone();
        if visible.are_limited() {
            context.reader = Arc::new(VisibleReader { reader: context.reader, visible });
        }
        let (route, client) = (app(&context), context.client);
        Holder { key: Arc::clone(key), rates, route, client, close }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<String, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system's time.
fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}

/// Keys that may change while a server runs.
pub type LiveKeys = watch::Receiver<Arc<KeySet>>;
