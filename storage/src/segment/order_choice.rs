//! Why a part lies in the order that it lies in.
//!
//! A part whose phext has an order of its own follows it. Under [`Order::Auto`](super::Order::Auto)
//! the part was looked at, and what it got is one of several candidates. The part's header keeps which
//! of the two it was, so that a part which was written under another order is known to be out of date
//! even where both orders come to the same place.

use std::fmt;

/// Why a part has its placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The phext's order says so.
    Given,
    /// The order is `auto`, and the part is too small for an order to matter.
    Small,
    /// The order is `auto`, and the keys suggest it.
    Suggested,
}

impl Why {
    /// The code on disk.
    pub(super) fn code(self) -> u8 {
        match self {
            Why::Given => 0,
            Why::Small => 1,
            Why::Suggested => 2,
        }
    }

    /// The reason with this code on disk.
    pub(super) fn from_code(code: u8) -> Option<Why> {
        [Why::Given, Why::Small, Why::Suggested]
            .into_iter()
            .find(|why| why.code() == code)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Given => "as the phext's order says",
            Why::Small => "auto: too small for an order to matter",
            Why::Suggested => "auto: suggested by the keys",
        })
    }
}
