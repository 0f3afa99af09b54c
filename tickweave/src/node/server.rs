//! A running server: the threads of sockets, and what ends them.

use std::net::SocketAddr;
use std::sync::Arc;

use rows::priority::{NICE_SERVING, lower_priority};
use serving::{BindError, Context, RouteSet, Stopped, bind, serve};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// A bound address, and the runtime that will serve it.
pub struct BoundServer {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    /// Serves health and metrics alone.
    management: Option<(TcpListener, SocketAddr)>,
}

/// A server that answers requests until it is stopped. Dropping it closes all connections at once.
pub struct RunningServer {
    runtime: Runtime,
    address: SocketAddr,
    management: Option<SocketAddr>,
    /// Of each listener.
    serving: Vec<Serving>,
}

/// A listener that is served.
struct Serving {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Stopped>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its threads cannot be started, or its address cannot be read.
    #[error("the threads of the server cannot be started")]
    Runtime(#[source] std::io::Error),
    /// Its address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl BoundServer {
    /// Listens on an address, beyond the loopback only if the server will have keys; port 0 takes a free one. Clients
    /// wait until it serves.
    pub fn bind(address: SocketAddr, has_keys: bool) -> Result<BoundServer, ServerError> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(2).thread_name("serve").enable_all();
        runtime.on_thread_start(|| lower_priority(NICE_SERVING));
        let runtime = runtime.build().map_err(ServerError::Runtime)?;
        let listener = runtime.block_on(bind(address, has_keys))?;
        let address = listener.local_addr().map_err(ServerError::Runtime)?;
        Ok(BoundServer { runtime, listener, address, management: None })
    }

    /// Listens on a second address, too, by the same rule. It serves health and metrics alone.
    pub fn with_management(
        mut self,
        address: SocketAddr,
        has_keys: bool,
    ) -> Result<BoundServer, ServerError> {
        let listener = self.runtime.block_on(bind(address, has_keys))?;
        let address = listener.local_addr().map_err(ServerError::Runtime)?;
        self.management = Some((listener, address));
        Ok(self)
    }

    /// The runtime of its threads.
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Answers requests from `context` from now on.
    pub fn serve(self, context: Context) -> RunningServer {
        let BoundServer { runtime, listener, address, management } = self;
        let mut serving = Vec::new();
        let management = management.map(|(listener, address)| {
            serving.push(Serving::begin(&runtime, listener, for_management(&context, address)));
            address
        });
        serving.insert(0, Serving::begin(&runtime, listener, context));
        RunningServer { runtime, address, management, serving }
    }
}

impl RunningServer {
    /// The address that it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of health and metrics alone.
    pub fn management(&self) -> Option<SocketAddr> {
        self.management
    }

    /// The runtime of its threads.
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Stops it; open requests are answered within the time that its limits give.
    pub fn stop(self) {
        let RunningServer { runtime, serving, .. } = self;
        for Serving { stop, ended } in serving {
            let _ = stop.send(());
            match runtime.block_on(ended) {
                Ok(Stopped { cut: 0 }) => {}
                Ok(Stopped { cut }) => tracing::warn!("{cut} HTTP connections were cut"),
                Err(error) => tracing::error!(%error, "the server ended before it was stopped"),
            }
        }
    }
}

impl Serving {
    fn begin(runtime: &Runtime, listener: TcpListener, context: Context) -> Serving {
        let (stop, stopped) = oneshot::channel();
        let ended = runtime.spawn(serve(listener, context, async {
            let _ = stopped.await; // also if the server is dropped
        }));
        Serving { stop, ended }
    }
}

/// What the listener for health and metrics answers from. On the loopback it needs no key: a probe has none.
fn for_management(context: &Context, address: SocketAddr) -> Context {
    let mut context = context.clone();
    context.routes = RouteSet::Management;
    context.sockets = Arc::new(Semaphore::new(context.limits.sockets() as usize));
    if address.ip().to_canonical().is_loopback() {
        (context.keys, context.tls) = (None, None);
    }
    context
}
