//! What `sqd order` says: the order of a phext, and how its parts lie and why.

use phext_storage::{PartSummary, Phext};

/// The order alone, then how much of the phext lies in it, then a line for each part, newest first.
pub(crate) fn describe(phext: &Phext) -> Vec<String> {
    let (parts, stale) = (phext.parts(), phext.stale_parts());
    let mut lines = vec![phext.order().to_string()];
    if parts > 0 {
        lines.push(format!("{parts} parts, {stale} of them to be rewritten"));
    }
    lines.extend(phext.part_summaries().map(|part| line(&part)));
    lines
}

fn line(part: &PartSummary) -> String {
    format!(
        "segment {} part {}: {} of {} slots current, {} bytes, keys {} ({}){}",
        part.segment,
        part.index,
        part.live,
        part.slots,
        part.length_bytes,
        part.placement,
        part.reason,
        if part.is_stale {
            ", to be rewritten"
        } else {
            ""
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use phext_storage::coordinate::Coordinate;
    use phext_storage::vfs::MemoryVfs;
    use phext_storage::{Options, Store, WriteBatch, WriteOp};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn the_order_and_the_parts_are_told() {
        let options = Options {
            background: false,
            ..Options::default()
        };
        let store =
            Store::open_with(Arc::new(MemoryVfs::new()), Path::new("data"), options).unwrap();
        let operation = |n| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap(),
            text: format!("text {n}").into(),
        };
        let batch = WriteBatch {
            phext: "notes".to_owned(),
            operations: (1..=200).map(operation).collect(),
        };
        store.commit(batch).unwrap();
        let told = || describe(store.snapshot().phext("notes").unwrap());
        assert_eq!(told(), ["auto"], "nothing is sealed");
        store.set_order("notes", "peano".parse().unwrap()).unwrap();
        store.seal().unwrap();
        let told = told();
        assert_eq!(told[..2], ["peano", "1 parts, 0 of them to be rewritten"]);
        assert!(
            told[2].contains("200 of 200 slots current") && told[2].contains("keys peano (as the"),
            "{told:?}"
        );
    }
}
