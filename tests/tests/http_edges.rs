//! HTTP as SQ's clients and their proxies speak it, at its edges, over a real sqd.

use phext_tests::fixture::{Fixture, assert_answer, assert_refused};
use phext_tests::http::{Client, Framing, Persistence, ResponseBody, Wire, percent_encode};

fn update(query: &str) -> Wire {
    Wire::new("POST", "/api/v2/update").query(query)
}

#[test]
fn a_connection_is_kept_until_the_client_has_enough() {
    let fixture = Fixture::start();
    let mut connection = fixture.connect();
    for number in 0..20 {
        let text = format!("text {number}");
        connection
            .send(
                &update("p=keep&c=1.1.1/1.1.1/1.1.2")
                    .body(text.clone())
                    .to_bytes(),
            )
            .unwrap();
        let answer = connection.receive(ResponseBody::Present).unwrap();
        assert_answer(&answer, 200, &format!("Updated {} bytes", text.len()));
        assert!(!answer.closes());
    }
    let last = Wire::new("GET", "/api/v2/select")
        .query("p=keep&c=1.1.1/1.1.1/1.1.2")
        .header("Connection: close");
    connection.send(&last.to_bytes()).unwrap();
    let answer = connection.receive(ResponseBody::Present).unwrap();
    assert_answer(&answer, 200, "text 19");
    assert!(answer.closes(), "the close is announced");
    assert!(connection.is_closed().unwrap());
}

#[test]
fn fifty_pipelined_requests_are_answered_in_order() {
    let fixture = Fixture::start();
    let mut requests = Vec::new();
    for number in 1..=25 {
        let query = format!("p=pipe&c=1.1.1/1.1.1/1.1.{number}");
        let write = update(&query).body(format!("scroll {number}"));
        requests.extend_from_slice(&write.to_bytes());
        requests.extend_from_slice(&Wire::new("GET", "/api/v2/select").query(query).to_bytes());
    }
    let mut connection = fixture.connect();
    connection.send(&requests).unwrap();
    for number in 1..=25 {
        let text = format!("scroll {number}");
        let written = connection.receive(ResponseBody::Present).unwrap();
        assert_answer(&written, 200, &format!("Updated {} bytes", text.len()));
        assert_answer(
            &connection.receive(ResponseBody::Present).unwrap(),
            200,
            &text,
        );
    }
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let fixture = Fixture::start();
    let mut connection = fixture.connect();
    connection
        .send(b"GET /api/v2/select?p=old&c=1.1.1 HTTP/1.0\r\n\r\n")
        .unwrap();
    assert_answer(&connection.receive(ResponseBody::Present).unwrap(), 200, "");
    assert!(connection.is_closed().unwrap());
}

#[test]
fn head_is_get_without_the_body() {
    let fixture = Fixture::start();
    fixture.ask(&update("p=head&c=1.1.1/1.1.1/1.1.1").body("eleven byte"));
    for route in [
        "select",
        "toc",
        "checksum",
        "get",
        "json-export",
        "version",
        "list",
    ] {
        let wire = |method| Wire::new(method, format!("/api/v2/{route}")).query("p=head");
        let (head, get) = (fixture.ask(&wire("HEAD")), fixture.ask(&wire("GET")));
        assert_eq!(head.status, get.status, "{route}");
        assert!(head.body.is_empty(), "{route}");
        for name in [
            "content-length",
            "content-type",
            "access-control-allow-origin",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {route}");
        }
    }
    // A HEAD must leave nothing behind that the next answer would be mistaken for.
    let mut client = Client::new(fixture.server.port(), Persistence::KeepAlive);
    for method in ["HEAD", "GET", "HEAD", "GET"] {
        let answer = client
            .request(&Wire::new(method, "/api/v2/select").query("p=head"))
            .unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.text(),
            if method == "GET" { "eleven byte" } else { "" }
        );
    }
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let fixture = Fixture::start();
    let head = b"POST /api/v2/update?p=expect&c=1.1.1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
                 Expect: 100-continue\r\n\r\n";
    let mut connection = fixture.connect();
    connection.send(head).unwrap();
    assert_eq!(
        connection.receive(ResponseBody::Absent).unwrap().status,
        100
    );
    connection.send(b"hello").unwrap();
    let answer = connection.receive(ResponseBody::Present).unwrap();
    assert_answer(&answer, 200, "Updated 5 bytes");
}

