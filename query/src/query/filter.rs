//! Which scrolls, by content.

use bytes::Bytes;
use std::ops::RangeInclusive;

/// What the content of a scroll is. A coordinate without a scroll passes no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The text holds these bytes somewhere. The empty text is in every scroll.
    Contains(Bytes),
    /// The text begins with these bytes.
    StartsWith(Bytes),
    /// The length of the text in bytes lies in this range; a range that ends before it begins admits
    /// nothing.
    Length(RangeInclusive<u64>),
}

impl Filter {
    /// The text holds `text` somewhere.
    pub fn contains(text: impl Into<Bytes>) -> Filter {
        Filter::Contains(text.into())
    }

    /// The text begins with `text`.
    pub fn starts_with(text: impl Into<Bytes>) -> Filter {
        Filter::StartsWith(text.into())
    }
}
