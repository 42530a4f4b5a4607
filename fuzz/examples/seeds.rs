//! Makes the seeds of the corpus: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//!
//! They are the files of a small store, its catalog's entries, the streams of the queries that the
//! server's routes make, texts of streams and their bytes, and short documents. Salts of logs are random, so a second run gives other
//! bytes.

use phext_query::{Fields, Plan, Query};
use phext_storage::coordinate::Coordinate;
use phext_storage::fuzzing::entry_bytes;
use phext_storage::vfs::{MemoryVfs, Vfs};
use phext_storage::{Options, Store, WriteBatch, WriteOp};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let vfs = MemoryVfs::new();
    fill(&vfs)?;
    for (path, _) in vfs.files() {
        let bytes = vfs.bytes(&path);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => save(&corpus, "log", &path, without_reserve(&bytes))?,
            Some("seg") => save(&corpus, "segment", &path, &bytes)?,
            _ => {}
        }
    }
    let entries = vfs.open_catalog(Path::new("/store/catalog"))?.scan()?;
    save(
        &corpus,
        "catalog",
        Path::new("store"),
        &entry_bytes(&entries),
    )?;
    for (name, query) in queries() {
        save(
            &corpus,
            "stream",
            Path::new(name),
            &Plan::new(&query)?.stream().encode(),
        )?;
    }
    for (name, text) in texts() {
        let stream = phext_siw::assemble(text)?.stream;
        save(&corpus, "stream", Path::new(&name), &stream.encode())?;
        let name = format!("{name}-text");
        save(&corpus, "stream", Path::new(&name), text.as_bytes())?;
    }
    for (name, document) in DOCUMENTS {
        save(&corpus, "phext_text", Path::new(name), document)?;
    }
    Ok(())
}

const DOCUMENTS: [(&str, &[u8]); 5] = [
    ("empty", b""),
    ("one", b"Buy milk."),
    ("levels", b"a\x17b\x18c\x19d\x1ae\x1cf\x1dg\x1eh\x1fi\x01j"),
    ("gaps", b"\x17\x17\x17x\x01\x01\xc3\xa9\x18\x17\ny\n"),
    ("broken", b"good\x17\xff\xfe"),
];

/// The text that holds every operation, and the examples of the instruction set's page.
fn texts() -> Vec<(String, &'static str)> {
    let every = include_str!("../../siw/src/tests/golden/every.asm");
    let examples = include_str!("../../docs/ISA.md").split("```siw\n").skip(1);
    let examples = examples.map(|example| example.split("```").next().unwrap_or(example));
    let named = examples
        .zip(1..)
        .map(|(text, number)| (format!("example-{number}"), text));
    named.chain([("every".to_owned(), every)]).collect()
}

fn queries() -> [(&'static str, Query); 3] {
    let fields = Fields {
        checksum: true,
        ..Fields::TEXT
    };
    [
        ("point", Query::point(Coordinate::ORIGIN)),
        ("all", Query::all(fields)),
        ("lengths", Query::all(Fields::default())),
    ]
}

/// Several phexts, orders, a long scroll, deletions, and a tail that is in the log only.
fn fill(vfs: &MemoryVfs) -> Result<(), Box<dyn Error>> {
    for order in ["lexicographic", "hilbert", "prefix=2,peano"] {
        let options = Options {
            background: false,
            log_reserve_bytes: 4096,
            order: order.parse()?,
            ..Options::default()
        };
        let store = Store::open_with(Arc::new(vfs.clone()), &PathBuf::from("/store"), options)?;
        let scrolls = (1..=150).map(|number| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, number % 3 + 1, 1, 1, number % 7 + 1, 1, 1, number])
                .expect("components from 1 up"),
            text: format!("scroll {number}\n")
                .repeat(number as usize % 5 + 1)
                .into(),
        });
        let operations = scrolls.collect();
        let phext = order.to_owned();
        store.commit(WriteBatch { phext, operations })?;
        let long = WriteOp::Put {
            coordinate: Coordinate::MAX,
            text: "a line\n".repeat(400).into(),
        };
        let phext = "long".to_owned();
        store.commit(WriteBatch {
            phext,
            operations: vec![long],
        })?;
        store.seal()?;
        let delete = WriteOp::Delete {
            coordinate: Coordinate::MAX,
        };
        let phext = "long".to_owned();
        store.commit(WriteBatch {
            phext,
            operations: vec![delete],
        })?;
        store.set_setting("setting", b"value")?;
    }
    Ok(())
}

/// A log file up to the end of its records.
fn without_reserve(bytes: &[u8]) -> &[u8] {
    let used = bytes.iter().rposition(|&byte| byte != 0);
    &bytes[..used.map_or(0, |last| (last + 1).next_multiple_of(8).min(bytes.len()))]
}

#[expect(
    clippy::disallowed_methods,
    reason = "a chore that writes its own files"
)]
fn save(corpus: &Path, target: &str, path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let name = path.file_stem().ok_or("a path with a name")?;
    let directory = corpus.join(target);
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join(name), bytes)?;
    println!("{target}/{}: {} bytes", name.display(), bytes.len());
    Ok(())
}
