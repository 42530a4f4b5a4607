//! The request head: where it ends, its request line, its header fields.
//!
//! ```text
//! GET /api/v2/insert?p=notes&c=1.1.1/1.1.1/1.1.1&s=a > b HTTP/1.1 CR LF
//!     |             |                                   |
//!     path          ? query, any byte but CR and LF     last space: the version follows
//! ```
//!
//! Only CR LF ends a line. A lone LF is refused as soon as it is seen, because a client that ends
//! its lines so would otherwise wait for an answer that never comes.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memrchr};

use super::rejection::Rejection;
use super::request::{Field, Headers, Method, Version};

/// Most header fields of a request.
pub(super) const MAX_HEADERS: usize = 96;

/// Request line and header fields.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) path: Bytes,
    pub(super) query: Bytes,
    pub(super) version: Version,
    pub(super) headers: Headers,
}

/// Looks for the end of a head in a buffer that grows, each byte once.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    position: usize,
    line_start: usize,
}

impl HeadScanner {
    /// The length of the head at the start of `input`, its empty last line included; none when
    /// more input is needed. `input` must start with what it held at the previous call.
    ///
    /// A head of two bytes is an empty line before a request, which is to be skipped.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, Rejection> {
        let window = &input[..input.len().min(limit)];
        while let Some(offset) = find_line_feed(&window[self.position..]) {
            let at = self.position + offset;
            if at == self.line_start || window[at - 1] != b'\r' {
                return Err(Rejection::BareLineFeed);
            }
            let line_is_empty = at == self.line_start + 1;
            self.position = at + 1;
            self.line_start = at + 1;
            if line_is_empty {
                return Ok(Some(at + 1));
            }
        }
        self.position = window.len();
        if input.len() >= limit {
            Err(Rejection::HeadTooLarge { limit })
        } else {
            Ok(None)
        }
    }
}

/// The offset of the first LF.
pub(super) fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    memchr(b'\n', bytes)
}

impl Head {
    /// Takes apart a head whose end [`HeadScanner`] found.
    pub(super) fn parse(head: &Bytes) -> Result<Self, Rejection> {
        let line_end = find_line_feed(head).ok_or(Rejection::RequestLine("it has no end"))?;
        let line = RequestLine::parse(&head[..line_end.saturating_sub(1)])?;
        let (path, query) = split_target(head, line.target);
        let headers = parse_headers(head, line_end + 1)?;
        Ok(Self {
            method: line.method,
            path,
            query,
            version: line.version,
            headers,
        })
    }
}

/// Method, place of the target in the line, version.
struct RequestLine {
    method: Method,
    target: Range<usize>,
    version: Version,
}

impl RequestLine {
    fn parse(line: &[u8]) -> Result<Self, Rejection> {
        if memchr(b'\r', line).is_some() {
            return Err(Rejection::RequestLine("it has a CR without LF"));
        }
        let malformed = || Rejection::RequestLine("it is not `METHOD TARGET HTTP/1.1`");
        let first = memchr(b' ', line).ok_or_else(malformed)?;
        let last = memrchr(b' ', line).ok_or_else(malformed)?;
        if last == first {
            return Err(malformed());
        }
        let method = Method::from_token(&line[..first])
            .ok_or(Rejection::RequestLine("the method is not a token"))?;
        let version = parse_version(&line[last + 1..])?;
        Ok(Self {
            method,
            target: locate_origin(line, first + 1..last)?,
            version,
        })
    }
}

fn parse_version(version: &[u8]) -> Result<Version, Rejection> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Rejection::Version),
        _ => Err(Rejection::RequestLine("it does not end in an HTTP version")),
    }
}

/// The part of a target from the path on: of `http://host/path?query`, `/path?query`. It is empty
/// or starts with `?` when such a target has no path.
fn locate_origin(line: &[u8], target: Range<usize>) -> Result<Range<usize>, Rejection> {
    let text = &line[target.clone()];
    if text.starts_with(b"/") || text == b"*" {
        return Ok(target);
    }
    let is_scheme = |scheme: &&str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(is_scheme)
        .ok_or(Rejection::RequestLine("the target does not start with `/`"))?;
    let authority = &text[scheme.len()..];
    let length = authority
        .iter()
        .position(|byte| b"/?".contains(byte))
        .unwrap_or(authority.len());
    Ok(target.start + scheme.len() + length..target.end)
}

