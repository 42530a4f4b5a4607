//! Panics, clients that hang up, too many connections, shutdown.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::super::Options;
use super::harness::{SLOW, TestServer};

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = TestServer::start(Options::default()).await;
    let mut client = server.connect().await;
    client
        .send("GET /panic HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.body,
        "The server failed on this request (request 1)."
    );
    assert_eq!(client.answer().await.body, "GET /a?");
    assert_eq!(client.ask("GET /b HTTP/1.1\r\n\r\n").await.body, "GET /b?");
}

#[tokio::test]
async fn a_handler_runs_to_its_end_without_its_client() {
    let server = TestServer::start(Options::default()).await;
    for earlier in ["", "GET /a HTTP/1.1\r\n\r\n"] {
        let mut client = server.connect().await;
        client
            .send(format!("{earlier}GET /slow HTTP/1.1\r\n\r\n"))
            .await;
        let started = server.puppet.started.load(Ordering::SeqCst);
        drop(client);
        server.wait_started(started.max(1)).await;
    }
    server.wait_started(2).await;
    sleep(SLOW * 2).await;
    assert_eq!(server.puppet.finished.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so() {
    let server = TestServer::start(Options {
        max_connections: 1,
        ..Options::default()
    })
    .await;
    let mut first = server.connect().await;
    assert_eq!(first.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    let mut second = server.connect().await;
    let answer = second.ask("GET /a HTTP/1.1\r\n\r\n").await;
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (503, Some("close"))
    );
    second.expect_end().await;
    assert_eq!(first.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    drop(first);
    sleep(Duration::from_millis(50)).await;
    let mut third = server.connect().await;
    assert_eq!(third.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight() {
    let server = TestServer::start(Options::default()).await;
    let address = server.address;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask("GET /a HTTP/1.1\r\n\r\n").await.status, 200);
    let mut fresh = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\n\r\n").await;
    server.wait_started(1).await;
    let begun = Instant::now();
    let stopping = server.stop();
    idle.expect_end().await;
    fresh.expect_end().await;
    assert!(
        begun.elapsed() < SLOW,
        "idle connections do not wait for the busy one"
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let answer = busy.answer().await;
    assert_eq!(
        (&*answer.body, answer.header("Connection")),
        ("slow", Some("close"))
    );
    busy.expect_end().await;
    assert_eq!(stopping.await.unwrap(), 0);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let drain_timeout = Duration::from_millis(30);
    let server = TestServer::start(Options {
        drain_timeout,
        ..Options::default()
    })
    .await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\n\r\n").await;
    server.wait_started(1).await;
    let puppet = std::sync::Arc::clone(&server.puppet);
    assert_eq!(server.stop().await.unwrap(), 1);
    assert_eq!(puppet.finished.load(Ordering::SeqCst), 0);
    // The work goes on all the same.
    assert_eq!(busy.answer().await.body, "slow");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let write_timeout = Duration::from_millis(100);
    let options = Options {
        write_timeout,
        drain_timeout: SLOW * 10,
        ..Options::default()
    };
    let server = TestServer::start(options).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\n\r\n".repeat(20)).await;
    sleep(write_timeout / 2).await;
    assert_eq!(server.stop().await.unwrap(), 0);
    drop(client);
}

#[tokio::test]
async fn a_handler_that_asks_is_told_that_its_client_has_gone() {
    let server = TestServer::start(Options::default()).await;
    let requests = [
        "GET /until-gone HTTP/1.1\r\n\r\n",
        "GET /until-gone HTTP/1.1\r\nConnection: close\r\n\r\n",
        // Another request waits behind it, and an answer before it.
        "GET /a HTTP/1.1\r\n\r\nGET /until-gone HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    ];
    for (request, count) in requests.iter().zip(1..) {
        let mut client = server.connect().await;
        client.send(request).await;
        server.wait_started(count).await;
        drop(client);
        server.wait_finished(count).await;
    }
}

#[tokio::test]
async fn a_client_that_ends_its_half_is_there() {
    let server = TestServer::start(Options::default()).await;
    for (version, interim) in [("1.1", "HTTP/1.1 100 Continue\r\n\r\n"), ("1.0", "")] {
        let mut client = server.connect().await;
        client
            .send(format!("GET /until-gone HTTP/{version}\r\n\r\n"))
            .await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
            .await
            .unwrap();
        let rest = String::from_utf8(client.rest().await.unwrap()).unwrap();
        let answer = rest.strip_prefix(interim).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{rest}");
        assert!(answer.ends_with("there"), "{rest}");
    }
    assert_eq!(server.puppet.finished.load(Ordering::SeqCst), 0);
}
