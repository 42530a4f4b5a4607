//! The text form of a node.
//!
//! ```text
//! Anything: a title                    line 1 says what the node is
//! 1.1.1/1.1.1/1.1.2                    an edge, in the canonical form of coordinates
//! 1.1.1/1.1.1/1.1.3 and a remark       what follows a space or a tab is left out
//!                                      so are blank lines
//! ```
//!
//! Any other line is an error: an edge that was mistyped must not be an edge that is missing.

use phext_storage::coordinate::{Coordinate, CoordinateError};

/// A line that is no edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the node at {node} is no edge: {reason}")]
pub struct EdgeError {
    /// The node.
    pub node: Coordinate,
    /// The line of its text, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: EdgeReason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeReason {
    /// It begins with no coordinate.
    #[error(transparent)]
    Coordinate(#[from] CoordinateError),
    /// Its bytes are no text.
    #[error("it is not UTF-8")]
    NotText,
}

/// The edges of a node, in the order of its lines.
///
/// # Errors
/// The first line that is no edge, and then no more.
pub fn edges(
    node: Coordinate,
    text: &[u8],
) -> impl Iterator<Item = Result<Coordinate, EdgeError>> + '_ {
    let lines = text.split(|&byte| byte == b'\n').enumerate().skip(1);
    lines.filter_map(move |(index, line)| {
        let edge = edge(line).transpose()?;
        Some(edge.map_err(|reason| EdgeError {
            node,
            line: index + 1,
            reason,
        }))
    })
}

fn edge(line: &[u8]) -> Result<Option<Coordinate>, EdgeReason> {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| byte.is_ascii_whitespace());
    let coordinate = &line[..end.unwrap_or(line.len())];
    if coordinate.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(coordinate).map_err(|_| EdgeReason::NotText)?;
    Ok(Some(Coordinate::parse(text)?))
}

/// The text of a node: its title, which has one line, and its edges.
pub fn node_text<'c>(title: &str, edges: impl IntoIterator<Item = &'c Coordinate>) -> String {
    debug_assert!(!title.contains('\n'), "a title has one line");
    let mut text = title.to_owned();
    for edge in edges {
        text.push('\n');
        text.push_str(&edge.to_string());
    }
    text
}
