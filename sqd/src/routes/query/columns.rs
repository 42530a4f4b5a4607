//! The columns of an answer: what `select` and `group` say.
//!
//! ```text
//! select = name { "," name }
//! name   = "coordinate" | "scroll" | "text" | "length" | "checksum" | "distance"     of each scroll
//!        | "count" | "sum(length)" | "min(length)" | "max(length)"         of all, or of each group
//!        | "distinct(" dimension ")"                            the values of a dimension, each once
//! group  = number | dimension | "library" "," "shelf" ...
//! ```
//!
//! A column's name in the answer is the one that it was asked by; `scroll` and `text` are the same.

use super::question::{Asked, Misasked};
use crate::routes::arguments::excerpt;
use phext_query::{Fields, Output, Slice, TallyKey};
use phext_storage::coordinate::{DIMENSION_NAMES, DIMENSIONS};

/// What an object of an answer holds, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(super) columns: Vec<Column>,
    /// What scrolls are grouped by.
    key: Option<TallyKey>,
}

/// A member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Coordinate,
    /// The text under SQ's name, empty where there is no scroll.
    Scroll,
    /// The text, null where there is no scroll.
    Text,
    Length,
    Checksum,
    Distance,
    Count,
    Sum,
    Min,
    Max,
    /// A component of a group's key.
    Key(usize),
}

impl Column {
    /// The columns that are asked for by a name alone.
    const NAMED: [Column; 10] = [
        Column::Coordinate,
        Column::Scroll,
        Column::Text,
        Column::Length,
        Column::Checksum,
        Column::Distance,
        Column::Count,
        Column::Sum,
        Column::Min,
        Column::Max,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Coordinate => "coordinate",
            Column::Scroll => "scroll",
            Column::Text => "text",
            Column::Length => "length",
            Column::Checksum => "checksum",
            Column::Distance => "distance",
            Column::Count => "count",
            Column::Sum => "sum(length)",
            Column::Min => "min(length)",
            Column::Max => "max(length)",
            Column::Key(dimension) => DIMENSION_NAMES[dimension],
        }
    }

    /// Whether it is of several scrolls together.
    fn is_aggregate(self) -> bool {
        matches!(
            self,
            Column::Count | Column::Sum | Column::Min | Column::Max | Column::Key(_)
        )
    }
}

/// Reads `select` and `group`.
pub(super) fn parse(asked: &dyn Asked, by_distance: bool) -> Result<Columns, Misasked> {
    let group = asked.value("group").map(group).transpose()?;
    let Some(text) = asked.value("select") else {
        return Ok(Columns::unselected(group, by_distance));
    };
    let mut selection = Selection {
        columns: Vec::new(),
        key: group,
    };
    let mut character = 1;
    for name in text.split(',') {
        selection.add(name, character)?;
        character += name.chars().count() + 1;
    }
    selection.finish()
}

/// What `select` asks for so far.
#[derive(Debug)]
struct Selection {
    columns: Vec<Column>,
    key: Option<TallyKey>,
}

