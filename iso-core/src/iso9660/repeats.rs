//! Whether a directory records one identifier twice, which no sound one does (ECMA-119 9.3).
//! Reads records only; what is shown of them is decided in `directory`.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use super::dir_extent::DirExtent;
use super::disk::FileFlags;
use super::volume::IsoVolume;

impl IsoVolume {
    /// Whether two records that are no parts of one file have the same identifier: one of them
    /// was copied over a third, which is lost. Identifiers that differ in their version alone are
    /// two names of a sound disc. True where it cannot be found out.
    pub(super) fn repeats_an_identifier(&self, dir: &DirExtent) -> bool {
        let hasher = RandomState::new();
        let mut seen: HashSet<u64> = HashSet::new();
        let mut continued: Option<u64> = None;
        let mut repeats = false;
        let outcome = self.for_each_record(dir, &mut |record| {
            let Ok(record) = record else { return Ok(ControlFlow::Continue(())) };
            let flags = record.flags();
            if record.is_self() || record.is_parent() || flags.contains(FileFlags::ASSOCIATED) {
                return Ok(ControlFlow::Continue(()));
            }
            let identifier = hasher.hash_one(record.identifier);
            let is_part = continued == Some(identifier);
            continued = flags.contains(FileFlags::MULTI_EXTENT).then_some(identifier);
            if !is_part && (seen.try_reserve(1).is_err() || !seen.insert(identifier)) {
                repeats = true;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        });
        repeats || outcome.is_err()
    }
}
