//! Writing parameters the way clients write them, and reading them the way SQ does.
//!
//! A value is encoded first and decoded again by this module's own decoder, so that the meaning
//! of a request is that of its bytes, however sloppy the encoding.

use phext_tests::http::percent_encode;
use phext_tests::random::{Random, chance, weighted};

/// How a client writes a value into a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Percent-encodes all but the unreserved characters.
    Percent,
    /// The same, with `+` for a space.
    Form,
    /// Encodes only what would end the value or the request line; spaces, quotes and bytes above
    /// 0x7F go raw.
    Raw,
}

/// A query string under construction.
#[derive(Debug, Default)]
pub(crate) struct QueryString {
    bytes: Vec<u8>,
}

impl QueryString {
    /// An empty query string.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter whose value is written as it is.
    pub(crate) fn verbatim(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if !self.bytes.is_empty() {
            self.bytes.push(b'&');
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'=');
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds a parameter in a random style.
    pub(crate) fn param(&mut self, random: &mut Random, name: &str, value: &str) -> &mut Self {
        let encoded = encode(random, value);
        self.verbatim(name, &encoded)
    }

    /// Adds the text of a write, now and then with an escape that is none or a byte that is not
    /// UTF-8; returns the text a server must understand.
    pub(crate) fn text(&mut self, random: &mut Random, name: &str, value: &str) -> String {
        let mut encoded = encode(random, value);
        if chance(random, 60) {
            let flaws: [(u32, &[u8]); 6] = [
                (1, b"%zz"),
                (1, b"%-"),
                (1, b"%4g"),
                (1, b"%%"),
                (1, b"\xFFx"),
                (1, b"%FFx"),
            ];
            encoded.splice(0..0, weighted(random, &flaws).iter().copied());
        }
        if chance(random, 20) {
            encoded.push(b'%');
        }
        self.verbatim(name, &encoded);
        decode(&encoded)
    }

    /// Adds a coordinate: slashes raw, as `%2F`, or as `;`.
    pub(crate) fn coordinate(&mut self, random: &mut Random, text: &str) -> &mut Self {
        let written = weighted(random, &[(4, "/"), (3, "%2F"), (1, "%2f"), (3, ";")]);
        self.verbatim("c", text.replace('/', written).as_bytes())
    }

    /// Adds what SQ does not look at.
    pub(crate) fn noise(&mut self, random: &mut Random) -> &mut Self {
        let noise = weighted(
            random,
            &[(3, "x=1"), (1, "flag"), (1, ""), (1, "=v"), (1, "P=other")],
        );
        if !self.bytes.is_empty() {
            self.bytes.push(b'&');
        }
        self.bytes.extend_from_slice(noise.as_bytes());
        self
    }

    /// The bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn encode(random: &mut Random, value: &str) -> Vec<u8> {
    let style = weighted(
        random,
        &[(6, Style::Percent), (2, Style::Form), (2, Style::Raw)],
    );
    match style {
        Style::Percent => percent_encode(value.as_bytes()).into_bytes(),
        Style::Form => percent_encode(value.as_bytes())
            .replace("%20", "+")
            .into_bytes(),
        Style::Raw => raw(value),
    }
}

/// A trailing space is encoded: before ` HTTP/1.1` it could not be told from the separator.
fn raw(value: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let separates = matches!(byte, b'%' | b'&' | b'+') || byte < 0x20 || byte == 0x7F;
        if separates || (byte == b' ' && (at == last || at == 0)) {
            encoded.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            encoded.push(byte);
        }
    }
    encoded
}

/// Decodes one value: the head is read as UTF-8 first, then `+`, then the escapes; what is not
/// UTF-8 is replaced, and an escape that is none stays.
pub(crate) fn decode(encoded: &[u8]) -> String {
    let spaced = String::from_utf8_lossy(encoded).replace('+', " ");
    let bytes = spaced.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escape(&bytes[at..]) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes_as_sq_does() {
        let rows: [(&[u8], &str); 7] = [
            (b"a+b%20c", "a b c"),
            (b"100%", "100%"),
            (b"%zz%41", "%zzA"),
            (b"%C3%A9", "\u{e9}"),
            (b"\xC3\xA9", "\u{e9}"),
            (b"\xFFx", "\u{FFFD}x"),
            (b"%%41", "%A"),
        ];
        for (encoded, expected) in rows {
            assert_eq!(decode(encoded), expected, "{encoded:?}");
        }
    }
}
