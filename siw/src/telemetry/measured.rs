//! A value, or why there is none.

use std::borrow::Cow;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured<T> {
    /// A value.
    Value(T),
    /// None, and why: for the person who wonders.
    Missing(Cow<'static, str>),
}

impl<T> Measured<T> {
    /// No value.
    pub fn missing(reason: impl Into<Cow<'static, str>>) -> Measured<T> {
        Measured::Missing(reason.into())
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Measured::Value(value) => Some(value),
            Measured::Missing(_) => None,
        }
    }

    /// Why there is no value, if there is none.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Measured::Value(_) => None,
            Measured::Missing(reason) => Some(reason),
        }
    }

    /// What follows from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Measured<U> {
        match self {
            Measured::Value(value) => Measured::Value(f(value)),
            Measured::Missing(reason) => Measured::Missing(reason),
        }
    }

    /// What follows from the value, if anything does.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Measured<U>) -> Measured<U> {
        match self {
            Measured::Value(value) => f(value),
            Measured::Missing(reason) => Measured::Missing(reason),
        }
    }
}

impl Measured<f64> {
    /// A quotient, or no value where there is nothing to divide by.
    pub fn ratio(of: f64, to: f64, reason: &'static str) -> Measured<f64> {
        let ratio = of / to;
        match ratio.is_finite() {
            true => Measured::Value(ratio),
            false => Measured::missing(reason),
        }
    }
}
