//! Extended attributes: what a disc records of a file beside its bytes and its `stat`.
//! Formats give them by name; which of them an operating system is shown is `present`'s business.

use super::Data;

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
    pub(crate) fn told(name: &[u8], value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_vec(), value: Data::Told(value.into()) }
    }

    /// Finder information made of the little that was recorded of it; the rest is zeros.
    pub(crate) fn finder_info(recorded: &[u8]) -> Self {
        let mut value = recorded.to_vec();
        value.resize(FINDER_INFO_BYTES, 0);
        Self::told(FINDER_INFO, value)
    }
}

/// Bytes of Finder information.
const FINDER_INFO_BYTES: usize = 32;
