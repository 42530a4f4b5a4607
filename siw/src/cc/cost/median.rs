//! Of several calibrations one, so that what disturbed one of them leaves no trace.

use super::CostModel;
use std::collections::BTreeMap;

/// Each cost is the median of what it is in an odd number of models of the same operations.
pub(super) fn median(models: &[CostModel]) -> CostModel {
    let number = |of: fn(&CostModel) -> f64| middle(models.iter().map(of).collect());
    CostModel {
        cycles_per_nanosecond: number(|model| model.cycles_per_nanosecond),
        cycles_per_word: number(|model| model.cycles_per_word),
        cycles_per_batch: number(|model| model.cycles_per_batch),
        cycles_per_op: each(models, |model| &model.cycles_per_op),
        cycles_per_block: number(|model| model.cycles_per_block),
        cycles_per_line: each(models, |model| &model.cycles_per_line),
    }
}

fn each<K: Clone + Ord>(
    models: &[CostModel],
    of: fn(&CostModel) -> &BTreeMap<K, f64>,
) -> BTreeMap<K, f64> {
    let Some(first) = models.first() else {
        return BTreeMap::new();
    };
    let cost = |key: &K| {
        let costs = models.iter().filter_map(|model| of(model).get(key));
        (key.clone(), middle(costs.copied().collect()))
    };
    of(first).keys().map(cost).collect()
}

/// The one in the middle.
fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(costs: [f64; 3]) -> CostModel {
        let [block, sum, line] = costs;
        CostModel {
            cycles_per_nanosecond: 3.0,
            cycles_per_word: 40.0,
            cycles_per_batch: 100.0,
            cycles_per_op: BTreeMap::from([("DADD.u64".to_owned(), sum)]),
            cycles_per_block: block,
            cycles_per_line: BTreeMap::from([(1 << 20, line)]),
        }
    }

    #[test]
    fn what_disturbed_one_of_three_is_gone() {
        let models = [
            model([300.0, 0.3, 5.0]),
            model([30.0, 0.8, 5.5]),
            model([31.0, 0.4, 50.0]),
        ];
        assert_eq!(median(&models), model([31.0, 0.4, 5.5]));
    }
}
