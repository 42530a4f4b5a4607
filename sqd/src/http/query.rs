//! Query strings and form bodies, decoded as SQ decodes them.
//!
//! Pairs are split at `&`, and at their first `=`; in key and value each, `+` becomes a space and
//! then percent escapes are decoded. An escape that is none stays as it is, a pair without `=` is
//! ignored, and of two pairs with one key the later counts. Bytes that are not UTF-8 become
//! U+FFFD, and where that happened can be asked.

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// The decoded pairs of a query string or of an `application/x-www-form-urlencoded` body.
///
/// What needed no decoding is borrowed from the input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters<'a> {
    pairs: Vec<Pair<'a>>,
}

#[derive(Clone, Debug)]
struct Pair<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
    invalid_at: Option<usize>,
}

impl<'a> Parameters<'a> {
    /// Decodes `query`, which has no leading `?`. There is no malformed input.
    pub(crate) fn parse(query: &'a [u8]) -> Self {
        let pairs = query
            .split(|&byte| byte == b'&')
            .filter_map(Pair::parse)
            .collect();
        Self { pairs }
    }

    /// The value of `key`: of the last pair, when there are several.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.find(key).map(|pair| &*pair.value)
    }

    /// The values of all pairs with `key`, in the order that they were sent.
    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().filter(|pair| pair.key == key);
        pairs.map(|pair| &*pair.value).collect()
    }

    /// The offset of the first byte of `key`'s decoded value that is not UTF-8; none when all of
    /// it is, or there is no such key. [`get`](Self::get) has U+FFFD in its place.
    pub(crate) fn invalid_utf8_at(&self, key: &str) -> Option<usize> {
        self.find(key).and_then(|pair| pair.invalid_at)
    }

    /// The same of whichever pair with `key` has such a byte first.
    pub(crate) fn any_invalid_utf8_at(&self, key: &str) -> Option<usize> {
        let mut pairs = self.pairs.iter().filter(|pair| pair.key == key);
        pairs.find_map(|pair| pair.invalid_at)
    }

    /// All pairs as (key, value), in the order they were sent, earlier duplicates included.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (&*pair.key, &*pair.value))
    }

    fn find(&self, key: &str) -> Option<&Pair<'a>> {
        self.pairs.iter().rfind(|pair| pair.key == key)
    }
}

impl<'a> Pair<'a> {
    fn parse(pair: &'a [u8]) -> Option<Self> {
        let equals = memchr(b'=', pair)?;
        let (key, _) = lossy(decode(&pair[..equals]));
        let (value, invalid_at) = lossy(decode(&pair[equals + 1..]));
        Some(Self {
            key,
            value,
            invalid_at,
        })
    }
}

/// `+` to space and percent escapes to bytes, in one pass: a `+` that comes out of an escape is
/// not looked at again.
fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr2(b'+', b'%', encoded) else {
        return Cow::Borrowed(encoded);
    };
    let mut decoded = Vec::with_capacity(encoded.len());
    decoded.extend_from_slice(&encoded[..first]);
    let mut rest = &encoded[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match escaped_byte(after) {
                Some(escaped) => {
                    rest = &after[2..];
                    escaped
                }
                None => b'%',
            },
            _ => byte,
        });
    }
    Cow::Owned(decoded)
}

/// The byte that the two hex digits at the start of `digits` stand for.
fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let high = char::from(*digits.first()?).to_digit(16)?;
    let low = char::from(*digits.get(1)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// Text with U+FFFD for what is not UTF-8, and the offset of the first byte that is not.
fn lossy(bytes: Cow<'_, [u8]>) -> (Cow<'_, str>, Option<usize>) {
    match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), None),
            Err(error) => (String::from_utf8_lossy(bytes), Some(error.valid_up_to())),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => (Cow::Owned(text), None),
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                (Cow::Owned(text), Some(error.utf8_error().valid_up_to()))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(query: &[u8], expected: &[(&str, &str)]) {
        let parameters = Parameters::parse(query);
        let pairs: Vec<_> = parameters.iter().collect();
        assert_eq!(pairs, expected, "{:?}", String::from_utf8_lossy(query));
    }

    #[test]
    fn decodes_as_sq_does() {
        check(b"", &[]);
        check(b"&&", &[]);
        check(
            b"p=a&c=1.1.1/1.1.1/1.1.1",
            &[("p", "a"), ("c", "1.1.1/1.1.1/1.1.1")],
        );
        check(b"s=a+b", &[("s", "a b")]);
        check(b"s=a%20b%2Bc", &[("s", "a b+c")]);
        check(b"s=a=b=c", &[("s", "a=b=c")]);
        check(b"s=%26%3d", &[("s", "&=")]);
        check(b"flag&p=x", &[("p", "x")]);
        check(b"p=&=v", &[("p", ""), ("", "v")]);
        check(b"%70=x&a+b=y", &[("p", "x"), ("a b", "y")]);
        check(b"s=100%", &[("s", "100%")]);
        check(b"s=%4", &[("s", "%4")]);
        check(b"s=%zz%%41%+1", &[("s", "%zz%A% 1")]);
        check(b"s=%C3%A9\xc3\xa9", &[("s", "\u{e9}\u{e9}")]);
        check(b"s=a > b \"c\"?d", &[("s", "a > b \"c\"?d")]);
        check(b"s=%01\x17%00", &[("s", "\u{1}\u{17}\0")]);
    }

    #[test]
    fn later_duplicates_win() {
        let parameters = Parameters::parse(b"p=a&p=b&%70=c");
        assert_eq!(parameters.get("p"), Some("c"));
        assert_eq!(parameters.get("q"), None);
    }

    #[test]
    fn invalid_utf8_is_replaced_and_located() {
        let parameters = Parameters::parse(b"a=ok%FFx&b=\xe9&c=fine");
        assert_eq!(parameters.get("a"), Some("ok\u{fffd}x"));
        assert_eq!(parameters.invalid_utf8_at("a"), Some(2));
        assert_eq!(parameters.get("b"), Some("\u{fffd}"));
        assert_eq!(parameters.invalid_utf8_at("b"), Some(0));
        assert_eq!(parameters.invalid_utf8_at("c"), None);
        assert_eq!(parameters.invalid_utf8_at("d"), None);
        let twice = Parameters::parse(b"a=o%FF&a=ok");
        assert_eq!(twice.invalid_utf8_at("a"), None);
        assert_eq!(twice.any_invalid_utf8_at("a"), Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(query in proptest::collection::vec(any::<u8>(), 0..200)) {
            let parameters = Parameters::parse(&query);
            prop_assert!(parameters.iter().count() <= query.len());
        }

        #[test]
        fn escaping_every_byte_is_undone(key in "\\PC{0,20}", value in "\\PC{0,50}") {
            let escape = |text: &str| -> String {
                text.bytes().map(|byte| format!("%{byte:02x}")).collect()
            };
            let query = format!("{}={}", escape(&key), escape(&value));
            let parameters = Parameters::parse(query.as_bytes());
            prop_assert_eq!(parameters.get(&key), Some(&*value));
        }
    }
}
