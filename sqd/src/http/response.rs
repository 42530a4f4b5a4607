//! A response as a handler gives it, and its head on the wire.

use std::fmt::Write;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::request::Version;

/// The content type of everything that does not say otherwise.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The value of Content-Type.
    pub(crate) content_type: &'static str,
    /// The body. The response to HEAD and with status 204 or 304 goes out without it.
    pub(crate) body: Body,
    headers: Vec<(&'static str, String)>,
}

/// The body of a response. It is never chunked: where its length is not known, it ends where the
/// connection does.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Full(Bytes),
    /// Pieces that are sent as they come. When the sender fails, hangs up before the end, or sends more
    /// than `length` bytes, the connection is reset.
    Stream {
        /// Bytes of the whole body. Without it clients take the end of the connection for that of the body,
        /// so it should show where it ends.
        length: Option<u64>,
        /// The pieces, in order. An empty one says that there are no more, which has to be said where the
        /// length is not.
        chunks: mpsc::Receiver<Result<Bytes, io::Error>>,
    },
}

impl Body {
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }
}

impl Response {
    /// A response without extra header fields.
    pub(crate) fn new(status: u16, content_type: &'static str, body: Body) -> Self {
        Self {
            status,
            content_type,
            body,
            headers: Vec::new(),
        }
    }

    /// A response of plain text.
    pub(crate) fn text(status: u16, text: impl Into<Bytes>) -> Self {
        Self::new(status, PLAIN_TEXT, Body::Full(text.into()))
    }

    /// A response of JSON.
    pub(crate) fn json(status: u16, json: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", Body::Full(json.into()))
    }

    /// Adds a header field. Control characters in the value become spaces, so that a value taken
    /// from a request cannot start a new field. The transport itself writes Content-Length,
    /// Content-Type, Connection and Access-Control-Allow-Origin.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let mut value = value.into();
        if value.contains(char::is_control) {
            value = value.replace(char::is_control, " ");
        }
        self.headers.push((name, value));
        self
    }

    /// Whether the status allows a body at all.
    pub(super) fn may_have_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }

    /// Appends status line and header fields.
    pub(super) fn write_head(&self, persistence: Persistence, output: &mut BytesMut) {
        self.format_head(persistence, output)
            .expect("a BytesMut grows as needed");
    }

    fn format_head(&self, persistence: Persistence, output: &mut BytesMut) -> std::fmt::Result {
        if self.status == 200 {
            output.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            write!(
                output,
                "HTTP/1.1 {} {}\r\n",
                self.status,
                reason(self.status)
            )?;
        }
        output.extend_from_slice(b"Access-Control-Allow-Origin: *\r\n");
        if self.may_have_body() {
            for part in ["Content-Type: ", self.content_type, "\r\n"] {
                output.extend_from_slice(part.as_bytes());
            }
            if let Some(length) = self.body.length() {
                write!(output, "Content-Length: {length}\r\n")?;
            }
        }
        for (name, value) in &self.headers {
            write!(output, "{name}: {value}\r\n")?;
        }
        output.extend_from_slice(persistence.field());
        output.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// What happens to the connection after a response, and how the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It is closed.
    Close,
    /// It stays open, as HTTP/1.1 assumes.
    Assumed,
    /// It stays open, as an HTTP/1.0 client asked for and has to be told.
    Announced,
}

impl Persistence {
    /// For a request of `version` whose connection is kept or not.
    pub(super) fn new(version: Version, keep_alive: bool) -> Self {
        match (keep_alive, version) {
            (false, _) => Self::Close,
            (true, Version::Http11) => Self::Assumed,
            (true, Version::Http10) => Self::Announced,
        }
    }

    fn field(self) -> &'static [u8] {
        match self {
            Self::Close => b"Connection: close\r\n",
            Self::Assumed => b"",
            Self::Announced => b"Connection: keep-alive\r\n",
        }
    }
}

/// The reason phrase of a status code. It may be empty (RFC 9112, section 4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(response: &Response, persistence: Persistence, expected: &str) {
        let mut output = BytesMut::new();
        response.write_head(persistence, &mut output);
        assert_eq!(std::str::from_utf8(&output).unwrap(), expected);
    }

    #[test]
    fn heads_on_the_wire() {
        check(
            &Response::text(200, "hello"),
            Persistence::Assumed,
            "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n",
        );
        check(
            &Response::json(404, "{}").with_header("Retry-After", "1\r\nX-Injected: 2"),
            Persistence::Close,
            "HTTP/1.1 404 Not Found\r\nAccess-Control-Allow-Origin: *\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\
             Retry-After: 1  X-Injected: 2\r\nConnection: close\r\n\r\n",
        );
        check(
            &Response::text(204, ""),
            Persistence::Announced,
            "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\
             Connection: keep-alive\r\n\r\n",
        );
    }
}
