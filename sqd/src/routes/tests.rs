//! Tests of the routes without a socket.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files that SQ or an operator left need not survive a crash of the test"
)]

use super::*;
use crate::library::Library;
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::{Fault, MemoryVfs};
use phext_storage::{Options, Store, StoreError, WriteBatch, WriteOp};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The header of a form.
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Routes over a store in a directory.
struct Fixture {
    app: App,
    directory: TempDir,
}

/// An answer as a client reads it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with(Options::default(), None)
    }

    fn with(options: Options, key: Option<&str>) -> Fixture {
        let directory = TempDir::new().unwrap();
        let store = directory.path().join("store");
        let library = Library::open(&store, directory.path(), options).unwrap();
        let library = Arc::new(library);
        let key = key.map(str::to_owned);
        let app = App::new(Tenants::Single { key, library });
        Fixture { app, directory }
    }

    async fn ask(&self, line: &str, headers: &str, body: impl Into<Bytes>) -> Read {
        read(self.app.handle(request(line, headers, body)).await).await
    }

    /// The answer to a request without header fields.
    async fn check(&self, line: &str, body: impl Into<Bytes>, status: u16, expected: &str) {
        let found = self.ask(line, "", body).await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (status, expected),
            "{line}"
        );
    }

    /// The answers, all 200, to GETs one after the other.
    async fn check_gets(&self, rows: &[(&str, &str)]) {
        for (path, expected) in rows {
            self.check(&format!("GET {path}"), "", 200, expected).await;
        }
    }

    fn tenants(&self) -> &Tenants {
        &self.app.tenants
    }
}

/// A request; the path of `line` is below `/api/v2/` unless it begins with a slash.
fn request(line: &str, headers: &str, body: impl Into<Bytes>) -> Request {
    let (method, path) = line.split_once(' ').unwrap();
    let prefix = if path.starts_with('/') {
        ""
    } else {
        "/api/v2/"
    };
    let head = format!("{method} {prefix}{path} HTTP/1.1\r\n{headers}\r\n");
    Request::for_test(&head, body)
}

/// Reads an answer to its end, which must come after as many bytes as it announced.
async fn read(response: Response) -> Read {
    let mut bytes = Vec::new();
    match response.body {
        Body::Full(full) => bytes.extend_from_slice(&full),
        Body::Stream { length, mut chunks } => {
            while let Some(chunk) = chunks.recv().await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(bytes.len() as u64, length);
        }
    }
    Read {
        status: response.status,
        content_type: response.content_type,
        body: String::from_utf8(bytes).unwrap(),
    }
}

