//! Graphs whose nodes are scrolls and whose edges are coordinates in their texts.
//!
//! | question | here |
//! |---|---|
//! | How is a node written? | [`edges()`], [`node_text`] |
//! | What can be reached from a node, how far away? | [`Graph::explore`] |
//! | What must be done before what? | [`Graph::dependency_order`] |
//!
//! A graph is explored breadth first, a frontier a stream:
//!
//! ```text
//! frontier -> SLANES of its points -> SGATHER -> edges -> those not seen before: the next frontier
//! ```
//!
//! A node is read once, however many edges lead to it, so that cycles end by themselves.

mod edges;
mod order;
#[cfg(test)]
mod tests;

pub use edges::{EdgeError, EdgeReason, edges, node_text};
pub use order::Cycle;

use super::fetch::Fetch;
use phext_siw::execute::{ExecuteError, Flow, ResultRow};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::collections::HashMap;

/// Why a graph could not be explored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A node is not written as nodes are.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// More nodes can be reached than the caller wants.
    #[error("more than {limit} nodes can be reached from {root}")]
    TooLarge {
        /// Where the exploration began.
        root: Coordinate,
        /// The caller's limit.
        limit: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// A node that can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub coordinate: Coordinate,
    /// The edges on the shortest way from the root, which has 0.
    pub depth: u32,
    /// Whether there is a scroll. An edge may lead to none.
    pub is_present: bool,
}

/// What can be reached from a root.
#[derive(Debug, Clone)]
pub struct Graph {
    /// By depth, then by coordinate.
    nodes: Vec<Node>,
    /// The edges of each node in turn, as positions of nodes.
    targets: Vec<usize>,
    /// Where the edges of a node end in `targets`; those of the next one begin there.
    ends: Vec<usize>,
}

impl Graph {
    /// Everything that can be reached from a root, which are at most `limit` nodes.
    ///
    /// # Errors
    /// A node that is not written as nodes are, more than `limit` nodes, or damage found in the
    /// store.
    pub fn explore(phext: &Phext, root: Coordinate, limit: usize) -> Result<Graph, GraphError> {
        let mut search = Search::from(root);
        let mut fetch = Fetch::new();
        while let Some(frontier) = search.frontier() {
            if search.nodes.len() > limit {
                return Err(GraphError::TooLarge { root, limit });
            }
            let mut failed = None;
            let mut sink = |row: &ResultRow<'_>| match search.visit(row) {
                Ok(()) => Ok(Flow::Continue),
                Err(error) => {
                    failed = Some(error);
                    Ok(Flow::Stop)
                }
            };
            fetch.run(frontier, phext, &mut sink)?;
            if let Some(error) = failed {
                return Err(error.into());
            }
        }
        Ok(search.into_graph())
    }

    /// The nodes, by depth, then by coordinate: the root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that edges lead to and where there is no scroll.
    pub fn missing(&self) -> impl Iterator<Item = Coordinate> + '_ {
        let missing = self.nodes.iter().filter(|node| !node.is_present);
        missing.map(|node| node.coordinate)
    }

    /// The edges of the node at a position, as positions in [`Graph::nodes`], in the order of its
    /// text.
    ///
    /// # Panics
    /// Where there is no such node.
    pub fn edges_of(&self, node: usize) -> &[usize] {
        let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.targets[start..self.ends[node]]
    }

    /// All nodes, each after those that its edges lead to: what a node depends on comes first, and
    /// the root last.
    ///
    /// # Errors
    /// There is no such order because some nodes depend on themselves: one way around.
    pub fn dependency_order(&self) -> Result<Vec<Coordinate>, Cycle> {
        order::dependency_order(self)
    }
}

/// A graph that is being explored. The nodes of the frontier are the last ones that are known.
struct Search {
    nodes: Vec<Node>,
    positions: HashMap<Coordinate, usize>,
    /// The first node of the frontier, and after that the next node to visit.
    next: usize,
    /// As in the graph, of the nodes before the frontier in the order they were visited.
    targets: Vec<Coordinate>,
    ends: Vec<usize>,
}

impl Search {
    fn from(root: Coordinate) -> Search {
        let mut search = Search {
            nodes: Vec::new(),
            positions: HashMap::new(),
            next: 0,
            targets: Vec::new(),
            ends: Vec::new(),
        };
        search.add(root, 0);
        search
    }

    /// The nodes to read next; `None` when all were.
    fn frontier(&mut self) -> Option<Vec<Coordinate>> {
        let frontier = &mut self.nodes[self.next..];
        frontier.sort_unstable_by_key(|node| node.coordinate);
        for (position, node) in (self.next..).zip(frontier.iter()) {
            self.positions.insert(node.coordinate, position);
        }
        let frontier: Vec<_> = frontier.iter().map(|node| node.coordinate).collect();
        (!frontier.is_empty()).then_some(frontier)
    }

    /// Takes the text of the next node of the frontier.
    fn visit(&mut self, row: &ResultRow<'_>) -> Result<(), EdgeError> {
        let node = &mut self.nodes[self.next];
        let (coordinate, depth) = (node.coordinate, node.depth);
        debug_assert_eq!(row.coordinate, Some(coordinate), "rows are in order");
        node.is_present = row.text.is_some();
        self.next += 1;
        for edge in edges(coordinate, row.text.unwrap_or_default()) {
            let edge = edge?;
            self.targets.push(edge);
            self.add(edge, depth + 1);
        }
        self.ends.push(self.targets.len());
        Ok(())
    }

    /// Adds a node, unless it is known.
    fn add(&mut self, coordinate: Coordinate, depth: u32) {
        let position = self.nodes.len();
        let known = *self.positions.entry(coordinate).or_insert(position);
        if known == position {
            self.nodes.push(Node {
                coordinate,
                depth,
                is_present: false,
            });
        }
    }

    fn into_graph(self) -> Graph {
        let position = |target| self.positions[target];
        Graph {
            targets: self.targets.iter().map(position).collect(),
            nodes: self.nodes,
            ends: self.ends,
        }
    }
}
