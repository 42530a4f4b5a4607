//! The S pipe: phext memory.

use super::registers::{Numbers, Write};
use super::{ExecuteError, Machine};
use crate::{Constant, ConstantId, K, Level, P, Scatter, SparseOp, Word};
use bytes::Bytes;
use phext_storage::page_table::Location;
use phext_storage::{StoreError, WriteOp};

/// Makes scattered writes durable: what SFLUSH waits for.
pub trait Flush {
    /// Commits the operations as one batch and returns when they are durable.
    ///
    /// # Errors
    /// What the store says. Nothing is known of the operations then.
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError>;
}

/// Keeps scattered writes for a caller that commits them itself once the stream has ended: SFLUSH is
/// the last thing that a write does.
#[derive(Debug, Default)]
pub struct Collected {
    /// In order.
    pub operations: Vec<WriteOp>,
}

impl Flush for Collected {
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError> {
        self.operations.extend(operations);
        Ok(())
    }
}

impl<'a> Machine<'a, '_> {
    /// What the S operation of a word, other than SLANES, writes.
    pub(super) fn evaluate_sparse(
        &mut self,
        word: &Word,
    ) -> Result<Option<Write<'a>>, ExecuteError> {
        match word.sparse {
            SparseOp::Nop => Ok(None),
            SparseOp::Lanes { .. } | SparseOp::Assoc { .. } | SparseOp::Neighbr { .. } => {
                unreachable!("a batch is found with the word as a whole")
            }
            SparseOp::Test { .. } | SparseOp::Dist { .. } => {
                unreachable!("the validator refuses what is not executed yet")
            }
            SparseOp::Index { to, dimension, at } => {
                let component = |lane: &phext_storage::page_table::Lane<'_>| {
                    u64::from(lane.coordinate.components()[usize::from(dimension)])
                };
                let numbers = self.registers.places(at).iter().map(component).collect();
                self.report.ops += self.width as u64;
                Ok(Some(Write::Numbers(to, Numbers::Lanes(numbers))))
            }
            SparseOp::Gather { to, at, mask, .. } => {
                let texts = self.gather(at, mask)?;
                Ok(Some(Write::Texts(to, texts)))
            }
            SparseOp::Scattr { at, scatter, mask } => {
                self.scatter(at, scatter, mask);
                Ok(None)
            }
            SparseOp::Prefch { at, level } => {
                for lane in self.registers.places(at) {
                    lane.location.prefetch(level == Level::Text);
                }
                self.report.ops += self.width as u64;
                Ok(None)
            }
            SparseOp::Flush => {
                self.report.ops += 1;
                self.flush.flush(std::mem::take(&mut self.scattered))?;
                Ok(None)
            }
        }
    }

    fn gather(&mut self, at: P, mask: Option<K>) -> Result<Vec<Option<&'a [u8]>>, ExecuteError> {
        let mut texts = Vec::with_capacity(self.width);
        for (index, lane) in self.registers.places(at).iter().enumerate() {
            if !self.registers.is_active(mask, index) {
                texts.push(None);
                continue;
            }
            self.report.ops += 1;
            texts.push(match lane.location {
                Location::Absent => None,
                present => {
                    let text = present.text()?;
                    self.report.bytes_gathered += text.len() as u64;
                    Some(text)
                }
            });
        }
        Ok(texts)
    }

    fn scatter(&mut self, at: P, scatter: Scatter, mask: Option<K>) {
        for (index, lane) in self.registers.places(at).iter().enumerate() {
            if !self.registers.is_active(mask, index) {
                continue;
            }
            self.report.ops += 1;
            let coordinate = lane.coordinate;
            let text = |id| self.text(id, self.position + index);
            self.scattered.push(match scatter {
                Scatter::Put(id) => WriteOp::Put {
                    coordinate,
                    text: text(id),
                },
                Scatter::Append(id) => WriteOp::Append {
                    coordinate,
                    text: text(id),
                },
                Scatter::Delete => WriteOp::Delete { coordinate },
            });
        }
    }

    fn text(&self, id: ConstantId, index: usize) -> Bytes {
        match &self.stream.constants[id.index()] {
            Constant::Texts(texts) => texts[index].clone(),
            _ => unreachable!("the validator has seen that this constant is texts"),
        }
    }
}
