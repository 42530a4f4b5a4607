//! Routes that write: which texts, coordinates and names they take, and that nothing is lost.

use super::*;

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
