//! Commands on the data directory of a running server, which goes on meanwhile.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test damages a segment behind the server's back"
)]

use phext_tests::fixture::{Fixture, assert_answer};
use phext_tests::http::Wire;
use phext_tests::process::sqd_binary;
use std::process::{Command, Output};

/// Runs sqd with the fixture's data directory.
fn sqd(fixture: &Fixture, arguments: &[&str]) -> Output {
    let mut command = Command::new(sqd_binary());
    command.args(arguments);
    command.arg("--data-dir").arg(fixture.directory.path());
    command.output().unwrap()
}

/// What a command that ends well says on its standard output.
fn told(fixture: &Fixture, arguments: &[&str]) -> String {
    let output = sqd(fixture, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that fails says on its standard error.
fn refused(fixture: &Fixture, arguments: &[&str]) -> String {
    let output = sqd(fixture, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stderr).unwrap()
}

fn update(fixture: &Fixture, text: &str) {
    let wire = Wire::new("POST", "/api/v2/update").query("p=notes&c=1.1.1/1.1.1/1.1.1");
    let answer = fixture.ask(&wire.body(text));
    assert_answer(&answer, 200, &format!("Updated {} bytes", text.len()));
}

#[test]
fn export_sees_every_answered_write() {
    let fixture = Fixture::start();
    for text in ["one", "two", "three"] {
        update(&fixture, text);
        assert_eq!(told(&fixture, &["export", "notes"]), text);
    }
    let said = refused(&fixture, &["export", "none"]);
    assert!(said.contains("there is no phext \"none\""), "{said}");
    let own = fixture.directory.path().join("notes.phext");
    let said = refused(&fixture, &["export", "notes", own.to_str().unwrap()]);
    assert!(said.contains("choose another file"), "{said}");
    assert!(!own.exists());
    assert_eq!(fixture.select("notes", "1.1.1/1.1.1/1.1.1"), "three");
}

#[test]
fn check_finds_damage_under_a_running_server() {
    let fixture = Fixture::start();
    let told_first = told(&fixture, &["check"]);
    assert!(
        told_first.starts_with("0 bytes in segments"),
        "{told_first}"
    );
    // More than the memtables hold, so that there is a segment.
    let text = "text ".repeat(1 << 18);
    for number in 1..=60 {
        let query = format!("p=notes&c=1.1.1/1.1.1/1.1.{number}");
        let wire = Wire::new("POST", "/api/v2/update").query(query);
        assert_eq!(fixture.ask(&wire.body(text.as_str())).status, 200);
    }
    let segments = fixture.directory.path().join("segments");
    let segment = || {
        let names = std::fs::read_dir(&segments).unwrap();
        let mut paths = names.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|e| e == "seg"))
    };
    let start = std::time::Instant::now();
    let path = loop {
        match segment() {
            Some(path) => break path,
            None => assert!(start.elapsed().as_secs() < 60, "nothing was sealed"),
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let good = told(&fixture, &["check"]);
    assert!(good.contains("1 phexts, 60 scrolls"), "{good}");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = refused(&fixture, &["check"]);
    assert!(said.contains("1 damaged places"), "{said}");
}

#[test]
fn checkpoints_and_snapshots_are_made_beside_a_running_server() {
    let fixture = Fixture::start();
    update(&fixture, "first");
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy");
    let path = copy.to_str().unwrap();
    told(&fixture, &["checkpoint", path]);
    told(&fixture, &["snapshot", "create", "monday"]);
    update(&fixture, "second");
    assert_eq!(told(&fixture, &["export", "notes"]), "second");
    let export = ["export", "notes", "--snapshot", "monday"];
    assert_eq!(told(&fixture, &export), "first");
    assert!(told(&fixture, &["snapshot", "list"]).starts_with("monday: change "));
    let exported = Command::new(sqd_binary())
        .args(["export", "notes", "--data-dir", path])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&exported.stdout), "first");
    let said = refused(&fixture, &["checkpoint", path]);
    assert!(said.contains("choose another directory"), "{said}");
    told(&fixture, &["snapshot", "drop", "monday"]);
    let said = refused(&fixture, &export);
    assert!(said.contains("no snapshot named \"monday\""), "{said}");
    assert!(told(&fixture, &["order", "notes", "hilbert"]).starts_with("hilbert\n"));
    let statistics = told(&fixture, &["statistics"]);
    assert!(statistics.contains("memtable_bytes: "), "{statistics}");
    assert!(statistics.contains("mapped_bytes: "), "{statistics}");
}
