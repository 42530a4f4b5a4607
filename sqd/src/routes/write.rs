//! Routes that change a phext. Each answers when the change is durable.

use super::Answer;
use super::arguments::Arguments;
use crate::http::Response;
use crate::library::Library;
use bytes::Bytes;
use phext_query::{Mutation, MutationKind};
use std::sync::Arc;

/// `insert`: adds text at the end of a scroll.
pub(super) async fn insert(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    with_content: bool,
) -> Answer {
    let bytes = store_text(arguments, library, with_content, MutationKind::Insert).await?;
    Ok(Response::text(200, format!("Inserted {bytes} bytes")))
}

/// `update`: makes text the scroll.
pub(super) async fn update(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    with_content: bool,
) -> Answer {
    let bytes = store_text(arguments, library, with_content, MutationKind::Update).await?;
    Ok(Response::text(200, format!("Updated {bytes} bytes")))
}

/// `delete`: removes a scroll.
pub(super) async fn delete(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let scrolls = vec![(arguments.coordinate()?, Bytes::new())];
    let phext = arguments.phext().to_owned();
    let mutation = Mutation {
        phext,
        kind: MutationKind::Delete,
        scrolls,
    };
    let commit = library.commit(mutation).await?;
    let bytes = commit
        .previous_lengths
        .first()
        .copied()
        .flatten()
        .unwrap_or(0);
    Ok(Response::text(200, format!("Removed {bytes} bytes")))
}

/// `load`: imports the phext's file where it is newer than what is stored.
pub(super) async fn load(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let name = arguments.phext();
    library.load(name).await?;
    Ok(Response::text(200, format!("Loaded {name}.phext")))
}

/// Stores a text; gives its length in bytes.
async fn store_text(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    with_content: bool,
    kind: MutationKind,
) -> Result<usize, super::Refusal> {
    let coordinate = arguments.coordinate()?;
    let text = arguments.scroll(with_content)?;
    let bytes = text.len();
    // Copied: a slice of the request would keep its whole read buffer in the memtable.
    let scrolls = vec![(coordinate, Bytes::copy_from_slice(text.as_bytes()))];
    let phext = arguments.phext().to_owned();
    library
        .commit(Mutation {
            phext,
            kind,
            scrolls,
        })
        .await?;
    Ok(bytes)
}
