//! Functions of our own for SQL.
//!
//! - `quantiles(x, q, …)` and, by the same code, `percentile_cont`, `quantile_cont`, `approx_percentile_cont`, `median` and `approx_median`:
//!   always exact. A rule makes one `quantiles` of all those over the same values, so that each further percentile costs nearly nothing.
//! - `digest_merge(digest)`, `digest_quantile(digest, q)` and `digest_cdf(digest, x)`: distributions over any range from the rollups' digests.
//! - `great_circle_km` and `fibre_floor_ms`: how far regions are apart, and the least time that light in fibre needs there and back.
//! - `date_trunc` and `date_bin` as DataFusion has them, many times faster for the archive's times.

mod digest;
mod floor_time;
mod geography;
mod merge_quantiles;
mod one_group;
mod quantiles;
mod values;

use std::sync::Arc;

use cloudping_schemas::catalogue::Catalogue;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(crate) use merge_quantiles::MergeQuantiles;

/// The aggregates; they take the place of DataFusion's of the same names.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut all: Vec<_> = quantiles::all().into_iter().map(|function| Arc::new(AggregateUDF::from(function))).collect();
    all.push(Arc::new(AggregateUDF::from(digest::DigestMerge::new())));
    all
}

/// The functions of single values; some take the place of DataFusion's of the same names.
pub(crate) fn scalars(catalogue: &Catalogue) -> Vec<Arc<ScalarUDF>> {
    let mut all: Vec<_> = floor_time::both().into_iter().map(|function| Arc::new(ScalarUDF::from(function))).collect();
    all.extend(digest::scalars().into_iter().map(|function| Arc::new(ScalarUDF::from(function))));
    all.extend(geography::all(catalogue).into_iter().map(|function| Arc::new(ScalarUDF::from(function))));
    all
}
