//! Extended attributes: what a disc records of a file beside its bytes and its `stat`.
//! Formats give them by name; which of them an operating system is shown is `present`'s business.

use std::time::{Duration, Instant};

use super::{Data, FileKind, Volume, Walk};
use crate::cache::Weigh;
use crate::num::to_u64;

/// The name of a resource fork, as on macOS.
pub const RESOURCE_FORK: &[u8] = b"com.apple.ResourceFork";

/// The name of Finder information: type, creator and flags in 32 bytes, as on macOS.
pub const FINDER_INFO: &[u8] = b"com.apple.FinderInfo";

/// One extended attribute.
pub struct Xattr {
    /// Its name with the namespace, where the disc records one, as in `user.comment`.
    pub name: Vec<u8>,
    /// Its value, which may be as long as any file.
    pub value: Data,
}

impl Xattr {
    /// An attribute whose value is known.
    pub(crate) fn of_bytes(name: &[u8], value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_vec(), value: Data::Synthetic(value.into()) }
    }

    /// Finder information made of the little that was recorded of it; the rest is zeros.
    pub(crate) fn finder_info(recorded: &[u8]) -> Self {
        let mut value = recorded.to_vec();
        value.resize(FINDER_INFO_BYTES, 0);
        Self::of_bytes(FINDER_INFO, value)
    }
}

impl Weigh for Xattr {
    fn weight_bytes(&self) -> u64 {
        let own = size_of::<Self>().saturating_sub(size_of::<Data>());
        to_u64(own.saturating_add(self.name.capacity())).saturating_add(self.value.weight_bytes())
    }
}

/// Bytes of Finder information.
const FINDER_INFO_BYTES: usize = 32;

/// Time budget of the scan.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Whether nothing on a volume has extended attributes, found out by scanning all of it. `false` if
/// anything could not be read or the time ran out.
pub fn lacks_xattrs(volume: &dyn Volume) -> bool {
    let begun = Instant::now();
    let none_in = |dir| volume.has_xattrs_in(dir).is_ok_and(|has| !has);
    let Ok(mut walk) = Walk::new(volume, volume.root()) else { return false };
    none_in(volume.root())
        && walk.all(|step| {
            let is_known = step.error.is_none() && begun.elapsed() < MAX_TIME;
            is_known && (step.kind != FileKind::Directory || none_in(step.node))
        })
}
