//! What is known of a stream before it runs.

use crate::stream::MAX_TIER;
use crate::{ConstantId, CoordinationOp, P, SparseOp, Stream, Word};

/// What is looked for in the words of `each` before they run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    /// The register that SLANES writes; any where there is no SLANES.
    pub(super) register: P,
    /// The lanes that it names.
    pub(super) lanes: Option<ConstantId>,
    /// A bit for each dimension that SINDEX names.
    pub(super) indexed: u16,
    /// Whether there are accumulators of rows.
    pub(super) accumulates: bool,
    /// Whether the text of every lane is gathered.
    pub(super) gathers_texts: bool,
}

impl Survey {
    #[inline]
    pub(super) fn of(stream: &Stream) -> Self {
        let mut survey = Self {
            register: P(0),
            lanes: None,
            indexed: 0,
            accumulates: false,
            gathers_texts: false,
        };
        for word in &stream.each {
            match word.sparse {
                SparseOp::Lanes { to, lanes }
                | SparseOp::Assoc { to, lanes }
                | SparseOp::Neighbr { to, lanes } => {
                    (survey.register, survey.lanes) = (to, Some(lanes));
                }
                SparseOp::Index { dimension, .. } => survey.indexed |= 1 << dimension,
                SparseOp::Gather { mask: None, .. } => survey.gathers_texts = true,
                _ => {}
            }
            survey.accumulates |= matches!(
                word.coordination,
                CoordinationOp::Top { .. }
                    | CoordinationOp::Tally { .. }
                    | CoordinationOp::Dot { .. }
            );
        }
        survey
    }
}

/// Whether a stream of the highest tier reads no place in `each`, so that its lanes are as good as their
/// number.
pub(crate) fn only_counts(stream: &Stream) -> bool {
    let mut forms = stream.each.iter().flat_map(Word::forms);
    stream.tier == MAX_TIER && !forms.any(|form| form.reads().has_places())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Extent, K, T};

    #[test]
    fn texts_of_a_mask_are_not_the_texts_of_every_lane() {
        let gathers_texts = |mask| {
            let (to, extent, at) = (T(0), Extent::Whole, P(0));
            let gather = SparseOp::Gather {
                to,
                extent,
                at,
                mask,
            };
            let stream = Stream {
                each: vec![Word::NOP, Word::sparse(gather)],
                ..Stream::default()
            };
            Survey::of(&stream).gathers_texts
        };
        assert!(gathers_texts(None));
        assert!(!gathers_texts(Some(K(1))));
        assert!(!Survey::of(&Stream::default()).gathers_texts);
    }
}
