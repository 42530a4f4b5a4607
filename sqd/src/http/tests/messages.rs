//! Requests that are answered: persistence, pipelining, bodies in both directions.

use std::time::Duration;

use tokio::time::sleep;

use super::super::Options;
use super::harness::TestServer;

async fn start() -> TestServer {
    TestServer::start(Options::default()).await
}

#[tokio::test]
async fn connections_are_kept() {
    let server = start().await;
    let mut client = server.connect().await;
    for number in 1..=3 {
        let answer = client.ask("GET /ids HTTP/1.1\r\n\r\n").await;
        assert_eq!(answer.body, format!("1 {number}"));
        assert_eq!(answer.header("Connection"), None);
    }
    let mut other = server.connect().await;
    assert_eq!(other.ask("GET /ids HTTP/1.1\r\n\r\n").await.body, "2 4");
}

#[tokio::test]
async fn the_head_of_a_response() {
    let server = start().await;
    let answer = server.connect().await.ask("GET /a HTTP/1.1\r\n\r\n").await;
    assert_eq!(
        answer.head,
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\n\r\n"
    );
}

#[tokio::test]
async fn close_is_honoured_and_announced() {
    let server = start().await;
    let mut client = server.connect().await;
    let answer = client
        .ask("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(answer.header("Connection"), Some("close"));
    client.expect_end().await;

    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.body, "GET /a?");
    client.expect_end().await;
}

#[tokio::test]
async fn http_1_0_closes_unless_asked() {
    let server = start().await;
    let mut client = server.connect().await;
    let answer = client
        .ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(answer.header("Connection"), Some("keep-alive"));
    let answer = client.ask("GET /b HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        (answer.header("Connection"), &*answer.body),
        (Some("close"), "GET /b?")
    );
    client.expect_end().await;
}

#[tokio::test]
async fn half_closed_connections_are_answered() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        .await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .unwrap();
    assert_eq!(client.answer().await.body, "GET /a?");
    assert_eq!(client.answer().await.body, "GET /b?");
    client.expect_end().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start().await;
    let mut client = server.connect().await;
    let requests: String = (0..100)
        .map(|number| match number % 3 {
            0 => format!("GET /n?{number} HTTP/1.1\r\n\r\n"),
            1 => format!("POST /n?{number} HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"),
            _ => format!(
                "POST /n?{number} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                 1\r\na\r\n1\r\nb\r\n0\r\n\r\n\r\n"
            ),
        })
        .collect();
    client.send(requests).await;
    for number in 0..100 {
        let expected = match number % 3 {
            0 => format!("GET /n?{number}"),
            _ => format!("POST /n?{number} ab"),
        };
        assert_eq!(client.answer().await.body, expected);
    }
}

#[tokio::test]
async fn responses_do_not_wait_for_a_slow_successor() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.1\r\n\r\nGET /slow HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.body, "GET /a?");
    let finished = &server.puppet.finished;
    assert_eq!(finished.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(client.answer().await.body, "slow");
    assert_eq!(client.answer().await.body, "GET /b?");
}

#[tokio::test]
async fn large_pipelined_responses_arrive_whole() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("GET /a HTTP/1.1\r\n\r\nGET /large HTTP/1.1\r\n\r\n".repeat(3))
        .await;
    for _ in 0..3 {
        assert_eq!(client.answer().await.body, "GET /a?");
        assert_eq!(client.answer().await.body.len(), 3_000_000);
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_no_body() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("HEAD /large HTTP/1.1\r\n\r\nHEAD /stream HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(
        client.answer_head().await.header("Content-Length"),
        Some("3000000")
    );
    assert_eq!(
        client.answer_head().await.header("Content-Length"),
        Some("300000")
    );
    let answer = client.ask("GET /empty HTTP/1.1\r\n\r\n").await;
    assert_eq!(
        (answer.status, answer.header("Content-Length")),
        (204, None)
    );
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.body, "GET /a?");
}

