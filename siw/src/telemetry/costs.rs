//! What a node costs, as its operator says.

use super::Measured;

/// Prices and power, in whatever currency they are given. What is not given is not guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Costs {
    /// Watts that the node takes, where no meter can be read.
    pub watts: Option<f64>,
    /// The price of a kilowatt-hour.
    pub kwh_price: Option<f64>,
    /// The price of the node.
    pub node_price: Option<f64>,
    /// Years over which the node is written off.
    pub years: Option<f64>,
}

const SECONDS_A_YEAR: f64 = 365.25 * 24.0 * 3600.0;
const JOULES_A_KWH: f64 = 3.6e6;

impl Costs {
    /// What a second costs while the node takes so many watts.
    pub fn per_second(&self, watts: &Measured<f64>) -> Measured<f64> {
        let (Some(node), Some(years)) = (self.node_price, self.years) else {
            return Measured::missing("the price of the node, or its years, is not configured");
        };
        let Some(kwh_price) = self.kwh_price else {
            return Measured::missing("the price of a kilowatt-hour is not configured");
        };
        watts.clone().map(|watts| {
            let energy = watts / JOULES_A_KWH * kwh_price;
            node / (years * SECONDS_A_YEAR) + energy
        })
    }
}
