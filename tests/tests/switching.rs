//! From SQ to sqd by changing the port: sqd starts where SQ left its files and serves them.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests put files where SQ would: not store files, and nothing to lose"
)]

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use phext_tests::document::{self, Document};
use phext_tests::http::{Client, Persistence, Wire, percent_encode};
use phext_tests::process::{Server, sqd_binary};

/// Asks for a route of a phext, and gives the body of a 200.
fn get(server: &Server, route: &str, name: &str, more: &str) -> Vec<u8> {
    let query = format!("p={}{more}", percent_encode(name.as_bytes()));
    let request = Wire::new("GET", format!("/api/v2/{route}")).query(query);
    let answer = Client::new(server.port(), Persistence::PerRequest)
        .request(&request)
        .unwrap();
    assert_eq!(answer.status, 200, "{route} of {name:?}: {}", answer.text());
    answer.body
}

/// Everything sqd says about a phext is what the file's text means.
fn check_served(server: &Server, name: &str, text: &str) {
    let document = Document::parse(text);
    let rendered = document.render();
    assert!(get(server, "get", name, "") == rendered, "get of {name:?}");
    let sum = document::checksum(&rendered);
    assert_eq!(
        get(server, "checksum", name, ""),
        sum.as_bytes(),
        "checksum of {name:?}"
    );
    let toc = String::from_utf8(get(server, "toc", name, "")).unwrap();
    assert_eq!(toc, document.toc(), "toc of {name:?}");
    let status = String::from_utf8(get(server, "status", name, "")).unwrap();
    assert!(
        status.starts_with(&format!("Hosting: {name}.phext\n")),
        "{status}"
    );
    let counts = format!(
        "\nPhext Size: {}\nScrolls: {}",
        rendered.len(),
        document.len()
    );
    assert!(status.ends_with(&counts), "{status} instead of ...{counts}");
    for (at, scroll) in document.iter() {
        let served = get(server, "select", name, &format!("&c={at}"));
        assert!(served == scroll.as_bytes(), "{name:?} at {at}");
    }
}

fn serve(directory: &Path) -> Server {
    Server::start_sqd(&sqd_binary(), directory, None).unwrap()
}

#[test]
fn the_files_that_sq_leaves_are_served() {
    let long = format!("a\x17{}\x18tail", "line of text\r\n".repeat(20_000));
    let far = format!("near\x01{}\x17far", "\x19".repeat(1_500));
    let rows = [
        ("notes", "first\nline\x17second\x18\x18third\x01far away\n"),
        ("", "the phext without a name"),
        ("my-assistant.v2", "\x17\x17only at 1.1.3"),
        ("x>y", "Zürich\x1F日本語 🦉"),
        (
            "not normalised",
            "\x17\x17\x18a\x17\x17\x17\x19\x17b\x17\x18\x01\x01",
        ),
        ("empty", ""),
        ("breaks only", "\x17\x18\x19"),
        ("long", long.as_str()),
        ("beyond-999", far.as_str()),
    ];
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join(".sq")).unwrap();
    std::fs::write(directory.path().join("notes.phext.json"), "[\n]\n").unwrap();
    for (name, text) in rows {
        std::fs::write(directory.path().join(format!("{name}.phext")), text).unwrap();
    }
    let server = serve(directory.path());
    for (name, text) in rows {
        check_served(&server, name, text);
    }
    server.kill();
    let server = serve(directory.path());
    for (name, text) in rows {
        check_served(&server, name, text);
    }
}

#[test]
fn what_is_written_after_the_switch_stays_over_what_was_imported() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.phext"), "old\x17kept").unwrap();
    let server = serve(directory.path());
    let update = Wire::new("POST", "/api/v2/update")
        .query("p=notes&c=1.1.1/1.1.1/1.1.1")
        .body("new");
    let answer = Client::new(server.port(), Persistence::PerRequest)
        .request(&update)
        .unwrap();
    assert_eq!(answer.text(), "Updated 3 bytes");
    check_served(&server, "notes", "new\x17kept");
    server.kill();
    let server = serve(directory.path());
    check_served(&server, "notes", "new\x17kept");
    assert_eq!(get(&server, "load", "notes", ""), b"Loaded notes.phext");
    check_served(&server, "notes", "new\x17kept");
}

#[test]
fn load_takes_in_a_file_that_became_newer() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.phext");
    std::fs::write(&file, "old\x17old too").unwrap();
    let server = serve(directory.path());
    check_served(&server, "notes", "old\x17old too");
    // File times may have the grain of a timer tick.
    thread::sleep(Duration::from_millis(50));
    std::fs::write(&file, "edited by hand\x18and moved").unwrap();
    assert_eq!(get(&server, "load", "notes", ""), b"Loaded notes.phext");
    check_served(&server, "notes", "edited by hand\x18and moved");
}

#[test]
fn a_read_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(directory.path());
    for route in [
        "select",
        "toc",
        "status",
        "checksum",
        "get",
        "json-export",
        "delta",
        "load",
    ] {
        get(&server, route, "never-written", "&c=1.1.1/1.1.1/1.1.1");
    }
    assert_eq!(get(&server, "list", "", ""), b"[]");
    assert!(!directory.path().join("never-written.phext").exists());
    assert!(!directory.path().join("never-written.phext.json").exists());
}

#[test]
fn a_real_document_is_served() {
    let Some(file) = the_odyssey() else { return };
    let text = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("the-odyssey.phext"), &text).unwrap();
    let server = serve(directory.path());
    check_served(&server, "the-odyssey", &text);
}

/// The document, where it is at hand: the project does not contain it.
fn the_odyssey() -> Option<PathBuf> {
    let directory = std::env::var_os("SQD_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let file = directory.join("the-odyssey.phext");
    if file.exists() {
        return Some(file);
    }
    println!(
        "skipped: there is no {}; SQD_SHARED_DATA names its directory",
        file.display()
    );
    None
}
