//! The segment of one scroll in docs/FORMAT.md is what sqd writes.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use std::ops::Range;
use support::{batch, open, put, root, small};

const PAGE: &str = include_str!("../../docs/FORMAT.md");
const HEADING: &str = "### A segment of one scroll\n";
const TEXT: &str = "Buy milk. And bread.";

const HEADER_BYTES: usize = 64;
const PART_HEADER_BYTES: usize = 512;
const SECTION_TABLE_AT: usize = 144;
const SECTIONS: [&str; 10] = [
    "dictionaries",
    "key blocks",
    "zone map",
    "permutation",
    "fences",
    "directory",
    "lines",
    "postings",
    "heap",
    "records",
];

fn segment() -> Vec<u8> {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, small()).unwrap();
    let coordinate = Coordinate::new([1, 1, 1, 1, 1, 1, 2026, 2, 22]).unwrap();
    store
        .commit(batch("notes", vec![put(coordinate, TEXT)]))
        .unwrap();
    store.seal().unwrap();
    vfs.bytes(&root().join("segments/000000000001.seg"))
}

fn number(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// What is where in the file, by the tables of the page.
fn layout(file: &[u8]) -> Vec<(Range<usize>, &'static str)> {
    let trailer = file.len() - HEADER_BYTES;
    let (parts, checksums) = (number(file, trailer + 16), number(file, trailer + 24));
    assert_eq!((number(file, trailer), number(file, trailer + 8)), (1, 1));
    let part = number(file, parts);
    let name = part + PART_HEADER_BYTES;
    let mut layout = vec![
        (0..HEADER_BYTES, "header"),
        (part..name, "header of the part"),
        (name..name + "notes".len(), "name"),
    ];
    for (index, section) in SECTIONS.into_iter().enumerate() {
        let entry = part + SECTION_TABLE_AT + index * 16;
        let (start, length) = (part + number(file, entry), number(file, entry + 8));
        if length > 0 {
            layout.push((start..start + length, section));
        }
    }
    layout.extend([
        (parts..checksums, "part table"),
        (checksums..trailer, "checksum table"),
        (trailer..file.len(), "trailer"),
    ]);
    layout.sort_unstable_by_key(|(range, _)| range.start);
    layout
}

/// The rows of the table below the heading: offset, size and what is there.
fn rows() -> Vec<(usize, usize, String)> {
    let (_, example) = PAGE.split_once(HEADING).unwrap();
    let example = example.split("\n#").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, offset, size, what, _] = cells[..] else {
            return None;
        };
        let name = what.split(':').next().unwrap().to_owned();
        Some((offset.parse().ok()?, size.parse().ok()?, name))
    };
    example.lines().filter_map(row).collect()
}

#[test]
fn the_segment_of_one_scroll_is_as_the_page_says() {
    let file = segment();
    let found: Vec<_> = layout(&file)
        .into_iter()
        .map(|(range, what)| (range.start, range.len(), what.to_owned()))
        .collect();
    assert_eq!(found, rows());
    let (_, example) = PAGE.split_once(HEADING).unwrap();
    assert!(example.contains(&format!("takes {} bytes", with_comma(file.len()))));
    let (heap, _, _) = found.iter().find(|(_, _, what)| what == "heap").unwrap();
    let spelled = |range: Range<usize>| {
        let bytes: Vec<String> = file[range]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("`{}`", bytes.join(" "))
    };
    for range in [*heap..heap + 4, heap + 4..heap + 5, heap + 5..heap + 15] {
        let spelled = spelled(range);
        assert!(example.contains(&spelled), "{spelled} is not on the page");
    }
    assert!(file[heap + 15..].starts_with(TEXT.as_bytes()));
}

fn with_comma(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}
