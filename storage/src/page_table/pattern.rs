//! The pattern language: regions of coordinates as people write them.
//!
//! ```text
//! 1.1.1/**                     everything in library 1, shelf 1, series 1
//! *.*.*/1.2.*/{1,2}.*.1-9      any library, shelf and series; collection 1, volume 2, any book;
//!                              chapter 1 or 2, any section, scrolls 1 to 9
//! ```
//!
//! A pattern has nine fields, separated as in a coordinate: library, shelf, series `/` collection,
//! volume, book `/` chapter, section, scroll. A trailing `**` stands for all that are left.
//!
//! ```text
//! pattern = field { separator field } [ separator "**" ] | "**"
//! field   = "*" | span | "{" span { "," span } "}"
//! span    = number | number "-" number | number "-" | "-" number
//! number  = a component in decimal digits, 1 to 2147483647
//! ```
//!
//! The separator is `/` after the third and the sixth field, `.` elsewhere. The ends of a range are
//! both included; without a lower end it begins at 1, without an upper end it has none. Spans of a
//! set may come in any order and overlap. Space around a pattern is ignored, inside it is an error.
//!
//! Queries, and regions in the text of a stream, are both read by this.
//!
//! Left out on purpose: words as components, and unions of patterns.

use super::{Constraint, Region, Span};
use crate::coordinate::{Coordinate, DIMENSION_NAMES, DIMENSIONS, MAX_COMPONENT};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A region that is read from, and written as, a pattern.
///
/// `Display` writes the shortest form that reads back as the same region, as far as `**` goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern(pub Region);

/// Why a text is no pattern, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {character}: {reason}")]
pub struct PatternError {
    /// The character that is wrong, counted from 1; one beyond the last where something is missing.
    pub character: usize,
    /// What is wrong with it.
    pub reason: PatternReason,
}

/// What is wrong with a character of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternReason {
    /// Another character was expected.
    #[error("expected {expected}, found {}", shown(*.found))]
    Expected {
        /// What would have been right.
        expected: Expected,
        /// What is there; nothing at the end of the text.
        found: Option<char>,
    },
    /// A number that no component has.
    #[error("components are 1 to 2147483647, found `{0}`")]
    Component(String),
    /// A range that ends before it begins.
    #[error("the range {low}-{high} ends before it begins")]
    Reversed {
        /// Where it begins.
        low: u32,
        /// Where it ends.
        high: u32,
    },
}

/// What a pattern may have at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A field for a dimension, library 0.
    Field(usize),
    /// A number or a range in a set.
    Span,
    /// The number after the `-` of a range that begins there.
    Number,
    /// `,` or `}`.
    SetEnd,
    /// The separator before a dimension.
    Separator(usize),
    /// Nothing more.
    End,
}

impl Display for Expected {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Field(dimension) => {
                let name = DIMENSION_NAMES[*dimension];
                write!(
                    f,
                    "the {name} (a number, `*`, a range, a set in braces, or `**`)"
                )
            }
            Expected::Span => f.write_str("a number or a range"),
            Expected::Number => f.write_str("a number"),
            Expected::SetEnd => f.write_str("`,` or `}`"),
            Expected::Separator(dimension) => {
                let (separator, name) = (separator(*dimension), DIMENSION_NAMES[*dimension]);
                write!(f, "`{separator}` and the {name}")
            }
            Expected::End => f.write_str("the end of the pattern"),
        }
    }
}

fn shown(found: Option<char>) -> String {
    match found {
        Some(found) => format!("`{}`", found.escape_debug()),
        None => "the end".to_owned(),
    }
}

/// What stands before the field of a dimension other than the first.
fn separator(dimension: usize) -> char {
    match dimension {
        3 | 6 => '/',
        _ => '.',
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let mut reader = Reader::new(text);
        let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
        for (dimension, constraint) in constraints.iter_mut().enumerate() {
            if dimension > 0 && !reader.take(separator(dimension)) {
                return Err(reader.expected(Expected::Separator(dimension)));
            }
            if reader.take_rest() {
                break;
            }
            *constraint = reader.field(dimension)?;
        }
        reader.end()?;
        Ok(Pattern(Region::new(constraints)))
    }
}

impl From<Pattern> for Region {
    fn from(pattern: Pattern) -> Region {
        pattern.0
    }
}

