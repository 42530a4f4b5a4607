//! The address of a scroll: nine positive integers, most significant first.
//!
//! ```text
//! 1.2.3/4.5.6/7.8.9
//! | | | | | | | | +- 8 scroll
//! | | | | | | | +--- 7 section
//! | | | | | | +----- 6 chapter
//! | | | | | +------- 5 book
//! | | | | +--------- 4 volume
//! | | | +----------- 3 collection
//! | | +------------- 2 series
//! | +--------------- 1 shelf
//! +----------------- 0 library
//! ```
//!
//! Two parsers read that text. [`Coordinate::parse`] accepts the canonical form only.
//! [`Coordinate::parse_lenient`] accepts what clients of phext services send: `;` for `/`, fewer
//! fields, stray characters. Neither ever yields a component outside `1..=2^31-1`.
//!
//! Left out on purpose: line and column, which address inside a scroll, and fields that are names
//! instead of numbers, which are reported as [`CoordinateError::Name`].

use std::fmt;
use std::io::{self, Write};
use std::iter::Peekable;

/// Number of components of a coordinate.
pub const DIMENSIONS: usize = 9;

/// Largest component, 2^31-1. The smallest is 1.
pub const MAX_COMPONENT: u32 = 0x7FFF_FFFF;

/// Names of the dimensions, indexed like [`Coordinate::components`].
pub const DIMENSION_NAMES: [&str; DIMENSIONS] = [
    "library",
    "shelf",
    "series",
    "collection",
    "volume",
    "book",
    "chapter",
    "section",
    "scroll",
];

/// Index of the scroll dimension, the least significant one.
const SCROLL: usize = DIMENSIONS - 1;

const ARMS: usize = 3;
const FIELDS_PER_ARM: usize = DIMENSIONS / ARMS;

/// Digits of the largest number that a component can hold.
const COMPONENT_DIGITS: usize = 10;

/// Bytes of the longest canonical text.
const TEXT_BYTES: usize = DIMENSIONS * COMPONENT_DIGITS + DIMENSIONS - 1;

/// How much of an offending text an error repeats, in bytes.
const EXCERPT_LIMIT: usize = 48;

/// Where a scroll is: nine components in `1..=2^31-1`.
///
/// The order is lexicographic, library first, which is the order of scrolls in a phext document.
/// `Display` and `Debug` both print the canonical text `1.2.3/4.5.6/7.8.9`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinate([u32; DIMENSIONS]);

impl Coordinate {
    /// `1.1.1/1.1.1/1.1.1`, where every document begins; the smallest coordinate.
    pub const ORIGIN: Self = Self([1; DIMENSIONS]);

    /// Every component 2^31-1; the largest coordinate.
    pub const MAX: Self = Self([MAX_COMPONENT; DIMENSIONS]);

    /// Makes a coordinate of nine components, library first.
    ///
    /// # Errors
    /// [`CoordinateError::Zero`] or [`CoordinateError::TooLarge`] for the first component outside
    /// `1..=2^31-1`.
    #[inline]
    pub fn new(components: [u32; DIMENSIONS]) -> Result<Self, CoordinateError> {
        // One comparison a component: 0 wraps around to the greatest number.
        let is_valid = |&component: &u32| component.wrapping_sub(1) < MAX_COMPONENT;
        if components.iter().all(is_valid) {
            return Ok(Self(components));
        }
        Self::refuse(components)
    }

    /// Says which component is out of range.
    #[cold]
    fn refuse(components: [u32; DIMENSIONS]) -> Result<Self, CoordinateError> {
        for (&component, dimension) in components.iter().zip(DIMENSION_NAMES) {
            if component == 0 {
                return Err(CoordinateError::Zero {
                    dimension,
                    text: component.to_string(),
                });
            }
            if component > MAX_COMPONENT {
                return Err(CoordinateError::TooLarge {
                    dimension,
                    text: component.to_string(),
                });
            }
        }
        Ok(Self(components))
    }

    /// Makes a coordinate of components the caller knows to be in range, because it counted them
    /// or has already checked what it decoded.
    pub(crate) fn from_components(components: [u32; DIMENSIONS]) -> Self {
        debug_assert!(
            components
                .iter()
                .all(|component| (1..=MAX_COMPONENT).contains(component)),
            "components out of range: {components:?}"
        );
        Self(components)
    }

    /// The components, library first.
    #[inline]
    pub fn components(&self) -> &[u32; DIMENSIONS] {
        &self.0
    }

