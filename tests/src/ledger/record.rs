//! Texts that say themselves whether they are whole.
//!
//! ```text
//! @<writer> <number> <slot> <length> <checksum>\n<payload>\n
//! ```
//!
//! The checksum covers all that comes before and after it. A scroll is one record, or several
//! where inserts appended to it.

use crate::document::checksum;

/// Who wrote a record, as its how-many-th operation, and into which slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The writer's number.
    pub writer: usize,
    /// The operation's number among the writer's.
    pub number: u64,
    /// The slot.
    pub slot: usize,
}

/// The text of a record.
pub fn write(origin: Origin, payload: &str) -> String {
    let Origin {
        writer,
        number,
        slot,
    } = origin;
    let sum = sum(origin, payload);
    format!(
        "@{writer} {number} {slot} {} {sum}\n{payload}\n",
        payload.len()
    )
}

/// Reads a scroll; the error says at which byte it stops being whole.
pub fn read(scroll: &str) -> Result<Vec<Origin>, usize> {
    let mut origins = Vec::new();
    let mut rest = scroll;
    while !rest.is_empty() {
        let at = scroll.len() - rest.len();
        let (origin, length) = read_one(rest).ok_or(at)?;
        origins.push(origin);
        rest = &rest[length..];
    }
    Ok(origins)
}

fn read_one(text: &str) -> Option<(Origin, usize)> {
    let (head, rest) = text.strip_prefix('@')?.split_once('\n')?;
    let mut fields = head.split(' ');
    let origin = Origin {
        writer: fields.next()?.parse().ok()?,
        number: fields.next()?.parse().ok()?,
        slot: fields.next()?.parse().ok()?,
    };
    let length: usize = fields.next()?.parse().ok()?;
    let stated = fields.next()?;
    let payload = rest.get(..length)?;
    let whole = rest.get(length..)?.starts_with('\n') && stated == sum(origin, payload);
    whole.then_some((origin, 1 + head.len() + 1 + length + 1))
}

fn sum(origin: Origin, payload: &str) -> String {
    let Origin {
        writer,
        number,
        slot,
    } = origin;
    checksum(format!("{writer} {number} {slot} {payload}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Origin, read, write};

    #[test]
    fn a_whole_scroll_is_read_and_a_torn_one_is_not() {
        let one = Origin {
            writer: 3,
            number: 7,
            slot: 2,
        };
        let other = Origin { number: 39, ..one };
        let text = write(one, "payload é") + &write(other, "");
        assert_eq!(read(&text), Ok(vec![one, other]));
        let boundary = write(one, "payload é").len();
        for cut in (1..text.len()).filter(|&cut| cut != boundary && text.is_char_boundary(cut)) {
            assert!(read(&text[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(&text.replace("payload", "pAyload")).is_err());
    }
}
