//! Requests that are refused: one sentence, then the connection ends.

use std::time::Duration;

use tokio::time::sleep;

use super::super::Options;
use super::harness::{Client, TestServer};

async fn start() -> TestServer {
    let short = Duration::from_millis(400);
    TestServer::start(Options {
        head_limit: 1000,
        body_limit: 1000,
        head_timeout: short,
        body_timeout: short,
        idle_timeout: Duration::from_millis(1500),
        ..Options::default()
    })
    .await
}

async fn check_refused(client: &mut Client, status: u16, sentence: &str) {
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.body), (status, sentence));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    client.expect_end().await;
}

#[tokio::test]
async fn malformed_requests() {
    let server = start().await;
    let rows = [
        (
            "GET /\r\n\r\n",
            400,
            "The request line is malformed: it is not `METHOD TARGET HTTP/1.1`.",
        ),
        (
            "GET / HTTP/3.0\r\n\r\n",
            505,
            "This HTTP version is not supported; use HTTP/1.1 or HTTP/1.0.",
        ),
        (
            "GET / HTTP/1.1\n",
            400,
            "A line of the request head ends in LF without CR; lines end in CR LF.",
        ),
        (
            "GET / HTTP/1.1\r\nA: 1\r\n b\r\n\r\n",
            400,
            "A header field is malformed.",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            400,
            "Content-Length is not a decimal number, or is given twice with different values.",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "The request has both Content-Length and Transfer-Encoding.",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "The only supported Transfer-Encoding is chunked.",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            400,
            "The chunked body is malformed: \
             a chunk size is not a hexadecimal number of 1 to 16 digits.",
        ),
    ];
    for (request, status, sentence) in rows {
        let mut client = server.connect().await;
        // Earlier responses arrive before the refusal.
        client
            .send(format!("GET /a HTTP/1.1\r\n\r\n{request}"))
            .await;
        assert_eq!(client.answer().await.body, "GET /a?");
        check_refused(&mut client, status, sentence).await;
    }
}

#[tokio::test]
async fn messages_over_the_limits() {
    let server = start().await;
    let head = "The request head is longer than the limit of 1000 bytes.";
    let body = "The request body is longer than the limit of 1000 bytes.";
    let declared = "Content-Length: 1001\r\n";
    let rows = [
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2000)),
            431,
            head,
        ),
        (
            format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(2000)),
            431,
            head,
        ),
        (format!("POST / HTTP/1.1\r\n{declared}\r\n"), 413, body),
        (
            format!("POST / HTTP/1.1\r\n{declared}Expect: 100-continue\r\n\r\n"),
            413,
            body,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n".to_owned(),
            413,
            body,
        ),
    ];
    for (request, status, sentence) in rows {
        let mut client = server.connect().await;
        client.send(request).await;
        check_refused(&mut client, status, sentence).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_everything_first_reads_the_refusal() {
    let server = start().await;
    let mut client = server.connect().await;
    let body = "x".repeat(8_000_000);
    client
        .send(format!(
            "POST / HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n{body}"
        ))
        .await;
    check_refused(
        &mut client,
        413,
        "The request body is longer than the limit of 1000 bytes.",
    )
    .await;
}

#[tokio::test]
async fn requests_that_stop_arriving() {
    let server = start().await;
    let head = "The request head did not arrive in time.";
    let body = "The request body stopped arriving.";
    for (request, sentence) in [
        ("GET / HT", head),
        ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", body),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            body,
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        check_refused(&mut client, 408, sentence).await;
    }
}

#[tokio::test]
async fn a_head_has_a_time_limit_as_a_whole() {
    let server = start().await;
    let mut client = server.connect().await;
    for byte in b"GET /" {
        client.send([*byte]).await;
        sleep(Duration::from_millis(100)).await;
    }
    check_refused(&mut client, 408, "The request head did not arrive in time.").await;
}

#[tokio::test]
async fn a_body_may_take_long_while_it_moves() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("POST /body HTTP/1.1\r\nContent-Length: 8\r\n\r\n")
        .await;
    for _ in 0..8 {
        sleep(Duration::from_millis(100)).await;
        client.send("b").await;
    }
    assert_eq!(client.answer().await.body, "bbbbbbbb");
}

#[tokio::test]
async fn requests_cut_short() {
    let server = start().await;
    for (request, sentence) in [
        (
            "GET / HT",
            "The connection ended before the request head did.",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
            "The connection ended after 3 bytes of the request body.",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
            .await
            .unwrap();
        check_refused(&mut client, 400, sentence).await;
    }
}

#[tokio::test]
async fn idle_connections_are_closed_in_silence() {
    let server = start().await;
    let mut client = server.connect().await;
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    // The timer of an earlier wait must not end a later one early.
    sleep(Duration::from_millis(900)).await;
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    sleep(Duration::from_millis(900)).await;
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    client.expect_end().await;
}