    /// The first two components as one number, which is ordered as they are.
    #[inline]
    pub(crate) fn leading(&self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }

    /// Reads the canonical form: three arms separated by `/`, each of three fields separated by
    /// `.`, each field a positive integer as Rust's integer parser reads it (a leading `+` and
    /// leading zeros are accepted). Whitespace around the whole text is ignored.
    ///
    /// # Errors
    /// Says which part is wrong: the number of arms, the number of fields of an arm, or the
    /// dimension whose field is no integer in `1..=2^31-1`.
    pub fn parse(text: &str) -> Result<Self, CoordinateError> {
        let text = text.trim();
        let arms = text.split('/').count();
        if arms != ARMS {
            return Err(CoordinateError::Arms {
                found: arms,
                text: excerpt(text),
            });
        }
        let mut components = [1; DIMENSIONS];
        for (arm, first) in text.split('/').zip((0..DIMENSIONS).step_by(FIELDS_PER_ARM)) {
            let found = arm.split('.').count();
            if found != FIELDS_PER_ARM {
                let last = first + FIELDS_PER_ARM - 1;
                return Err(CoordinateError::Fields {
                    first: DIMENSION_NAMES[first],
                    last: DIMENSION_NAMES[last],
                    found,
                    text: excerpt(arm),
                });
            }
            for (field, dimension) in arm.split('.').zip(first..) {
                components[dimension] = parse_integer(field, DIMENSION_NAMES[dimension])?;
            }
        }
        Ok(Self::from_components(components))
    }

    /// Reads what clients of phext services send, as libphext's `to_coordinate` does.
    ///
    /// Fields are separated by `.`, `/` or `;` alike. In a field that holds digits all other
    /// characters are ignored, so `v3` is 3 and `2026-02-22` is 20260222. Separators before the first digit are
    /// ignored. The fields go to the dimensions in order, except that the **last field is the
    /// scroll**: `2.7.1/8.2.8` is `2.7.1/8.2.1/1.1.8`. Dimensions without a field are 1; of more
    /// than nine fields the first eight and the last count. Text without digits and letters, and
    /// `HOME` in any case, is the origin.
    ///
    /// # Errors
    /// Where libphext would lose or alter the address:
    /// - a field that it would read as 0: a literal zero, or nothing between or after separators;
    /// - a word, that is letters without a digit ([`CoordinateError::Name`]);
    /// - a number above 2^31-1.
    ///
    /// Fields beyond the ninth are held to the same rules, although only the last one counts.
    pub fn parse_lenient(text: &str) -> Result<Self, CoordinateError> {
        let significant = |c: char| c.is_ascii_digit() || c.is_alphabetic();
        let Some(start) = text.find(significant) else {
            return Ok(Self::ORIGIN);
        };
        if text.trim().eq_ignore_ascii_case("HOME") {
            return Ok(Self::ORIGIN);
        }
        let mut components = [1; DIMENSIONS];
        let mut fields = text[start..].split(['.', '/', ';']).peekable();
        for position in 0.. {
            let Some((field, dimension)) = next_field(&mut fields, position) else {
                break;
            };
            // Of surplus fields the last overwrites those before it.
            components[dimension] = parse_field(field, DIMENSION_NAMES[dimension])?;
        }
        Ok(Self::from_components(components))
    }
}

/// The next field and the dimension it goes to: the last field, and any beyond the ninth, to the
/// scroll.
fn next_field<'a>(
    fields: &mut Peekable<impl Iterator<Item = &'a str>>,
    position: usize,
) -> Option<(&'a str, usize)> {
    let field = fields.next()?;
    let dimension = if fields.peek().is_none() {
        SCROLL
    } else {
        position.min(SCROLL)
    };
    Some((field, dimension))
}

/// Reads a field of the canonical form.
fn parse_integer(field: &str, dimension: &'static str) -> Result<u32, CoordinateError> {
    if field.is_empty() {
        return Err(CoordinateError::Empty { dimension });
    }
    let digits = field.strip_prefix('+').unwrap_or(field);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CoordinateError::NotANumber {
            dimension,
            text: excerpt(field),
        });
    }
    accumulate(digits.bytes(), field, dimension)
}

/// Reads a field of the lenient form.
fn parse_field(field: &str, dimension: &'static str) -> Result<u32, CoordinateError> {
    if !field.bytes().any(|byte| byte.is_ascii_digit()) {
        if field.chars().any(char::is_alphabetic) {
            return Err(CoordinateError::Name {
                dimension,
                text: excerpt(field.trim()),
            });
        }
        return Err(CoordinateError::Empty { dimension });
    }
    accumulate(field.bytes().filter(u8::is_ascii_digit), field, dimension)
}