#[test]
fn bodies_are_read_however_they_are_framed() {
    let fixture = Fixture::start();
    let text = "Zürich ".repeat(30_000);
    for framing in [
        Framing::Length,
        Framing::Chunked(1),
        Framing::Chunked(70_000),
    ] {
        // A chunk per byte of a long text would be slow for no insight.
        let text = if framing == Framing::Chunked(1) {
            &text[..300]
        } else {
            text.as_str()
        };
        let mut wire = update("p=framed&c=1.1.1/1.1.1/1.1.3").body(text);
        wire.framing = framing;
        assert_answer(
            &fixture.ask(&wire),
            200,
            &format!("Updated {} bytes", text.len()),
        );
        assert!(
            fixture.select("framed", "1.1.1/1.1.1/1.1.3") == text,
            "{framing:?}"
        );
    }
    let extended = b"POST /api/v2/update?p=framed&c=1.1.1 HTTP/1.1\r\nHost: x\r\n\
                     Transfer-Encoding: chunked\r\n\r\n5;name=\"v\"\r\nhello\r\n\
                     0\r\nTrailer: ignored\r\n\r\n";
    assert_answer(&fixture.raw(extended), 200, "Updated 5 bytes");
}

#[test]
fn a_megabyte_fits_into_the_query() {
    let fixture = Fixture::start();
    let text = "memory of an agent ".repeat(37_000);
    let query = format!(
        "p=big&c=1.1.1/1.1.1/1.1.1&s={}",
        percent_encode(text.as_bytes())
    );
    assert!(
        (999_000..1 << 20).contains(&query.len()),
        "{} bytes",
        query.len()
    );
    let answer = fixture.ask(&Wire::new("GET", "/api/v2/update").query(query));
    assert_answer(&answer, 200, &format!("Updated {} bytes", text.len()));
    assert!(fixture.select("big", "1.1.1/1.1.1/1.1.1") == text);
}