impl From<&Coordinate> for Pattern {
    fn from(coordinate: &Coordinate) -> Pattern {
        let constraint = |&component: &u32| {
            Constraint::equal(component).expect("a coordinate has valid components")
        };
        Pattern(Region::new(
            coordinate.components().each_ref().map(constraint),
        ))
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let constraints = self.0.constraints();
        let free = constraints
            .iter()
            .rev()
            .take_while(|constraint| constraint.is_free())
            .count();
        // A single `*` is as short as `**` and says more.
        let written = match free {
            0 | 1 => DIMENSIONS,
            free => DIMENSIONS - free,
        };
        for (dimension, constraint) in constraints.iter().take(written).enumerate() {
            if dimension > 0 {
                write!(f, "{}", separator(dimension))?;
            }
            constraint.fmt(f)?;
        }
        match written {
            0 => f.write_str("**"),
            DIMENSIONS => Ok(()),
            next => write!(f, "{}**", separator(next)),
        }
    }
}

/// A text that is read character by character.
struct Reader<'t> {
    rest: &'t str,
    /// The number of the first character of `rest`.
    character: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Reader<'t> {
        let trimmed = text.trim_start();
        let space = text[..text.len() - trimmed.len()].chars().count();
        Reader {
            rest: trimmed.trim_end(),
            character: space + 1,
        }
    }

    fn next(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Goes over the next character if it is `wanted`.
    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                self.character += 1;
                true
            }
            None => false,
        }
    }

    /// Goes over a `**`.
    fn take_rest(&mut self) -> bool {
        self.rest.starts_with("**") && self.take('*') && self.take('*')
    }

    fn expected(&self, expected: Expected) -> PatternError {
        PatternError {
            character: self.character,
            reason: PatternReason::Expected {
                expected,
                found: self.next(),
            },
        }
    }

    fn end(&self) -> Result<(), PatternError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(self.expected(Expected::End)),
        }
    }

    fn field(&mut self, dimension: usize) -> Result<Constraint, PatternError> {
        if self.take('*') {
            return Ok(Constraint::FREE);
        }
        let spans = match self.take('{') {
            true => self.set()?,
            false => vec![self.span(Expected::Field(dimension))?],
        };
        Ok(Constraint::new(spans).expect("spans are valid, ascending and disjoint"))
    }

    /// The spans of a set behind its brace, ascending and disjoint.
    fn set(&mut self) -> Result<Vec<Span>, PatternError> {
        let mut spans = vec![self.span(Expected::Span)?];
        while self.take(',') {
            spans.push(self.span(Expected::Span)?);
        }
        if !self.take('}') {
            return Err(self.expected(Expected::SetEnd));
        }
        Ok(united(spans))
    }

    /// A number or a range; `expected` says what is missing where there is neither.
    fn span(&mut self, expected: Expected) -> Result<Span, PatternError> {
        let character = self.character;
        let low = self.number()?;
        if !self.take('-') {
            let Some(only) = low else {
                return Err(self.expected(expected));
            };
            return Ok(Span {
                low: only,
                high: only,
            });
        }
        let high = self.number()?;
        let (low, high) = match (low, high) {
            (None, None) => return Err(self.expected(Expected::Number)),
            (low, high) => (low.unwrap_or(1), high.unwrap_or(MAX_COMPONENT)),
        };
        if low > high {
            let reason = PatternReason::Reversed { low, high };
            return Err(PatternError { character, reason });
        }
        Ok(Span { low, high })
    }

    /// A number, if the next character is a digit.
    fn number(&mut self) -> Result<Option<u32>, PatternError> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        if number.is_empty() {
            return Ok(None);
        }
        let character = self.character;
        (self.rest, self.character) = (rest, character + digits);
        let component = number.parse().ok();
        match component.filter(|component| (1..=MAX_COMPONENT).contains(component)) {
            Some(component) => Ok(Some(component)),
            None => Err(PatternError {
                character,
                reason: PatternReason::Component(excerpt(number)),
            }),
        }
    }
}

/// The beginning of a number that may be of any length.
fn excerpt(number: &str) -> String {
    const DIGITS: usize = 20;
    match number.len() {
        0..=DIGITS => number.to_owned(),
        _ => format!("{}...", &number[..DIGITS]),
    }
}

