//! Sockets: one accept loop with bounds on the use by clients.
//!
//! A client can hold a connection only by sending requests. The connection is closed if a request head is not complete
//! in time, also between requests, or if the client does not read its answer. Beyond the bound on connections, clients
//! wait in the backlog of the listening socket; they are not refused.
//!
//! On `stop` no connection is accepted any more, connections without a request are closed, and the others have until
//! the drain deadline to be answered.

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use node_api::{ClientLimits, NeedsKeys, Throttle, may_listen};

use super::Context;
use super::answering::Answering;
use super::audit::Audit;
use super::clients::Clients;
use super::tls::Certificates;
use super::write_timeout::{WRITE_TIMEOUT, WriteTimeout};

/// Bounds on the use by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections, at least one. Further clients wait. WebSockets are counted separately, up to as many.
    pub connections: usize,
    /// The time for a complete request head, also for the first of a connection.
    pub head: Duration,
    /// The most bytes of a request head, and of read-ahead; at least 8 KiB.
    pub head_bytes: usize,
    /// The most concurrent HTTP/2 requests of a connection.
    pub streams: u32,
    /// The time to answer open requests after `stop`.
    pub drain: Duration,
    /// The share of each client, where there are keys.
    pub clients: ClientLimits,
}

impl Limits {
    /// The most WebSockets: as many as connections.
    pub fn sockets(&self) -> u32 {
        u32::try_from(self.connections.max(1)).unwrap_or(u32::MAX)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            head: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            streams: 64,
            drain: Duration::from_secs(5),
            clients: ClientLimits::default(),
        }
    }
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other machines, and there are no keys.
    #[error(transparent)]
    NeedsKeys(#[from] NeedsKeys),
    /// Another socket listens on it.
    #[error("{addr} is in use: another process (perhaps another tickweave) listens on it")]
    InUse {
        /// The address.
        addr: SocketAddr,
    },
    /// Another error of the system.
    #[error("{addr} could not be bound")]
    Io {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

/// The result of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The number of connections that were closed at the drain deadline while busy.
    pub cut: usize,
}

/// Listens on an address, beyond the loopback only if the server will have keys; port 0 picks a free one.
pub async fn bind(addr: SocketAddr, has_keys: bool) -> Result<TcpListener, BindError> {
    may_listen(addr, has_keys)?;
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { addr },
        _ => BindError::Io { addr, source },
    })
}

/// Answers requests on `listener` until `stop` completes.
///
/// An error of a connection ends this connection only.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let (close, closing) = watch::channel(false);
    let sockets = Arc::clone(&context.sockets);
    let mut server = Server::new(Context { closing, ..context });
    let mut stop = pin!(stop);
    loop {
        let slot = tokio::select! {
            () = &mut stop => break,
            slot = Arc::clone(&server.slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        while server.connections.try_join_next().is_some() {}
        match (accepted, slot) {
            (Ok((stream, peer)), Ok(slot)) => server.connect(stream, peer, slot),
            (Err(error), _) => server.failed(&error).await,
            (_, Err(_)) => break, // the semaphore is never closed
        }
    }
    drop(listener);
    close.send_replace(true);
    server.drain(&sockets).await
}

/// A server that accepts connections.
struct Server {
    limits: Limits,
    clients: Clients,
    answering: Answering,
    tls: Option<Certificates>,
    builder: Builder<TokioExecutor>,
    /// A permit per connection.
    slots: Arc<Semaphore>,
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
    /// What follows keys and certificates, as long as this is there.
    _following: JoinSet<()>,
    failures: Throttle,
}

impl Server {
    fn new(context: Context) -> Server {
        let (limits, tls) = (context.limits, context.tls.clone());
        let audit = Audit::new(Arc::clone(&context.metrics));
        let access = Arc::clone(&context.access);
        let clients = Clients::new(context);
        let mut following = JoinSet::new();
        following.spawn(clients.clone().follow_keys());
        if let Some(tls) = tls.clone() {
            following.spawn(tls.follow_files());
        }
        Server {
            limits,
            answering: Answering::new(clients.clone(), audit, access),
            clients,
            tls,
            builder: builder(&limits),
            slots: Arc::new(Semaphore::new(limits.connections.max(1))),
            graceful: GracefulShutdown::new(),
            connections: JoinSet::new(),
            _following: following,
            failures: Throttle::default(),
        }
    }

    /// Serves a connection, unless its address has as many as it may.
    fn connect(&mut self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        if let Some(over) = self.failures.over(Instant::now()) {
            tracing::info!("connections are accepted again {over}");
        }
        let address = peer.ip().to_canonical();
        let Ok(counted) = self.clients.connect(address) else {
            return self.answering.not_connected(address);
        };
        let acceptor = self.tls.as_ref().map(Certificates::acceptor);
        let connection = Connection {
            answering: self.answering.clone(),
            address,
            builder: self.builder.clone(),
            limits: self.limits,
            watcher: self.graceful.watcher(),
        };
        self.connections.spawn(async move {
            if let Err(error) = connection.run(stream, acceptor).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop((slot, counted));
        });
    }

    /// No connection could be accepted: the client is gone already, or file descriptors have run out; both pass.
    async fn failed(&mut self, error: &io::Error) {
        if let Some(told) = self.failures.happened(Instant::now()) {
            tracing::warn!(%error, "no connection could be accepted{told}");
        }
        sleep(Duration::from_millis(50)).await;
    }

    /// Answers open requests until the deadline, and cuts the rest.
    async fn drain(self, sockets: &Semaphore) -> Stopped {
        let Server { limits, graceful, mut connections, .. } = self;
        let all_done = async {
            graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
            // WebSockets are no longer HTTP connections: each holds a permit until it is closed.
            let _ = sockets.acquire_many(limits.sockets()).await;
        };
        if timeout(limits.drain, all_done).await.is_ok() {
            return Stopped { cut: 0 };
        }
        while connections.try_join_next().is_some() {}
        let cut = connections.len();
        tracing::warn!(cut, "connections cut at the drain deadline");
        connections.shutdown().await;
        Stopped { cut }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams);
    builder
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, and what serves it.
struct Connection {
    answering: Answering,
    address: IpAddr,
    builder: Builder<TokioExecutor>,
    limits: Limits,
    watcher: Watcher,
}

impl Connection {
    /// Serves it to its end.
    async fn run(
        self,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
    ) -> Result<(), ConnectionError> {
        // Answers are small and complete, so waiting for more data would gain nothing.
        let _ = stream.set_nodelay(true);
        match acceptor {
            None => self.serve(stream).await,
            Some(acceptor) => {
                let handshake = timeout(self.limits.head, acceptor.accept(stream)).await;
                self.serve(handshake.map_err(|_| "no handshake came in time")??).await
            }
        }
    }

    async fn serve<S>(self, stream: S) -> Result<(), ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { answering, address, builder, limits, watcher } = self;
        let got_request = Arc::new(AtomicBool::new(false));
        let set_got_request = Arc::clone(&got_request);
        let service = service_fn(move |request| {
            set_got_request.store(true, Ordering::Relaxed);
            let answering = answering.clone();
            async move { answering.respond(request, address).await }
        });
        let stream = TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT));
        let serving = builder.serve_connection_with_upgrades(stream, service);
        let serving = Box::pin(watcher.watch(serving.into_owned()));
        // The timeout of HTTP/1 heads begins only when the protocol is known, which takes bytes.
        let no_request = async {
            sleep(limits.head).await;
            if got_request.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        };
        tokio::select! {
            served = serving => served,
            () = no_request => Err("no request came in time".into()),
        }
    }
}
