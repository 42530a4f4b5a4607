//! Nine numbers, most significant first, and the two ways of reading them.

use std::fmt;

/// The largest component sqd stores as a number.
pub const MAXIMUM: u64 = 0x7FFF_FFFF;

/// Library, shelf, series, collection, volume, book, chapter, section, scroll; ordered so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinate(pub [u64; 9]);

impl Coordinate {
    /// 1.1.1/1.1.1/1.1.1, where a document begins.
    pub const ORIGIN: Self = Self([1; 9]);

    /// The reading that SQ's clients rely on (libphext `to_coordinate`): fields end at `.`, `/`
    /// or `;`, other characters are ignored, separators before the first digit do not count,
    /// absent fields are 1, and the last number is the scroll. `None` where that reading makes a
    /// component 0 or larger than [`MAXIMUM`].
    #[must_use]
    pub fn lenient(text: &str) -> Option<Self> {
        let mut components = [1u64; 9];
        let mut field = None;
        let mut value = 0u64;
        for byte in text.bytes() {
            match byte {
                b'.' | b'/' | b';' => {
                    if let Some(index) = field.filter(|&index| index < 8) {
                        components[index] = value;
                        field = Some(index + 1);
                    }
                    value = 0;
                }
                b'0'..=b'9' => {
                    value = value
                        .saturating_mul(10)
                        .saturating_add(u64::from(byte - b'0'));
                    field = field.or(Some(0));
                }
                _ => {}
            }
        }
        if field.is_some() {
            components[8] = value;
        }
        components
            .iter()
            .all(|component| (1..=MAXIMUM).contains(component))
            .then_some(Self(components))
    }

    /// The reading of `query`: nine positive integers in three arms.
    #[must_use]
    pub fn strict(text: &str) -> Option<Self> {
        let mut components = [0u64; 9];
        let arms: Vec<&str> = text.trim().split('/').collect();
        if arms.len() != 3 {
            return None;
        }
        for (arm, slots) in arms.iter().zip(components.chunks_mut(3)) {
            let numbers: Vec<&str> = arm.split('.').collect();
            if numbers.len() != 3 {
                return None;
            }
            for (number, slot) in numbers.iter().zip(slots) {
                *slot = number
                    .parse()
                    .ok()
                    .filter(|value| (1..=MAXIMUM).contains(value))?;
            }
        }
        Some(Self(components))
    }

    /// The canonical form with `;` between the arms, for URLs.
    #[must_use]
    pub fn with_semicolons(&self) -> String {
        self.to_string().replace('/', ";")
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, j] = self.0;
        write!(f, "{a}.{b}.{c}/{d}.{e}.{g}/{h}.{i}.{j}")
    }
}

#[cfg(test)]
mod tests {
    use super::Coordinate;

    #[test]
    fn reads_what_clients_write() {
        let rows = [
            ("7.1.1/11.1.1", Some("7.1.1/11.1.1/1.1.1")),
            ("2.7.1/8.2.8", Some("2.7.1/8.2.1/1.1.8")),
            ("", Some("1.1.1/1.1.1/1.1.1")),
            ("HOME", Some("1.1.1/1.1.1/1.1.1")),
            ("1.2.3;4.5.6;7.8.9", Some("1.2.3/4.5.6/7.8.9")),
            ("./2.3", Some("2.1.1/1.1.1/1.1.3")),
            ("2026.2", Some("2026.1.1/1.1.1/1.1.2")),
            ("1.0.1/1.1.1/1.1.1", None),
            ("1.2.", None),
            ("my-assistant.1.1/user.preferences.theme/1.1.1", None),
            ("2147483648.1.1/1.1.1/1.1.1", None),
        ];
        for (text, expected) in rows {
            let read = Coordinate::lenient(text).map(|coordinate| coordinate.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn strict_wants_nine_positive_numbers() {
        assert!(Coordinate::strict(" 1.2.3/4.5.6/7.8.9 ").is_some());
        for text in [
            "",
            "1.2.3",
            "1.2.3/4.5.6/7.8.0",
            "1.2.3/4.5.6/7.8.9.1",
            "1.2.3/4.5.6/7.8.x",
        ] {
            assert!(Coordinate::strict(text).is_none(), "{text:?}");
        }
    }
}
