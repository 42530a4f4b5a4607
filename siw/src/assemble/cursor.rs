//! A place in a line of text.

use super::error::{AssembleError, AssembleReason};

/// Reads a line from left to right.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    /// The number of the line, from 1.
    pub(super) line: usize,
    text: &'t str,
    at: usize,
}

/// Longest excerpt of the text in an error, in characters.
const EXCERPT: usize = 24;

impl<'t> Cursor<'t> {
    pub(super) fn new(line: usize, text: &'t str) -> Self {
        Self { line, text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The next character, whatever it is.
    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// The characters up to the first that is another.
    pub(super) fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !is(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t');
    }

    /// Whether nothing but a comment is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        matches!(self.peek(), None | Some(';'))
    }

    /// Letters, digits and `_`; nothing where there is none of them.
    pub(super) fn name(&mut self) -> &'t str {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// What stands up to the next space or comment.
    pub(super) fn token(&mut self) -> &'t str {
        self.take_while(|c| !matches!(c, ' ' | '\t' | ';'))
    }

    /// Takes a character after spaces if it is the next.
    pub(super) fn eat(&mut self, expected: char) -> bool {
        self.skip_spaces();
        self.eat_here(expected)
    }

    /// Takes a character if it is the next.
    pub(super) fn eat_here(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        if is_next {
            self.at += expected.len_utf8();
        }
        is_next
    }

    /// Fails unless nothing but a comment is left.
    pub(super) fn end(&mut self) -> Result<(), AssembleError> {
        match self.is_at_end() {
            true => Ok(()),
            false => Err(self.expected("the end of the line")),
        }
    }

    pub(super) fn fail(&self, reason: AssembleReason) -> AssembleError {
        AssembleError {
            line: self.line,
            column: self.text[..self.at].chars().count() + 1,
            reason,
        }
    }

    /// An error here, after spaces: something else stands there.
    pub(super) fn expected(&self, expected: impl Into<String>) -> AssembleError {
        let mut here = self.clone();
        here.skip_spaces();
        here.fail(AssembleReason::Expected {
            expected: expected.into(),
            found: here.excerpt(),
        })
    }

    fn excerpt(&self) -> String {
        let mut ahead = self.clone();
        let excerpt = match ahead.is_at_end() {
            true => return "the end of the line".to_owned(),
            false => ahead.take_while(|c| !matches!(c, ' ' | '\t' | ',' | '|' | ';')),
        };
        match excerpt.chars().count() {
            0 => format!("`{}`", ahead.peek().unwrap_or(' ').escape_debug()),
            1..=EXCERPT => format!("`{}`", excerpt.escape_debug()),
            _ => {
                let beginning: String = excerpt.chars().take(EXCERPT).collect();
                format!("`{}..`", beginning.escape_debug())
            }
        }
    }
}
