//! `sqd repair` and `sqd check` where the system, not the medium, is what fails.

#![expect(
    clippy::disallowed_methods,
    reason = "a test looks at a data directory from outside"
)]

use phext_tests::process::sqd_binary;
use std::path::Path;
use std::process::{Command, Output};

fn sqd(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(sqd_binary());
    command.args(arguments).arg("--data-dir").arg(directory);
    command
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The catalog is read from a copy. That there is no room for one says nothing of the catalog.
#[test]
fn no_room_for_the_copy_of_the_catalog_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let phext = directory.path().join("notes.phext");
    std::fs::write(&phext, "one\u{17}two").unwrap();
    let data = directory.path().join("data");
    let imported = sqd(&data, &["import", phext.to_str().unwrap()]).output();
    let imported = imported.unwrap();
    assert!(imported.status.success(), "{}", said(&imported));
    std::fs::remove_file(data.join("MANIFEST")).unwrap();
    for arguments in [&["check"][..], &["repair"], &["repair", "--apply"]] {
        let nowhere = directory.path().join("nowhere");
        let refused = sqd(&data, arguments).env("TMPDIR", nowhere).output();
        let refused = refused.unwrap();
        let words = said(&refused);
        assert!(!refused.status.success(), "{arguments:?}: {words}");
        assert!(words.contains("TMPDIR"), "{arguments:?}: {words}");
        assert!(!words.contains("damaged"), "{arguments:?}: {words}");
    }
    assert!(!data.join("repair-1").exists());
    let repaired = sqd(&data, &["repair"]).output().unwrap();
    assert_eq!(said(&repaired), "nothing to repair\n");
}
