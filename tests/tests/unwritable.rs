//! A data directory that cannot be written to: no space, a read-only medium, a limit for the size of files.
//! What is stored is read all the same.
//!
//! Two tests mount a file system in memory, and say so where that is not permitted.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test fills a disk and removes a file behind sqd's back"
)]

use phext_tests::http::{Client, Persistence, Response, Wire};
use phext_tests::process::{Server, free_port, sqd_binary};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

const TEXT_BYTES: usize = 60_000;

/// A file system in memory, of 16 MiB.
struct Mount {
    directory: TempDir,
}

impl Mount {
    /// `None` where it is not permitted.
    fn new() -> Option<Mount> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]);
        let output = command.arg(directory.path()).output();
        if !output.is_ok_and(|output| output.status.success()) {
            println!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Mount { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn remount(&self, how: &str) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,{how}")]);
        assert!(command.arg(self.path()).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What stays mounted goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn sqd(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(sqd_binary());
    command.args(arguments).arg("--data-dir").arg(data_dir);
    command.output().unwrap()
}

/// What a command that ends well says on its standard output.
fn told(data_dir: &Path, arguments: &[&str]) -> String {
    let output = sqd(data_dir, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(data_dir: &Path, arguments: &[&str]) -> String {
    let output = sqd(data_dir, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn ask(server: &Server, wire: &Wire) -> Response {
    let mut client = Client::new(server.port(), Persistence::PerRequest);
    client.request(wire).unwrap()
}

fn update(server: &Server, number: u32) -> u16 {
    let query = format!("p=notes&c=1.1.1/1.1.1/1.1.{number}");
    let wire = Wire::new("POST", "/api/v2/update").query(query);
    let text = format!("{number}:{}", "x".repeat(TEXT_BYTES));
    ask(server, &wire.body(text)).status
}

fn assert_reads(server: &Server, number: u32) {
    let query = format!("p=notes&c=1.1.1/1.1.1/1.1.{number}");
    let answer = ask(server, &Wire::new("GET", "/api/v2/select").query(query));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.starts_with(&format!("{number}:x")), "scroll {number}");
}

/// Writes scrolls from 1 on until one is refused for want of space. Gives how many were stored.
fn fill(server: &Server) -> u32 {
    for number in 1..400 {
        match update(server, number) {
            200 => {}
            status => {
                assert_eq!(status, 507);
                return number - 1;
            }
        }
    }
    panic!("space without end");
}

/// Every command that only reads.
fn assert_commands_read(data_dir: &Path, stored: u32) {
    let exported = told(data_dir, &["export", "notes"]);
    assert_eq!(exported.matches(":x").count() as u32, stored);
    let counted = told(data_dir, &["query", "notes", "--select", "count"]);
    assert!(
        counted.contains(&format!("{{\"count\":{stored}}}")),
        "{counted}"
    );
    assert!(told(data_dir, &["statistics"]).contains("segments: "));
    assert!(told(data_dir, &["check"]).contains("checked"));
    assert_eq!(told(data_dir, &["repair"]), "nothing to repair\n");
}

#[test]
fn a_full_disk_keeps_no_store_from_being_opened_and_read() {
    let Some(mount) = Mount::new() else { return };
    let data_dir = mount.path().join("store");
    // More than the log reserves at a time.
    let filler = mount.path().join("filler");
    std::fs::write(&filler, vec![b'x'; 6 << 20]).unwrap();
    let server = Server::start_sqd(&sqd_binary(), &data_dir, None).unwrap();
    let stored = fill(&server);
    server.kill();
    let fill_up = || {
        // It ends with the disk.
        let _ = std::fs::write(&filler, vec![b'x'; 16 << 20]);
    };
    fill_up();
    assert_commands_read(&data_dir, stored);
    // What the commands gave back of the log.
    fill_up();
    let mut server = Server::start_sqd(&sqd_binary(), &data_dir, None).unwrap();
    assert_reads(&server, stored);
    assert_eq!(update(&server, stored + 1), 507);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(update(&server, stored + 1), 200, "without a restart");
    server.terminate().unwrap();
    server.wait(Duration::from_secs(10)).unwrap();
    assert_commands_read(&data_dir, stored + 1);
}

#[test]
fn a_read_only_medium_is_read() {
    let Some(mount) = Mount::new() else { return };
    let server = Server::start_sqd(&sqd_binary(), mount.path(), None).unwrap();
    (1..=20).for_each(|number| assert_eq!(update(&server, number), 200));
    server.kill();
    mount.remount("ro");
    assert_commands_read(mount.path(), 20);
    assert!(told(mount.path(), &["order", "notes"]).starts_with("auto"));
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["snapshot", "create", "a"],
    ] {
        let said = refused(mount.path(), arguments);
        assert!(said.contains("is on a read-only medium"), "{said}");
    }
    mount.remount("rw");
    let server = Server::start_sqd(&sqd_binary(), mount.path(), None).unwrap();
    assert_reads(&server, 20);
}

#[test]
fn a_store_without_its_lock_file_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_sqd(&sqd_binary(), directory.path(), None).unwrap();
    assert_eq!(update(&server, 1), 200);
    server.kill();
    for command in [
        &["check"][..],
        &["export", "notes"],
        &["statistics"],
        &["repair"],
    ] {
        std::fs::remove_file(directory.path().join("LOCK")).unwrap();
        told(directory.path(), command);
    }
    let empty = tempfile::tempdir().unwrap();
    std::fs::create_dir(empty.path().join("log")).unwrap();
    let said = refused(empty.path(), &["check"]);
    assert!(said.contains("there is no store in"), "{said}");
}

#[test]
fn a_limit_for_the_size_of_files_is_met_like_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let mut command = Command::new("sh");
    // In blocks of 512 bytes or of 1,024, as the shell likes: 3 MiB or 6.
    command.args(["-c", "ulimit -f 6144; exec \"$0\" \"$@\""]);
    command.arg(sqd_binary()).arg("serve");
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.arg("--data-dir").arg(directory.path());
    let mut server = Server::start(command, port, None).unwrap();
    let stored = fill(&server);
    assert!(stored > 0);
    assert_reads(&server, stored);
    server.terminate().unwrap();
    assert!(server.wait(Duration::from_secs(10)).unwrap().success());
    let server = Server::start_sqd(&sqd_binary(), directory.path(), None).unwrap();
    assert_reads(&server, stored);
    assert_eq!(update(&server, stored + 1), 200);
}
