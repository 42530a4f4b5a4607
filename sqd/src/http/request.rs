//! A request as a handler sees it.
//!
//! Path, query and header fields are slices of the buffer the head was read into: taking a small
//! GET apart allocates once, for the list of header fields. Whoever keeps a slice beyond the request
//! keeps the whole buffer, and should copy instead.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;

use super::client::Client;

/// One request, complete with its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method; names are case-sensitive.
    pub(crate) method: Method,
    /// The target up to the first `?`, as sent: percent escapes are not decoded and any byte but
    /// CR and LF may occur. Starts with `/`, or is `*`.
    pub(crate) path: Bytes,
    /// Everything after the first `?` of the target, as sent; empty when there is none.
    /// [`Parameters::parse`](super::Parameters::parse) reads it.
    pub(crate) query: Bytes,
    /// The protocol version of the request.
    pub(crate) version: Version,
    /// The header fields.
    pub(crate) headers: Headers,
    /// The body without its transfer coding; empty when there is none. Any method may have one.
    pub(crate) body: Bytes,
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// Whether that is still there.
    pub(crate) client: Client,
    /// Number of the request, from 1, unique in the life of the server.
    pub(crate) id: u64,
    /// Number of the connection, from 1, unique in the life of the server.
    pub(crate) connection_id: u64,
}

impl Request {
    /// The value of the first header field called `name`, in any case, without the white space
    /// around it.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// A request as the transport would make it of `head`, which ends in an empty line.
    #[cfg(test)]
    pub(crate) fn for_test(head: &str, body: impl Into<Bytes>) -> Self {
        let head = super::head::Head::parse(&Bytes::copy_from_slice(head.as_bytes())).unwrap();
        Self {
            method: head.method,
            path: head.path,
            query: head.query,
            version: head.version,
            headers: head.headers,
            body: body.into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            client: Client::default(),
            id: 1,
            connection_id: 1,
        }
    }
}

/// A request method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET`
    Get,
    /// `HEAD`: as GET, and the transport leaves the body out of the response.
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other token.
    Other(String),
}

impl Method {
    /// The method called `token`, or none when a byte of it cannot be in a method name.
    pub(super) fn from_token(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            _ if !token.is_empty() && token.iter().all(is_token_byte) => {
                Self::Other(String::from_utf8_lossy(token).into_owned())
            }
            _ => return None,
        })
    }

    /// The name as it stands in the request line.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a byte may be in a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// The protocol version of a request. Later minor versions than 1.1 count as 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// HTTP/1.0: closes after the response unless `Connection: keep-alive` is asked for.
    Http10,
    /// HTTP/1.1: stays open unless `Connection: close` is asked for.
    Http11,
}

/// The header fields of a request, in the order they were sent.
#[derive(Clone, Default)]
pub(crate) struct Headers {
    head: Bytes,
    fields: Vec<Field>,
}

/// Where a header field lies in the head.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

impl Headers {
    /// Fields at their places in `head`.
    pub(super) fn new(head: Bytes, fields: Vec<Field>) -> Self {
        Self { head, fields }
    }

    /// The value of the first field called `name`, in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields called `name`, in any case.
    pub(crate) fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All fields as (name, value), names in the case they were sent in.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| {
            (
                &self.head[field.name.clone()],
                &self.head[field.value.clone()],
            )
        })
    }
}

impl fmt::Debug for Headers {
    /// Names only: values may hold credentials, and requests end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_found_in_any_case() {
        let head =
            "GET /a?b HTTP/1.1\r\nHost: x\r\nX-SQ-API-Key: \t k y  \r\nhost: y\r\nE:\r\n\r\n";
        let request = Request::for_test(head, "body");
        assert_eq!(request.header("x-sq-api-key"), Some(&b"k y"[..]));
        assert_eq!(request.header("HOST"), Some(&b"x"[..]));
        assert_eq!(
            request.headers.get_all("Host").collect::<Vec<_>>(),
            [b"x", b"y"]
        );
        assert_eq!(request.header("e"), Some(&b""[..]));
        assert_eq!(request.header("Accept"), None);
        assert_eq!(request.body, "body");
        assert_eq!(
            format!("{:?}", request.headers),
            r#"["Host", "X-SQ-API-Key", "host", "E"]"#
        );
    }

    #[test]
    fn methods_have_names() {
        for name in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", "M-SEARCH",
        ] {
            assert_eq!(
                Method::from_token(name.as_bytes()).unwrap().to_string(),
                name
            );
        }
        assert_eq!(
            Method::from_token(b"get"),
            Some(Method::Other("get".to_owned()))
        );
        assert_eq!(Method::from_token(b""), None);
        assert_eq!(Method::from_token(b"G(T"), None);
    }
}
