//! The HTTP server: reads the views and reports the health of the process. It uses views through [`ViewReader`] only,
//! and never the engine.
//!
//! Reading order: [`Context`] (the state of routes) → `server`, `tls`, `write_timeout` (sockets, limits, draining) →
//! `answering`, `credentials`, `clients`, `tickets`, `rates`, `audit` (one request: who asks, and how much) →
//! `client`, `visible_rows` (what there is for them) → `routes` (one file each, one list; `routes/permit` holds
//! requests to what they need) → `parameter`, `query`, `symbol`, `format` (parameters of requests) → `bars`,
//! `session`, `fill` (candles at one frontier, by kind of session, with gaps filled) → `filter`, `subscribe`,
//! `resume`, `socket` (any view, once or continuously) → `paging` (any view page by page at one frontier) → `page` (the
//! embedded pages) → `problem` (errors).
//!
//! **Every answer about a view is stamped** with its frontier: `frontier` in JSON, `X-Commit` and `X-Frontier` as
//! headers, and an `ETag` of its rows. **Every error** is an `application/problem+json` (RFC 9457) that
//! names the error and the possible values.

mod answering;
mod audit;
mod bars;
mod body;
mod client;
mod clients;
mod closed;
mod column_text;
mod content_coding;
mod credentials;
mod explanation_json;
mod fill;
mod filter;
mod format;
mod frontier_json;
mod link;
mod metrics_json;
mod page;
mod paging;
mod parameter;
mod post_answer;
mod posts;
mod problem;
mod prometheus_text;
mod query;
mod rates;
mod read_your_writes;
mod resume;
mod routes;
mod server;
mod session;
mod socket;
mod subscribe;
mod symbol;
#[cfg(test)]
mod tests;
mod tickets;
mod tls;
mod visible_rows;
mod write_timeout;

use std::sync::Arc;
use std::time::Instant;

use market::{Calendars, Catalog, Generation, Instrument, Timeframe};
use tokio::sync::{Semaphore, watch};

use node_api::ingest::Keeping;
use node_api::{ControlApi, Health, HttpAccess, Lineage, MetricsText, RulesApi};
use rows::readers::ReaderPool;
use rows::suggestions::closest;
use rows::{Explainer, Labels, View, ViewList, ViewReader};

use problem::{Problem, UNKNOWN_PATH};
use query::shown;

pub use client::{Access, Client};
pub use clients::LiveKeys;
pub use parameter::{CountRange, ParameterPlace, ParameterType, RouteParameter};
pub use posts::Posts;
pub use problem::{KINDS, ProblemKind};
pub use resume::ResumeTokens;
pub use routes::{Endpoint, ROUTES, Route, RouteEntry, RouteSet};
pub use server::{BindError, Limits, Stopped, bind, serve};
pub use subscribe::UpdateCache;
pub use tickets::Tickets;
pub use tls::{Certificates, TlsError};

/// The state that routes answer from. Clones share everything.
#[derive(Clone)]
pub struct Context {
    /// The views that there are.
    pub views: ViewList,
    /// Reads them.
    pub reader: Arc<dyn ViewReader>,
    /// Says what is behind a row. It knows no limits of keys.
    pub explainer: Arc<dyn Explainer>,
    /// The instruments that the process has seen. Requests look names up and never add any.
    pub catalog: Arc<Catalog>,
    /// The calendars, by the index in an instrument's spec.
    pub calendars: Calendars,
    /// The timeframes that are computed, in any order; at least one.
    pub timeframes: Vec<Timeframe>,
    /// Names for the numbers in rows.
    pub labels: Labels,
    /// What `/metrics` shows.
    pub metrics: Arc<dyn MetricsText>,
    /// The present health. Called per request: it must not block.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// The version of the program.
    pub version: &'static str,
    /// When the process started.
    pub started: Instant,
    /// Which routes it has.
    pub routes: RouteSet,
    /// Bounds on the use by clients.
    pub limits: Limits,
    /// Runs long work for clients.
    pub readers: ReaderPool,
    /// Encoded updates, shared by subscribers.
    pub updates: UpdateCache,
    /// Becomes true when subscribers must be closed; [`serve`] sets its own.
    pub closing: watch::Receiver<bool>,
    /// A permit per WebSocket.
    pub sockets: Arc<Semaphore>,
    /// Receives the rows that clients send.
    pub posts: Posts,
    /// This run of the process. It distinguishes commits of different runs.
    pub run: Generation,
    /// The runs before it, of a job that goes on.
    pub lineage: Lineage,
    /// Writes and reads the tokens with which subscribers go on.
    pub resume: ResumeTokens,
    /// What is there of its commits after it has ended.
    pub keeping: Keeping,
    /// Asks the process to end in order.
    pub control: Arc<dyn ControlApi>,
    /// The rules, and what changes them.
    pub rules: Arc<dyn RulesApi>,
    /// Whom it answers.
    pub access: Arc<HttpAccess>,
    /// The keys without one of which nobody is answered; none: there are no keys.
    pub keys: Option<LiveKeys>,
    /// The certificates of TLS; none: the server does not speak it.
    pub tls: Option<Certificates>,
    /// The tickets that clients have.
    pub tickets: Tickets,
    /// Who asks; [`serve`] gives routes of its own to the holder of each key.
    pub client: Client,
}

impl Context {
    /// The view of this name; the error lists the possible names.
    fn view(&self, name: &str) -> Result<&'static View, Problem> {
        self.views.named(name).filter(|view| self.client.has_view(view)).ok_or_else(|| {
            let detail = match self.client.visible().are_all() {
                true => self.views.unknown(&shown(name)),
                false => {
                    let known = self.view_names().collect::<Vec<_>>().join(", ");
                    format!("no view is named `{}` (known: {known})", shown(name))
                }
            };
            let near = closest(self.view_names(), name);
            Problem::new(UNKNOWN_PATH, detail).suggestions(near)
        })
    }

    /// The views that there are for the client.
    fn visible_views(&self) -> impl Iterator<Item = &'static View> {
        self.views.views.iter().filter(|view| self.client.has_view(view))
    }

    /// Their names.
    fn view_names(&self) -> impl Iterator<Item = &'static str> {
        self.visible_views().map(|view| view.name)
    }

    /// The instruments that there are for the client.
    fn instruments(&self) -> Vec<Arc<Instrument>> {
        let mut all = self.catalog.all();
        all.retain(|instrument| self.client.has_instrument(instrument.id));
        all
    }
}

/// Waits until subscribers must be closed.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let closed = closing.wait_for(|closing| *closing).await.is_ok();
    if !closed {
        std::future::pending::<()>().await; // the sender is gone: never closed
    }
}
