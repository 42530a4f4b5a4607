//! Slices: so many sentrons of the pool, for one workload.

use super::allocation::Allocation;
use super::topology::TopologyType;
use crate::execute::{ExecuteError, Flow, Report, Sink};
use crate::pool::{Chunk, Chunks, CorePool, Grouping, PoolError, Rows, Sentrons, Work};
use std::sync::Arc;

/// What sentrons are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadType {
    /// A transformer.
    Transformer {
        /// Layers.
        layers: usize,
        /// Attention heads of a layer.
        heads: usize,
    },
    /// A mixture of experts.
    MixtureOfExperts {
        /// Experts.
        experts: usize,
        /// Experts that a token goes to.
        k_active: usize,
    },
    /// A neural network over a graph.
    GraphNeural {
        /// Nodes.
        nodes: usize,
        /// Edges.
        edges: usize,
    },
    /// A search among embeddings.
    EmbeddingSearch {
        /// Embeddings.
        corpus_size: usize,
        /// Queries at once.
        query_batch: usize,
    },
}

/// Which sentrons are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CognitiveSliceRequest {
    /// What for: for whoever reads the slice. It changes no answer, and nothing is placed by it.
    pub workload_type: WorkloadType,
    /// How many sentrons, at least 1.
    pub required_sentrons: usize,
    /// How they lie; it has as many places.
    pub topology: TopologyType,
    /// How many positions each dimension has: library to scroll, line, column. With 1 everywhere any
    /// sentron takes any piece of the lanes. Else there is a sentron for each position, which takes the
    /// scrolls there: with 3 for sections and 2 for scrolls, the first of 6 takes the scrolls 1, 3, 5 ...
    /// of the sections 1, 4, 7 .... The number of a sentron counts the positions of the last dimension
    /// fastest. Lines and columns have 1 each.
    pub dimensional_allocation: [usize; 11],
}

/// Sentrons taken from a pool, which go back when this is dropped.
#[derive(Debug)]
pub struct SentronGroup {
    request: CognitiveSliceRequest,
    allocation: Option<Allocation>,
    sentrons: Arc<Sentrons>,
}

impl CorePool {
    /// Takes sentrons for a workload.
    ///
    /// # Errors
    /// There are not as many left, the topology has another number of places, or the allocation has no
    /// sentron for each of its positions.
    pub fn allocate(&self, request: CognitiveSliceRequest) -> Result<SentronGroup, PoolError> {
        let sentrons = request.required_sentrons;
        let places = request.topology.places();
        if places != sentrons || sentrons == 0 {
            return Err(PoolError::Topology { places, sentrons });
        }
        let allocation = Allocation::of(&request.dimensional_allocation, sentrons)?;
        self.sentrons().take(sentrons)?;
        Ok(SentronGroup {
            request,
            allocation,
            sentrons: Arc::clone(self.sentrons()),
        })
    }
}

impl Drop for SentronGroup {
    fn drop(&mut self) {
        self.sentrons.give_back(self.request.required_sentrons);
    }
}

impl SentronGroup {
    /// What was asked for.
    pub fn request(&self) -> &CognitiveSliceRequest {
        &self.request
    }

    /// Hands a stream to the workers, to be run by all sentrons of the group. Rows come from `last`:
    /// those that `each` sends to the sink have no order, and such a stream is refused.
    pub fn submit<C: Chunk + Default>(&self, pool: &CorePool, work: Work) -> Chunks<C> {
        let group = Grouping {
            topology: self.request.topology,
            allocation: self.allocation,
        };
        pool.submit_to_group(work, group)
    }

    /// Runs a stream and returns when it has ended.
    ///
    /// # Errors
    /// What ends the stream early, and what the sink says.
    pub fn run(
        &self,
        pool: &CorePool,
        work: Work,
        sink: &mut dyn Sink,
    ) -> Result<Report, PoolError> {
        let mut chunks = self.submit::<Rows>(pool, work);
        while let Some(chunk) = chunks.next()? {
            for message in &chunk.rows {
                if sink.row(&message.row()).map_err(ExecuteError::from)? == Flow::Stop {
                    return Ok(chunks.report());
                }
            }
        }
        Ok(chunks.report())
    }
}
