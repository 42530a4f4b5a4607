//! Accepts connections, bounds their number, and shuts down without cutting off requests.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::connection::{Connection, Shared};
use super::request::Request;
use super::response::{Persistence, Response};
use super::wire::Wire;

/// Connections over the limit that are told so at the same time; more are closed without a word.
const REFUSALS: usize = 64;

/// Pause after an error of accept, which is most likely a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is polled to its end even if the client hangs up, of which
    /// [`Request::client`] tells; requests
    /// of other connections run concurrently, the next one of this connection runs after it.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// The limits of a server.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Longest request head in bytes, query included (431 beyond).
    pub(crate) head_limit: usize,
    /// Longest request body in bytes, decoded (413 beyond).
    pub(crate) body_limit: usize,
    /// How long a connection may stay open without a request.
    pub(crate) idle_timeout: Duration,
    /// How long a head may take from its first byte to its last (408 beyond).
    pub(crate) head_timeout: Duration,
    /// How long a body may make no progress (408 beyond).
    pub(crate) body_timeout: Duration,
    /// How long a response may make no progress; then the connection is closed.
    pub(crate) write_timeout: Duration,
    /// Most connections at a time (503 beyond).
    pub(crate) max_connections: u32,
    /// How long a shutdown waits for requests in flight.
    pub(crate) drain_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            head_limit: 2 * 1024 * 1024,
            body_limit: 100_000_000,
            idle_timeout: Duration::from_secs(75),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connections: 4096,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves `listener` until `shutdown` is done, then waits for requests in flight.
///
/// On shutdown no connection is accepted any more, idle ones are closed at once, and requests in
/// flight are answered with `Connection: close`. Returns the number of connections that were
/// still busy after [`Options::drain_timeout`]; they go on until the runtime ends, because
/// stopping a handler half-way could leave its work half done.
pub(crate) async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let server = Server::new(handler, options);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => server.admit(accepted).await,
        }
    }
    drop(listener);
    server.drain().await
}

struct Server<H> {
    shared: Arc<Shared<H>>,
    connections: AtomicU64,
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    draining: watch::Sender<bool>,
}

impl<H: Handler> Server<H> {
    fn new(handler: Arc<H>, options: Options) -> Self {
        Self {
            connections: AtomicU64::new(0),
            slots: Arc::new(Semaphore::new(options.max_connections as usize)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            draining: watch::Sender::new(false),
            shared: Arc::new(Shared {
                handler,
                options,
                requests: AtomicU64::new(0),
            }),
        }
    }

    /// Starts serving a connection, or refuses it.
    async fn admit(&self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                return sleep(ACCEPT_PAUSE).await;
            }
        };
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return self.refuse(stream, peer);
        };
        let id = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(connection = id, %peer, "connection accepted");
        let connection = Connection {
            wire: Wire::new(stream, self.shared.options.write_timeout),
            id,
            peer,
            client: Client::default(),
            shared: Arc::clone(&self.shared),
            draining: self.draining.subscribe(),
        };
        tokio::spawn(async move {
            connection.run().await;
            drop(slot);
        });
    }

    /// Tells a client that there are too many connections.
    fn refuse(&self, stream: TcpStream, peer: SocketAddr) {
        tracing::warn!(%peer, limit = self.shared.options.max_connections, "connection refused");
        let Ok(slot) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        let mut wire = Wire::new(stream, self.shared.options.write_timeout);
        tokio::spawn(async move {
            let sentence = "The server has as many connections as it may have; try again later.";
            let response = Response::text(503, sentence).with_header("Retry-After", "1");
            response.write_head(Persistence::Close, &mut wire.output);
            wire.output.extend_from_slice(sentence.as_bytes());
            // A client that does not want to hear it is gone either way.
            let _ = wire.close(true).await;
            drop(slot);
        });
    }

    /// Waits for the connections to end; the number of those that did not in time.
    async fn drain(&self) -> usize {
        self.draining.send_replace(true);
        let all = self.shared.options.max_connections;
        // Whether the time was enough shows in the number of free slots.
        let _ = timeout(
            self.shared.options.drain_timeout,
            self.slots.acquire_many(all),
        )
        .await;
        let unfinished = (all as usize).saturating_sub(self.slots.available_permits());
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                "connections are still busy after the drain timeout"
            );
        }
        unfinished
    }
}
