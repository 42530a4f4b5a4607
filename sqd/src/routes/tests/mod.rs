//! Tests of the routes without a socket.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files that SQ or an operator left need not survive a crash of the test"
)]

mod cores;
mod queries;
mod reads;
mod refusals;
mod telemetry;
mod writes;

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
        let app = App::new(
            Tenants::Single { key, library },
            Cores::start(None).unwrap(),
        );
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
            let mut has_ended = false;
            while let Some(chunk) = chunks.recv().await {
                let chunk = chunk.unwrap();
                has_ended |= chunk.is_empty();
                bytes.extend_from_slice(&chunk);
            }
            assert!(has_ended);
            assert!(length.is_none_or(|length| bytes.len() as u64 == length));
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