#[test]
fn what_is_not_http_is_a_400() {
    let fixture = Fixture::start();
    let rows: [(&str, &[u8]); 8] = [
        ("no request line", b"\x16\x03\x01\x02\x00\r\n\r\n"),
        ("no target", b"GET\r\n\r\n"),
        ("no version", b"GET /api/v2/version\r\nHost: x\r\n\r\n"),
        (
            "header without colon",
            b"GET /api/v2/version HTTP/1.1\r\nnonsense\r\n\r\n",
        ),
        (
            "length not a number",
            b"POST /api/v2/update?p=a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ),
        (
            "negative length",
            b"POST /api/v2/update?p=a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ),
        (
            "two framings",
            b"POST /api/v2/update?p=a HTTP/1.1\r\nContent-Length: 5\r\n\
              Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            b"POST /api/v2/update?p=a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n\
              hello!",
        ),
    ];
    for (what, request) in rows {
        let mut connection = fixture.connect();
        connection.send(request).unwrap();
        let answer = connection.receive(ResponseBody::Present).expect(what);
        assert_refused(what, &answer, 400, &[]);
        assert!(
            connection.is_closed().unwrap(),
            "{what}: what follows cannot be told apart"
        );
    }
    assert_eq!(
        fixture.select("a", "1.1.1/1.1.1/1.1.1"),
        "",
        "nothing was stored"
    );
}

#[test]
fn a_body_above_the_limit_is_a_413() {
    let fixture = Fixture::start();
    let head =
        b"POST /api/v2/update?p=huge&c=1.1.1 HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
    assert_refused("announced", &fixture.raw(head), 413, &[]);
    let head = b"POST /api/v2/update?p=huge&c=1.1.1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                 fffffffff\r\n";
    assert_refused("chunk", &fixture.raw(head), 413, &[]);
}

#[test]
fn a_text_that_no_scroll_can_hold_is_a_400_that_says_where() {
    let fixture = Fixture::start();
    fixture.ask(&update("p=text&c=1.1.1/1.1.1/1.1.1").body("before"));
    let rows: [(&str, &[u8], &[&str]); 5] = [
        ("not UTF-8", b"0123\xFF", &["4"]),
        ("cut short", b"Z\xC3\xBCrich \xE2\x82", &["8"]),
        ("scroll break", b"one\x17two", &["0x17", "3"]),
        ("library break", b"\x01", &["0x01", "0"]),
        ("shelf break", b"0123456789\x1F", &["0x1f", "10"]),
    ];
    for (what, body, naming) in rows {
        for route in ["update", "insert"] {
            let wire = Wire::new("POST", format!("/api/v2/{route}"))
                .query("p=text&c=1.1.1/1.1.1/1.1.1")
                .body(body);
            let mut answer = fixture.ask(&wire);
            answer.body.make_ascii_lowercase();
            assert_refused(what, &answer, 400, naming);
        }
    }
    let get = Wire::new("GET", "/api/v2/update").query("p=text&c=1.1.1/1.1.1/1.1.1&s=ab%18c");
    assert_refused("in the query", &fixture.ask(&get), 400, &["0x18", "2"]);
    assert_eq!(fixture.select("text", "1.1.1/1.1.1/1.1.1"), "before");
}

#[test]
fn a_coordinate_that_is_none_is_a_400() {
    let fixture = Fixture::start();
    for coordinate in [
        "1.0.1",
        "1.theme.1/1.1.1",
        "2147483648.1.1",
        "1.1.1/1.1.1/1.1.",
    ] {
        for route in ["select", "delete", "update", "insert"] {
            let query = format!("p=coordinate&s=text&c={coordinate}");
            let answer = fixture.ask(&Wire::new("GET", format!("/api/v2/{route}")).query(query));
            assert_refused(coordinate, &answer, 400, &[]);
            assert!(!answer.body.is_empty(), "{coordinate} in {route}");
        }
    }
}

#[test]
fn a_name_that_could_leave_the_directory_is_a_403() {
    let fixture = Fixture::start();
    let long = "n".repeat(256);
    for name in [
        "..%2Fx",
        "../x",
        "a%2fb",
        "a/b",
        "..",
        "a%5Cb",
        "nul%00",
        long.as_str(),
    ] {
        for route in ["update", "select", "status", "toc"] {
            let query = format!("p={name}&c=1.1.1&s=text");
            let answer = fixture.ask(&Wire::new("GET", format!("/api/v2/{route}")).query(query));
            assert_refused(name, &answer, 403, &[]);
        }
    }
    let longest = "n".repeat(255);
    let answer = fixture.ask(&update(&format!("p={longest}&c=1.1.1")).body("fits"));
    assert_answer(&answer, 200, "Updated 4 bytes");
}

#[test]
fn a_preflight_names_what_is_permitted() {
    let fixture = Fixture::start();
    let answer = fixture.ask(
        &Wire::new("OPTIONS", "/api/v2/update")
            .header("Origin: http://example.org")
            .header("Access-Control-Request-Method: PUT"),
    );
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let methods = answer.header("access-control-allow-methods").unwrap();
    for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        assert!(methods.contains(method), "{methods} lacks {method}");
    }
    let headers = answer
        .header("access-control-allow-headers")
        .unwrap()
        .to_lowercase();
    for header in ["authorization", "x-sq-api-key", "content-type"] {
        assert!(headers.contains(header), "{headers} lacks {header}");
    }
}

#[test]
fn a_form_is_decoded_where_there_is_no_query() {
    let fixture = Fixture::start();
    let form = |route: &str, fields: &str| {
        Wire::new("POST", format!("/api/v2/{route}"))
            .header("Content-Type: application/x-www-form-urlencoded")
            .body(fields)
    };
    let fields = "p=form&c=1.1.1%2F1.1.1%2F1.1.2&content=one+%26+two%0A";
    assert_answer(
        &fixture.ask(&form("update", fields)),
        200,
        "Updated 10 bytes",
    );
    assert_eq!(fixture.select("form", "1.1.1/1.1.1/1.1.2"), "one & two\n");
    let fields = "content=more&c=1.1.1;1.1.1;1.1.2&p=form";
    assert_answer(
        &fixture.ask(&form("insert", fields)),
        200,
        "Inserted 4 bytes",
    );
    assert_eq!(
        fixture.select("form", "1.1.1/1.1.1/1.1.2"),
        "one & two\nmore"
    );
    // With a query string the body is the text, whatever curl -d calls it.
    let wire = form("update?p=form&c=1.1.1", "p=x&content=y");
    assert_answer(&fixture.ask(&wire), 200, "Updated 13 bytes");
    assert_eq!(fixture.select("form", "1.1.1"), "p=x&content=y");
}

#[test]
fn list_and_export_show_what_was_written() {
    let fixture = Fixture::start();
    fixture.ask(&update("p=b&c=1.1.1/1.1.1/1.1.1").body("one"));
    fixture.ask(&update("p=b&c=1.1.1/1.1.1/1.1.3").body("three"));
    fixture.ask(&update("p=a%22quoted%22&c=1.1.1").body("text"));
    let list = fixture.ask(&Wire::new("GET", "/api/v2/list"));
    let mut names: Vec<String> = serde_json::from_slice(&list.body).unwrap();
    names.sort();
    assert_eq!(names, ["a\"quoted\"", "b"]);
    assert!(
        list.header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let export = fixture.ask(&Wire::new("GET", "/api/v2/export").query("p=b"));
    assert_answer(&export, 200, "one\x17\x17three");
}