impl Selection {
    /// Adds a column, of which a space may be around the name.
    fn add(&mut self, name: &str, character: usize) -> Result<(), Misasked> {
        let space = name.chars().take_while(|c| c.is_whitespace()).count();
        let (name, character) = (name.trim(), character + space);
        let refuse = |what: std::fmt::Arguments<'_>| {
            Misasked::new(format_args!("`select` at character {character}: {what}"))
        };
        if let Some(dimension) = name
            .strip_prefix("distinct(")
            .and_then(|name| name.strip_suffix(')'))
        {
            let Some(dimension) = dimension_of(dimension.trim()) else {
                return Err(refuse(format_args!(
                    "expected a dimension, library to scroll, found {}",
                    excerpt(dimension)
                )));
            };
            if self.key.is_some() {
                return Err(refuse(format_args!(
                    "scrolls are grouped by something already"
                )));
            }
            self.key = Some(TallyKey::Component(dimension as u8));
            return Ok(());
        }
        let mut named = Column::NAMED.into_iter();
        let key = self.key_component(name).map(Column::Key);
        match key.or_else(|| named.find(|column| column.name() == name)) {
            Some(column) if self.columns.contains(&column) => {
                Err(refuse(format_args!("{} is selected twice", column.name())))
            }
            Some(column) => {
                self.columns.push(column);
                Ok(())
            }
            None => Err(refuse(format_args!(
                "expected coordinate, text, length, checksum, distance, count, sum(length), \
                 min(length), max(length) or distinct(chapter), found {}",
                excerpt(name)
            ))),
        }
    }

    /// The dimension of this name, where it is in the key of the groups: `scroll` is a dimension then,
    /// else the text.
    fn key_component(&self, name: &str) -> Option<usize> {
        let dimension = dimension_of(name)?;
        keys(self.key).contains(&dimension).then_some(dimension)
    }

    fn finish(self) -> Result<Columns, Misasked> {
        let single = self.columns.iter().find(|column| !column.is_aggregate());
        let several = self.columns.iter().find(|column| column.is_aggregate());
        match (single, several, self.key) {
            (Some(single), Some(several), None) => Err(Misasked::new(format_args!(
                "`select`: {} is of all scrolls together and {} of each one: ask for one of them",
                several.name(),
                single.name()
            ))),
            (Some(single), _, Some(_)) => Err(Misasked::new(format_args!(
                "`select`: a group has no {}; it has its key, count, sum(length), min(length) and \
                 max(length)",
                single.name()
            ))),
            _ => Ok(Columns::grouped(&self.columns, self.key)),
        }
    }
}

impl Columns {
    /// The columns where none are selected.
    fn unselected(key: Option<TallyKey>, by_distance: bool) -> Columns {
        if key.is_some() {
            return Columns::grouped(&[Column::Count], key);
        }
        let mut columns = vec![Column::Coordinate, Column::Scroll];
        if by_distance {
            columns.push(Column::Distance);
        }
        Columns { columns, key }
    }

    /// The key of groups comes first, unless it was selected in another place.
    fn grouped(selected: &[Column], key: Option<TallyKey>) -> Columns {
        let missing = keys(key).map(Column::Key);
        let missing = missing.filter(|column| !selected.contains(column));
        let columns = missing.chain(selected.iter().copied()).collect();
        Columns { columns, key }
    }

    /// What a query has to give for these columns.
    pub(super) fn output(&self, slice: Slice) -> Output {
        let has = |column| self.columns.contains(&column);
        let lengths = has(Column::Sum) || has(Column::Min) || has(Column::Max);
        if let Some(key) = self.key {
            return Output::Groups { key, lengths };
        }
        if self.columns.iter().all(|column| column.is_aggregate()) {
            return match lengths {
                true => Output::Lengths,
                false => Output::Count,
            };
        }
        Output::Rows(Fields {
            text: (has(Column::Scroll) || has(Column::Text)).then_some(slice),
            length: has(Column::Length),
            checksum: has(Column::Checksum),
            distance: has(Column::Distance),
        })
    }
}

/// The dimensions of a key.
fn keys(key: Option<TallyKey>) -> std::ops::Range<usize> {
    match key {
        None => 0..0,
        Some(TallyKey::Leading(count)) => 0..usize::from(count),
        Some(TallyKey::Component(dimension)) => usize::from(dimension)..usize::from(dimension) + 1,
    }
}

fn dimension_of(name: &str) -> Option<usize> {
    DIMENSION_NAMES
        .iter()
        .position(|&dimension| dimension == name)
}

/// What scrolls are grouped by: so many leading dimensions, these leading dimensions, or one.
fn group(text: &str) -> Result<TallyKey, Misasked> {
    let refuse = || {
        Misasked::new(format_args!(
            "`group` is a number of leading dimensions, 1 to 9, their names from library on, or one \
             dimension, such as chapter, not {}",
            excerpt(text)
        ))
    };
    if let Ok(count) = text.parse::<u8>() {
        let is_count = (1..=DIMENSIONS).contains(&usize::from(count));
        return is_count
            .then_some(TallyKey::Leading(count))
            .ok_or_else(refuse);
    }
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [name] = names[..] {
        let dimension = dimension_of(name).ok_or_else(refuse)?;
        return Ok(TallyKey::Component(dimension as u8));
    }
    match DIMENSION_NAMES.starts_with(&names) {
        true => Ok(TallyKey::Leading(names.len() as u8)),
        false => Err(refuse()),
    }
}
