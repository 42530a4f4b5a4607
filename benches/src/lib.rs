//! What the benchmarks share. Figures from these machines mean something only as ratios taken in
//! one run; the machine is named beside them all the same.

pub mod dataset;
pub mod machine;
pub mod report;