/// Path and query of the target at `range` in the head.
fn split_target(head: &Bytes, range: Range<usize>) -> (Bytes, Bytes) {
    let mark = memchr(b'?', &head[range.clone()]);
    let path_end = mark.map_or(range.end, |mark| range.start + mark);
    let path = if path_end == range.start {
        Bytes::from_static(b"/")
    } else {
        head.slice(range.start..path_end)
    };
    let query = if mark.is_some() {
        head.slice(path_end + 1..range.end)
    } else {
        Bytes::new()
    };
    (path, query)
}

/// The header fields that start at `start` in the head.
fn parse_headers(head: &Bytes, start: usize) -> Result<Headers, Rejection> {
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let parsed = match httparse::parse_headers(&head[start..], &mut parsed) {
        Ok(httparse::Status::Complete((_, parsed))) => parsed,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Rejection::TooManyHeaders { limit: MAX_HEADERS });
        }
        Ok(httparse::Status::Partial) | Err(_) => return Err(Rejection::HeaderField),
    };
    let locate = |part: &[u8]| {
        let start = part.as_ptr().addr() - head.as_ptr().addr();
        start..start + part.len()
    };
    let fields = parsed
        .iter()
        .map(|field| Field {
            name: locate(field.name.as_bytes()),
            value: locate(field.value.trim_ascii()),
        })
        .collect();
    Ok(Headers::new(head.clone(), fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 4096;

    /// The head at the start of the concatenated pieces, each of which arrives alone.
    fn parse_pieces(pieces: &[&[u8]]) -> Result<Option<Head>, Rejection> {
        let mut scanner = HeadScanner::default();
        let mut input = Vec::new();
        for piece in pieces {
            input.extend_from_slice(piece);
            if let Some(end) = scanner.find_end(&input, LIMIT)? {
                input.truncate(end);
                return Head::parse(&Bytes::from(input)).map(Some);
            }
        }
        Ok(None)
    }

    fn check(line: &[u8], expected: (&str, &[u8], &[u8], Version)) {
        let head = parse_pieces(&[line, b"\r\nHost: x\r\n\r\n"])
            .unwrap()
            .unwrap();
        let found = (
            head.method.as_str(),
            &head.path[..],
            &head.query[..],
            head.version,
        );
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(line));
        assert_eq!(head.headers.get("host"), Some(&b"x"[..]));
    }

    fn check_rejected(head: &[u8], expected: &Rejection) {
        let found = parse_pieces(&[head]).map(|head| head.is_some());
        assert_eq!(
            found,
            Err(expected.clone()),
            "{:?}",
            String::from_utf8_lossy(head)
        );
    }

    #[test]
    fn request_lines() {
        use Version::{Http10, Http11};
        check(b"GET / HTTP/1.1", ("GET", b"/", b"", Http11));
        check(b"HEAD /a/b HTTP/1.0", ("HEAD", b"/a/b", b"", Http10));
        check(b"POST /a?b=c?d HTTP/1.7", ("POST", b"/a", b"b=c?d", Http11));
        check(b"GET /a? HTTP/1.1", ("GET", b"/a", b"", Http11));
        check(
            b"GET /s?s=a > b \"c\" HTTP/1.1",
            ("GET", b"/s", b"s=a > b \"c\"", Http11),
        );
        check(
            b"GET /s?s=x HTTP/1.0 HTTP/1.1",
            ("GET", b"/s", b"s=x HTTP/1.0", Http11),
        );
        check(
            b"GET /s?s=\xc3\xa9\xff%&+%zz# HTTP/1.1",
            ("GET", b"/s", b"s=\xc3\xa9\xff%&+%zz#", Http11),
        );
        check(
            b"GET /s?s=\x01\x17\x00\t  HTTP/1.1",
            ("GET", b"/s", b"s=\x01\x17\x00\t ", Http11),
        );
        check(b"GET http://h:1/a?b HTTP/1.1", ("GET", b"/a", b"b", Http11));
        check(b"GET HTTPS://h?b/c HTTP/1.1", ("GET", b"/", b"b/c", Http11));
        check(b"GET http://h HTTP/1.1", ("GET", b"/", b"", Http11));
        check(b"OPTIONS * HTTP/1.1", ("OPTIONS", b"*", b"", Http11));
        check(b"PATCH /a HTTP/1.1", ("PATCH", b"/a", b"", Http11));
    }

    #[test]
    fn malformed_request_lines() {
        let rows: &[(&[u8], &str)] = &[
            (b"GET\r\n\r\n", "it is not `METHOD TARGET HTTP/1.1`"),
            (b"GET /\r\n\r\n", "it is not `METHOD TARGET HTTP/1.1`"),
            (
                b"GET HTTP/1.1\r\n\r\n",
                "it is not `METHOD TARGET HTTP/1.1`",
            ),
            (
                b"GET / http/1.1\r\n\r\n",
                "it does not end in an HTTP version",
            ),
            (
                b"GET / HTTP/1.1 \r\n\r\n",
                "it does not end in an HTTP version",
            ),
            (
                b"GET / HTTP/1.10\r\n\r\n",
                "it does not end in an HTTP version",
            ),
            (
                b"GET a HTTP/1.1\r\n\r\n",
                "the target does not start with `/`",
            ),
            (
                b"GET  / HTTP/1.1\r\n\r\n",
                "the target does not start with `/`",
            ),
            (
                b"CONNECT h:1 HTTP/1.1\r\n\r\n",
                "the target does not start with `/`",
            ),
            (b" / HTTP/1.1\r\n\r\n", "the method is not a token"),
            (b"G\xffT / HTTP/1.1\r\n\r\n", "the method is not a token"),
            (b"GET /\r/ HTTP/1.1\r\n\r\n", "it has a CR without LF"),
        ];
        for (head, reason) in rows {
            check_rejected(head, &Rejection::RequestLine(reason));
        }
        check_rejected(b"GET / HTTP/2.0\r\n\r\n", &Rejection::Version);
    }

    #[test]
    fn malformed_header_fields() {
        for fields in [
            "A: 1\r\n folded: 2",
            " A: 1",
            "A : 1",
            "A",
            ": 1",
            "A\0: 1",
            "A: \0",
            "A: \u{1}",
            "\u{e9}: 1",
            "A: 1\r2",
        ] {
            let head = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
            check_rejected(head.as_bytes(), &Rejection::HeaderField);
        }
        let many = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(count));
        assert!(parse_pieces(&[many(MAX_HEADERS).as_bytes()]).is_ok());
        let limit = MAX_HEADERS;
        check_rejected(
            many(limit + 1).as_bytes(),
            &Rejection::TooManyHeaders { limit },
        );
    }

    #[test]
    fn a_lone_line_feed_is_refused_at_once() {
        for head in [
            "\n",
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1\r\nA: 1\n",
            "GET / HTTP/1.1\r\n\n",
        ] {
            check_rejected(head.as_bytes(), &Rejection::BareLineFeed);
        }
    }

    #[test]
    fn the_limit_is_the_longest_head() {
        let head = |length: usize| format!("GET /{:x>1$} HTTP/1.1\r\n\r\n", "", length - 18);
        assert_eq!(head(LIMIT).len(), LIMIT);
        assert!(parse_pieces(&[head(LIMIT).as_bytes()]).is_ok());
        let rejection = Rejection::HeadTooLarge { limit: LIMIT };
        check_rejected(head(LIMIT + 1).as_bytes(), &rejection);
        check_rejected(&[b'x'; LIMIT], &rejection);
        assert!(parse_pieces(&[&[b'x'; LIMIT - 1]]).unwrap().is_none());
    }

    #[test]
    fn line_feeds_are_found_in_and_between_blocks() {
        for length in [0, 1, 63, 64, 65, 200] {
            assert_eq!(find_line_feed(&vec![b'x'; length]), None);
            for at in 0..length {
                let mut bytes = vec![b'x'; length];
                bytes[at] = b'\n';
                bytes[length - 1] = b'\n';
                assert_eq!(find_line_feed(&bytes), Some(at));
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut head = b"GET /".to_vec();
            head.extend_from_slice(&bytes);
            let _ = parse_pieces(&[&bytes, b"\r\n\r\n"]);
            let _ = parse_pieces(&[&head, b"\r\n\r\n"]);
            let _ = parse_pieces(&[b"GET / HTTP/1.1\r\n", &bytes, b"\r\n\r\n"]);
        }

        #[test]
        fn almost_http_is_read_the_same_however_it_is_split(
            text in "(GET|POST|G T) /[a-z ?&=%\r]{0,9} HTTP/1\\.[01](\r\n|\n|\r)([A-Za-z-]{1,5}: ?[ -~]{0,6}(\r\n|\n)){0,3}(\r\n){0,2}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let describe = |result: Result<Option<Head>, Rejection>| format!("{result:?}");
            let whole = describe(parse_pieces(&[text.as_bytes()]));
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> =
                cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(describe(parse_pieces(&pieces)), whole);
            let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
            let whole = describe(parse_pieces(&[text.as_bytes()]));
            prop_assert_eq!(describe(parse_pieces(&bytes)), whole);
        }
    }
}
