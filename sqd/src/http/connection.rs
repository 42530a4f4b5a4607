//! One connection: requests in order, one at a time, until somebody wants to stop.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::client::Client;
use super::receive::{Fault, Received, Receiver};
use super::request::{Method, Request, Version};
use super::response::{Body, Persistence, Response};
use super::server::{Handler, Options};
use super::wire::Wire;

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Shared<H> {
    pub(super) handler: Arc<H>,
    pub(super) options: Options,
    /// Number of requests so far.
    pub(super) requests: AtomicU64,
}

/// See the module's description.
pub(super) struct Connection<H> {
    pub(super) wire: Wire,
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) client: Client,
    pub(super) shared: Arc<Shared<H>>,
    /// True from when the server shuts down.
    pub(super) draining: watch::Receiver<bool>,
}

/// How a connection ends.
enum End {
    /// Both sides are done.
    Close,
    /// The client may still be sending what nobody will read.
    Linger,
    /// A response is incomplete.
    Reset,
}

/// What of a request matters to the sending of its response.
struct Reply {
    without_body: bool,
    persistence: Persistence,
}

impl<H: Handler> Connection<H> {
    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        let (id, peer) = (self.id, self.peer);
        let ended = match self.serve().await {
            Ok(End::Close) => self.wire.close(false).await,
            Ok(End::Linger) => self.wire.close(true).await,
            Ok(End::Reset) => {
                self.wire.reset();
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::debug!(connection = id, %peer, %error, "connection failed");
        }
    }

    async fn serve(&mut self) -> io::Result<End> {
        loop {
            let mut receiver = Receiver {
                wire: &mut self.wire,
                options: &self.shared.options,
            };
            let received = match receiver.receive(&mut self.draining).await {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(End::Close),
                Err(Fault::Io(error)) => return Err(error),
                Err(Fault::Rejected(rejection)) => {
                    tracing::debug!(connection = self.id, peer = %self.peer, %rejection, "rejected");
                    let response = Response::text(rejection.status(), rejection.to_string());
                    let reply = Reply {
                        without_body: false,
                        persistence: Persistence::Close,
                    };
                    self.send(response, &reply).await?;
                    return Ok(End::Linger);
                }
            };
            if let Some(end) = self.answer(received).await? {
                return Ok(end);
            }
        }
    }

    /// Answers one request; none when the connection goes on.
    async fn answer(&mut self, received: Received) -> io::Result<Option<End>> {
        let version = received.head.version;
        let keep_alive = received.framing.keep_alive;
        let is_head = received.head.method == Method::Head;
        let response = self.handle(received).await?;
        // Asked after the handler, which may have run for long.
        let without_body = is_head || !response.may_have_body();
        let shows_its_end = without_body || response.body.length().is_some();
        let keep_alive = keep_alive && shows_its_end && !*self.draining.borrow();
        let persistence = Persistence::new(version, keep_alive);
        if !self
            .send(
                response,
                &Reply {
                    without_body,
                    persistence,
                },
            )
            .await?
        {
            return Ok(Some(End::Reset));
        }
        Ok(match keep_alive {
            true => None,
            false if self.wire.input.is_empty() => Some(End::Close),
            false => Some(End::Linger),
        })
    }

