//! The HTTP side: reads the views and tells how the process is. Sees views through
//! [`ViewReader`] only; never the engine.
//!
//! Reading order: [`Context`] (what routes answer from) → `server`, `stall` (sockets, limits, draining) →
//! `routes` (one file each, one list) → `query`, `symbol`, `format` (what a request asks) → `bars`, `session`,
//! `fill` (candles at one frontier, of one kind of session, without trades) → `filter`, `follow`, `socket` (any view, at a
//! frontier or from there on) → `page` (a client that the binary carries) → `problem` (what an error says).
//!
//! **Every answer about a view is stamped** with the frontier that it reflects: `frontier` in JSON,
//! `X-Commit` and `X-Frontier` as headers, and an `ETag` of view, run and commit. **Every error** is a
//! `application/problem+json` (RFC 9457) that names what was wrong and what is possible.

mod answers;
mod bars;
mod body;
mod fill;
mod filter;
mod format;
mod health;
mod page;
mod posts;
mod problem;
mod query;
mod read_your_writes;
mod routes;
mod server;
mod session;
mod socket;
mod subscribe;
mod symbol;
#[cfg(test)]
mod tests;
mod write_timeout;

use std::sync::Arc;
use std::time::Instant;

use market::{Calendars, Catalog, Timeframe};
use tokio::sync::{Semaphore, watch};

use crate::readers::ReaderPool;
use crate::telemetry::Metrics;
use crate::views::{Labels, ViewReader};

pub use health::{Check, Health, Readiness, Status};
pub use posts::Posts;
pub use problem::{KINDS, Kind};
pub use routes::{Endpoint, Entry, ROUTES, Route};
pub use server::{BindError, Limits, Stopped, bind, serve};
pub use subscribe::UpdateCache;

/// What routes answer from. Clones share everything.
#[derive(Clone)]
pub struct Context {
    /// Reads the views.
    pub reader: Arc<dyn ViewReader>,
    /// The instruments that the process has met. Requests look names up and never add any.
    pub catalog: Arc<Catalog>,
    /// Where bars begin and end; the calendars that the instruments' terms index.
    pub calendars: Calendars,
    /// The timeframes that are computed, in any order; at least one.
    pub timeframes: Vec<Timeframe>,
    /// The indicators that are computed, by what rows call them.
    pub labels: Labels,
    /// The numbers that `/metrics` shows.
    pub metrics: Metrics,
    /// How the process is now. Called per request: it must not block.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// The version of the program.
    pub version: &'static str,
    /// When the process started.
    pub started: Instant,
    /// What clients may take up.
    pub limits: Limits,
    /// Where long work for clients is done.
    pub readers: ReaderPool,
    /// What those who follow views are told.
    pub updates: UpdateCache,
    /// Becomes true when those who follow views must go; [`serve`] sets its own.
    pub closing: watch::Receiver<bool>,
    /// A permit per WebSocket.
    pub sockets: Arc<Semaphore>,
    /// Where rows go that clients send.
    pub posts: Posts,
    /// Which run of the process this is, so that commits of others are told from its own.
    pub run: u64,
}

/// Waits until those who follow views must go.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let closed = closing.wait_for(|closing| *closing).await.is_ok();
    if !closed {
        std::future::pending::<()>().await; // nobody is there to say so
    }
}
