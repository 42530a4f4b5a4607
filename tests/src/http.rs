//! A raw HTTP/1.1 client over a TCP stream.
//!
//! A library client refuses to send what the clients of SQ do send: bytes above 0x7F or spaces in
//! the request line, a lone `%`, a body with two framings. So requests here are bytes, and
//! [`Wire`] is only a convenient way of writing them. Responses are read the way raw-TCP clients
//! read them: by `Content-Length`, or to the end of the stream; a chunked response is an error.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one read or write may block before the exchange counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`; no header at all where the body is empty.
    Length,
    /// `Transfer-Encoding: chunked`, in chunks of this many bytes.
    Chunked(usize),
}

/// A request, part by part, before it becomes bytes.
#[derive(Debug, Clone)]
pub struct Wire {
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// The path, written as it is.
    pub path: String,
    /// What follows the `?`, written as it is; no `?` is written where it is empty.
    pub query: Vec<u8>,
    /// Header lines without their line ends; `Host` and the framing are added.
    pub headers: Vec<String>,
    /// The body, unframed.
    pub body: Vec<u8>,
    /// How the body is framed.
    pub framing: Framing,
}

impl Wire {
    /// A request without query, headers or body.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::Length,
        }
    }

    /// The same request with this query.
    #[must_use]
    pub fn query(mut self, query: impl Into<Vec<u8>>) -> Self {
        self.query = query.into();
        self
    }

    /// The same request with one header line more.
    #[must_use]
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes that go on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.query.len() + self.body.len() + 256);
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(self.path.as_bytes());
        if !self.query.is_empty() {
            bytes.push(b'?');
            bytes.extend_from_slice(&self.query);
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for line in &self.headers {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        self.append_framed_body(&mut bytes);
        bytes
    }

    fn append_framed_body(&self, bytes: &mut Vec<u8>) {
        match self.framing {
            Framing::Length => {
                if !self.body.is_empty() {
                    let length = format!("Content-Length: {}\r\n", self.body.len());
                    bytes.extend_from_slice(length.as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&self.body);
            }
            Framing::Chunked(size) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in self.body.chunks(size.max(1)) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn percent_encode(value: &[u8]) -> String {
    let mut encoded = String::with_capacity(value.len());
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, values trimmed, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body; empty for an answer that has none.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether the server said that it closes the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Whether an answer has a body: one to HEAD has none, whatever its `Content-Length` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// Framed by `Content-Length` or the end of the stream.
    Present,
    /// None.
    Absent,
}

/// One TCP connection to a server on 127.0.0.1.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes received and not yet part of a returned response (pipelining).
    pending: Vec<u8>,
    /// Where the socket's bytes arrive, kept so that it is cleared only once.
    arrivals: Vec<u8>,
}

/// Bytes taken from a socket at once.
const ARRIVAL_BYTES: usize = 64 * 1024;

impl Connection {
    /// Connects to `port`.
    ///
    /// # Errors
    /// What `connect` and the socket options answer.
    pub fn open(port: u16) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            pending: Vec::new(),
            arrivals: vec![0; ARRIVAL_BYTES],
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the socket answers.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the next response, an interim one (1xx) included.
    ///
    /// # Errors
    /// `UnexpectedEof` where the server closed first, `InvalidData` for what is not a response
    /// that a raw-TCP client can read.
    pub fn receive(&mut self, body: ResponseBody) -> io::Result<Response> {
        let end = self.fill_head()?;
        let head: Vec<u8> = self.pending.drain(..end).collect();
        let mut response = parse_head(&head)?;
        let bodiless = response.status < 200 || matches!(response.status, 204 | 304);
        if body == ResponseBody::Absent || bodiless {
            return Ok(response);
        }
        if response.header("transfer-encoding").is_some() {
            return Err(invalid(
                "a response with Transfer-Encoding, which raw clients cannot read",
            ));
        }
        response.body = match response.header("content-length") {
            Some(length) => {
                let length = length
                    .parse()
                    .map_err(|_| invalid("Content-Length is not a number"))?;
                self.take(length)?
            }
            None => self.take_to_end()?,
        };
        Ok(response)
    }

    /// Whether the server has closed its side; waits for as long as a read may block.
    ///
    /// # Errors
    /// What the socket answers, a timeout included.
    pub fn is_closed(&mut self) -> io::Result<bool> {
        if !self.pending.is_empty() {
            return Ok(false);
        }
        let mut byte = [0u8; 1];
        match self.stream.read(&mut byte) {
            Ok(0) => Ok(true),
            Ok(_) => {
                self.pending.push(byte[0]);
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn fill_head(&mut self) -> io::Result<usize> {
        let mut searched = 0;
        loop {
            let from = searched.min(self.pending.len());
            if let Some(at) = find(&self.pending[from..], b"\r\n\r\n") {
                return Ok(from + at + 4);
            }
            searched = self.pending.len().saturating_sub(3);
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = self.stream.read(&mut self.arrivals)?;
        if read == 0 {
            let text = format!("the server closed after {} bytes", self.pending.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.pending.extend_from_slice(&self.arrivals[..read]);
        Ok(())
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < length {
            self.fill()?;
        }
        let rest = self.pending.split_off(length);
        Ok(std::mem::replace(&mut self.pending, rest))
    }

    fn take_to_end(&mut self) -> io::Result<Vec<u8>> {
        self.stream.read_to_end(&mut self.pending)?;
        Ok(std::mem::take(&mut self.pending))
    }
}

/// Whether a client keeps its connection from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// A connection per request, as SQ requires: it closes without saying so.
    PerRequest,
    /// One connection until the server says `Connection: close` or an exchange fails.
    KeepAlive,
}

/// A client of one server that manages its connection.
#[derive(Debug)]
pub struct Client {
    port: u16,
    persistence: Persistence,
    connection: Option<Connection>,
}

impl Client {
    /// A client of the server on `port`; connects at the first exchange.
    #[must_use]
    pub fn new(port: u16, persistence: Persistence) -> Self {
        Self {
            port,
            persistence,
            connection: None,
        }
    }

    /// Sends one request and reads its answer. Nothing is retried: a server that closes a
    /// kept-alive connection without saying so is a finding.
    ///
    /// # Errors
    /// What the connection answers.
    pub fn exchange(&mut self, request: &[u8], body: ResponseBody) -> io::Result<Response> {
        self.send(request)?;
        self.receive(body)
    }

    /// Sends one request, whose answer [`Client::receive`] reads before the next is sent.
    ///
    /// # Errors
    /// What the connection answers.
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.port)?,
        };
        connection.send(request)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Reads the answer to the request that was sent.
    ///
    /// # Errors
    /// What the connection answers, and `NotConnected` where nothing was sent.
    pub fn receive(&mut self, body: ResponseBody) -> io::Result<Response> {
        let connection = self.connection.take();
        let mut connection = connection.ok_or(io::ErrorKind::NotConnected)?;
        let response = connection.receive(body)?;
        if self.persistence == Persistence::KeepAlive && !response.closes() {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// Sends a [`Wire`] request and reads its answer.
    ///
    /// # Errors
    /// What the connection answers.
    pub fn request(&mut self, wire: &Wire) -> io::Result<Response> {
        let body = if wire.method == "HEAD" {
            ResponseBody::Absent
        } else {
            ResponseBody::Present
        };
        self.exchange(&wire.to_bytes(), body)
    }
}

fn parse_head(head: &[u8]) -> io::Result<Response> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid(&format!("not a status line: {status_line:?}")))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Response {
        status,
        headers,
        body: Vec::new(),
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
