//! Texts of many coordinates in one go.

use super::fetch::Fetch;
use phext_siw::execute::{ExecuteError, Report, Sink};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;

/// Looks coordinates up, in any order and with repetitions. The sink gets a row for each, in the
/// order given, with its coordinate and its text; without a text where there is no scroll.
///
/// # Errors
/// Damage found in the store, or what the sink says.
pub fn lookup(
    phext: &Phext,
    coordinates: &[Coordinate],
    sink: &mut dyn Sink,
) -> Result<Report, ExecuteError> {
    Fetch::new().run(coordinates.to_vec(), phext, sink)
}

#[cfg(test)]
mod tests {
    use super::super::test_store::TestStore;
    use super::*;
    use phext_siw::execute::{Flow, ResultRow};

    #[test]
    fn rows_come_in_the_order_asked_for_and_say_what_is_not_there() {
        let at = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 2, scroll]).unwrap();
        let store = TestStore::of((1..=2_000).map(|n| (at(2 * n), format!("text {n}"))));
        let wanted: Vec<_> = [2, 4_000, 3, 2, 4_001]
            .into_iter()
            .chain((1..=3_000).rev())
            .map(at)
            .collect();
        let mut found = Vec::new();
        let mut sink = |row: &ResultRow<'_>| {
            found.push((row.coordinate.unwrap(), row.text.map(<[u8]>::to_vec)));
            Ok(Flow::Continue)
        };
        lookup(&store.phext, &wanted, &mut sink).unwrap();
        let expected: Vec<_> = wanted
            .iter()
            .map(|&coordinate| {
                let location = store.phext.locate(&coordinate).unwrap();
                let text = location.is_present().then(|| location.text().unwrap());
                (coordinate, text.map(<[u8]>::to_vec))
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(found[1].1.as_deref(), Some(&b"text 2000"[..]));
        assert_eq!(found[2].1, None);
    }
}
