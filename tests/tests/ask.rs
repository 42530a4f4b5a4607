//! Questions on the command line: `sqd query` and `sqd explain`.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test writes the file that a user would import"
)]

use phext_tests::process::sqd_binary;
use std::process::Command;
use tempfile::TempDir;

/// A store with the phext `notes`.
fn store() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("notes.phext");
    std::fs::write(&notes, "one\x17- item\x18three").unwrap();
    let (_, said, succeeded) = sqd(&directory, &["import", notes.to_str().unwrap()]);
    assert!(succeeded, "{said}");
    directory
}

/// What `sqd` prints and says, and whether it succeeds.
fn sqd(directory: &TempDir, arguments: &[&str]) -> (String, String, bool) {
    let mut command = Command::new(sqd_binary());
    let output = command
        .args(arguments)
        .arg("--data-dir")
        .arg(directory.path().join("data"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.success(),
    )
}

#[test]
fn values_may_begin_with_a_hyphen() {
    let directory = store();
    for (options, expected) in [
        (&["--match", "-3.**"][..], "[{\"count\":3}]\n"),
        (&["--contains", "- i"], "[{\"count\":1}]\n"),
        (&["--starts", "-"], "[{\"count\":1}]\n"),
        (
            &["--contains", "one", "--contains", "-"],
            "[{\"count\":0}]\n",
        ),
    ] {
        let arguments = [&["query", "notes", "--select", "count"], options].concat();
        let (printed, said, _) = sqd(&directory, &arguments);
        assert_eq!((printed.as_str(), said.as_str()), (expected, ""));
    }
    let (_, said, succeeded) = sqd(&directory, &["query", "notes", "--limit", "-1"]);
    assert!(!succeeded && said.contains("`limit` is a number"), "{said}");
}

#[test]
fn what_is_refused_prints_nothing() {
    let directory = store();
    let (printed, said, succeeded) = sqd(&directory, &["query", "notes", "--select", "distance"]);
    assert!(!succeeded && said.contains("distance"), "{said}");
    assert_eq!(printed, "");
    let (printed, _, _) = sqd(&directory, &["query", "notes", "--match", "9.**"]);
    assert_eq!(printed, "[]\n");
}

#[test]
fn explanations_name_plan_stream_and_figures() {
    let directory = store();
    let (printed, said, _) = sqd(&directory, &["explain", "notes", "--limit", "1"]);
    assert_eq!(said, "");
    for part in ["SLANES", "ops a cycle", "# answer: 1 rows of 1 lanes"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}
