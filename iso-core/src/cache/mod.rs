//! What has been read before: an image with its caches, bounds, counters and findings.
//! The only door through which formats reach a [`Source`](crate::source::Source).

mod disc;
mod finding;
mod permit;
mod together;
mod weighted;

pub(crate) use disc::{BLOCK_BYTES, Origin, zeroed};
pub use disc::{Counters, Disc};
pub(crate) use finding::met_damage;
pub use finding::{Finding, Findings};
pub use weighted::{Weigh, WeightedCache};