/// Bytes as a query string has them.
fn escape(bytes: impl AsRef<[u8]>) -> String {
    let escape = |byte: &u8| format!("%{byte:02X}");
    bytes.as_ref().iter().map(escape).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_once() {
    let server = Fixture::new();
    let version = env!("CARGO_PKG_VERSION");
    let document = "Hello world\x17two\u{e9}\nmore";
    let checksum = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(document.as_bytes()));
    let two = "1.1.1/1.1.1/1.1.2";
    for (line, body, expected) in [
        ("GET version", "", version),
        ("GET /livez", "", "ok"),
        ("GET /readyz", "", "ready"),
        ("GET list", "", "[]"),
        (
            "POST update?p=a&c=1.1.1/1.1.1/1.1.1",
            "gone",
            "Updated 4 bytes",
        ),
        (
            "PUT update?p=a&c=1.1.1/1.1.1/1.1.1",
            "Hello",
            "Updated 5 bytes",
        ),
        (
            "POST insert?p=a&c=1.1.1/1.1.1/1.1.1",
            " world",
            "Inserted 6 bytes",
        ),
        (
            "GET insert?p=a&c=1.1.1/1.1.1/1.1.2&s=two%C3%A9",
            "",
            "Inserted 5 bytes",
        ),
        (
            "GET insert?p=a&c=1.1.1/1.1.1/1.1.2&s=%0Amore",
            "",
            "Inserted 5 bytes",
        ),
        (
            "GET update?p=b.c&c=2.1.1/1.1.1/1.1.1&s=b",
            "",
            "Updated 1 bytes",
        ),
        ("GET select?p=a&c=1.1.1/1.1.1/1.1.1", "", "Hello world"),
        ("GET select?p=a&c=1.1.1/1.1.1/1.1.9", "", ""),
        (
            "GET status?p=a",
            "",
            "Hosting: a.phext\nConnection ID: 1\nPhext Size: 22\nScrolls: 2",
        ),
        ("GET checksum?p=a", "", &checksum),
        (
            "GET toc?p=a",
            "",
            "* 1.1.1/1.1.1/1.1.1: Hello world\n* 1.1.1/1.1.1/1.1.2: two\u{e9}...\n",
        ),
        ("GET get?p=a", "", document),
        ("GET export?p=a", "", document),
        (
            "GET json-export?p=a",
            "",
            "[\n   { \"coord\": \"1.1.1/1.1.1/1.1.1\", \"scroll\": \"Hello world\" }\n,   { \"coord\": \"1.1.1/1.1.1/1.1.2\", \"scroll\": \"two\u{e9}\\nmore\" }\n]\n",
        ),
        ("GET list", "", "[\"a\",\"b.c\"]"),
        ("GET delta?p=a", "", document),
        (
            "POST query?p=a",
            two,
            "[{\"coordinate\":\"1.1.1/1.1.1/1.1.2\",\"scroll\":\"two\u{e9}\\nmore\"}]",
        ),
        (
            "POST where",
            "abc",
            "Calculated coordinate 1.1.1/1.1.1/1.1.1 for input (algo=xor, limit=100).",
        ),
        (
            "POST where?limit=3",
            "abc\x17def",
            "Calculated coordinate 1.1.1/1.1.1/1.1.2 for input (algo=xor, limit=3).",
        ),
        ("GET load?p=a", "", "Loaded a.phext"),
        ("GET delete?p=a&c=1.1.1/1.1.1/1.1.1", "", "Removed 11 bytes"),
        ("POST delete?p=a&c=1.1.1/1.1.1/1.1.1", "", "Removed 0 bytes"),
        (
            "DELETE delete?p=a&c=1.1.1/1.1.1/1.1.2",
            "",
            "Removed 10 bytes",
        ),
        ("GET get?p=a", "", ""),
        ("GET toc?p=a", "", ""),
        ("GET json-export?p=a", "", "[\n]\n"),
        (
            "GET status?p=a",
            "",
            "Hosting: a.phext\nConnection ID: 1\nPhext Size: 0\nScrolls: 0",
        ),
    ] {
        server.check(line, body, 200, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods() {
    let server = Fixture::new();
    server
        .check("POST update?p=a&c=1", "x", 200, "Updated 1 bytes")
        .await;
    for (line, status, expected) in [
        ("GET select/?p=a", 200, "x"),
        ("GET select/any/thing?p=a", 200, "x"),
        ("HEAD select?p=a", 200, "x"),
        ("HEAD get?p=a", 200, "x"),
        ("HEAD toc?p=a", 200, "* 1.1.1/1.1.1/1.1.1: x\n"),
        (
            "HEAD query?p=a&set=1.1.1/1.1.1/1.1.1",
            200,
            "[{\"coordinate\":\"1.1.1/1.1.1/1.1.1\",\"scroll\":\"x\"}]",
        ),
        ("HEAD delta?p=a", 200, "x"),
        ("HEAD /readyz", 200, "ready"),
        ("OPTIONS select", 204, ""),
        ("OPTIONS /anything", 204, ""),
        ("GET selectXYZ?p=a", 404, "Not Found"),
        ("GET Select?p=a", 404, "Not Found"),
        ("GET /", 404, "Not Found"),
        ("GET /api/v2", 404, "Not Found"),
        ("GET /api/v2/", 404, "Not Found"),
        ("GET /api/v1/select", 404, "Not Found"),
        ("GET where?s=abc", 404, "Not Found"),
        ("GET reload", 404, "Not Found"),
        ("POST reload", 404, "Not Found"),
        ("POST select?p=a", 404, "Not Found"),
        ("HEAD update?p=a&s=y", 404, "Not Found"),
        ("HEAD delete?p=a", 404, "Not Found"),
        ("PUT insert?p=a", 404, "Not Found"),
        ("DELETE update?p=a", 404, "Not Found"),
        ("PATCH select?p=a", 400, "Bad Request"),
        ("get select?p=a", 400, "Bad Request"),
    ] {
        server.check(line, "", status, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_types() {
    let server = Fixture::new();
    server
        .check("POST update?p=a&c=1", "x", 200, "Updated 1 bytes")
        .await;
    for (path, expected) in [
        ("version", TEXT),
        ("select?p=a", TEXT),
        ("get?p=a", TEXT),
        ("toc?p=a", TEXT),
        ("delta?p=a", TEXT),
        ("nothing", TEXT),
        ("json-export?p=a", JSON),
        ("query?p=a&set=1.1.1/1.1.1/1.1.1", JSON),
        ("list", JSON),
    ] {
        let found = server.ask(&format!("GET {path}"), "", "").await;
        assert_eq!(found.content_type, expected, "{path}");
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_write() {
    // What a request stores at the origin of the phext that it names, or else of "".
    let check = async |line: &str, headers: &str, body: &str, phext: &str, expected: &str| {
        let server = Fixture::new();
        let answer = server.ask(line, headers, body.to_owned()).await;
        let bytes = format!("Updated {} bytes", expected.len());
        assert_eq!((answer.status, answer.body), (200, bytes), "{line} {body}");
        let line = format!("GET select?p={phext}");
        server.check(&line, "", 200, expected).await;
    };
    check("POST update?p=a", "", "body\n", "a", "body\n").await;
    check("POST update?p=a&s=text", "", "", "a", "text").await;
    check("POST update?p=a&s=text", "", "body", "a", "body").await;
    check("GET update?p=a&s=text", "", "body", "a", "text").await;
    check(
        "POST update?p=a&content=stands+in",
        "",
        "",
        "a",
        "stands in",
    )
    .await;
    check("POST update?p=a&content=c&s=s", "", "", "a", "c").await;
    check("POST update?p=a&content=c", "", "body", "a", "body").await;
    check("POST update", "", "body", "", "body").await;
    check("POST update?p=a&s=%C3%A9%FF", "", "", "a", "\u{e9}\u{fffd}").await;
    // A form, which counts only without a query string and with a name or a coordinate.
    let form = "p=a&c=1.1.1%2F1.1.1%2F1.1.1&content=x+%26+y";
    check("POST update", FORM, form, "a", "x & y").await;
    check("PUT update", FORM, form, "a", "x & y").await;
    check("POST update", FORM, "p=a&s=x%3Dy", "a", "x=y").await;
    check("POST update", FORM, "c=1&content=x", "", "x").await;
    let upper = "content-type: APPLICATION/X-WWW-FORM-URLENCODED ; charset=utf-8\r\n";
    check("POST update", upper, form, "a", "x & y").await;
    check("POST update", "", form, "", form).await;
    check("POST update", FORM, "a text", "", "a text").await;
    check("POST update", FORM, "content=x", "", "content=x").await;
    check("POST update?p=b", FORM, form, "b", form).await;
    check("POST update?p=b", FORM, "a+b%20c", "b", "a+b%20c").await;
    let phext = "Content-Type: application/phext\r\n";
    check("POST update?p=a", phext, "a\r\nb", "a", "a\r\nb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_no_scroll_can_hold() {
    let server = Fixture::new();
    let check = async |line: &str, headers: &str, body: &[u8], expected: &str| {
        let body = Bytes::copy_from_slice(body);
        let found = server.ask(line, headers, body).await;
        let text = format!("Bad Request: {expected}");
        assert_eq!((found.status, found.body), (400, text), "{line}");
        server.check("GET list", "", 200, "[]").await;
    };
    for (byte, dimension) in [
        (0x01, "library"),
        (0x1F, "shelf"),
        (0x1E, "series"),
        (0x1D, "collection"),
        (0x1C, "volume"),
        (0x1A, "book"),
        (0x19, "chapter"),
        (0x18, "section"),
        (0x17, "scroll"),
    ] {
        let expected = format!(
            "scroll text: byte 0x{byte:02X} at offset 2 is the {dimension} break: a scroll holds none"
        );
        check("POST update?p=a", "", &[b'a', b'b', byte, b'c'], &expected).await;
        check("POST insert?p=a", "", &[b'a', b'b', byte, b'c'], &expected).await;
        let line = format!("GET update?p=a&s=ab%{byte:02X}c");
        check(&line, "", b"", &expected).await;
        let form = format!("p=a&content=ab%{byte:02X}");
        check("POST update", FORM, form.as_bytes(), &expected).await;
    }
    let expected = "the body is not UTF-8: byte 0xFF at offset 3";
    check("POST update?p=a", "", b"abc\xFF", expected).await;
    check("PUT update?p=a", "", b"abc\xFFd\xFE", expected).await;
    check("POST insert?p=a", "", b"abc\xFF", expected).await;
    check("POST where?p=a", "", b"abc\xFF", expected).await;
    check("POST delta?p=a", "", b"abc\xFF", expected).await;
    check("POST query?p=a", "", b"abc\xFF", expected).await;
    let expected = "the body is not UTF-8: byte 0xC3 at offset 0";
    check("POST insert?p=a", "", b"\xC3", expected).await;
    let expected = "the form's `content` is not UTF-8 at offset 1";
    check("POST update", FORM, b"p=a&content=a%FF", expected).await;
    let expected = "the form's `s` is not UTF-8 at offset 0";
    check("POST insert", FORM, b"c=1&s=\xE9", expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinates() {
    let server = Fixture::new();
    for (c, coordinate) in [
        ("", "1.1.1/1.1.1/1.1.1"),
        ("home", "1.1.1/1.1.1/1.1.1"),
        ("2.3.4%2F5.6.7%2F8.9.10", "2.3.4/5.6.7/8.9.10"),
        ("2;3;4", "2.3.1/1.1.1/1.1.4"),
        ("2.7.1/8.2.8", "2.7.1/8.2.1/1.1.8"),
        (
            "2026-02-22.1.1/1.1.1/1.1.2147483647",
            "20260222.1.1/1.1.1/1.1.2147483647",
        ),
    ] {
        let line = format!("POST update?p=a&c={c}");
        server.check(&line, "x", 200, "Updated 1 bytes").await;
        server
            .check("GET toc?p=a", "", 200, &format!("* {coordinate}: x\n"))
            .await;
        let line = format!("DELETE delete?p=a&c={c}");
        server.check(&line, "", 200, "Removed 1 bytes").await;
    }
    let long = "x".repeat(100_000);
    for (c, expected) in [
        (
            "notes",
            "scroll is \"notes\": names as coordinates are not supported yet, use a number",
        ),
        ("1.0.1", "shelf is \"0\": components are counted from 1"),
        (
            "1..1",
            "shelf is empty: it must be a number from 1 to 2147483647",
        ),
        (
            "2147483648",
            "scroll is \"2147483648\": the largest component is 2147483647",
        ),
        (
            &long,
            &format!(
                "scroll is \"{}...\": names as coordinates are not supported yet, use a number",
                "x".repeat(48)
            ),
        ),
    ] {
        let expected = format!("Bad Request: coordinate `c`: {expected}");
        for route in ["GET select", "POST update", "GET insert", "GET delete"] {
            let line = format!("{route}?p=b&s=x&c={c}");
            server.check(&line, "", 400, &expected).await;
        }
    }
    server.check("GET list", "", 200, "[\"a\"]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names() {
    let server = Fixture::new();
    let longest = "n".repeat(255);
    for name in ["a", "a.b-c", "a>b c", "\u{e9}", ".", &longest] {
        let p = escape(name);
        let line = format!("POST update?p={p}");
        server.check(&line, "x", 200, "Updated 1 bytes").await;
        let line = format!("GET status?p={p}");
        let expected =
            format!("Hosting: {name}.phext\nConnection ID: 1\nPhext Size: 1\nScrolls: 1");
        server.check(&line, "", 200, &expected).await;
    }
    let long = "n".repeat(256);
    for (name, reason) in [
        (&b".."[..], "it holds `..`"),
        (b"../etc/passwd", "it holds a slash, a backslash or a NUL"),
        (b"a..b", "it holds `..`"),
        (b"a/b", "it holds a slash, a backslash or a NUL"),
        (b"a\\b", "it holds a slash, a backslash or a NUL"),
        (b"a\0b", "it holds a slash, a backslash or a NUL"),
        (long.as_bytes(), "it is longer than 255 bytes"),
        (b"ab\xFF", "it is not UTF-8 at byte 2"),
    ] {
        let p = escape(name);
        let expected = format!("Forbidden: invalid phext name: {reason}");
        for line in ["GET select", "GET get", "POST update", "GET load"] {
            let line = format!("{line}?p={p}");
            server.check(&line, "", 403, &expected).await;
        }
        let form = format!("p={p}&content=x");
        let found = server.ask("POST update", FORM, form).await;
        assert_eq!((found.status, found.body), (403, expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_create_no_phext() {
    let server = Fixture::new();
    server
        .check_gets(&[
            ("select?p=a&c=1.1.1/1.1.1/1.1.1", ""),
            ("select", ""),
            ("toc?p=a", ""),
            ("get?p=a", ""),
            ("delta?p=a", ""),
            ("json-export?p=a", "[\n]\n"),
            ("checksum?p=a", "99aa06d3014798d86001c324468d497f"),
            ("load?p=a", "Loaded a.phext"),
            ("delete?p=a&c=1", "Removed 0 bytes"),
            (
                "status?p=a",
                "Hosting: a.phext\nConnection ID: 1\nPhext Size: 0\nScrolls: 0",
            ),
            (
                "status",
                "Hosting: .phext\nConnection ID: 1\nPhext Size: 0\nScrolls: 0",
            ),
            (
                "query?p=a&from=1.1.1/1.1.1/1.1.1&to=9.9.9/9.9.9/9.9.9",
                "[]",
            ),
            ("list", "[]"),
        ])
        .await;
}

/// A phext `a` whose scrolls hold the last component of their coordinates, and more.
async fn numbered(coordinates: &[&str]) -> Fixture {
    let server = Fixture::new();
    for coordinate in coordinates {
        let line = format!("POST update?p=a&c={coordinate}");
        let text = coordinate.rsplit('.').next().unwrap().to_owned();
        assert_eq!(server.ask(&line, "", text).await.status, 200);
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_contents() {
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.2.1/1.1.1/1.1.3",
        "1.2.3/4.5.6/7.8.8",
        "1.2.3/4.5.6/7.8.9",
        "2.1.1/1.1.1/1.1.2",
    ])
    .await;
    let lines = [
        "* 1.1.1/1.1.1/1.1.1: 1\n",
        "* 1.2.1/1.1.1/1.1.3: 3\n",
        "* 1.2.3/4.5.6/7.8.8: 8\n",
        "* 1.2.3/4.5.6/7.8.9: 9\n",
        "* 2.1.1/1.1.1/1.1.2: 2\n",
    ];
    for (parameters, range) in [
        ("", 0..5),
        ("&c=", 0..5),
        ("&c=*", 0..5),
        ("&c=1", 0..4),
        ("&c=+1+", 0..4),
        ("&c=1.2", 1..4),
        ("&c=1.2.*", 1..4),
        ("&c=1.2.*/*.*.*/*.*.*", 1..4),
        ("&c=1.2.3/4.5.6/7.8.9", 3..4),
        ("&c=1.2.3%2F4;5", 2..4),
        ("&c=2147483647", 0..0),
        ("&c=4294967295", 0..0),
        ("&c=9", 0..0),
        ("&limit=", 0..5),
        ("&limit=0", 0..0),
        ("&limit=2", 0..2),
        ("&limit=99", 0..5),
        ("&c=1.2&limit=1", 1..2),
    ] {
        let line = format!("GET toc?p=a{parameters}");
        server.check(&line, "", 200, &lines[range].concat()).await;
    }
    let prefix = |field: &str| {
        format!(
            "Bad Request: prefix `c`: `{field}` is not a number from 1; a prefix is up to nine numbers, such as 1.2.3/4"
        )
    };
    let long = "x".repeat(100_000);
    for (parameters, expected) in [
        ("&c=x".to_owned(), prefix("x")),
        ("&c=1.0".to_owned(), prefix("0")),
        ("&c=1.*.2".to_owned(), prefix("*")),
        ("&c=1.2.".to_owned(), prefix("")),
        ("&c=1.1.1/1.1.1/1.1.1/7".to_owned(), prefix("7")),
        (
            format!("&c={long}"),
            prefix(&format!("{}...", "x".repeat(64))),
        ),
        (
            "&limit=x".to_owned(),
            "Bad Request: invalid limit: x".to_owned(),
        ),
        (
            "&limit=-1".to_owned(),
            "Bad Request: invalid limit: -1".to_owned(),
        ),
        (
            "&limit=1.5".to_owned(),
            "Bad Request: invalid limit: 1.5".to_owned(),
        ),
    ] {
        for phext in ["a", "unknown"] {
            let line = format!("GET toc?p={phext}{parameters}");
            server.check(&line, "", 400, &expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries() {
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.1.1/1.1.1/1.1.2",
        "1.1.1/1.1.1/1.1.5",
        "1.1.1/1.1.1/1.2.3",
    ])
    .await;
    // The last components of the answer's coordinates, those of empty scrolls in parentheses.
    let check = async |parameters: &str, body: &str, expected: &str| {
        let line = format!("POST query?p=a&{parameters}");
        let found = server.ask(&line, "", body.to_owned()).await;
        assert_eq!(found.status, 200, "{line}: {}", found.body);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&found.body).unwrap();
        let show = |row: &serde_json::Value| {
            let coordinate = row["coordinate"].as_str().unwrap();
            let last = coordinate.rsplit('.').next().unwrap();
            match row["scroll"].as_str().unwrap() {
                "" => format!("({last})"),
                text => text.to_owned(),
            }
        };
        let found: Vec<_> = rows.iter().map(show).collect();
        assert_eq!(found.join(" "), expected, "{line} {body}");
    };
    let at = |numbers: &[u32], separator: &str| {
        let coordinate = |n| format!("1.1.1/1.1.1/1.1.{n}");
        let items: Vec<_> = numbers.iter().map(coordinate).collect();
        items.join(separator)
    };
    let range = |from, to| format!("from=1.1.1/1.1.1/1.1.{from}&to=1.1.1/1.1.1/1.1.{to}");
    let set = |numbers: &[u32]| format!("set={}", at(numbers, ","));
    check(&range(1, 5), "", "1 2 5").await;
    check(&range(2, 2), "", "2").await;
    check(&range(3, 4), "", "").await;
    check("from=1.1.1/1.1.1/1.1.2&to=9.1.1/1.1.1/1.1.1", "", "2 5 3").await;
    check(&set(&[5, 9, 1]), "", "1 5 (9)").await;
    check(&set(&[5, 5, 1, 5]), "", "1 5").await;
    check(
        &format!("{}&{}", range(1, 2), set(&[2, 5, 9])),
        "",
        "1 2 5 (9)",
    )
    .await;
    check("", &at(&[2, 1], "\n"), "1 2").await;
    check("", &at(&[2, 1], "\r\n"), "1 2").await;
    check("", &at(&[2, 1], " ; "), "1 2").await;
    check("", &format!(",,{},\n;", at(&[2], "")), "2").await;
    check(&range(5, 5), &at(&[1], ""), "1 5").await;
    check(&set(&[2]), &at(&[1], ""), "2").await;
    check(&format!("{}&limit=2", range(1, 5)), "", "1 2").await;
    check(&format!("{}&limit=0", range(1, 5)), "", "").await;
    check(&format!("{}&limit=", range(1, 5)), "", "1 2 5").await;
    check(&format!("{}&limit=2", set(&[9, 8, 1])), "", "1 (8)").await;

    let long = "x".repeat(100_000);
    let cut = "x".repeat(64);
    let none = "query needs a range (from + to) or a set of coordinates";
    for (parameters, expected) in [
        ("", none.to_owned()),
        ("&set=", none.to_owned()),
        ("&set=,%0A;", none.to_owned()),
        ("&from=&to=", none.to_owned()),
        (
            "&from=1.1.1/1.1.1/1.1.1",
            "a range needs both 'from' and 'to'".to_owned(),
        ),
        (
            "&to=1.1.1/1.1.1/1.1.1",
            "a range needs both 'from' and 'to'".to_owned(),
        ),
        (
            "&from=1&to=1.1.1/1.1.1/1.1.1",
            "invalid 'from' coordinate: 1".to_owned(),
        ),
        (
            "&from=1.1.1/1.1.1/1.1.1&to=x",
            "invalid 'to' coordinate: x".to_owned(),
        ),
        (
            "&from=1.1.1/1.1.1/1.1.2&to=1.1.1/1.1.1/1.1.1",
            "'from' (1.1.1/1.1.1/1.1.2) is after 'to' (1.1.1/1.1.1/1.1.1)".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.1,home",
            "invalid coordinate in set: home".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.0",
            "invalid coordinate in set: 1.1.1/1.1.1/1.1.0".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.1&limit=x",
            "invalid limit: x".to_owned(),
        ),
        (
            &format!("&set={long}"),
            format!("invalid coordinate in set: {cut}..."),
        ),
        (
            &format!("&from={long}&to=x"),
            format!("invalid 'from' coordinate: {cut}..."),
        ),
    ] {
        let line = format!("GET query?p=a{parameters}");
        let expected = format!("Bad Request: {expected}");
        server.check(&line, "", 400, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas() {
    const MISSING: &str = "---sq:Scroll-Missing---";
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.1.1/1.1.1/1.1.2",
        "1.1.1/1.1.1/1.2.1",
    ])
    .await;
    let hash = |text: &str| format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    let (one, two, odd) = (hash("1"), hash("2"), hash("odd"));
    let line = |c: &str, checksum: &str| format!("1.1.1/1.1.1/1.{c}: {checksum}\n");
    let check = async |manifest: &str, expected: &str| {
        server
            .check("POST delta?p=a", manifest.to_owned(), 200, expected)
            .await;
    };
    let all = "1\x172\x181";
    check("", all).await;
    check("\n\n", all).await;
    check("no manifest at all", all).await;
    check(&line("1.1", &one), "\x172\x181").await;
    check(&line("1.1", &odd), all).await;
    check(&line("1.1", ""), all).await;
    check(&line("1.1", &one.to_uppercase()), all).await;
    // Everything known: nothing differs.
    let known = [line("1.1", &one), line("1.2", &two), line("2.1", &one)];
    check(&known.concat(), "").await;
    // In any order, with what is no manifest line in between, and with CRLF.
    let odd_order = [&known[2], "garbage\n:\n", &known[0], &known[1]];
    check(&odd_order.concat(), "").await;
    check(&known.concat().replace('\n', "\r\n"), "").await;
    // Of two lines for a coordinate the later counts.
    check(&[line("1.1", &odd), known.concat()].concat(), "").await;
    check(&[known.concat(), line("1.1", &odd)].concat(), "1").await;
    // What the server lacks, before, between and after what it has.
    let lacks = [line("1.3", &odd), line("3.9", &odd)].concat();
    check(
        &[known.concat(), lacks.clone()].concat(),
        &format!("\x17\x17{MISSING}\x18\x18{}{MISSING}", "\x17".repeat(8)),
    )
    .await;
    check(
        &lacks,
        &format!("1\x172\x17{MISSING}\x181\x18{}{MISSING}", "\x17".repeat(8)),
    )
    .await;
    // Partial coordinates are read as everywhere.
    check(&format!("1: {one}"), "\x172\x181").await;
    for (manifest, number) in [("x: y", 1), ("1: a\n0: b", 2)] {
        let found = server.ask("POST delta?p=a", "", manifest).await;
        assert_eq!(found.status, 400);
        let start = format!("Bad Request: manifest line {number}: ");
        assert!(found.body.starts_with(&start), "{}", found.body);
    }
    // A phext that is not there lacks everything.
    server
        .check("POST delta?p=b", line("1.1", &one), 200, MISSING)
        .await;
    let line = format!("GET delta?p=a&s={}", escape(known.concat()));
    server.check(&line, "", 200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_valid() {
    let server = Fixture::new();
    let breaks = [0x01, 0x17, 0x18, 0x19, 0x1A, 0x1C, 0x1D, 0x1E, 0x1F];
    let control: String = (0..0x20_u8)
        .filter(|byte| !breaks.contains(byte))
        .map(char::from)
        .collect();
    let texts = [
        control.as_str(),
        "\"quoted\" \\ back / slash",
        "\u{7f}\u{80}\u{e9}\u{2028}\u{fffd}\u{1F600}",
        "{\"json\": [1, 2]}",
        "\r\n\t",
        "</script>",
    ];
    for (text, n) in texts.iter().zip(1..) {
        let line = format!("POST update?p=a&c=1.1.1/1.1.1/1.1.{n}");
        assert_eq!(server.ask(&line, "", text.to_string()).await.status, 200);
    }
    let range = "from=1.1.1/1.1.1/1.1.1&to=2.1.1/1.1.1/1.1.1";
    for (path, coordinate) in [
        ("json-export?p=a".to_owned(), "coord"),
        (format!("query?p=a&{range}"), "coordinate"),
    ] {
        let found = server.ask(&format!("GET {path}"), "", "").await.body;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
        assert_eq!(rows.len(), texts.len());
        for ((row, text), n) in rows.iter().zip(texts).zip(1..) {
            assert_eq!(row[coordinate], format!("1.1.1/1.1.1/1.1.{n}"));
            assert_eq!(row["scroll"], *text);
        }
    }
    server
        .check("POST update?p=\"q\"", "x", 200, "Updated 1 bytes")
        .await;
    server.check("GET list", "", 200, r#"["\"q\"","a"]"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_stream() {
    let server = Fixture::new();
    let text = "a line of text\n".repeat(7_000);
    for n in 1..=90 {
        let line = format!("POST update?p=a&c=1.1.1/1.1.1/1.{n}.1");
        assert_eq!(server.ask(&line, "", text.clone()).await.status, 200);
    }
    let document = vec![text.clone(); 90].join("\x18");
    assert!(document.len() > 9 << 20);
    for route in ["get", "export", "delta"] {
        let found = server.ask(&format!("GET {route}?p=a"), "", "").await;
        assert!(found.body == document, "{route}");
    }
    let found = server.ask("GET json-export?p=a", "", "").await.body;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
    assert!(rows.len() == 90 && rows.iter().all(|row| row["scroll"] == *text));
    let checksum = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(document.as_bytes()));
    let bytes = document.len();
    let status = format!("Hosting: a.phext\nConnection ID: 1\nPhext Size: {bytes}\nScrolls: 90");
    server
        .check_gets(&[("checksum?p=a", &checksum), ("status?p=a", &status)])
        .await;
    // A table of contents whose lines alone are long.
    let line = "x".repeat(100_000);
    for n in 1..=90 {
        let request = format!("POST update?p=b&c=1.1.1/1.1.1/1.1.{n}");
        assert_eq!(server.ask(&request, "", line.clone()).await.status, 200);
    }
    let toc: String = (1..=90)
        .map(|n| format!("* 1.1.1/1.1.1/1.1.{n}: {line}\n"))
        .collect();
    assert!(server.ask("GET toc?p=b", "", "").await.body == toc);
    // A client that goes away ends the work, and nothing else.
    let dropped = server.app.handle(request("GET get?p=a", "", "")).await;
    assert!(matches!(dropped.body, Body::Stream { .. }));
    drop(dropped);
    server.check("GET select?p=a&c=9", "", 200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_many_scrolls() {
    // More scrolls than are read on the thread of a connection, few bytes.
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let operations = (1..=3000)
        .map(|n| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap(),
            text: Bytes::from("x"),
        })
        .collect();
    let phext = "a".to_owned();
    let batch = WriteBatch { phext, operations };
    library.store().commit(batch).unwrap();
    let document = vec!["x"; 3000].join("\x17");
    server
        .check_gets(&[
            ("get?p=a", &document),
            ("delta?p=a", &document),
            (
                "status?p=a",
                "Hosting: a.phext\nConnection ID: 1\nPhext Size: 5999\nScrolls: 3000",
            ),
        ])
        .await;
    let toc = server.ask("GET toc?p=a", "", "").await.body;
    assert_eq!(toc.lines().count(), 3000);
    assert_eq!(toc.lines().last(), Some("* 1.1.1/1.1.1/1.1.3000: x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scrolls_over_the_limit() {
    let options = Options {
        max_scroll_bytes: 10,
        ..Options::default()
    };
    let server = Fixture::with(options, None);
    let too_long = |length| {
        format!("the scroll at 1.1.1/1.1.1/1.1.1 would hold {length} bytes; the limit is 10")
    };
    server
        .check("POST update?p=a", "0123456789", 200, "Updated 10 bytes")
        .await;
    server
        .check("POST update?p=a", "0123456789a", 413, &too_long(11))
        .await;
    server
        .check("POST insert?p=a", "ab", 413, &too_long(12))
        .await;
    server
        .check("POST update?p=b", "0123456789a", 413, &too_long(11))
        .await;
    server
        .check_gets(&[("select?p=a", "0123456789"), ("list", "[\"a\"]")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_imported() {
    let server = Fixture::new();
    let file = server.directory.path().join("a.phext");
    fs::write(&file, "one\x17two").unwrap();
    server
        .check_gets(&[
            ("list", "[]"),
            ("select?p=a&c=1.1.1/1.1.1/1.1.2", "two"),
            ("list", "[\"a\"]"),
            ("update?p=a&c=1.1.1/1.1.1/1.1.2&s=later", "Updated 5 bytes"),
            // The file is not newer than what was imported.
            ("load?p=a", "Loaded a.phext"),
            ("get?p=a", "one\x17later"),
        ])
        .await;
    fs::write(&file, "new").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let opened = fs::File::options().write(true).open(&file).unwrap();
    opened.set_modified(later).unwrap();
    server
        .check_gets(&[
            ("get?p=a", "one\x17later"),
            ("load?p=a", "Loaded a.phext"),
            ("get?p=a", "new"),
        ])
        .await;
    // A write to a phext of which there is only a file changes what the file says.
    fs::write(server.directory.path().join("b.phext"), "one").unwrap();
    server
        .check_gets(&[
            ("insert?p=b&s=+more", "Inserted 5 bytes"),
            ("get?p=b", "one more"),
        ])
        .await;
    fs::write(server.directory.path().join("c.phext"), b"bad \xFF").unwrap();
    let found = server.ask("GET get?p=c", "", "").await;
    assert_eq!(found.status, 500);
    assert!(
        found
            .body
            .contains("c.phext: scroll 1.1.1/1.1.1/1.1.1 is not UTF-8 at byte 4"),
        "{}",
        found.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_needed() {
    let server = Fixture::with(Options::default(), Some("secret"));
    for (line, headers, status, expected) in [
        ("GET version", "", 401, "Unauthorized"),
        ("GET unknown", "", 401, "Unauthorized"),
        (
            "POST update?p=a",
            "Authorization: wrong\r\n",
            401,
            "Unauthorized",
        ),
        (
            "POST update?p=a",
            "Authorization: Basic secret\r\n",
            401,
            "Unauthorized",
        ),
        (
            "POST update?p=a",
            "Authorization: secret\r\n",
            200,
            "Updated 1 bytes",
        ),
        (
            "GET select?p=a",
            "authorization: bearer secret\r\n",
            200,
            "x",
        ),
        ("GET select?p=a", "X-SQ-API-Key: secret\r\n", 200, "x"),
        (
            "GET select?p=a",
            "X-SQ-API-Key: secre\r\n",
            401,
            "Unauthorized",
        ),
        ("OPTIONS select", "", 204, ""),
        ("GET /livez", "", 200, "ok"),
        ("GET /readyz", "", 200, "ready"),
    ] {
        let body = if line.starts_with("POST") { "x" } else { "" };
        let found = server.ask(line, headers, body).await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (status, expected),
            "{line} {headers}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tenants.json");
    let write = |tenants: &[(&str, &str)]| {
        let tenant = |(token, name): &(&str, &str)| {
            let data_dir = directory.path().join(name);
            (
                token.to_string(),
                serde_json::json!({"name": name, "data_dir": data_dir}),
            )
        };
        let tenants: serde_json::Map<_, _> = tenants.iter().map(tenant).collect();
        fs::write(&file, serde_json::json!({ "tenants": tenants }).to_string()).unwrap();
    };
    write(&[("t1", "one"), ("t2", "two")]);
    let tenants = Tenants::from_file(&file, Options::default()).unwrap();
    let app = App::new(tenants);
    let check = async |token: &str, line: &str, body: &str, status: u16, expected: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        let found = read(app.handle(request(line, &headers, body.to_owned())).await).await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (status, expected),
            "{token} {line}"
        );
    };
    check("t1", "POST update?p=a", "of one", 200, "Updated 6 bytes").await;
    check("t2", "GET select?p=a", "", 200, "").await;
    check("t2", "GET list", "", 200, "[]").await;
    check("t2", "POST update?p=a", "of two", 200, "Updated 6 bytes").await;
    check("t1", "GET select?p=a", "", 200, "of one").await;
    check(
        "t1",
        "GET select?p=..%2Ftwo%2Fa",
        "",
        403,
        "Forbidden: invalid phext name: it holds a slash, a backslash or a NUL",
    )
    .await;
    check("t3", "GET list", "", 401, "Unauthorized").await;

    // A token more, a token less, and one that moved.
    write(&[("t1", "one"), ("t3", "three"), ("t4", "two")]);
    check("t3", "GET list", "", 401, "Unauthorized").await;
    check("", "POST reload", "", 200, "Config reload triggered").await;
    check("t1", "GET select?p=a", "", 200, "of one").await;
    check("t2", "GET list", "", 401, "Unauthorized").await;
    check("t3", "GET list", "", 200, "[]").await;
    check("t4", "GET select?p=a", "", 200, "of two").await;

    // A file that is no tenant file changes nothing.
    fs::write(&file, "{").unwrap();
    let found = read(app.handle(request("POST reload", "", "")).await).await;
    assert_eq!(found.status, 500);
    check("t1", "GET select?p=a", "", 200, "of one").await;

    // From another machine.
    let mut remote = request("POST reload", "Authorization: t1\r\n", "");
    remote.peer = ([10, 0, 0, 1], 1).into();
    let found = read(app.handle(remote).await).await;
    let text = "Forbidden: Reload endpoint only accessible from localhost";
    assert_eq!((found.status, found.body.as_str()), (403, text));
    let found = read(app.handle(request("GET /readyz", "", "")).await).await;
    assert_eq!((found.status, found.body.as_str()), (200, "ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_are_all_kept() {
    let server = Arc::new(Fixture::new());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..20 {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            for n in 0..10 {
                let line = format!("POST insert?p=a&c={}", n + 1);
                let text = format!("<{writer:02}>");
                server.check(&line, text, 200, "Inserted 4 bytes").await;
            }
        });
    }
    for done in writers.join_all().await {
        assert_eq!(done, ());
    }
    for n in 1..=10 {
        let line = format!("GET select?p=a&c={n}");
        let text = server.ask(&line, "", "").await.body;
        let mut parts: Vec<_> = text.split_inclusive('>').map(str::to_owned).collect();
        parts.sort();
        let expected: Vec<_> = (0..20).map(|writer| format!("<{writer:02}>")).collect();
        assert_eq!(parts, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_on_without_its_client() {
    let server = Fixture::new();
    let update = server.app.handle(request("POST update?p=a", "", "kept"));
    tokio::select! {
        biased;
        _ = update => {}
        () = std::future::ready(()) => {}
    }
    // Commits are in order: when this one is there, so is the one before.
    server
        .check("POST update?p=b", "x", 200, "Updated 1 bytes")
        .await;
    server.check("GET select?p=a", "", 200, "kept").await;
}

/// Routes over a store on a medium in memory.
fn over_memory() -> (Fixture, MemoryVfs) {
    let vfs = MemoryVfs::new();
    let options = Options {
        background: false,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("/data"), options).unwrap();
    let directory = TempDir::new().unwrap();
    let library = Arc::new(Library::over(store, directory.path()));
    let app = App::new(Tenants::Single { key: None, library });
    (Fixture { app, directory }, vfs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_store_is_read_only() {
    let (server, vfs) = over_memory();
    server
        .check("POST update?p=a", "kept", 200, "Updated 4 bytes")
        .await;
    vfs.set_fault(Some(Fault::Fail {
        at: vfs.operations(),
        kind: std::io::ErrorKind::Other,
    }));
    let found = server.ask("POST update?p=a", "", "lost").await;
    assert_eq!(found.status, 500);
    vfs.set_fault(None);
    let cause = server.tenants().libraries()[0]
        .store()
        .poison()
        .unwrap()
        .to_owned();
    let refused = StoreError::Poisoned {
        cause: cause.clone(),
    }
    .to_string();
    for line in ["POST update?p=a", "POST insert?p=b", "DELETE delete?p=a"] {
        server.check(line, "x", 503, &refused).await;
    }
    let ready = format!("writes are refused: {cause}");
    server.check("GET /readyz", "", 503, &ready).await;
    server
        .check_gets(&[("/livez", "ok"), ("get?p=a", "kept"), ("list", "[\"a\"]")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let (server, vfs) = over_memory();
    server
        .check("POST update?p=a", "kept", 200, "Updated 4 bytes")
        .await;
    let from = vfs.operations();
    vfs.set_fault(Some(Fault::Full { from }));
    // More than the log has reserved.
    let found = server.ask("POST update?p=a", "", "x".repeat(9 << 20)).await;
    assert_eq!(found.status, 507, "{}", found.body);
    server
        .check_gets(&[("get?p=a", "kept"), ("/readyz", "ready")])
        .await;
    vfs.set_fault(None);
    server
        .check("POST update?p=a", "again", 200, "Updated 5 bytes")
        .await;
}

#[test]
fn refusals() {
    let check = |error: StoreError, status: u16| {
        let text = error.to_string();
        let refusal = Refusal::from(LibraryError::Store(error.clone()));
        assert_eq!((refusal.status, refusal.text), (status, text.clone()));
        let refusal = Refusal::from(ExecuteError::Store(error));
        assert_eq!((refusal.status, refusal.text), (status, text));
    };
    check(StoreError::Closed, 503);
    check(
        StoreError::Poisoned {
            cause: "x".to_owned(),
        },
        503,
    );
    check(StoreError::DiskFull { path: "log".into() }, 507);
    check(StoreError::Name { reason: "x" }, 403);
    let (path, offset, what) = ("segment".into(), 4, "x".to_owned());
    check(StoreError::Corrupt { path, offset, what }, 500);
}
