//! The chunked transfer coding (RFC 9112, section 7.1), decoded as the input arrives.
//!
//! ```text
//! 5;name=value CR LF     size in hex, extensions ignored
//! hello CR LF
//! 0 CR LF                the last chunk
//! Trailer: x CR LF       ignored
//! CR LF
//! ```

use bytes::{Buf, BytesMut};

use super::head::find_line_feed;
use super::rejection::Rejection;

/// Longest line outside of the data: chunk size with extensions, or trailer.
const LINE_LIMIT: usize = 4096;

/// Most digits of a chunk size, leading zeros included.
const SIZE_DIGITS: usize = 16;

/// Bytes of extensions and trailers in one body. Without a bound, a client could keep the server
/// reading for ever while the body stays small.
const IGNORED_LIMIT: usize = 64 * 1024;

/// Decodes one body.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    body: BytesMut,
    body_limit: usize,
    ignored: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size,
    Data { remaining: usize },
    DataEnd,
    Trailers,
    Done,
}

impl ChunkedDecoder {
    /// A decoder for a body of up to `body_limit` bytes.
    pub(super) fn new(body_limit: usize) -> Self {
        Self {
            state: State::Size,
            body: BytesMut::new(),
            body_limit,
            ignored: 0,
        }
    }

    /// Consumes what it can of `input`; true once the body is complete. What follows the body
    /// stays in `input`.
    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<bool, Rejection> {
        loop {
            let next = match self.state {
                State::Size => self.read_size(input)?,
                State::Data { remaining } => self.read_data(input, remaining),
                State::DataEnd => read_data_end(input)?,
                State::Trailers => self.read_trailer(input)?,
                State::Done => return Ok(true),
            };
            let Some(next) = next else { return Ok(false) };
            self.state = next;
        }
    }

    /// Bytes of the body so far.
    pub(super) fn received(&self) -> usize {
        self.body.len()
    }

    /// The body.
    pub(super) fn into_body(self) -> BytesMut {
        self.body
    }

    fn read_size(&mut self, input: &mut BytesMut) -> Result<Option<State>, Rejection> {
        let Some(line) = take_line(input)? else {
            return Ok(None);
        };
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let extensions = line[digits..].trim_ascii_start();
        if !(1..=SIZE_DIGITS).contains(&digits)
            || !(extensions.is_empty() || extensions.starts_with(b";"))
        {
            return Err(Rejection::Chunk(
                "a chunk size is not a hexadecimal number of 1 to 16 digits",
            ));
        }
        self.ignore(line.len() - digits)?;
        let limit = self.body_limit;
        let size = hexadecimal(&line[..digits])
            .filter(|&size| size <= limit - self.body.len())
            .ok_or(Rejection::BodyTooLarge { limit })?;
        Ok(Some(if size == 0 {
            State::Trailers
        } else {
            State::Data { remaining: size }
        }))
    }

    fn read_data(&mut self, input: &mut BytesMut, remaining: usize) -> Option<State> {
        let length = remaining.min(input.len());
        self.body.extend_from_slice(&input[..length]);
        input.advance(length);
        if length == remaining {
            return Some(State::DataEnd);
        }
        self.state = State::Data {
            remaining: remaining - length,
        };
        None
    }

    fn read_trailer(&mut self, input: &mut BytesMut) -> Result<Option<State>, Rejection> {
        let Some(line) = take_line(input)? else {
            return Ok(None);
        };
        self.ignore(line.len())?;
        Ok(Some(if line.is_empty() {
            State::Done
        } else {
            State::Trailers
        }))
    }

    fn ignore(&mut self, length: usize) -> Result<(), Rejection> {
        self.ignored += length;
        if self.ignored > IGNORED_LIMIT {
            return Err(Rejection::Chunk("its extensions and trailers are too long"));
        }
        Ok(())
    }
}

fn read_data_end(input: &mut BytesMut) -> Result<Option<State>, Rejection> {
    if !b"\r\n".starts_with(&input[..input.len().min(2)]) {
        return Err(Rejection::Chunk("a chunk is longer than its size says"));
    }
    if input.len() < 2 {
        return Ok(None);
    }
    input.advance(2);
    Ok(Some(State::Size))
}

