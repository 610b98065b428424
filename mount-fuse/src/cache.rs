//! What the kernel keeps of files that were read: parts of it can be taken back.
//! Says so on the descriptor of the mount; opens nothing.

use std::sync::{Arc, OnceLock};

use fuser::{INodeNo, Notifier};

/// The kernel's cache of one mount. Clones are of the same mount.
#[derive(Debug, Clone, Default)]
pub(crate) struct KernelCache(Arc<OnceLock<Notifier>>);

impl KernelCache {
    /// What comes later goes to this mount.
    pub(crate) fn is_of(&self, notifier: Notifier) {
        let _ = self.0.set(notifier);
    }

    /// Has the kernel forget a range of a file that it was handed and that turned out to be wrong.
    ///
    /// The kernel may have to wait for other requests of the same file first, which the thread that
    /// calls this may be the one to answer: so another thread waits. There are as many of these as
    /// requests in work when the image changed, since none is answered from then on.
    pub(crate) fn forget(&self, ino: INodeNo, offset: u64, len: usize) {
        let Some(notifier) = self.0.get().cloned() else { return };
        let started = std::thread::Builder::new()
            .name("forget".to_owned())
            .spawn(move || forget(&notifier, ino, offset, len));
        if let Err(error) = started {
            tracing::error!(%error, "bytes of a changed image stay in the kernel's cache");
        }
    }
}

/// The same, by a thread that answers nothing.
pub(crate) fn forget(notifier: &Notifier, ino: INodeNo, offset: u64, len: usize) {
    // A length of zero means all that follows, and errs on the side of forgetting.
    let (offset, len) = (i64::try_from(offset).unwrap_or(0), i64::try_from(len).unwrap_or(0));
    if let Err(error) = notifier.inval_inode(ino, offset, len) {
        tracing::error!(%error, "bytes of a changed image stay in the kernel's cache");
    }
}
