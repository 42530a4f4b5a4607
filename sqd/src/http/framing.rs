//! What the header fields say about the message: how long its body is, whether the connection
//! stays open after it, whether the client waits for `100 Continue`.
//!
//! A body length that two readers could understand differently is refused (RFC 9112, section 6.3):
//! the next request must not start where an intermediary did not expect it.

use super::head::Head;
use super::rejection::Rejection;
use super::request::{Headers, Version};

/// The framing of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    /// The client holds the body back until it is told to go on.
    pub(super) expects_continue: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes; 0 when the head does not speak of a body.
    Declared(u64),
    /// The last chunk says so.
    Chunked,
}

impl Framing {
    pub(super) fn of(head: &Head) -> Result<Self, Rejection> {
        Ok(Self {
            body: body_length(&head.headers, head.version)?,
            keep_alive: keeps_alive(&head.headers, head.version),
            expects_continue: head.version == Version::Http11
                && head
                    .headers
                    .get("expect")
                    .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")),
        })
    }
}

fn body_length(headers: &Headers, version: Version) -> Result<BodyLength, Rejection> {
    let declared = content_length(headers)?;
    let mut codings = headers.get_all("transfer-encoding");
    let Some(coding) = codings.next() else {
        return Ok(BodyLength::Declared(declared.unwrap_or(0)));
    };
    if declared.is_some() {
        return Err(Rejection::ConflictingLengths);
    }
    if version == Version::Http10 {
        return Err(Rejection::CodingInOldVersion);
    }
    if codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
        return Err(Rejection::TransferCoding);
    }
    Ok(BodyLength::Chunked)
}

/// The declared length. It may be repeated, as fields or in a list, if it is the same each time.
fn content_length(headers: &Headers) -> Result<Option<u64>, Rejection> {
    let mut length = None;
    for value in headers.get_all("content-length") {
        for item in value.split(|&byte| byte == b',') {
            let item = decimal(item.trim_ascii()).ok_or(Rejection::ContentLength)?;
            if length.is_some_and(|length| length != item) {
                return Err(Rejection::ContentLength);
            }
            length = Some(item);
        }
    }
    Ok(length)
}

/// A number of digits only. Beyond `u64` it stays at the maximum, which is over any limit.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |number: u64, digit: &u8| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(digits.iter().fold(0, append))
}

fn keeps_alive(headers: &Headers, version: Version) -> bool {
    let has_option = |option: &[u8]| {
        headers
            .get_all("connection")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(option))
    };
    !has_option(b"close") && (version == Version::Http11 || has_option(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn framing(version: &str, fields: &str) -> Result<Framing, Rejection> {
        let head = format!(
            "POST / HTTP/{version}\r\n{}\r\n",
            fields.replace('\n', "\r\n")
        );
        Framing::of(&Head::parse(&Bytes::from(head)).unwrap())
    }

    fn check_body(fields: &str, expected: &Result<BodyLength, Rejection>) {
        let found = framing("1.1", fields).map(|framing| framing.body);
        assert_eq!(&found, expected, "{fields:?}");
    }

    #[test]
    fn declared_lengths() {
        check_body("", &Ok(BodyLength::Declared(0)));
        check_body("Content-Length: 5\n", &Ok(BodyLength::Declared(5)));
        check_body("content-length: 007 \n", &Ok(BodyLength::Declared(7)));
        check_body(
            "Content-Length: 5\nContent-Length: 5\n",
            &Ok(BodyLength::Declared(5)),
        );
        check_body("Content-Length: 5, 5\n", &Ok(BodyLength::Declared(5)));
        check_body(
            "Content-Length: 99999999999999999999999\n",
            &Ok(BodyLength::Declared(u64::MAX)),
        );
        for value in [
            "", "-1", "+1", "0x5", "5 5", "5.0", "1e3", "5,", "5, 6", "\u{665}",
        ] {
            check_body(
                &format!("Content-Length: {value}\n"),
                &Err(Rejection::ContentLength),
            );
        }
        check_body(
            "Content-Length: 5\nContent-Length: 6\n",
            &Err(Rejection::ContentLength),
        );
    }

    #[test]
    fn transfer_codings() {
        check_body("Transfer-Encoding: Chunked\n", &Ok(BodyLength::Chunked));
        for value in ["gzip", "gzip, chunked", "identity", "chunked, chunked", ""] {
            let fields = format!("Transfer-Encoding: {value}\n");
            check_body(&fields, &Err(Rejection::TransferCoding));
        }
        let twice = "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n";
        check_body(twice, &Err(Rejection::TransferCoding));
        let both = "Transfer-Encoding: chunked\nContent-Length: 5\n";
        check_body(both, &Err(Rejection::ConflictingLengths));
        let old = framing("1.0", "Transfer-Encoding: chunked\n");
        assert_eq!(old, Err(Rejection::CodingInOldVersion));
    }

    #[test]
    fn persistence() {
        let check = |version, fields, expected| {
            assert_eq!(
                framing(version, fields).unwrap().keep_alive,
                expected,
                "{fields:?}"
            );
        };
        check("1.1", "", true);
        check("1.1", "Connection: close\n", false);
        check("1.1", "Connection: keep-alive, CLOSE\n", false);
        check("1.1", "Connection: TE\nConnection: close\n", false);
        check("1.1", "Connection: closed\n", true);
        check("1.0", "", false);
        check("1.0", "Connection: Keep-Alive\n", true);
        check("1.0", "Connection: keep-alive, close\n", false);
    }

    #[test]
    fn expectations() {
        let check = |version, fields, expected| {
            assert_eq!(
                framing(version, fields).unwrap().expects_continue,
                expected,
                "{fields:?}"
            );
        };
        check("1.1", "Expect: 100-Continue\n", true);
        check("1.0", "Expect: 100-continue\n", false);
        check("1.1", "Expect: something\n", false);
        check("1.1", "", false);
    }
}
