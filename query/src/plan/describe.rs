//! A plan in words.

use super::{Plan, Selection, Step, Task};
use crate::query::{Fields, Filter, Order, OrderKey, Output, Slice};
use phext_siw::{LaneSpec, TallyKey};
use phext_storage::coordinate::DIMENSION_NAMES;
use phext_storage::page_table::Pattern;
use phext_storage::page_table::{Metric, Nearest};

impl Plan {
    /// What is done, step by step.
    pub fn describe(&self) -> Vec<String> {
        let mut steps = self.task.selection.describe();
        if let Some(search) = &self.task.nearest {
            steps.push(format!(
                "find the {} of these that are nearest to {} by {}",
                count(search),
                search.to,
                metric(search)
            ));
        }
        steps.extend(self.task.order_in_words(self.step));
        steps.push(self.task.output_in_words());
        if self.task.limit < u64::MAX {
            steps.push(format!("at most {} rows", self.task.limit));
        }
        steps
    }
}

impl Selection {
    fn describe(&self) -> Vec<String> {
        let mut steps = vec![match &self.lanes {
            LaneSpec::Nearest(search) => format!(
                "SNEIGHBR: the {} scrolls nearest to {} by {}{}",
                count(search),
                search.to,
                metric(search),
                radius(search)
            ),
            LaneSpec::Region(_) => format!("SASSOC: {}", lanes(&self.lanes)),
            _ => format!("SLANES: {}", lanes(&self.lanes)),
        }];
        if let Some(test) = &self.test {
            steps.push(format!("STEST: keep what lies in {}", lanes(test)));
        }
        steps.extend(self.filters.iter().map(filter));
        steps
    }
}

fn lanes(lanes: &LaneSpec) -> String {
    match lanes {
        LaneSpec::All => "every scroll".to_owned(),
        LaneSpec::Range { from, to } => format!("the range {from} to {to}"),
        LaneSpec::Points(points) => match points.len() {
            0 => "nothing".to_owned(),
            1 => format!("the point {}", points[0]),
            count => format!("{count} points"),
        },
        LaneSpec::Union { from, to, points } => {
            format!("the range {from} to {to} and {} points", points.len())
        }
        LaneSpec::Region(region) => format!("the region {}", Pattern(region.clone())),
        LaneSpec::Nearest(search) => format!("the scrolls near {}", search.to),
    }
}

fn count(search: &Nearest) -> String {
    match search.count {
        u32::MAX => "all".to_owned(),
        count => count.to_string(),
    }
}

fn metric(search: &Nearest) -> String {
    match search.metric {
        Metric::Chebyshev => "chebyshev".to_owned(),
        Metric::Manhattan => "manhattan".to_owned(),
        Metric::Weighted(weights) => format!("weights {:?}", weights.get()),
    }
}

fn radius(search: &Nearest) -> String {
    match search.radius {
        Some(radius) => format!(", within {radius}"),
        None => String::new(),
    }
}

fn filter(filter: &Filter) -> String {
    match filter {
        Filter::Contains(text) => format!("DMATCH: keep texts that contain {}", quoted(text)),
        Filter::StartsWith(text) => format!("DMATCH: keep texts that begin with {}", quoted(text)),
        Filter::Length(range) => match (*range.start(), *range.end()) {
            (least, u64::MAX) => format!("DLEN: keep lengths from {least}"),
            (least, most) => format!("DLEN: keep lengths from {least} to {most}"),
        },
    }
}

fn quoted(text: &[u8]) -> String {
    const BYTES: usize = 64;
    match text.len() {
        0..=BYTES => format!("\"{}\"", text.escape_ascii()),
        _ => format!("\"{}...\"", text[..BYTES].escape_ascii()),
    }
}

impl Task {
    fn order_in_words(&self, step: Step) -> Option<String> {
        let Order { key, descending } = self.order?;
        let direction = match descending {
            true => "descending",
            false => "ascending",
        };
        let how = match (step, key) {
            (Step::Nearest { .. }, _) => "",
            (Step::Best { .. }, _) => ": CTOP, then the rows of what it kept",
            (Step::Last, _) => ": the last coordinates, then their rows backwards",
            (Step::Sort { .. }, _) => ": all coordinates are sorted, then their rows",
            (Step::Answer, OrderKey::Count) => ": when all groups are there",
            (Step::Answer, _) => "",
        };
        Some(format!("order by {key}, {direction}{how}"))
    }

    fn output_in_words(&self) -> String {
        match self.output {
            Output::Rows(fields) => format!("rows of coordinate{}", self::fields(fields)),
            Output::Count => "count the scrolls".to_owned(),
            Output::Lengths => "count the scrolls; sum, least and greatest length".to_owned(),
            Output::Groups { key, lengths } => {
                let lengths = match lengths {
                    true => "; sum, least and greatest length",
                    false => "",
                };
                format!("CTALLY: count by {}{lengths}", self::key(key))
            }
        }
    }
}

fn fields(fields: Fields) -> String {
    let mut names = String::new();
    match fields.text {
        None => {}
        Some(Slice::Whole) => names.push_str(", text"),
        Some(Slice::Bytes { from, count }) => {
            names.push_str(&format!(", {count} bytes of text from byte {from}"));
        }
        Some(Slice::Lines { from, count }) => {
            names.push_str(&format!(", {count} lines of text from line {from}"));
        }
    }
    let others = [
        (fields.length, ", length"),
        (fields.checksum, ", checksum"),
        (fields.distance, ", distance"),
    ];
    names.extend(
        others
            .iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, name)| *name),
    );
    names
}

fn key(key: TallyKey) -> String {
    match key {
        TallyKey::Leading(count) => DIMENSION_NAMES[..usize::from(count)].join(", "),
        TallyKey::Component(dimension) => DIMENSION_NAMES[usize::from(dimension)].to_owned(),
    }
}
