//! Construction of streams by the compiler.

use crate::stream::MAX_COUNT;
use crate::validate::validate;
use crate::word::link;
use crate::{Constant, ConstantId, Stream, Word};

/// Collects constants and words into a [`Stream`].
///
/// ```
/// use phext_siw::{
///     Constant, CoordinationOp, DenseOp, Destination, Fold, LaneSpec, M, Operand, P, R, Row, SparseOp,
///     StreamBuilder, Word,
/// };
///
/// // How many scrolls are there?
/// let mut stream = StreamBuilder::new(2);
/// let zero = stream.constant(Constant::Number(0));
/// let all = stream.constant(Constant::Lanes(LaneSpec::All));
/// stream.once(Word::dense(DenseOp::Mov { to: R(0), from: Operand::Constant(zero) }));
/// stream.each(Word::sparse(SparseOp::Lanes { to: P(0), lanes: all }));
/// let (accumulator, fold, mask) = (R(0), Fold::Count, None);
/// stream.each(Word::dense(DenseOp::Red { accumulator, fold, mask }));
/// let row = Row { number: Some(R(0)), ..Row::default() };
/// stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
/// stream.last(Word::coordination(CoordinationOp::Send { to: Destination::Sink, from: M(0), mask }));
/// assert_eq!(stream.build().each.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct StreamBuilder {
    stream: Stream,
}

impl StreamBuilder {
    /// An empty stream of a tier, 0 to 3.
    pub fn new(tier: u8) -> Self {
        Self {
            stream: Stream {
                tier,
                ..Stream::default()
            },
        }
    }

    /// Adds a constant. Equal constants are not merged.
    ///
    /// # Panics
    /// When the stream has 65,535 constants already. The texts of any number of writes are one
    /// constant, and so are the points of any number of lanes.
    pub fn constant(&mut self, constant: Constant) -> ConstantId {
        let id = self.stream.constants.len();
        assert!(id < MAX_COUNT, "a stream has at most 65,535 constants");
        self.stream.constants.push(constant);
        ConstantId(u16::try_from(id).expect("just compared with 65,535"))
    }

    /// Adds a word to `once`.
    pub fn once(&mut self, word: Word) -> &mut Self {
        self.stream.once.push(word);
        self
    }

    /// Adds a word to `each`.
    pub fn each(&mut self, word: Word) -> &mut Self {
        self.stream.each.push(word);
        self
    }

    /// Adds a word to `last`.
    pub fn last(&mut self, word: Word) -> &mut Self {
        self.stream.last.push(word);
        self
    }

    /// The stream, its words linked.
    ///
    /// # Panics
    /// In debug builds, when the stream is invalid. Release builds do not pay for the check: what
    /// the compiler makes is correct by its tests.
    pub fn build(self) -> Stream {
        let mut stream = self.stream;
        link(&mut stream.once);
        link(&mut stream.each);
        link(&mut stream.last);
        debug_assert_eq!(validate(&stream), Ok(()), "{stream}");
        stream
    }
}
