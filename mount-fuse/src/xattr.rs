//! Extended attributes as requests ask for them: by the names that the core shows. Most discs have
//! none; once that is certain, a reply makes the kernel stop asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use iso_core::volume::{NodeId, Volume, lacks_xattrs, xattr_name};
use iso_core::{Error, Result};

/// The value of an attribute. A name is found with `user.` before it and without.
pub(crate) fn value(volume: &dyn Volume, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
    if xattr_name(name).is_none() {
        return Err(Error::NoXattr);
    }
    match (volume.xattr(node, name), name.strip_prefix(b"user.")) {
        (Err(Error::NoXattr), Some(bare)) => volume.xattr(node, bare),
        (outcome, _) => outcome,
    }
}

/// All names, each ended by a NUL.
pub(crate) fn names(volume: &dyn Volume, node: NodeId) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    for name in volume.xattrs(node)?.iter().filter_map(|xattr| xattr_name(&xattr.name)) {
        list.extend(name);
        list.push(0);
    }
    Ok(list)
}

/// Requests for attributes after which somebody seems to ask for those of every file.
const MANY: u64 = 256;

/// Whether a volume has attributes at all, which is found out beside the requests once many ask.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    asked: AtomicU64,
    is_certain: Arc<AtomicBool>,
}

impl Absence {
    /// Somebody asks for an attribute; whether it is certain that no file has any.
    pub(crate) fn asked(&self, volume: &Arc<dyn Volume>) -> bool {
        if self.asked.fetch_add(1, Ordering::Relaxed) == MANY && volume.disc().is_cheap() {
            let (volume, is_certain) = (volume.clone(), self.is_certain.clone());
            let look = move || is_certain.store(lacks_xattrs(&*volume), Ordering::Relaxed);
            // Where no thread can be had, the kernel goes on asking.
            let _ = std::thread::Builder::new().name("attributes".to_owned()).spawn(look);
        }
        self.is_certain.load(Ordering::Relaxed)
    }
}
