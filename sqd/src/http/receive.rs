//! Waits until a request is complete: head, then body.
//!
//! The head as a whole has a time limit, counted from its first byte. The body has none as a
//! whole, since it may be large and the client far away, but may not stop arriving.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::watch;
use tokio::time::Instant;

use super::chunked::ChunkedDecoder;
use super::framing::{BodyLength, Framing};
use super::head::{Head, HeadScanner};
use super::rejection::Rejection;
use super::server::Options;
use super::wire::Wire;

/// Room made at once for a body that is not there yet. More is made as it arrives, because a
/// declared length costs the client nothing.
const BODY_ROOM: usize = 1024 * 1024;

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not acceptable; the client is told.
    Rejected(Rejection),
    /// The socket failed; nobody can be told.
    Io(io::Error),
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A request without its names and numbers.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) head: Head,
    pub(super) framing: Framing,
    pub(super) body: Bytes,
}

/// Reads requests off a wire.
pub(super) struct Receiver<'a> {
    pub(super) wire: &'a mut Wire,
    pub(super) options: &'a Options,
}

impl Receiver<'_> {
    /// The next request; none when the client is done, has been idle too long, or `draining`
    /// turned true before the request began.
    pub(super) async fn receive(
        &mut self,
        draining: &mut watch::Receiver<bool>,
    ) -> Result<Option<Received>, Fault> {
        let Some(head) = self.read_head(draining).await? else {
            return Ok(None);
        };
        let head = Head::parse(&head)?;
        let framing = Framing::of(&head)?;
        let body = match framing.body {
            BodyLength::Declared(0) => Bytes::new(),
            BodyLength::Declared(length) => self.read_declared(length, framing).await?,
            BodyLength::Chunked => self.read_chunked(framing).await?,
        };
        Ok(Some(Received {
            head,
            framing,
            body,
        }))
    }

    async fn read_head(
        &mut self,
        draining: &mut watch::Receiver<bool>,
    ) -> Result<Option<Bytes>, Fault> {
        let mut scanner = HeadScanner::default();
        let mut started = None;
        loop {
            match scanner.find_end(&self.wire.input, self.options.head_limit)? {
                Some(2) => {
                    // An empty line before a request: some clients end a body with one.
                    self.wire.input.advance(2);
                    scanner = HeadScanner::default();
                }
                Some(length) => return Ok(Some(self.wire.take(length))),
                None if self.wire.input.is_empty() => {
                    if !self.await_request(draining).await? {
                        return Ok(None);
                    }
                }
                None => {
                    let started = *started.get_or_insert_with(Instant::now);
                    self.await_head(started).await?;
                }
            }
        }
    }

    /// Waits for the first bytes of a request; false when there will be none.
    async fn await_request(&mut self, draining: &mut watch::Receiver<bool>) -> Result<bool, Fault> {
        self.wire.flush().await?;
        let stop = async {
            // An error means that the server is gone, which is as good a reason to stop.
            let _ = draining.wait_for(|draining| *draining).await;
        };
        match self.wire.read_unless(stop, self.options.idle_timeout).await {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn await_head(&mut self, started: Instant) -> Result<(), Fault> {
        self.wire.flush().await?;
        let left = self.options.head_timeout.saturating_sub(started.elapsed());
        let count = in_time(self.wire.read(left).await, Rejection::HeadTimeout)?;
        if count == 0 {
            Err(Rejection::HeadCutShort.into())
        } else {
            Ok(())
        }
    }

    async fn read_declared(&mut self, length: u64, framing: Framing) -> Result<Bytes, Fault> {
        let limit = self.options.body_limit;
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= limit)
            .ok_or(Rejection::BodyTooLarge { limit })?;
        if self.wire.input.len() >= length {
            return Ok(self.wire.take(length));
        }
        self.invite_body(framing);
        self.wire.flush().await?;
        let mut body = BytesMut::with_capacity(length.min(BODY_ROOM));
        body.extend_from_slice(&self.wire.input);
        self.wire.input.clear();
        while body.len() < length {
            let missing = length - body.len();
            let read = self
                .wire
                .read_into(&mut body, missing, self.options.body_timeout)
                .await;
            if in_time(read, Rejection::BodyTimeout)? == 0 {
                return Err(Rejection::BodyCutShort {
                    received: body.len(),
                }
                .into());
            }
        }
        Ok(body.freeze())
    }

    async fn read_chunked(&mut self, framing: Framing) -> Result<Bytes, Fault> {
        let mut decoder = ChunkedDecoder::new(self.options.body_limit);
        self.invite_body(framing);
        while !decoder.decode(&mut self.wire.input)? {
            self.wire.flush().await?;
            let read = self.wire.read(self.options.body_timeout).await;
            if in_time(read, Rejection::BodyTimeout)? == 0 {
                return Err(Rejection::BodyCutShort {
                    received: decoder.received(),
                }
                .into());
            }
        }
        Ok(decoder.into_body().freeze())
    }

    /// Tells a client that waits for it to send the body. One that has begun does not wait.
    fn invite_body(&mut self, framing: Framing) {
        if framing.expects_continue && self.wire.input.is_empty() {
            self.wire
                .output
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }
}

/// A read that took too long is the client's fault, and it can be told.
fn in_time(read: io::Result<usize>, late: Rejection) -> Result<usize, Fault> {
    read.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => late.into(),
        _ => error.into(),
    })
}
