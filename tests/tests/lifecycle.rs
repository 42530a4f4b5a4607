//! Who may ask, and how sqd ends: keys, SIGTERM, and a second process on the same data.

use std::process::Output;
use std::thread;
use std::time::Duration;

use phext_tests::fixture::{Fixture, assert_answer};
use phext_tests::http::{Client, Persistence, ResponseBody, Wire};
use phext_tests::process::{Server, free_port, sqd_binary, sqd_command};

#[test]
fn the_key_opens_in_each_of_its_forms() {
    let fixture = Fixture::with_key(Some("secret"));
    let rows = [
        (None, 401),
        (Some("Authorization: secret"), 200),
        (Some("Authorization: Bearer secret"), 200),
        (Some("authorization: bEARER secret"), 200),
        (Some("X-SQ-API-Key: secret"), 200),
        (Some("x-sq-api-key:secret"), 200),
        (Some("Authorization: Bearer secre"), 401),
        (Some("Authorization: secrets"), 401),
        (Some("X-SQ-API-Key: "), 401),
    ];
    for (header, status) in rows {
        let mut wire = Wire::new("GET", "/api/v2/status");
        wire.headers.extend(header.map(str::to_owned));
        let answer = fixture.ask(&wire);
        assert_eq!(answer.status, status, "{header:?}: {}", answer.text());
    }
    let preflight = Wire::new("OPTIONS", "/api/v2/status");
    let answer = fixture.ask(&preflight);
    assert_eq!(answer.status, 204, "a preflight needs no key");
}

#[test]
fn sigterm_ends_it_with_the_request_in_flight_answered() {
    let mut fixture = Fixture::start();
    let mut connection = fixture.connect();
    connection
        .send(b"POST /api/v2/update?p=last&c=1.1.1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        .unwrap();
    thread::sleep(Duration::from_millis(100));
    fixture.server.terminate().unwrap();
    thread::sleep(Duration::from_millis(100));
    connection.send(b"world").unwrap();
    let answer = connection.receive(ResponseBody::Present).unwrap();
    assert_answer(&answer, 200, "Updated 10 bytes");
    let status = fixture.server.wait(Duration::from_secs(10)).unwrap();
    assert!(
        status.success(),
        "it ended with {status}: {}",
        fixture.server.stderr()
    );
    let again = Server::start_sqd(&sqd_binary(), fixture.directory.path(), None).unwrap();
    let select = Wire::new("GET", "/api/v2/select").query("p=last");
    let answer = Client::new(again.port(), Persistence::PerRequest)
        .request(&select)
        .unwrap();
    assert_answer(&answer, 200, "helloworld");
}

#[test]
fn sigterm_does_not_wait_for_idle_connections() {
    let mut fixture = Fixture::start();
    let mut idle = fixture.connect();
    idle.send(&Wire::new("GET", "/api/v2/version").to_bytes())
        .unwrap();
    idle.receive(ResponseBody::Present).unwrap();
    fixture.server.terminate().unwrap();
    let status = fixture.server.wait(Duration::from_secs(10)).unwrap();
    assert!(
        status.success(),
        "it ended with {status}: {}",
        fixture.server.stderr()
    );
}

#[test]
fn a_second_process_on_the_directory_is_refused() {
    let fixture = Fixture::start();
    let Output {
        status,
        stdout,
        stderr,
    } = sqd_command(
        &sqd_binary(),
        free_port().unwrap(),
        fixture.directory.path(),
    )
    .unwrap()
    .output()
    .unwrap();
    assert!(!status.success(), "it ended with {status}");
    let said = String::from_utf8_lossy(&stderr).into_owned() + &String::from_utf8_lossy(&stdout);
    let directory = fixture.directory.path().to_string_lossy().into_owned();
    assert!(
        said.contains(&directory),
        "the message names no directory: {said:?}"
    );
    assert_eq!(fixture.select("still", "1.1.1"), "", "the first goes on");
}