/// The number its decimal `digits` write, checked against the range of a component.
fn accumulate(
    digits: impl Iterator<Item = u8>,
    field: &str,
    dimension: &'static str,
) -> Result<u32, CoordinateError> {
    let mut value: u32 = 0;
    for digit in digits {
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u32::from(digit - b'0')))
            .filter(|&value| value <= MAX_COMPONENT)
            .ok_or_else(|| CoordinateError::TooLarge {
                dimension,
                text: excerpt(field),
            })?;
    }
    if value == 0 {
        return Err(CoordinateError::Zero {
            dimension,
            text: excerpt(field),
        });
    }
    Ok(value)
}

/// At most [`EXCERPT_LIMIT`] bytes of `text`, cut at a character boundary and marked when cut: an
/// address comes from a client and may be of any length.
fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT_LIMIT {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(EXCERPT_LIMIT)])
}

impl Coordinate {
    /// Writes the canonical text, as `Display` does, but in a fraction of the time: answers hold one
    /// for each of their rows.
    ///
    /// # Errors
    /// The output fails.
    pub fn write_text(&self, output: &mut (impl Write + ?Sized)) -> io::Result<()> {
        output.write_all(self.text(&mut [0; TEXT_BYTES]).as_bytes())
    }

    /// The canonical text, which is written into `buffer` from its end.
    fn text<'b>(&self, buffer: &'b mut [u8; TEXT_BYTES]) -> &'b str {
        let mut start = TEXT_BYTES;
        let mut prepend = |byte| {
            start -= 1;
            buffer[start] = byte;
        };
        for (dimension, &component) in self.0.iter().enumerate().rev() {
            let mut rest = component;
            loop {
                prepend(b'0' + (rest % 10) as u8);
                rest /= 10;
                if rest == 0 {
                    break;
                }
            }
            match dimension {
                0 => {}
                _ if dimension % FIELDS_PER_ARM == 0 => prepend(b'/'),
                _ => prepend(b'.'),
            }
        }
        std::str::from_utf8(&buffer[start..]).expect("digits and separators are ASCII")
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; TEXT_BYTES]))
    }
}