#[tokio::test]
async fn handlers_know_who_asks_and_for_what() {
    let server = start().await;
    let mut client = server.connect().await;
    let answer = client.ask("GET /who HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer.body, "127.0.0.1 Http11");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let answer = client
        .ask(&b"GET /decode?s=a+%C3%A9\xff b%2B HTTP/1.1\r\n\r\n"[..])
        .await;
    assert_eq!(answer.body, "a \u{e9}\u{fffd} b+");
}

#[tokio::test]
async fn raw_bytes_and_long_queries() {
    let server = start().await;
    let mut client = server.connect().await;
    let answer = client
        .ask("GET /a?s=x > \"y\" \u{e9}%zz HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(answer.body, "GET /a?s=x > \"y\" \u{e9}%zz");
    let scroll = "z".repeat(1_500_000);
    let answer = client
        .ask(format!("GET /a?s={scroll} HTTP/1.1\r\n\r\n"))
        .await;
    assert_eq!(answer.body.len(), "GET /a?s=".len() + scroll.len());
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.body, "GET /a?");
}

#[tokio::test]
async fn bodies_of_any_size_and_on_any_method() {
    let server = start().await;
    let mut client = server.connect().await;
    for (method, length) in [
        ("GET", 5),
        ("DELETE", 1),
        ("PUT", 20_000),
        ("POST", 5_000_000),
    ] {
        let body = "b".repeat(length);
        let head = format!("{method} /body HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(client.ask(head + &body).await.body, body);
    }
    let chunk = format!("10000\r\n{}\r\n", "c".repeat(0x10000)).repeat(20);
    let head = "POST /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = client.ask(format!("{head}{chunk}0\r\n\r\n")).await;
    assert_eq!(answer.body, "c".repeat(0x10000 * 20));
}

#[tokio::test]
async fn a_body_is_invited_when_the_client_waits() {
    let server = start().await;
    let mut client = server.connect().await;
    let declared = ("Content-Length: 5", "hello");
    let chunked = ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    for (field, body) in [declared, chunked] {
        let head = format!("POST /body HTTP/1.1\r\n{field}\r\nExpect: 100-continue\r\n\r\n");
        client.send(&head).await;
        assert_eq!(
            client.answer_head().await.head,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        assert_eq!(client.ask(body).await.body, "hello");
        // A body that has come already needs no invitation.
        assert_eq!(client.ask(head + body).await.status, 200);
    }
}

#[tokio::test]
async fn requests_may_arrive_in_any_two_pieces() {
    let server = start().await;
    let request = b"\r\nPOST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: x\r\n\r\n\
        POST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    let mut client = server.connect().await;
    for cut in 1..request.len() {
        client.send(&request[..cut]).await;
        sleep(Duration::from_millis(1)).await;
        client.send(&request[cut..]).await;
        assert_eq!(
            client.answer().await.body,
            "POST /a?b hello!",
            "cut at {cut}"
        );
        assert_eq!(client.answer().await.body, "POST /c? abc", "cut at {cut}");
    }
}

#[tokio::test]
async fn streams_have_their_length() {
    let server = start().await;
    let mut client = server.connect().await;
    client
        .send("GET /stream HTTP/1.1\r\n\r\nGET /stream-small HTTP/1.1\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.body, "y".repeat(300_000));
    assert_eq!(client.answer().await.body, "ababab");
    assert_eq!(client.ask("GET /a HTTP/1.1\r\n\r\n").await.body, "GET /a?");
}

#[tokio::test]
async fn streams_that_fail_reset_the_connection() {
    let server = start().await;
    for path in [
        "/stream-short",
        "/stream-long",
        "/stream-fails",
        "/open-short",
        "/open-fails",
    ] {
        let mut client = server.connect().await;
        client.send(format!("GET {path} HTTP/1.1\r\n\r\n")).await;
        let error = client.rest().await.expect_err("the connection is reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{path}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_ends_with_the_connection() {
    let server = start().await;
    for version in ["1.0", "1.1"] {
        let mut client = server.connect().await;
        let request = format!("GET /open HTTP/{version}\r\nConnection: keep-alive\r\n\r\n");
        client.send(request).await;
        let head = client.answer_head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("Content-Length"), None);
        assert_eq!(head.header("Transfer-Encoding"), None);
        assert_eq!(head.header("Connection"), Some("close"));
        assert_eq!(client.rest().await.unwrap(), b"abcd");
    }
    // Of the answer to HEAD the end is known.
    let mut client = server.connect().await;
    client.send("HEAD /open HTTP/1.1\r\n\r\n").await;
    let head = client.answer_head().await;
    assert_eq!(head.header("Connection"), None);
    assert_eq!(
        client.ask("GET /stream-small HTTP/1.1\r\n\r\n").await.body,
        "ababab"
    );
}
