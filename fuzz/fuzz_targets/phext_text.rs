//! Both readers of phext text agree with each other and with a plain model, and what they read
//! round-trips through the writer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{PhextReader, PhextWriter, parse_slice};

/// The breaks from library to scroll.
const BREAKS: [u8; 9] = [0x01, 0x1F, 0x1E, 0x1D, 0x1C, 0x1A, 0x19, 0x18, 0x17];

type Scrolls = Vec<([u32; 9], String)>;

/// The scrolls of a document that is UTF-8.
fn model(document: &str) -> Scrolls {
    let mut scrolls = Scrolls::new();
    let mut components = [1u32; 9];
    let mut text = String::new();
    for character in document.chars() {
        let level = BREAKS
            .iter()
            .position(|&byte| u32::from(character) == u32::from(byte));
        let Some(level) = level else {
            text.push(character);
            continue;
        };
        if !text.is_empty() {
            scrolls.push((components, std::mem::take(&mut text)));
        }
        components[level] += 1;
        components[level + 1..].fill(1);
    }
    if !text.is_empty() {
        scrolls.push((components, text));
    }
    scrolls
}

fn read_slice(document: &[u8]) -> Option<Scrolls> {
    parse_slice(document)
        .map(|scroll| {
            scroll
                .map(|(at, text)| (*at.components(), text.to_owned()))
                .ok()
        })
        .collect()
}

fn read_stream(document: &[u8]) -> Option<Scrolls> {
    let mut reader = PhextReader::new(document);
    let mut scrolls = Scrolls::new();
    while let Some((at, text)) = reader.next_scroll().ok()? {
        scrolls.push((*at.components(), text.to_owned()));
    }
    Some(scrolls)
}

fuzz_target!(|document: &[u8]| {
    let found = read_slice(document);
    assert_eq!(found, read_stream(document), "the two readers");
    let expected = std::str::from_utf8(document).ok().map(model);
    assert_eq!(found, expected, "the model");
    let Some(scrolls) = found else { return };
    let mut writer = PhextWriter::new(Vec::new());
    for (components, text) in &scrolls {
        let at = Coordinate::new(*components).expect("components that were read");
        writer.write(at, text).expect("ascending scrolls");
    }
    let written = writer.finish().expect("memory takes everything");
    assert_eq!(
        read_slice(&written).as_ref(),
        Some(&scrolls),
        "what was written"
    );
});