impl fmt::Debug for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text or an array is not a coordinate.
///
/// `text` is the offending part, shortened when it is long; `dimension` is one of
/// [`DIMENSION_NAMES`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinateError {
    /// Not three arms.
    #[error("a coordinate is three arms separated by '/', found {found} in {text:?}")]
    Arms {
        /// Number of arms found.
        found: usize,
        /// The whole address.
        text: String,
    },
    /// An arm that is not three fields.
    #[error(
        "the arm {first} to {last} is three numbers separated by '.', found {found} in {text:?}"
    )]
    Fields {
        /// The first dimension of the arm.
        first: &'static str,
        /// The last dimension of the arm.
        last: &'static str,
        /// Number of fields found.
        found: usize,
        /// The arm.
        text: String,
    },
    /// Nothing where a number belongs.
    #[error("{dimension} is empty: it must be a number from 1 to 2147483647")]
    Empty {
        /// The dimension the field belongs to.
        dimension: &'static str,
    },
    /// A field that is not written as an integer.
    #[error("{dimension} is {text:?}: it must be a number from 1 to 2147483647")]
    NotANumber {
        /// The dimension the field belongs to.
        dimension: &'static str,
        /// The field.
        text: String,
    },
    /// Zero: components are counted from 1.
    #[error("{dimension} is {text:?}: components are counted from 1")]
    Zero {
        /// The dimension the field belongs to.
        dimension: &'static str,
        /// The field.
        text: String,
    },
    /// A number above 2^31-1.
    #[error("{dimension} is {text:?}: the largest component is 2147483647")]
    TooLarge {
        /// The dimension the field belongs to.
        dimension: &'static str,
        /// The field.
        text: String,
    },
    /// A field of letters without a digit.
    #[error("{dimension} is {text:?}: names as coordinates are not supported yet, use a number")]
    Name {
        /// The dimension the field belongs to.
        dimension: &'static str,
        /// The field.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the canonical text, or a part of the error message after `error: `.
    fn check(parsed: Result<Coordinate, CoordinateError>, input: &str, expected: &str) {
        match (parsed, expected.strip_prefix("error: ")) {
            (Ok(coordinate), None) => assert_eq!(coordinate.to_string(), expected, "{input:?}"),
            (Err(error), Some(part)) => {
                let message = error.to_string();
                assert!(
                    message.contains(part),
                    "{input:?}: {message:?} lacks {part:?}"
                );
            }
            (parsed, _) => panic!("{input:?}: {parsed:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn strict() {
        for (input, expected) in [
            ("1.1.1/1.1.1/1.1.1", "1.1.1/1.1.1/1.1.1"),
            ("1.2.3/4.5.6/7.8.9", "1.2.3/4.5.6/7.8.9"),
            (" \t1.2.3/4.5.6/7.8.9\r\n", "1.2.3/4.5.6/7.8.9"),
            ("+1.2.3/4.+5.6/7.8.+9", "1.2.3/4.5.6/7.8.9"),
            ("01.002.3/4.5.6/7.8.0009", "1.2.3/4.5.6/7.8.9"),
            (
                "00000000000000000000001.1.1/1.1.1/1.1.1",
                "1.1.1/1.1.1/1.1.1",
            ),
            ("1.1.1/1.1.1/1.1.2147483647", "1.1.1/1.1.1/1.1.2147483647"),
            ("20260222.1.1/1.1.1/1.1.1", "20260222.1.1/1.1.1/1.1.1"),
            (
                "1.1.1/1.1.1/1.1.2147483648",
                "error: scroll is \"2147483648\": the largest",
            ),
            (
                "1.1.1/4294967297.1.1/1.1.1",
                "error: collection is \"4294967297\": the largest",
            ),
            ("1.1.1/1.1.1/1.99999999999999999999.1", "error: section is"),
            (
                "0.1.1/1.1.1/1.1.1",
                "error: library is \"0\": components are counted from 1",
            ),
            ("1.1.1/1.1.+0/1.1.1", "error: book is \"+0\""),
            ("1.-1.1/1.1.1/1.1.1", "error: shelf is \"-1\""),
            ("1.1.+/1.1.1/1.1.1", "error: series is \"+\""),
            ("1.1.++1/1.1.1/1.1.1", "error: series is \"++1\""),
            ("1.1.1/1. 1.1/1.1.1", "error: volume is \" 1\""),
            ("1.1.1/1.1.1/x.1.1", "error: chapter is \"x\""),
            ("1.1.1/1.1.1/1_0.1.1", "error: chapter is \"1_0\""),
            ("1.1.1/1.1.1/1..1", "error: section is empty"),
            ("1.1.1/1.1.1/1.1.\u{0663}", "error: scroll is"),
            ("", "error: found 1 in \"\""),
            ("HOME", "error: found 1 in \"HOME\""),
            ("1.1.1/1.1.1", "error: found 2"),
            ("1.1.1/1.1.1/1.1.1/1.1.1", "error: found 4"),
            ("1.1.1;1.1.1;1.1.1", "error: found 1"),
            (
                "1.1/1.1.1/1.1.1",
                "error: library to series is three numbers",
            ),
            (
                "1.1.1/1.1.1.1/1.1.1",
                "error: collection to book is three numbers",
            ),
            ("1.1.1/1.1.1/", "error: chapter to scroll is three numbers"),
        ] {
            check(Coordinate::parse(input), input, expected);
        }
    }

    #[test]
    fn lenient() {
        for (input, expected) in [
            ("", "1.1.1/1.1.1/1.1.1"),
            ("   ", "1.1.1/1.1.1/1.1.1"),
            ("./;-#", "1.1.1/1.1.1/1.1.1"),
            ("\u{0663}", "1.1.1/1.1.1/1.1.1"),
            ("HOME", "1.1.1/1.1.1/1.1.1"),
            (" hOmE\n", "1.1.1/1.1.1/1.1.1"),
            ("1.2.3/4.5.6/7.8.9", "1.2.3/4.5.6/7.8.9"),
            ("1.2.3;4.5.6;7.8.9", "1.2.3/4.5.6/7.8.9"),
            ("1/2/3.4.5.6;7.8.9", "1.2.3/4.5.6/7.8.9"),
            ("7.1.1/11.1.1", "7.1.1/11.1.1/1.1.1"),
            ("2.7.1/8.2.8", "2.7.1/8.2.1/1.1.8"),
            ("5", "1.1.1/1.1.1/1.1.5"),
            ("5.6", "5.1.1/1.1.1/1.1.6"),
            ("//..5.6", "5.1.1/1.1.1/1.1.6"),
            ("(5).[6]", "5.1.1/1.1.1/1.1.6"),
            (" 5 . 6 ", "5.1.1/1.1.1/1.1.6"),
            ("-5", "1.1.1/1.1.1/1.1.5"),
            ("2026-02-22", "1.1.1/1.1.1/1.1.20260222"),
            ("2026-02-22.3/4", "20260222.3.1/1.1.1/1.1.4"),
            ("007.010", "7.1.1/1.1.1/1.1.10"),
            ("1.2.3/4.5.6/7.8.9/10", "1.2.3/4.5.6/7.8.10"),
            ("1.2.3/4.5.6/7.8.9/10.11.12", "1.2.3/4.5.6/7.8.12"),
            ("2147483647", "1.1.1/1.1.1/1.1.2147483647"),
            (
                "2147483648",
                "error: scroll is \"2147483648\": the largest component",
            ),
            ("4294967297.1", "error: library is \"4294967297\""),
            ("18446744073709551617.1", "error: library is"),
            ("0", "error: scroll is \"0\": components are counted from 1"),
            ("1.0.1/1.1.1/1.1.1", "error: shelf is \"0\""),
            ("0-0.1", "error: library is \"0-0\""),
            ("1.1.1/1.1.1/1.1.0", "error: scroll is \"0\""),
            ("1..1/1.1.1/1.1.1", "error: shelf is empty"),
            ("1.-.1/1.1.1/1.1.1", "error: shelf is empty"),
            ("1.1.1/1.1.1/1.1.", "error: scroll is empty"),
            ("1.1.1/1.1.1/1.1.1/", "error: scroll is empty"),
            ("1.2.3/4.5.6/7.8.0/10", "error: scroll is \"0\""),
            ("5.", "error: scroll is empty"),
            (
                "x",
                "error: scroll is \"x\": names as coordinates are not supported yet",
            ),
            ("home.1", "error: library is \"home\": names"),
            ("v1.2", "1.1.1/1.1.1/1.1.2"),
            ("/x.1.2", "error: library is \"x\": names"),
            ("1.2x.3", "1.2.1/1.1.1/1.1.3"),
            (
                "1.\u{00E9}t\u{00E9}.3",
                "error: shelf is \"\u{00E9}t\u{00E9}\": names",
            ),
            (
                "my-assistant.1.1/user.preferences.theme/1.1.1",
                "error: library is \"my-assistant\": names",
            ),
            (
                "1.1.1/user.preferences.theme/1.1.1",
                "error: collection is \"user\": names",
            ),
        ] {
            check(Coordinate::parse_lenient(input), input, expected);
        }
    }

    #[test]
    fn range_of_new() {
        let max = MAX_COMPONENT;
        assert_eq!(Coordinate::new([1; DIMENSIONS]), Ok(Coordinate::ORIGIN));
        assert_eq!(Coordinate::new([max; DIMENSIONS]), Ok(Coordinate::MAX));
        let zero = Coordinate::new([1, 1, 1, 1, 0, 1, 1, 1, 1]);
        check(zero, "new", "error: volume is \"0\"");
        let large = Coordinate::new([1, 1, 1, 1, 1, 1, 1, max + 1, 1]);
        check(large, "new", "error: section is \"2147483648\"");
    }

    #[test]
    fn order_is_lexicographic() {
        let rows = [
            "1.1.1/1.1.1/1.1.1",
            "1.1.1/1.1.1/1.1.2",
            "1.1.1/1.1.1/1.1.10",
            "1.1.1/1.1.1/1.2.1",
            "1.1.1/1.2.1/1.1.1",
            "1.2.1/1.1.1/9.9.9",
            "2.1.1/1.1.1/1.1.1",
        ];
        let coordinates = rows.map(|row| Coordinate::parse(row).unwrap());
        assert!(coordinates.is_sorted());
        assert!(coordinates[6] < Coordinate::MAX);
    }

    #[test]
    fn debug_is_the_canonical_text() {
        assert_eq!(format!("{:?}", Coordinate::ORIGIN), "1.1.1/1.1.1/1.1.1");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let name = "\u{00E9}".repeat(1_000);
        for shift in ["", "a"] {
            let error = Coordinate::parse_lenient(&format!("{shift}{name}")).unwrap_err();
            let message = error.to_string();
            assert!(message.len() < 200, "{message}");
            assert!(message.contains("..."), "{message}");
        }
    }
}
