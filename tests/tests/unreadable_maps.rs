//! A segment that is cut while sqd has it mapped: a clean stop that names it, never a wrong answer.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

use phext_tests::fixture::{Fixture, assert_answer};
use phext_tests::http::{Client, Persistence, Wire};
use phext_tests::process::{Server, sqd_binary};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `phext_storage::vfs::UNREADABLE_MAP_EXIT_CODE` is, said once more as a promise to operators.
const EXIT_CODE: i32 = 74;
const PAGE_BYTES: u64 = 4096;
const SCROLLS: u32 = 150;

fn text(number: u32) -> String {
    format!("{number} {}", "x".repeat(900))
}

fn segment(data_dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(data_dir.join("segments")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths.remove(0)
}

#[expect(
    clippy::disallowed_types,
    reason = "the test cuts a file behind sqd's back"
)]
fn cut(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn a_segment_that_is_cut_under_its_map_stops_sqd_cleanly() {
    let mut fixture = Fixture::start();
    for number in 1..=SCROLLS {
        let update = Wire::new("POST", "/api/v2/update")
            .query(format!("p=cut&c=1.1.1/1.1.1/1.1.{number}"))
            .body(text(number));
        assert_answer(
            &fixture.ask(&update),
            200,
            &format!("Updated {} bytes", text(number).len()),
        );
    }
    let data_dir = fixture.directory.path().to_owned();
    fixture.server.terminate().unwrap();
    fixture.server.wait(Duration::from_secs(10)).unwrap();
    let path = segment(&data_dir);
    let whole = std::fs::read(&path).unwrap();
    let pages = whole.len() as u64 / PAGE_BYTES;
    for page in [0, 1, pages / 3, pages / 2] {
        let length = page * PAGE_BYTES;
        let mut server = Server::start_sqd(&sqd_binary(), &data_dir, None).unwrap();
        cut(&path, length);
        let mut client = Client::new(server.port(), Persistence::PerRequest);
        let mut stopped = false;
        for number in 1..=SCROLLS {
            let select = Wire::new("GET", "/api/v2/select")
                .query(format!("p=cut&c=1.1.1/1.1.1/1.1.{number}"));
            match client.request(&select) {
                Ok(answer) => assert_answer(&answer, 200, &text(number)),
                Err(_) => {
                    stopped = true;
                    break;
                }
            }
        }
        assert!(stopped, "cut to {length}: all was served");
        let status = server.wait(Duration::from_secs(10)).unwrap();
        assert_eq!(
            status.code(),
            Some(EXIT_CODE),
            "cut to {length}: {}",
            server.stderr()
        );
        // The pipe is drained by another thread, which may be a moment behind.
        std::thread::sleep(Duration::from_millis(100));
        let (said, name) = (server.stderr(), path.file_name().unwrap().to_string_lossy());
        let offset = said
            .split_once(&format!("{name} cannot be read at byte "))
            .and_then(|(_, rest)| rest.split(':').next()?.parse::<u64>().ok());
        let offset = offset.unwrap_or_else(|| panic!("cut to {length}: {said}"));
        assert!(
            offset >= length && offset < whole.len() as u64,
            "{offset}, cut to {length}"
        );
        #[expect(clippy::disallowed_methods, reason = "the test mends what it cut")]
        std::fs::write(&path, &whole).unwrap();
    }
    let server = Server::start_sqd(&sqd_binary(), &data_dir, None).unwrap();
    let select = Wire::new("GET", "/api/v2/select").query("p=cut&c=1.1.1/1.1.1/1.1.7");
    let answer = Client::new(server.port(), Persistence::PerRequest).request(&select);
    assert_answer(&answer.unwrap(), 200, &text(7));
}
