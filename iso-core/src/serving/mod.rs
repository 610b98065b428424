//! What the adapters share, whichever system they serve: counts of requests, and log lines for
//! those that failed. Knows no system and no volume.

mod activity;
mod reports;
mod slow;

pub use activity::{Activity, Running};
pub use reports::Reports;
pub use slow::SlowRequests;
