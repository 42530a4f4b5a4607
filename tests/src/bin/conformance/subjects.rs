//! What requests speak of: phexts, coordinates and texts.
//!
//! Phexts come in two kinds. *Shared* ones stay where SQ is sane (components up to 999, texts
//! without break bytes), and both servers' answers to them are compared. *Wild* ones have the
//! components that SQ loses at its next load; SQ never sees them, and the model judges sqd alone.

use phext_tests::coordinate::{Coordinate, MAXIMUM};
use phext_tests::document::Document;
use phext_tests::random::{Random, chance, pick, weighted, words};
use rand::Rng;

/// The names of phexts that both servers hold.
const SHARED: [&str; 20] = [
    "",
    "notes",
    "my-assistant",
    "a.b.c",
    "x>y",
    "日本語",
    "with space",
    "2026-02-22",
    "UPPER",
    "upper",
    "under_score",
    "plus+sign",
    "percent%41",
    "tilde~",
    "mail@host",
    "semi;colon",
    "notes.phext",
    "_",
    "comma,",
    "Zürich & more = fun",
];

/// The names of phexts that only sqd holds. The last has components in the millions: its whole
/// text would be a hundred megabytes of breaks, so nothing that renders it is asked for.
const WILD: [&str; 4] = ["wild-a", "wild-b", "wild.c", MAILBOX];

/// The phext whose text is never rendered.
pub(crate) const MAILBOX: &str = "mailbox";

/// Names that must be refused: they could leave the data directory or cannot be a file.
const BAD_NAMES: [&str; 7] = [
    "../escape",
    "a/b",
    "..",
    "a..b",
    "back\\slash",
    "nul\0name",
    "/etc",
];

/// A phext and its kind.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its name.
    pub(crate) name: String,
    /// Whether only sqd may see it.
    pub(crate) wild: bool,
}

/// A phext for the next few requests.
pub(crate) fn subject(random: &mut Random) -> Subject {
    if !chance(random, 120) {
        return shared(random);
    }
    let name: &&str = pick(random, &WILD);
    Subject {
        name: (*name).to_owned(),
        wild: true,
    }
}

/// A phext that both servers hold.
pub(crate) fn shared(random: &mut Random) -> Subject {
    let name: &&str = pick(random, &SHARED);
    Subject {
        name: (*name).to_owned(),
        wild: false,
    }
}

/// A name that sqd must refuse.
pub(crate) fn bad_name(random: &mut Random) -> String {
    if chance(random, 150) {
        return "n".repeat(256);
    }
    let name: &&str = pick(random, &BAD_NAMES);
    (*name).to_owned()
}

/// A coordinate: half the time one that holds a scroll, where there is any.
pub(crate) fn coordinate(
    random: &mut Random,
    subject: &Subject,
    document: Option<&Document>,
) -> Coordinate {
    if let Some(document) = document.filter(|document| !document.is_empty())
        && chance(random, 500)
    {
        let index = random.random_range(0..document.len());
        if let Some((at, _)) = document.iter().nth(index) {
            return *at;
        }
    }
    let mut components = [1; 9];
    for slot in &mut components {
        *slot = component(random, subject);
    }
    Coordinate(components)
}

fn component(random: &mut Random, subject: &Subject) -> u64 {
    if !subject.wild {
        return match weighted(random, &[(800, 3), (150, 12), (40, 998), (10, 0)]) {
            0 => 999,
            most => random.random_range(1..=most),
        };
    }
    let large = weighted(random, &[(900, 0), (50, 2026), (25, 1000), (25, 5000)]);
    match large {
        0 => random.random_range(1..=2),
        most if subject.name != MAILBOX => random.random_range(999..=most.max(1001)),
        _ if chance(random, 100) => MAXIMUM,
        _ => *pick(random, &[2026, 20_260_222, 1_000_000, 4_711]),
    }
}

/// A coordinate as clients write it: whole, partial, with words and spaces around, or none.
pub(crate) fn written(random: &mut Random, at: &Coordinate) -> String {
    let canonical = at.to_string();
    match weighted(random, &[(80, 0), (8, 1), (2, 2), (2, 3), (2, 4), (2, 5)]) {
        0 => canonical,
        1 => partial(random, &canonical),
        2 => format!("v{canonical}"),
        3 => canonical.replace('.', ". "),
        4 => "HOME".to_owned(),
        _ => String::new(),
    }
}

/// The first few fields. What follows the last must be a field: a separator at the end would make
/// the scroll 0.
fn partial(random: &mut Random, canonical: &str) -> String {
    let ends: Vec<usize> = canonical
        .match_indices(['.', '/'])
        .map(|(at, _)| at)
        .collect();
    canonical[..*pick(random, &ends)].to_owned()
}

/// A coordinate that no reading makes valid.
pub(crate) fn bad_coordinate(random: &mut Random) -> String {
    let bad: &&str = pick(
        random,
        &[
            "1.0.1/1.1.1/1.1.1",
            "0.1.1/1.1.1/1.1.1",
            "1.1.1/1.1.1/1.1.0",
            "1.1.1/1.1.1/1.1.",
            "1..1/1.1.1/1.1.1",
            "1.1.1//1.1.1/1",
            "1.1.1/theme.1.1/1.1.1",
            "my-assistant.1.1/user.preferences.theme/1.1.1",
            "2147483648.1.1/1.1.1/1.1.1",
            "1.1.1/1.1.1/1.1.4294967297",
            "99999999999999999999999.1.1/1.1.1/1.1.1",
        ],
    );
    (*bad).to_owned()
}

/// A text without break bytes; `longest` bounds its length in bytes.
pub(crate) fn text(random: &mut Random, longest: usize) -> String {
    let length = match weighted(random, &[(900, 0), (90, 1), (3, 2)]) {
        0 => random.random_range(0..160),
        1 => random.random_range(160..6_000),
        _ => random.random_range(6_000..200_000),
    };
    let text = words(random, length.min(longest));
    let text = match weighted(
        random,
        &[(60, 0), (10, 1), (10, 2), (10, 3), (5, 4), (5, 5), (3, 6)],
    ) {
        0 => text,
        1 => format!("{text}\n"),
        2 => text.replace(" a ", "\n").replace(" is ", "\n\n"),
        3 => text.replace(' ', "\r\n"),
        4 => format!("\ttab {text}\u{1b}\u{7f}\u{0}"),
        5 => String::new(),
        _ => format!(" {text} "),
    };
    assert!(
        phext_tests::document::first_break(&text).is_none(),
        "a text holds a break"
    );
    text
}

/// A text with a break byte somewhere.
pub(crate) fn broken_text(random: &mut Random) -> String {
    let mark = char::from(*pick(random, &phext_tests::document::BREAKS));
    let length = random.random_range(0..60);
    let before = words(random, length);
    format!("{before}{mark}after")
}
