//! Dependency order: a depth-first search that notes a node when it leaves it, with a stack of its
//! own, because chains are longer than the stack of a thread.

use super::Graph;
use phext_storage::coordinate::Coordinate;
use std::fmt;

/// Nodes that depend on each other: each has an edge to the next one, the last one to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<Coordinate>);

impl std::error::Error for Cycle {}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nodes depend on each other: ")?;
        for node in &self.0 {
            write!(f, "{node} -> ")?;
        }
        match self.0.first() {
            Some(first) => first.fmt(f),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the way from the root to the node at hand.
    Entered,
    Left,
}

pub(super) fn dependency_order(graph: &Graph) -> Result<Vec<Coordinate>, Cycle> {
    let nodes = graph.nodes();
    let mut states = vec![State::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    // The way from the root, each node with the number of its edges that were followed. All nodes
    // can be reached from the root.
    let mut way = vec![(0, 0)];
    states[0] = State::Entered;
    while let Some((node, followed)) = way.last_mut() {
        let Some(&target) = graph.edges_of(*node).get(*followed) else {
            states[*node] = State::Left;
            order.push(nodes[*node].coordinate);
            way.pop();
            continue;
        };
        *followed += 1;
        match states[target] {
            State::Left => {}
            State::Entered => return Err(cycle(graph, &way, target)),
            State::New => {
                states[target] = State::Entered;
                way.push((target, 0));
            }
        }
    }
    Ok(order)
}

/// The end of the way, from a node that is on it.
fn cycle(graph: &Graph, way: &[(usize, usize)], from: usize) -> Cycle {
    let nodes = way.iter().map(|&(node, _)| node);
    let cycle = nodes.skip_while(|&node| node != from);
    Cycle(cycle.map(|node| graph.nodes()[node].coordinate).collect())
}
