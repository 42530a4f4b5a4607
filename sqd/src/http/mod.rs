//! The HTTP/1.1 transport: bytes on a socket to [`Request`], [`Response`] to bytes on a socket.
//!
//! # Why not the `http` crate
//!
//! Clients of SQ write scrolls of up to a megabyte through the query string of a GET, and put
//! spaces, `>`, `"` and bytes >= 0x80 into the request line as they are. `http::Uri` ends at
//! 65,534 bytes and rejects those bytes, and everything built on it (hyper, axum) inherits both
//! limits before a handler can have a say. So the request line is split by hand, the header fields
//! are read by `httparse`, and routing happens on raw bytes afterwards.
//!
//! # The path of a request
//!
//! | step | module |
//! |---|---|
//! | accept, count connections, shut down | [`server`] |
//! | is the client of a request still there? | [`client`] |
//! | one connection: requests in order, responses coalesced, how it ends | [`connection`] |
//! | wait for a whole head and a whole body, with time limits | [`receive`] |
//! | socket, input and output buffers, the connection's one timer | [`wire`], [`clock`] |
//! | find the end of the head, request line, header fields | [`head`] |
//! | body length, keep-alive and `Expect`, as the header fields say | [`framing`] |
//! | chunked transfer coding | [`chunked`] |
//! | why a request was refused, and with which status | [`rejection`] |
//! | what a handler gets and gives | [`request`], [`query`], [`response`] |
//!
//! # Invariants
//!
//! - A handler that was started runs to its end, whether or not the client is still there: the
//!   connection never ends it. Detaching work is the handler's choice, and so is it to ask whether the
//!   client has gone, and to end early then.
//! - A client that ends its half of the connection may wait for its answer all the same. Where a handler
//!   asks, it is sent an interim response (RFC 9110, section 15.2): one that is not there any more answers
//!   that with a reset, and only then it is gone. HTTP/1.0 has no such responses.
//! - A panic in a handler costs that request only (500); the connection goes on.
//! - None is chunked, because raw-TCP clients read up to Content-Length or to the end of the connection.
//!   Every response has a Content-Length (204 and 304 excepted) but one whose length is known only when it
//!   was sent: after that the connection is closed.
//! - A response that cannot be completed resets the connection, so that its truncation is seen.
//! - A malformed request is answered with one sentence, and the connection is closed, because
//!   where the next request would start is not known.
//!
//! # Left out on purpose
//!
//! TLS, HTTP/2, upgrades, trailers (read and dropped), content codings, `Date`, and the demand
//! that HTTP/1.1 requests have a `Host`, which some raw-TCP clients do not send. A body is in
//! memory as a whole, so the memory bound is `max_connections` times `body_limit`.

mod chunked;
mod client;
mod clock;
mod connection;
mod framing;
mod head;
mod query;
mod receive;
mod rejection;
mod request;
mod response;
mod server;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use query::Parameters;
pub(crate) use request::{Method, Request};
pub(crate) use response::{Body, Response};
pub(crate) use server::{Handler, Options, serve};
