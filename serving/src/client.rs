//! Who asks: anyone, a client without a key, or the holder of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use market::InstrumentId;
use node_api::{ApiKey, Scope, Scopes};
use tokio::sync::OwnedSemaphorePermit;

use super::problem::{Problem, THROTTLED};
use super::rates::KeyRates;
use super::visible_rows::VisibleRows;
use rows::View;

/// Who asks, and what there is for them. The default is anyone, for whom there is everything.
#[derive(Clone, Debug, Default)]
pub struct Client {
    principal: Principal,
    visible: VisibleRows,
    /// Whether its key is good no more.
    has_ended: Arc<AtomicBool>,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
enum Principal {
    /// There are no keys, and whoever reaches the address may ask everything.
    #[default]
    Anyone,
    /// There are keys, and the client presents none that is good.
    Stranger,
    /// The holder of this key, with its share.
    Key(Arc<ApiKey>, Arc<KeyRates>),
}

/// What a path asks of its clients where there are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it tells no more than that the process is there.
    Open,
    /// Any key.
    Key,
    /// A key with this scope. The limits of the key decide which rows there are.
    Rows(Scope),
    /// A key with this scope and without limits: it is about the whole process.
    Process(Scope),
}

/// Why a client may not ask something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// It needs a key.
    NoKey,
    /// Its key lacks this scope.
    Scope(Scope),
    /// Its key is limited to some rows.
    Limited,
}

impl Access {
    /// In a word, for the index and the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Access::Open => "nothing",
            Access::Key => "a key",
            Access::Rows(scope) | Access::Process(scope) => scope.name(),
        }
    }
}

impl Client {
    /// A client without a good key, where keys are needed.
    pub(super) fn stranger() -> Client {
        Client { principal: Principal::Stranger, ..Client::default() }
    }

    /// The holder of a key.
    pub(super) fn of_key(key: Arc<ApiKey>, rates: Arc<KeyRates>) -> Client {
        let visible = VisibleRows::new(&key.limits);
        Client { principal: Principal::Key(key, rates), visible, ..Client::default() }
    }

    /// Says that its key is good no more, or allows something else now: it is told nothing more.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }

    /// Whether its key is good no more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Its key, if it has one.
    pub(super) fn key(&self) -> Option<&Arc<ApiKey>> {
        match &self.principal {
            Principal::Key(key, _) => Some(key),
            Principal::Anyone | Principal::Stranger => None,
        }
    }

    /// Whether keys are needed.
    pub(super) fn needs_key(&self) -> bool {
        !matches!(self.principal, Principal::Anyone)
    }

    /// What it may do, unless a ticket allows less.
    pub(super) fn scopes(&self) -> Scopes {
        match &self.principal {
            Principal::Anyone => Scopes::of(&[Scope::Admin]),
            Principal::Stranger => Scopes::default(),
            Principal::Key(key, _) => key.scopes,
        }
    }

    /// Why it may not ask what needs `access`, with these scopes; none if it may.
    pub(super) fn denial(&self, access: Access, scopes: Scopes) -> Option<Denial> {
        match (&self.principal, access) {
            (Principal::Anyone, _) | (_, Access::Open) => None,
            (Principal::Stranger, _) => Some(Denial::NoKey),
            (Principal::Key(..), Access::Key) => None,
            (Principal::Key(..), Access::Rows(scope) | Access::Process(scope))
                if !scopes.allow(scope) =>
            {
                Some(Denial::Scope(scope))
            }
            (Principal::Key(..), Access::Process(_)) if !self.visible.are_all() => {
                Some(Denial::Limited)
            }
            (Principal::Key(..), Access::Rows(_) | Access::Process(_)) => None,
        }
    }

    /// Takes the bytes of a body from its share.
    pub(super) fn post_bytes(&self, bytes: usize) -> Result<(), Problem> {
        let Principal::Key(_, rates) = &self.principal else { return Ok(()) };
        rates.post_bytes(bytes).map_err(|wait| {
            let per_second = rates.limits().post_bytes_per_second;
            let detail = format!("this key has posted more than {per_second} bytes per second");
            Problem::new(THROTTLED, detail).retry_after(wait.retry_after_s())
        })
    }

    /// Begins to follow views, until the permit is dropped.
    pub(super) fn follow(&self) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let Principal::Key(_, rates) = &self.principal else { return Ok(None) };
        rates.follow().map(Some).ok_or_else(|| {
            let most = rates.limits().followed;
            let detail =
                format!("this key has {most} streams and WebSockets open, which is the most");
            Problem::new(THROTTLED, detail)
        })
    }

    /// Whether it is told how the process is, beside that it is there.
    pub(super) fn sees_process(&self) -> bool {
        self.denial(Access::Process(Scope::Read), self.scopes()).is_none()
    }

    /// Whether there is this view for it.
    pub(super) fn has_view(&self, view: &View) -> bool {
        self.visible.has_view(view)
    }

    /// Whether there is this instrument for it.
    pub(super) fn has_instrument(&self, id: InstrumentId) -> bool {
        self.visible.has_instrument(id)
    }

    /// The rows that there are for it.
    pub(super) fn visible(&self) -> &VisibleRows {
        &self.visible
    }
}