    /// Runs the handler to its end. If it has to wait, earlier responses are written meanwhile, and it is
    /// told if the client goes, once it asks for that.
    async fn handle(&mut self, received: Received) -> io::Result<Response> {
        let id = self.shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let request = self.request(id, received);
        let version = request.version;
        // It is pinned before it is wrapped, since moving it would copy some ten kilobytes.
        let handling = pin!(self.shared.handler.handle(request));
        let mut handling = pin!(catch_panic(id, handling));
        let first = poll_fn(|context| Poll::Ready(handling.as_mut().poll(context))).await;
        if let Poll::Ready(response) = first {
            return Ok(response);
        }
        let flushed = OnceLock::new();
        let response = {
            let (wire, client, flushed) = (&mut self.wire, &self.client, &flushed);
            let mut watching = pin!(async move {
                let written = wire.flush().await;
                let is_open = written.is_ok();
                // It is set here and nowhere else.
                let _ = flushed.set(written);
                if is_open {
                    client.asked_for().await;
                    wire.until_gone(version == Version::Http11).await;
                    client.leave();
                }
            });
            let (mut response, mut is_watching) = (None, true);
            poll_fn(|context| {
                if response.is_none()
                    && let Poll::Ready(given) = handling.as_mut().poll(context)
                {
                    response = Some(given);
                }
                is_watching = is_watching && watching.as_mut().poll(context).is_pending();
                // A write that was begun is not given up half-way.
                match flushed.get() {
                    Some(_) => response.take().map_or(Poll::Pending, Poll::Ready),
                    None => Poll::Pending,
                }
            })
            .await
        };
        let flushed = flushed.into_inner().unwrap_or(Ok(()));
        flushed.map(|()| response)
    }

    fn request(&self, id: u64, received: Received) -> Request {
        let Received { head, body, .. } = received;
        self.client.begin_request();
        Request {
            method: head.method,
            path: head.path,
            query: head.query,
            version: head.version,
            headers: head.headers,
            body,
            peer: self.peer,
            client: self.client.clone(),
            id,
            connection_id: self.id,
        }
    }

    /// Sends a response; false when its body came to an end too early.
    async fn send(&mut self, response: Response, reply: &Reply) -> io::Result<bool> {
        response.write_head(reply.persistence, &mut self.wire.output);
        if reply.without_body {
            // Nothing to copy, but the limit on collected output holds.
            self.wire.write(b"").await?;
            return Ok(true);
        }
        match response.body {
            Body::Full(bytes) => self.wire.write(&bytes).await.map(|()| true),
            Body::Stream { length, chunks } => self.send_stream(length, chunks).await,
        }
    }

    async fn send_stream(
        &mut self,
        length: Option<u64>,
        mut chunks: mpsc::Receiver<Result<Bytes, io::Error>>,
    ) -> io::Result<bool> {
        let mut remaining = length.unwrap_or(u64::MAX);
        while remaining > 0 {
            let chunk = match chunks.try_recv() {
                Err(mpsc::error::TryRecvError::Empty) => {
                    // What there is should not wait for the producer.
                    self.wire.flush().await?;
                    tokio::select! {
                        chunk = chunks.recv() => chunk,
                        () = self.wire.until_reset() => {
                            return Err(io::ErrorKind::ConnectionReset.into());
                        }
                    }
                }
                received => received.ok(),
            };
            let problem = match chunk {
                Some(Ok(chunk)) if chunk.is_empty() && length.is_none() => return Ok(true),
                Some(Ok(chunk)) if chunk.len() as u64 <= remaining => {
                    remaining -= chunk.len() as u64;
                    self.wire.write(&chunk).await?;
                    continue;
                }
                Some(Ok(_)) => "longer than announced".to_owned(),
                Some(Err(error)) => error.to_string(),
                None => "shorter than announced".to_owned(),
            };
            let connection = self.id;
            let sent = length.unwrap_or(u64::MAX) - remaining;
            tracing::error!(connection, length, sent, problem, "response body failed");
            return Ok(false);
        }
        Ok(true)
    }
}

/// The response of `handling`, or 500 if it panics.
async fn catch_panic(
    id: u64,
    mut handling: Pin<&mut (impl Future<Output = Response> + ?Sized)>,
) -> Response {
    let polled = poll_fn(|context| {
        // The future is not polled again after a panic, and what the handler shares with other
        // requests is behind locks that know about panics.
        let polled = catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context)));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    });
    polled.await.unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        tracing::error!(request = id, message, "handler panicked");
        Response::text(
            500,
            format!("The server failed on this request (request {id})."),
        )
    })
}
