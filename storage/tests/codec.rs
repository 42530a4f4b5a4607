//! The phext codec and the coordinate parsers against libphext, on random documents.

#![expect(
    clippy::unwrap_used,
    reason = "the lint exempts test functions, not what they call"
)]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use libphext::phext as reference;
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::phext::checksum::{checksum, checksum_hex};
use phext_storage::phext::delimiter::{BREAKS, validate_text};
use phext_storage::phext::summary::{summary, write_toc_line};
use phext_storage::phext::{PhextReader, PhextWriter, breaks_between, parse_slice};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

type Scrolls = BTreeMap<Coordinate, String>;

fn components_of(coordinate: &reference::Coordinate) -> [usize; DIMENSIONS] {
    let reference::Coordinate { z, y, x } = coordinate;
    let (z, y) = (
        [z.library, z.shelf, z.series],
        [y.collection, y.volume, y.book],
    );
    let x = [x.chapter, x.section, x.scroll];
    std::array::from_fn(|dimension| [z, y, x][dimension / 3][dimension % 3])
}

fn from_reference(coordinate: &reference::Coordinate) -> Coordinate {
    Coordinate::new(components_of(coordinate).map(|component| component as u32)).unwrap()
}

fn to_reference(coordinate: &Coordinate) -> reference::Coordinate {
    let [
        library,
        shelf,
        series,
        collection,
        volume,
        book,
        chapter,
        section,
        scroll,
    ] = coordinate.components().map(|component| component as usize);
    reference::Coordinate {
        z: reference::ZCoordinate {
            library,
            shelf,
            series,
        },
        y: reference::YCoordinate {
            collection,
            volume,
            book,
        },
        x: reference::XCoordinate {
            chapter,
            section,
            scroll,
        },
    }
}

/// The scrolls in the order met; checks on the way that the order ascends.
fn read(input: impl Read) -> Scrolls {
    let mut reader = PhextReader::new(input);
    let mut scrolls = Scrolls::new();
    while let Some((coordinate, text)) = reader.next_scroll().unwrap() {
        assert!(
            scrolls
                .last_key_value()
                .is_none_or(|(last, _)| *last < coordinate)
        );
        scrolls.insert(coordinate, text.to_owned());
    }
    scrolls
}

