//! Audit: who was refused, and who has changed how the process runs. Keys are named by their ids.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use node_api::{MetricsText, Throttle};
use warp::http::{Method, StatusCode};

use super::problem::{CROSS_SITE, FORBIDDEN, MISDIRECTED, ProblemKind, THROTTLED, UNAUTHORIZED};
use super::query::shown;

/// Why a client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalReason {
    /// It has no good key.
    Unauthorized,
    /// Its key does not allow this, its page is of another site, or it asks under another host.
    Forbidden,
    /// It asks for more than its share.
    Throttled,
    /// Its address has too many connections.
    Connections,
}

/// What is noted of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditedRequest<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) address: IpAddr,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
}

/// Notes refusals and controlling requests in the log, target `audit`. Clones share it.
#[derive(Clone)]
pub(super) struct Audit(Arc<Shared>);

struct Shared {
    metrics: Arc<dyn MetricsText>,
    /// By reason: a stranger may cause as many as they like.
    told: Mutex<[Throttle; RefusalReason::ALL.len()]>,
}

impl RefusalReason {
    const ALL: [RefusalReason; 4] = [
        RefusalReason::Unauthorized,
        RefusalReason::Forbidden,
        RefusalReason::Throttled,
        RefusalReason::Connections,
    ];

    /// The reason behind an error; none if it is no refusal.
    pub(super) fn of(kind: &ProblemKind) -> Option<RefusalReason> {
        match *kind {
            UNAUTHORIZED => Some(RefusalReason::Unauthorized),
            FORBIDDEN | CROSS_SITE | MISDIRECTED => Some(RefusalReason::Forbidden),
            THROTTLED => Some(RefusalReason::Throttled),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            RefusalReason::Unauthorized => "unauthorized",
            RefusalReason::Forbidden => "forbidden",
            RefusalReason::Throttled => "throttled",
            RefusalReason::Connections => "connections",
        }
    }
}

impl Audit {
    pub(super) fn new(metrics: Arc<dyn MetricsText>) -> Audit {
        Audit(Arc::new(Shared { metrics, told: Mutex::default() }))
    }

    /// A request was refused.
    pub(super) fn refused(&self, reason: RefusalReason, request: AuditedRequest<'_>) {
        let AuditedRequest { key, address, method, path } = request;
        let Some(told) = self.counted(reason) else { return };
        let (outcome, key, path) = (reason.name(), key.unwrap_or("none"), shown(path));
        tracing::warn!(target: "audit", outcome, key, %address, %method, path, "audit: refused{told}");
    }

    /// A connection was not accepted.
    pub(super) fn not_connected(&self, address: IpAddr) {
        let Some(told) = self.counted(RefusalReason::Connections) else { return };
        tracing::warn!(target: "audit", outcome = "connections", %address, "audit: refused{told}");
    }

    /// A request has changed how the process runs, or was to.
    pub(super) fn controlled(&self, status: StatusCode, request: AuditedRequest<'_>) {
        let AuditedRequest { key, address, method, path } = request;
        let (key, outcome) = (key.unwrap_or("none"), status.as_u16());
        tracing::info!(target: "audit", outcome, key, %address, %method, path, "audit: controlled");
    }

    /// Counts a refusal; gives what it is told with, if it is.
    fn counted(&self, reason: RefusalReason) -> Option<node_api::Told> {
        self.0.metrics.count_refused(reason.name());
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        told[reason as usize].happened(Instant::now())
    }
}