/// Takes a line and its CR LF off `input`, and gives it without them.
fn take_line(input: &mut BytesMut) -> Result<Option<BytesMut>, Rejection> {
    let Some(end) = find_line_feed(&input[..input.len().min(LINE_LIMIT)]) else {
        return if input.len() >= LINE_LIMIT {
            Err(Rejection::Chunk("a line is too long"))
        } else {
            Ok(None)
        };
    };
    let mut line = input.split_to(end + 1);
    if end == 0 || line.iter().position(|&byte| byte == b'\r') != Some(end - 1) {
        return Err(Rejection::Chunk("a line does not end in CR LF"));
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// None beyond `usize`.
fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = usize::try_from(char::from(digit).to_digit(16)?).ok()?;
        number.checked_mul(16)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY_LIMIT: usize = 100;

    /// The body in pieces that arrive one by one, and what followed it; none if it is incomplete.
    fn decode<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<(BytesMut, BytesMut)>, Rejection> {
        let mut decoder = ChunkedDecoder::new(BODY_LIMIT);
        let mut input = BytesMut::new();
        let mut done = false;
        for piece in pieces {
            input.extend_from_slice(piece);
            done = decoder.decode(&mut input)?;
        }
        Ok(done.then(|| (decoder.into_body(), input)))
    }

    fn check(input: &str, body: &str, rest: &str) {
        let expected = Ok(Some((BytesMut::from(body), BytesMut::from(rest))));
        assert_eq!(decode([input.as_bytes()]), expected, "{input:?}");
        assert_eq!(
            decode(input.as_bytes().chunks(1)),
            expected,
            "{input:?} byte by byte"
        );
    }

    fn check_rejected(input: &str, status: u16) {
        let found = decode([input.as_bytes()]).map_err(|rejection| rejection.status());
        assert_eq!(found, Err(status), "{input:?}");
    }

    #[test]
    fn bodies() {
        check("0\r\n\r\n", "", "");
        check("5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET");
        check(
            "5\r\nhello\r\n006\r\n world\r\n00\r\n\r\n",
            "hello world",
            "",
        );
        check("A;x=\"y\"\r\n0123456789\r\n0;z\r\n\r\n", "0123456789", "");
        check("1 ;x\r\na\r\n1 \r\nb\r\n0\r\n\r\n", "ab", "");
        check(
            "2\r\n\r\n\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
            "\r\n",
            "",
        );
    }

    #[test]
    fn malformed_bodies() {
        for input in [
            "\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1 1\r\n", " 1\r\n", ";x\r\n",
        ] {
            check_rejected(input, 400);
        }
        for input in [
            "1\n",
            "1\r\nabc",
            "1\r\na\n",
            "1;\rx\r\n",
            "0\r\nTrailer\n",
            "\n",
        ] {
            check_rejected(input, 400);
        }
        check_rejected("00000000000000001\r\n", 400);
        check_rejected("65\r\n", 413);
        check_rejected("ffffffffffffffff\r\n", 413);
        check_rejected(&format!("64\r\n{}\r\n1\r\n", "x".repeat(100)), 413);
        check_rejected(&"0".repeat(LINE_LIMIT), 400);
        check_rejected(
            &format!("0\r\n{}", "T: x\r\n".repeat(IGNORED_LIMIT / 4 + 1)),
            400,
        );
        check_rejected(&format!("1;{}\r\na\r\n", "x".repeat(4000)).repeat(17), 400);
    }

    #[test]
    fn incomplete_bodies() {
        let whole = "5;x\r\nhello\r\n0\r\nTrailer: x\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(
                decode([&whole.as_bytes()[..length]]),
                Ok(None),
                "{length} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn almost_chunked_is_read_the_same_however_it_is_split(
            input in "([0-9a-c]{1,2}(;x)?(\r\n|\r|\n)[a-z]{0,12}(\r\n|\n)?){0,4}(0\r\n\r\n)?",
            step in 1_usize..20,
        ) {
            let whole = decode([input.as_bytes()]);
            prop_assert_eq!(decode(input.as_bytes().chunks(step)), whole);
        }

        #[test]
        fn what_was_encoded_is_decoded(
            chunks in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 1..20), 0..5
            ),
            step in 1_usize..20,
        ) {
            let mut encoded = Vec::new();
            for chunk in &chunks {
                encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                encoded.extend_from_slice(chunk);
                encoded.extend_from_slice(b"\r\n");
            }
            encoded.extend_from_slice(b"0\r\n\r\n");
            let (body, rest) = decode(encoded.chunks(step)).unwrap().unwrap();
            prop_assert_eq!(&body[..], &chunks.concat()[..]);
            prop_assert!(rest.is_empty());
        }
    }
}
