//! A running server: the threads of sockets, and what ends them.

use std::net::SocketAddr;

use rows::priority::{NICE_SERVING, lower_priority};
use serving::{BindError, Context, Stopped, bind, serve};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A bound address, and the runtime that will serve it.
pub struct BoundServer {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

/// A server that answers requests until it is stopped. Dropping it closes all connections at once.
pub struct RunningServer {
    runtime: Runtime,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Stopped>,
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
    /// Listens on a loopback address; port 0 takes a free one. Clients wait until it serves.
    pub fn bind(address: SocketAddr) -> Result<BoundServer, ServerError> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(2).thread_name("serve").enable_all();
        runtime.on_thread_start(|| lower_priority(NICE_SERVING));
        let runtime = runtime.build().map_err(ServerError::Runtime)?;
        let listener = runtime.block_on(bind(address))?;
        let address = listener.local_addr().map_err(ServerError::Runtime)?;
        Ok(BoundServer { runtime, listener, address })
    }

    /// Answers requests from `context` from now on.
    pub fn serve(self, context: Context) -> RunningServer {
        let BoundServer { runtime, listener, address } = self;
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(serve(listener, context, async {
            let _ = stopped.await; // also if the server is dropped
        }));
        RunningServer { runtime, address, stop, serving }
    }
}

impl RunningServer {
    /// The address that it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The runtime of its threads.
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Stops it; open requests are answered within the time that its limits give.
    pub fn stop(self) {
        let RunningServer { runtime, stop, serving, .. } = self;
        let _ = stop.send(());
        match runtime.block_on(serving) {
            Ok(Stopped { cut: 0 }) => {}
            Ok(Stopped { cut }) => tracing::warn!("{cut} HTTP connections were cut"),
            Err(error) => tracing::error!(%error, "the server ended before it was stopped"),
        }
    }
}
