//! The socket of a connection with its buffers and time limits.
//!
//! Output is collected and goes out when the connection is about to wait for input, or when
//! enough of it has come together: the responses to pipelined requests leave in few writes. Large
//! bodies are not copied into the buffer but written behind it in one vectored write.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::clock::Clock;

/// Collected output beyond this is written before the next response is added.
const COALESCE_LIMIT: usize = 64 * 1024;

/// Shorter pieces are copied into the output buffer; copying them is cheaper than a system call.
const COPY_LIMIT: usize = 16 * 1024;

/// Room for one read when little input is waiting.
const READ_ROOM: usize = 8 * 1024;

/// Most room made for one read.
const READ_ROOM_LIMIT: usize = 256 * 1024;

/// A longer message takes its buffer with it, so that idle connections stay small.
const KEEP_LIMIT: usize = 64 * 1024;

/// The client ends its half of the connection, which tokio tells with what is urgent, or breaks it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LEAVING: Interest = Interest::PRIORITY.add(Interest::ERROR);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const LEAVING: Interest = Interest::ERROR;

/// A response that says nothing, which every client of HTTP/1.1 passes over.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long, and for how many bytes, a client that is being refused may go on sending.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 128 * 1024 * 1024;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// What has been read and not been understood yet.
    pub(super) input: BytesMut,
    /// What is to be written.
    pub(super) output: BytesMut,
    clock: Clock,
    write_timeout: Duration,
}

impl Wire {
    /// A wire over `stream`; a write that makes no progress for `write_timeout` fails.
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        // Without this, a small response can wait 40 ms for the client's delayed acknowledgement.
        // A socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        let clock = Clock::new();
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            clock,
            write_timeout,
        }
    }

    /// Appends to the input; 0 bytes at its end.
    pub(super) async fn read(&mut self, limit: Duration) -> io::Result<usize> {
        // Growing with what is there keeps the number of reads of a long head logarithmic.
        self.input
            .reserve(self.input.len().clamp(READ_ROOM, READ_ROOM_LIMIT));
        self.clock
            .limit(limit, self.stream.read_buf(&mut self.input))
            .await
    }

    /// As [`read`](Self::read), and 0 bytes as well when `stop` is done before any input came.
    pub(super) async fn read_unless(
        &mut self,
        stop: impl Future<Output = ()>,
        limit: Duration,
    ) -> io::Result<usize> {
        self.input.reserve(READ_ROOM);
        let (stream, input) = (&mut self.stream, &mut self.input);
        let read = async {
            tokio::select! {
                // A request that has arrived goes before the wish to stop.
                biased;
                count = stream.read_buf(input) => count,
                () = stop => Ok(0),
            }
        };
        self.clock.limit(limit, read).await
    }

    /// Appends up to `most` bytes of input to `body`; 0 bytes at the end of the input.
    pub(super) async fn read_into(
        &mut self,
        body: &mut BytesMut,
        most: usize,
        limit: Duration,
    ) -> io::Result<usize> {
        body.reserve(most.min(body.len().clamp(READ_ROOM, READ_ROOM_LIMIT)));
        let mut room = body.limit(most);
        self.clock
            .limit(limit, self.stream.read_buf(&mut room))
            .await
    }

    /// Takes `length` bytes off the input.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        let taken = self.input.split_to(length).freeze();
        if length > KEEP_LIMIT {
            self.input = BytesMut::from(&self.input[..]);
        }
        taken
    }

    /// Writes `piece` after the output, now or with later output.
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.len() <= COPY_LIMIT {
            self.output.extend_from_slice(piece);
            if self.output.len() < COALESCE_LIMIT {
                return Ok(());
            }
            return self.flush().await;
        }
        let mut rest = Buf::chain(&self.output[..], piece);
        while rest.has_remaining() {
            let write = self.stream.write_buf(&mut rest);
            written(self.clock.limit(self.write_timeout, write).await?)?;
        }
        self.output.clear();
        Ok(())
    }

    /// Writes the output.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut rest = &self.output[..];
        while !rest.is_empty() {
            // Not `write_buf`, which makes a vectored write even of one slice: that takes the system longer.
            let write = self.stream.write(rest);
            let count = self.clock.limit(self.write_timeout, write).await?;
            written(count)?;
            rest.advance(count);
        }
        self.output.clear();
        Ok(())
    }

    /// Returns when the client has gone for certain, once the output is written.
    ///
    /// A client that has ended its half of the connection may be there and read. Where `may_be_told`, it
    /// is sent an interim response, to which a client that is not there answers with a reset.
    pub(super) async fn until_gone(&mut self, may_be_told: bool) {
        match self.stream.ready(LEAVING).await {
            Ok(ready) if ready.is_error() => return,
            Ok(ready) if ready.is_read_closed() && may_be_told => self.send_interim(),
            _ => {}
        }
        self.until_reset().await;
    }

    /// Returns when the connection is broken.
    pub(super) async fn until_reset(&self) {
        // What asking fails with is told by the next read or write.
        let _ = self.stream.ready(Interest::ERROR).await;
    }

    /// Sends an interim response as far as that goes at once, and the rest with the output.
    fn send_interim(&mut self) {
        if let Ok(count) = self.stream.try_write(INTERIM) {
            self.output.extend_from_slice(&INTERIM[count..]);
        }
    }

    /// Closes after the output. Without `linger`, nothing more may come from the client.
    ///
    /// With it, input is read and dropped for a while: closing a socket that has unread input
    /// resets the connection, and a reset may overtake the response.
    pub(super) async fn close(mut self, linger: bool) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await?;
        if linger {
            // Running out of time here is an end as good as any.
            let _ = timeout(LINGER_TIME, self.drop_input()).await;
        }
        Ok(())
    }

    async fn drop_input(&mut self) -> io::Result<()> {
        let mut budget = LINGER_BYTES;
        loop {
            self.input.clear();
            self.input.reserve(READ_ROOM_LIMIT);
            let count = self.stream.read_buf(&mut self.input).await?;
            if count == 0 || count > budget {
                return Ok(());
            }
            budget -= count;
        }
    }

    /// Resets the connection, so that the client cannot take what it got for the whole.
    pub(super) fn reset(self) {
        // If the option is refused, the close below still ends the connection early.
        let _ = self.stream.set_zero_linger();
    }
}

/// A write of nothing means that the socket takes no more.
fn written(count: usize) -> io::Result<()> {
    if count == 0 {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(())
    }
}
