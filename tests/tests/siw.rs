//! Streams written by hand: `sqd siw asm`, `dis`, `check` and `run`.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test writes the files that a user would write"
)]

use phext_tests::fixture::{Fixture, assert_answer};
use phext_tests::http::Wire;
use phext_tests::process::sqd_binary;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Scrolls longer than three bytes, and how many bytes they have.
const LONG: &str = "\
; Which scrolls have more than three bytes, and how many bytes are that?
.tier 2
.constant zero number 0
.constant three number 3
.constant everything lanes all
.once
DMOV r0, zero
.each
SLANES p0, everything
DLEN r1, p0
DCMP.gt k0, r1, three
DRED.sum r0, r1 {k0} | SGATHER.whole t0, p0 {k0}
CPACK m0, coordinate=p0, text=t0, length=r1
CSEND.sink m0 {k0}
.last
CPACK m1, number=r0
CSEND.sink m1
";

const WRITER: &str = r#"
.constant places lanes points 1.1.1/1.1.1/1.1.2 9.9.9/9.9.9/9.9.9
.constant bodies texts "deux" "neuf\n"
.each
SLANES p0, places
SSCATTR.put p0, bodies
.last
SFLUSH
"#;

/// A directory with files, and a store with the phext `notes`.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk {
            directory: tempfile::tempdir().unwrap(),
        };
        let notes = desk.file("notes.phext", "one\x17two\x17three\x18four\x17five \u{fc}");
        let data = desk.data();
        let imported = desk.sqd(&["import", &notes, "--data-dir", &data]);
        assert!(imported.status.success(), "{imported:?}");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn data(&self) -> String {
        self.path("data").to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn sqd(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(sqd_binary());
        command.args(arguments).output().unwrap()
    }

    /// What `sqd siw` with these arguments prints, and says.
    fn siw(&self, arguments: &[&str]) -> (String, String) {
        let output = self.sqd(&[&["siw"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    /// What `sqd siw` says that fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.sqd(&[&["siw"], arguments].concat());
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{arguments:?}: {printed}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn run(&self, file: &str, phext: &str, more: &[&str]) -> (String, String) {
        let data = self.data();
        let arguments = ["run", file, "--phext", phext, "--data-dir", &data];
        self.siw(&[&arguments, more].concat())
    }
}

const ROWS: &str = r#"{"coordinate":"1.1.1/1.1.1/1.1.3","text":"three","length":5}
{"coordinate":"1.1.1/1.1.1/1.2.1","text":"four","length":4}
{"coordinate":"1.1.1/1.1.1/1.2.2","text":"five ü","length":7}
{"number":16}
"#;

#[test]
fn text_becomes_bytes_and_both_run() {
    let desk = Desk::new();
    let text = desk.file("long.asm", LONG);
    let (_, said) = desk.siw(&["asm", &text]);
    let bytes = desk.path("long.siw");
    let bytes = bytes.to_str().unwrap();
    let summary = "a valid stream of tier 2 with 3 constants, 1 words in once, 6 words in each, 2 words in last";
    assert_eq!(said, format!("{bytes}: {summary}\n"));
    for file in [&text, bytes] {
        let (printed, said) = desk.run(file, "notes", &[]);
        assert_eq!(printed, ROWS);
        let figures = "5 lanes in 1 batches, 32 ops, 16 bytes gathered, 4 rows, ";
        assert!(said.starts_with(figures), "{said}");
        let (printed, _) = desk.siw(&["check", file]);
        assert_eq!(printed, format!("{file}: {summary}\n"));
    }
    // The text of the bytes gives the same bytes.
    let (disassembled, _) = desk.siw(&["dis", bytes]);
    let again = desk.file("again.asm", &disassembled);
    let out = desk.path("again.bin");
    desk.siw(&["asm", &again, "-o", out.to_str().unwrap()]);
    assert_eq!(std::fs::read(out).unwrap(), std::fs::read(bytes).unwrap());
    assert!(
        disassembled.contains("DCMP.gt k0, r1, c1"),
        "{disassembled}"
    );
    // It is assembled again over the file that is there.
    desk.siw(&["asm", &text]);
}

#[test]
fn standard_input_and_output() {
    let desk = Desk::new();
    let text = desk.file("long.asm", LONG);
    let assembled = desk.sqd(&["siw", "asm", &text, "-o", "-"]);
    assert!(assembled.stdout.starts_with(b"SIW1"), "{assembled:?}");
    let input = std::fs::File::open(Path::new(&text)).unwrap();
    let checked = Command::new(sqd_binary())
        .args(["siw", "check", "-"])
        .stdin(Stdio::from(input))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&checked.stdout);
    assert!(printed.starts_with("-: a valid stream"), "{printed}");
}

#[test]
fn errors_say_where() {
    let desk = Desk::new();
    let check = |text: &str, expected: &str| {
        let file = desk.file("wrong.asm", text);
        for command in ["asm", "check"] {
            let said = desk.refused(&[command, &file]);
            assert_eq!(said, format!("sqd: {file}: {expected}\n"));
        }
    };
    check(
        ".each\nSLANES p9, all\n",
        "line 2, column 8: expected a register p0 to p7, found `p9`",
    );
    check(
        ".constant all lanes all\n.each\nSLANES p0, all\n\nCSEND.sink m0 ; nothing\n",
        "line 5: invalid stream: each word 1 pipe C: m0 is read but nothing has written it before",
    );
    let file = desk.file("bytes", "SIW1\x07");
    let said = desk.refused(&["check", &file]);
    assert!(said.contains("byte 4: version 7"), "{said}");
    let said = desk.refused(&["asm", &file]);
    assert!(said.contains("is a stream already"), "{said}");
    let said = desk.refused(&["asm", "-"]);
    assert!(said.contains("give `-o FILE`"), "{said}");
    let said = desk.refused(&["dis", "nowhere.siw"]);
    assert!(said.contains("nowhere.siw: No such file"), "{said}");
    let long = desk.file("long.asm", LONG);
    let data = desk.data();
    let run = |phext, data| ["run", &long, "--phext", phext, "--data-dir", data];
    let said = desk.refused(&run("none", &data));
    assert!(said.contains("there is no phext \"none\""), "{said}");
    let said = desk.refused(&run("notes", "nowhere"));
    assert!(said.contains("there is no store in nowhere"), "{said}");
}

#[test]
fn a_stream_that_writes_is_let_to() {
    let desk = Desk::new();
    let writer = desk.file("writer.asm", WRITER);
    let data = desk.data();
    let run = ["run", &writer, "--phext", "notes", "--data-dir", &data];
    let said = desk.refused(&run);
    assert!(said.contains("give `--write`"), "{said}");
    // What would split a scroll is refused by all.
    let splitting = desk.file("splitting.asm", &WRITER.replace("neuf", r"neu\x17f"));
    let reason = "text 1 of constant c1: byte 0x17 at offset 3 is the scroll break";
    let write = [&["run", &splitting, "--write"], &run[2..]].concat();
    for arguments in [&["asm", &splitting], &["check", &splitting], &write[..]] {
        let said = desk.refused(arguments);
        assert!(said.contains(reason), "{said}");
    }
    let (printed, _) = desk.run(&writer, "notes", &["--write"]);
    assert_eq!(printed, "");
    let exported = desk.sqd(&["export", "notes", "--data-dir", &data]);
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(
        exported.starts_with("one\x17deux\x17three\x18"),
        "{exported:?}"
    );
    assert!(exported.ends_with("neuf\n"), "{exported:?}");
    // A phext that was not there is made.
    desk.run(&writer, "fresh", &["--write"]);
    let long = desk.file("long.asm", LONG);
    let (printed, _) = desk.run(&long, "fresh", &[]);
    assert!(printed.ends_with("{\"number\":9}\n"), "{printed}");
}

/// What follows `begin` up to `end` in the page of the instruction set, each time.
fn blocks<'t>(page: &'t str, begin: &str) -> Vec<&'t str> {
    let blocks = page.split(begin).skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn the_examples_of_the_page_do_what_it_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ISA.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (texts, printed) = (blocks(&page, "```siw\n"), blocks(&page, "```json\n"));
    assert_eq!((texts.len(), printed.len()), (3, 2));
    let desk = Desk::new();
    let notes = desk.file("notes.phext", "Buy milk.");
    let data = desk.path("demo").to_str().unwrap().to_owned();
    let imported = desk.sqd(&["import", &notes, "--data-dir", &data]);
    assert!(imported.status.success(), "{imported:?}");
    let arguments: [&[&str]; 3] = [&["--write"], &[], &["--doubles"]];
    let expected = ["", printed[0], printed[1]];
    for ((text, more), expected) in texts.iter().zip(arguments).zip(expected) {
        let file = desk.file("example.asm", text);
        let run = ["run", &file, "--phext", "notes", "--data-dir", &data];
        let output = desk.sqd(&[&["siw"], &run[..], more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{text}");
    }
}

#[test]
fn reading_goes_on_beside_a_server() {
    let desk = Desk::new();
    let fixture = Fixture::start();
    let wire = Wire::new("POST", "/api/v2/update").query("p=notes&c=1.1.1/1.1.1/1.1.1");
    let answer = fixture.ask(&wire.body("served"));
    assert_answer(&answer, 200, "Updated 6 bytes");
    let data = fixture.directory.path().to_str().unwrap();
    let long = desk.file("long.asm", LONG);
    let run = ["run", &long, "--phext", "notes", "--data-dir", data];
    let (printed, _) = desk.siw(&run);
    assert!(printed.contains("\"text\":\"served\""), "{printed}");
    let writer = desk.file("writer.asm", WRITER);
    let run = [
        "run",
        &writer,
        "--write",
        "--phext",
        "notes",
        "--data-dir",
        data,
    ];
    let said = desk.refused(&run);
    assert!(said.contains("a server is using"), "{said}");
}