/// The same components in ascending, disjoint spans. Spans that only touch stay apart.
fn united(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.low);
    let mut united: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match united.last_mut() {
            Some(last) if last.high >= span.low => last.high = last.high.max(span.high),
            _ => united.push(span),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_read() {
        let check = |text: &str, expected: &str| {
            let pattern: Pattern = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(pattern.0.to_string(), expected, "{text}");
        };
        check("**", "*.*.*/*.*.*/*.*.*");
        check("1.1.1/**", "1.1.1/*.*.*/*.*.*");
        check("1.**", "1.*.*/*.*.*/*.*.*");
        check("*.*.*/1.2.*/{1,2}.*.1-9", "*.*.*/1.2.*/{1,2}.*.1-9");
        check("1.2.3/4.5.6/7.8.9", "1.2.3/4.5.6/7.8.9");
        check(" 1.2.3/4.5.6/7.8.**\n", "1.2.3/4.5.6/7.8.*");
        check("7-.-3.2-5/**", "7-2147483647.1-3.2-5/*.*.*/*.*.*");
        check("{9-12,3,1}.**", "{1,3,9-12}.*.*/*.*.*/*.*.*");
        check("{5-9,-3,2-6}.**", "1-9.*.*/*.*.*/*.*.*");
        check("{1-}.-2147483647.007/**", "*.*.7/*.*.*/*.*.*");
    }

    #[test]
    fn errors_point_at_the_character() {
        let check = |text: &str, character, said: &str| {
            let error = text.parse::<Pattern>().unwrap_err();
            assert_eq!(error.character, character, "{text}: {error}");
            assert!(error.to_string().contains(said), "{text}: {error}");
        };
        check("", 1, "expected the library");
        check("x.**", 1, "found `x`");
        check("  é.**", 3, "found `é`");
        check("1.2", 4, "expected `.` and the series, found the end");
        check("1.2.3.4", 6, "expected `/` and the collection, found `.`");
        check("1.2.3/4.5.6/7.8.9.1", 18, "expected the end");
        check("1.2.3/4.5.6/7.8.9/**", 18, "expected the end");
        check("**.1", 3, "expected the end");
        check("1..**", 3, "expected the shelf");
        check("1.-.**", 4, "expected a number, found `.`");
        check("1.{}.**", 4, "expected a number or a range, found `}`");
        check("1.{1,}.**", 6, "expected a number or a range");
        check("1.{1;2}.**", 5, "expected `,` or `}`, found `;`");
        check("1.{*}.**", 4, "expected a number or a range");
        check("1.{1,2", 7, "expected `,` or `}`, found the end");
        check("1.7-3.**", 3, "the range 7-3 ends before it begins");
        check("1.{1,7-3}.**", 6, "the range 7-3");
        check("0.**", 1, "components are 1 to 2147483647, found `0`");
        check("1.2147483648.**", 3, "found `2147483648`");
        check(&format!("1.{}.**", "9".repeat(99)), 3, "99999...`");
        check("1.2 .3/**", 4, "expected `.` and the series, found ` `");
        check("1*.**", 2, "expected `.` and the shelf, found `*`");
        check("1.2-3-4.**", 6, "found `-`");
    }

    fn constraint() -> BoxedStrategy<Constraint> {
        let ends = proptest::collection::btree_set(
            prop_oneof![4 => 1..40_u32, 1 => 1..=MAX_COMPONENT, 1 => Just(MAX_COMPONENT)],
            1..7,
        );
        let spans = (ends, any::<u64>()).prop_map(|(ends, joined)| {
            let ends: Vec<u32> = ends.into_iter().collect();
            let mut spans = Vec::new();
            let mut at = 0;
            while at < ends.len() {
                let last = (at + (joined >> at & 1) as usize).min(ends.len() - 1);
                let (low, high) = (ends[at], ends[last]);
                spans.push(Span { low, high });
                at = last + 1;
            }
            Constraint::new(spans).unwrap()
        });
        prop_oneof![1 => Just(Constraint::FREE), 1 => spans].boxed()
    }

    proptest! {
        #[test]
        fn every_region_is_written_and_read_back(
            constraints in proptest::array::uniform9(constraint()),
            free in 0..=DIMENSIONS,
        ) {
            let mut constraints = constraints;
            constraints[DIMENSIONS - free..].fill(Constraint::FREE);
            let pattern = Pattern(Region::new(constraints));
            let text = pattern.to_string();
            prop_assert_eq!(text.parse::<Pattern>(), Ok(pattern.clone()), "{}", text);
            let long = pattern.0.to_string();
            prop_assert_eq!(long.parse::<Pattern>(), Ok(pattern), "{}", long);
        }

        /// Every text is a pattern that reads back, or an error at one of its characters.
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9*{},./ é-]{0,24}|.{0,24}") {
            match text.parse::<Pattern>() {
                Ok(pattern) => {
                    prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
                }
                Err(error) => {
                    prop_assert!((1..=text.chars().count() + 1).contains(&error.character));
                }
            }
        }
    }
}