fn write(scrolls: &Scrolls) -> String {
    let mut writer = PhextWriter::new(Vec::new());
    for (&coordinate, text) in scrolls {
        writer.write(coordinate, text).unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

/// An input that gives a few bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = *self.lengths.next().unwrap();
        let length = length.min(buffer.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.rest = rest;
        Ok(length)
    }
}

/// Mostly small components: a document holds a break for every step.
fn component() -> impl Strategy<Value = u32> {
    prop_oneof![60 => Just(1), 30 => 2..=4u32, 8 => 5..=60u32, 2 => 61..=5_000u32]
}

fn coordinate() -> impl Strategy<Value = Coordinate> {
    proptest::array::uniform9(component()).prop_map(|values| Coordinate::new(values).unwrap())
}

/// Characters of every UTF-8 length, some of which contain the value of a break, and the control
/// characters next to the breaks.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        8 => proptest::char::range(' ', '~'),
        2 => Just('\n'),
        2 => select(vec!['\u{0}', '\u{2}', '\t', '\r', '\u{16}', '\u{1B}', '\u{7F}']),
        2 => select(vec!['\u{E9}', '\u{10A}', '\u{117}', '\u{4E17}', '\u{1F517}']),
        2 => any::<char>().prop_filter("a break", |c| validate_text(c.to_string().as_bytes()).is_ok()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    vec(character(), 1..40).prop_map(|characters| characters.into_iter().collect())
}

fn scrolls() -> impl Strategy<Value = Scrolls> {
    btree_map(coordinate(), text(), 0..12)
}

/// Breaks and texts in any order: documents as they should not be written, but may be read.
fn soup() -> impl Strategy<Value = String> {
    let breaks = select(BREAKS.to_vec()).prop_map(|byte| char::from(byte).to_string());
    let run = (select(BREAKS.to_vec()), 2..100usize)
        .prop_map(|(byte, length)| char::from(byte).to_string().repeat(length));
    vec(prop_oneof![6 => breaks, 1 => run, 4 => text()], 0..40).prop_map(|parts| parts.concat())
}

/// An address as a client might write it: digits and separators, with characters to be ignored.
fn address() -> impl Strategy<Value = String> {
    let field = prop_oneof![4 => 1..=20u32, 1 => 1..=MAX_COMPONENT].prop_map(|n| n.to_string());
    let noise = select(vec![
        "", "", "", "", " ", "-", "0", "#", "\u{663}", "\u{2026}",
    ]);
    let separator = select(vec![".", "/", ";"]);
    let before = select(vec!["", "", "", "/", ".;", " / "]);
    let part = (noise, field).prop_map(|(noise, field)| noise.to_owned() + &field);
    let parts = vec((separator, part), 0..12);
    (before, parts).prop_map(|(before, parts)| {
        let joined: String = parts
            .iter()
            .flat_map(|(mark, part)| [*mark, part])
            .collect();
        before.to_owned() + joined.get(1..).unwrap_or_default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reading_equals_explode(document in soup()) {
        let expected: Scrolls = reference::explode(&document)
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(coordinate, text)| (from_reference(&coordinate), text))
            .collect();
        prop_assert_eq!(read(document.as_bytes()), expected);
    }

    #[test]
    fn writing_equals_implode(scrolls in scrolls()) {
        let map = scrolls.iter().map(|(at, text)| (to_reference(at), text.clone())).collect();
        prop_assert_eq!(write(&scrolls), reference::implode(map));
    }

    #[test]
    fn reading_gives_back_what_was_written(scrolls in scrolls()) {
        prop_assert_eq!(read(write(&scrolls).as_bytes()), scrolls);
    }

    #[test]
    fn writing_what_was_read_normalises(document in soup()) {
        let normalised = write(&read(document.as_bytes()));
        prop_assert_eq!(&normalised, &reference::normalize(&document));
        prop_assert_eq!(&write(&read(normalised.as_bytes())), &normalised);
    }

    #[test]
    fn pieces_read_like_the_whole(document in soup(), lengths in vec(1..=7usize, 1..10)) {
        let pieces = Pieces { rest: document.as_bytes(), lengths: lengths.iter().cycle() };
        prop_assert_eq!(read(pieces), read(document.as_bytes()));
    }

    #[test]
    fn slices_read_like_streams(document in soup()) {
        let slices = parse_slice(document.as_bytes())
            .map(|scroll| scroll.map(|(coordinate, text)| (coordinate, text.to_owned())))
            .collect::<Result<Scrolls, _>>()
            .unwrap();
        prop_assert_eq!(slices, read(document.as_bytes()));
    }

    #[test]
    fn any_bytes_read_alike_or_fail_alike(document in vec(any::<u8>(), 0..200)) {
        let mut reader = PhextReader::new(&document[..]);
        let mut slices = parse_slice(&document);
        loop {
            let streamed = reader.next_scroll().map_err(|error| error.to_string());
            let sliced = slices.next().transpose().map_err(|error| error.to_string());
            prop_assert_eq!(&streamed, &sliced);
            if !matches!(streamed, Ok(Some(_))) {
                break;
            }
        }
    }

    #[test]
    fn length_is_breaks_and_texts(scrolls in scrolls()) {
        let mut length = 0;
        let mut previous = Coordinate::ORIGIN;
        for (coordinate, text) in &scrolls {
            length += breaks_between(&previous, coordinate) + text.len() as u64;
            previous = *coordinate;
        }
        prop_assert_eq!(length, write(&scrolls).len() as u64);
    }

    #[test]
    fn toc_equals_textmap(scrolls in scrolls().prop_filter("empty", |scrolls| !scrolls.is_empty())) {
        let mut toc = Vec::new();
        for (coordinate, text) in &scrolls {
            write_toc_line(&mut toc, coordinate, text.as_bytes()).unwrap();
        }
        prop_assert_eq!(String::from_utf8(toc).unwrap(), reference::textmap(&write(&scrolls)));
    }

    #[test]
    fn summary_equals_create_summary(document in soup()) {
        let (line, cut) = summary(&document);
        let mark = if cut { "..." } else { "" };
        prop_assert_eq!(format!("{line}{mark}"), reference::create_summary(&document));
    }

    #[test]
    fn checksums_are_equal(document in soup()) {
        prop_assert_eq!(checksum_hex(checksum(document.as_bytes())), reference::checksum(&document));
    }

    #[test]
    fn order_is_the_order_of_the_reference(left in coordinate(), right in coordinate()) {
        prop_assert_eq!(left.cmp(&right), to_reference(&left).cmp(&to_reference(&right)));
    }

    #[test]
    fn coordinates_print_and_parse(values in proptest::array::uniform9(1..=MAX_COMPONENT)) {
        let coordinate = Coordinate::new(values).unwrap();
        let text = coordinate.to_string();
        prop_assert_eq!(Coordinate::parse(&text), Ok(coordinate));
        prop_assert_eq!(Coordinate::parse_lenient(&text), Ok(coordinate));
        prop_assert_eq!(Coordinate::parse_lenient(&text.replace('/', ";")), Ok(coordinate));
        prop_assert_eq!(text, to_reference(&coordinate).to_string());
    }

    #[test]
    fn strict_text_parses_like_the_reference(
        fields in proptest::array::uniform9("\\+?0{0,3}[1-9][0-9]{0,8}"),
    ) {
        let text = fields.chunks(3).map(|arm| arm.join(".")).collect::<Vec<_>>().join("/");
        let expected = reference::Coordinate::try_from(text.as_str()).unwrap();
        prop_assert_eq!(Coordinate::parse(&text), Ok(from_reference(&expected)));
    }

    #[test]
    fn addresses_parse_like_to_coordinate(address in address()) {
        let parsed = Coordinate::parse_lenient(&address);
        prop_assert_eq!(parsed, Ok(from_reference(&reference::to_coordinate(&address))));
    }

    #[test]
    fn what_the_lenient_parser_accepts_is_what_the_reference_reads(
        address in "[0-9./; \\-\u{663}\u{E9}HOMEhomex]{0,24}",
    ) {
        if let Ok(coordinate) = Coordinate::parse_lenient(&address) {
            prop_assert_eq!(coordinate, from_reference(&reference::to_coordinate(&address)));
        }
    }
}

/// Counts what is written and keeps the last text.
#[derive(Default)]
struct Counter {
    breaks: u64,
    text: Vec<u8>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|byte| BREAKS.contains(byte)) {
            self.breaks += bytes.len() as u64;
        } else {
            self.text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_component_of_twenty_million_is_streamed() {
    const COMPONENT: u32 = 20_260_222;
    for (dimension, byte) in BREAKS.into_iter().enumerate() {
        let mut components = [1; DIMENSIONS];
        components[dimension] = COMPONENT;
        let coordinate = Coordinate::new(components).unwrap();
        let steps = u64::from(COMPONENT) - 1;
        assert_eq!(breaks_between(&Coordinate::ORIGIN, &coordinate), steps);

        let mut writer = PhextWriter::new(Counter::default());
        writer.write(coordinate, "today").unwrap();
        let written = writer.finish().unwrap();
        assert_eq!((written.breaks, &written.text[..]), (steps, &b"today"[..]));

        let document = io::repeat(byte).take(steps).chain(&b"today"[..]);
        let mut reader = PhextReader::new(document);
        assert_eq!(reader.next_scroll().unwrap(), Some((coordinate, "today")));
        assert!(reader.next_scroll().unwrap().is_none());
    }
}
