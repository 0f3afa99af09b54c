//! A connection that reconnects with growing pauses and reports each change as an incident.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::Connection;

use super::server::{RedisFailure, Server};
use crate::source::{Incident, IncidentKind, LostRows};

/// The first pause before a lost server is tried again; each next one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest wait of one call while there is no connection.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// A connection to a server that reconnects when it is lost.
pub(super) struct StreamConnection {
    server: Arc<Server>,
    name: String,
    connection: Option<Connection>,
    /// Since when there is one.
    since: Instant,
    /// When to try again, and the pause after that.
    again: (Instant, Duration),
    incidents: Vec<Incident>,
}

impl StreamConnection {
    /// Connects at once; `name` is its name at the server.
    pub(super) fn open(
        server: Arc<Server>,
        name: String,
    ) -> Result<StreamConnection, RedisFailure> {
        let connection = server.connect(&name)?;
        let since = Instant::now();
        let again = (since, PAUSE_FIRST);
        let incidents = Vec::new();
        let mut link = StreamConnection { server, name, connection: None, since, again, incidents };
        link.reached(connection);
        Ok(link)
    }

    /// The connection. While there is none, waits for a moment or tries to make one: so long as nobody answers,
    /// it takes at most [`WAIT_MAX`] or [`CONNECT_TIMEOUT`](super::server::CONNECT_TIMEOUT).
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        if self.connection.is_none() {
            let (at, pause) = self.again;
            let rest = at.saturating_duration_since(Instant::now());
            if !rest.is_zero() {
                sleep(rest.min(WAIT_MAX));
                return None;
            }
            match self.server.connect(&self.name) {
                Ok(connection) => self.reached(connection),
                Err(_) => self.pause(pause),
            }
        }
        self.connection.as_mut()
    }

    /// Drops the connection, since `why`. One that did not last is tried again after a longer pause than before.
    pub(super) fn lost(&mut self, why: &str) {
        if self.connection.take().is_some() {
            let lasted = self.since.elapsed() >= PAUSE_MAX;
            self.pause(if lasted { PAUSE_FIRST } else { self.again.1 });
            self.push_incident(IncidentKind::Disconnected, format!("{}: {why}", self.server));
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.is_some()
    }

    /// Reports that rows are lost.
    pub(super) fn gap(&mut self, lost: Option<LostRows>, detail: String) {
        self.incidents.push(Incident { kind: IncidentKind::Gap, lost, detail });
    }

    /// What has happened since this was last asked.
    pub(super) fn incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    fn pause(&mut self, pause: Duration) {
        self.again = (Instant::now() + pause, (pause * 2).min(PAUSE_MAX));
    }

    fn reached(&mut self, connection: Connection) {
        (self.connection, self.since) = (Some(connection), Instant::now());
        self.push_incident(IncidentKind::Connected, self.server.to_string());
    }

    fn push_incident(&mut self, kind: IncidentKind, detail: String) {
        self.incidents.push(Incident { kind, lost: None, detail });
    }
}
