//! Which operations of a part must come before which.
//!
//! | an operation | comes after the one that | by |
//! |---|---|---|
//! | reads | wrote | a word |
//! | writes | wrote | a word |
//! | writes | read | nothing: in one word all read before any writes |
//! | needs the lanes of the batch, as all of `each` do | yields them | a word |

use super::draft::Draft;
use super::resource::{Resource, Table, accesses, yields_lanes};
use crate::Part;
use crate::form::Form;

/// An operation of a part, by its position.
pub(super) type Position = u16;

/// An operation that must come before another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) operation: Position,
    /// By how many words, 0 or 1.
    pub(super) words: u8,
}

/// What must come before each operation of a part.
#[derive(Debug)]
pub(super) struct Dependencies {
    before: Vec<Before>,
    /// Where in `before` those of each operation begin, and the end.
    begins: Vec<usize>,
    /// The least number of words from an operation to the end of the part.
    heights: Vec<u16>,
}

impl Dependencies {
    pub(super) fn of(draft: &Draft, part: Part) -> Self {
        let forms = draft.part(part);
        let mut dependencies = Self {
            before: Vec::with_capacity(2 * forms.len()),
            begins: vec![0],
            heights: vec![0; forms.len()],
        };
        let mut latest = Latest::new(draft);
        let has_lanes = forms.first().is_some_and(yields_lanes);
        for (position, form) in (0..).zip(forms) {
            if has_lanes && position > 0 {
                let (operation, words) = (0, 1);
                dependencies.before.push(Before { operation, words });
            }
            latest.advance(position, form, &mut dependencies.before);
            dependencies.begins.push(dependencies.before.len());
        }
        dependencies.measure();
        dependencies
    }

    pub(super) fn before(&self, position: Position) -> &[Before] {
        let position = usize::from(position);
        &self.before[self.begins[position]..self.begins[position + 1]]
    }

    /// The length of the critical path from an operation on: who has the longest comes first.
    pub(super) fn height(&self, position: Position) -> u16 {
        self.heights[usize::from(position)]
    }

    fn measure(&mut self) {
        for position in (0..self.heights.len()).rev() {
            let height = self.heights[position];
            for before in &self.before[self.begins[position]..self.begins[position + 1]] {
                let least = height + u16::from(before.words);
                let earlier = &mut self.heights[usize::from(before.operation)];
                *earlier = least.max(*earlier);
            }
        }
    }
}

/// Who wrote each resource last, and who has read it since.
struct Latest {
    writer: Table<Option<Position>>,
    /// The latest reader, as an index of `reads`.
    reader: Table<Option<u32>>,
    /// A reader, and the one before it.
    reads: Vec<(Position, Option<u32>)>,
}

impl Latest {
    fn new(draft: &Draft) -> Self {
        Self {
            writer: draft.table(None),
            reader: draft.table(None),
            reads: Vec::new(),
        }
    }

    fn advance(&mut self, position: Position, form: &Form, before: &mut Vec<Before>) {
        for (resource, access) in accesses(form) {
            if let Some(operation) = self.writer[resource] {
                before.push(Before {
                    operation,
                    words: 1,
                });
            }
            if access.writes() {
                self.readers(resource, before);
            }
        }
        for (resource, access) in accesses(form) {
            if access.reads() {
                let earlier = self.reader[resource];
                self.reader[resource] = Some(self.reads.len() as u32);
                self.reads.push((position, earlier));
            }
            if access.writes() {
                self.writer[resource] = Some(position);
                self.reader[resource] = None;
            }
        }
    }

    fn readers(&self, resource: Resource, before: &mut Vec<Before>) {
        let mut next = self.reader[resource];
        while let Some(index) = next {
            let (operation, earlier) = self.reads[index as usize];
            before.push(Before {
                operation,
                words: 0,
            });
            next = earlier;
        }
    }
}
