//! The options of telemetry.

use super::lines::Lines;
use clap::Args;
use phext_siw::telemetry::Costs;
use phext_storage::vfs::RealVfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the file in a data directory.
const METRICS_FILE: &str = "metrics.jsonl";

#[derive(Debug, Clone, Args)]
pub(crate) struct TelemetryArgs {
    /// Where a line of JSON with the metrics of the vTPU goes every 100 ms, or `none`. Without it,
    /// `metrics.jsonl` in the data directory; with --config, none.
    #[arg(long, env = "SQD_METRICS_FILE", value_name = "PATH|none")]
    metrics_file: Option<PathBuf>,
    /// Bytes after which that file is put aside as `<PATH>.1`, and a new one begun.
    #[arg(long, env = "SQD_METRICS_FILE_BYTES", default_value_t = 16 << 20)]
    metrics_file_bytes: u64,
    /// How many such files are kept beside it.
    #[arg(long, env = "SQD_METRICS_FILES_KEPT", default_value_t = 3)]
    metrics_files_kept: u32,
    /// Watts that this machine takes, where it has no meter that can be read.
    #[arg(long, env = "SQD_VTPU_WATTS", value_parser = positive)]
    vtpu_watts: Option<f64>,
    /// The price of a kilowatt-hour, in the currency of --vtpu-node-price.
    #[arg(long, env = "SQD_VTPU_KWH_PRICE", value_parser = positive)]
    vtpu_kwh_price: Option<f64>,
    /// The price of this machine.
    #[arg(long, env = "SQD_VTPU_NODE_PRICE", value_parser = positive)]
    vtpu_node_price: Option<f64>,
    /// Years over which it is written off.
    #[arg(long, env = "SQD_VTPU_NODE_YEARS", value_parser = positive)]
    vtpu_node_years: Option<f64>,
}

impl TelemetryArgs {
    pub(crate) fn costs(&self) -> Costs {
        Costs {
            watts: self.vtpu_watts,
            kwh_price: self.vtpu_kwh_price,
            node_price: self.vtpu_node_price,
            years: self.vtpu_node_years,
        }
    }

    /// Where lines go, by default a file in the only data directory if there is an only one.
    pub(crate) fn lines(&self, data_dir: Option<&Path>) -> Option<Lines> {
        let path = match &self.metrics_file {
            Some(path) if path.as_os_str() == "none" => return None,
            Some(path) => path.clone(),
            None => data_dir?.join(METRICS_FILE),
        };
        let (limit, kept) = (self.metrics_file_bytes, self.metrics_files_kept);
        Some(Lines::new(Arc::new(RealVfs), path, limit, kept))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("give a number above 0".to_owned()),
    }
}
