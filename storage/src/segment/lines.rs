//! The line index: where every 64th line of a long text starts.
//!
//! ```text
//! lines    texts u32 | marks u32 | per text: slot u32, marks before it u32 | marks u32 ...
//! ```
//!
//! A mark is the offset in the text of line 65, 129, ... Texts of fewer than 65 lines have none: they
//! are searched from their start. Texts ascend by slot.

use super::layout::u32_at;

/// Lines between two marks.
pub(super) const MARK_LINES: u32 = 64;
const HEAD_BYTES: usize = 8;
const TEXT_BYTES: usize = 8;

/// A line index that is being filled.
#[derive(Debug, Default)]
pub(super) struct LinesBuilder {
    texts: Vec<(u32, u32)>,
    marks: Vec<u32>,
}

impl LinesBuilder {
    /// Adds the text of a slot. Slots ascend.
    pub(super) fn push(&mut self, slot: u32, text: &[u8]) {
        let before = self.marks.len() as u32;
        let breaks = memchr::memchr_iter(b'\n', text).skip(MARK_LINES as usize - 1);
        let marks = breaks.step_by(MARK_LINES as usize);
        self.marks.extend(marks.map(|at| at as u32 + 1));
        if self.marks.len() as u32 > before {
            self.texts.push((slot, before));
        }
    }

    /// The section's bytes; none where no text has a mark.
    pub(super) fn finish(&self) -> Vec<u8> {
        if self.texts.is_empty() {
            return Vec::new();
        }
        let counts = [self.texts.len() as u32, self.marks.len() as u32];
        let texts = self.texts.iter().flat_map(|&(slot, before)| [slot, before]);
        let numbers = counts
            .into_iter()
            .chain(texts)
            .chain(self.marks.iter().copied());
        numbers.flat_map(u32::to_le_bytes).collect()
    }
}

/// Where in a text to begin looking for line `line`, counted from 0: a line at or before it, and
/// where that starts. The beginning of the text where the index, the section's bytes, has no mark.
pub(super) fn nearest_mark(index: &[u8], slot: u32, line: u32) -> (u32, u32) {
    match marks_of(index, slot) {
        Some(marks) if line >= MARK_LINES => {
            let last = (line / MARK_LINES).min((marks.len() / 4) as u32);
            match last {
                0 => (0, 0),
                last => (last * MARK_LINES, u32_at(marks, (last as usize - 1) * 4)),
            }
        }
        _ => (0, 0),
    }
}

/// The marks of a slot's text.
fn marks_of(index: &[u8], slot: u32) -> Option<&[u8]> {
    if index.len() < HEAD_BYTES {
        return None;
    }
    let (texts, marks) = (u32_at(index, 0) as usize, u32_at(index, 4) as usize);
    let table = index.get(HEAD_BYTES..)?.get(..texts * TEXT_BYTES)?;
    let all = index.get(HEAD_BYTES + texts * TEXT_BYTES..)?;
    let (mut low, mut high) = (0, texts);
    while low < high {
        let middle = low + (high - low) / 2;
        match u32_at(table, middle * TEXT_BYTES).cmp(&slot) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let first = u32_at(table, middle * TEXT_BYTES + 4) as usize;
                let end = match middle + 1 < texts {
                    true => u32_at(table, (middle + 1) * TEXT_BYTES + 4) as usize,
                    false => marks,
                };
                return all.get(first * 4..end * 4);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> Vec<u8> {
        let lines: Vec<String> = (0..lines).map(|n| "x".repeat(n % 7)).collect();
        lines.join("\n").into_bytes()
    }

    /// Where a line starts, found without an index.
    fn start_of(text: &[u8], line: u32) -> usize {
        match line {
            0 => 0,
            line => {
                memchr::memchr_iter(b'\n', text)
                    .nth(line as usize - 1)
                    .unwrap()
                    + 1
            }
        }
    }

    #[test]
    fn marks_lead_near_every_line() {
        let texts = [
            (3, 10),
            (4, 64),
            (5, 65),
            (9, 66),
            (10, 1000),
            (70_000, 129),
        ];
        let mut builder = LinesBuilder::default();
        for &(slot, lines) in &texts {
            builder.push(slot, &text(lines));
        }
        let index = builder.finish();
        for (slot, lines) in texts {
            for line in 0..lines as u32 {
                let (near, at) = nearest_mark(&index, slot, line);
                assert!(
                    near <= line && line - near < MARK_LINES,
                    "{slot} {line}: {near}"
                );
                assert_eq!(at as usize, start_of(&text(lines), near));
            }
        }
        assert_eq!(nearest_mark(&index, 6, 500), (0, 0), "a slot without marks");
        assert_eq!(
            nearest_mark(&index, 10, 5000).0,
            960,
            "beyond the last line"
        );
    }

    #[test]
    fn short_texts_have_no_index() {
        let mut builder = LinesBuilder::default();
        builder.push(0, &text(64));
        assert!(builder.finish().is_empty());
        assert_eq!(nearest_mark(&[], 0, 70), (0, 0));
        assert_eq!(nearest_mark(&[9; 20], 0, 70), (0, 0), "no index at all");
    }
}
