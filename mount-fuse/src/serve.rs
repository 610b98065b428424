//! Serving a volume on a descriptor of `/dev/fuse` that is mounted somewhere.
//! Opens nothing and needs nothing but that descriptor, so it works inside a sandbox.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use fuser::{BackgroundSession, Config, Session, SessionACL};
use iso_core::serving::Activity;
use iso_core::volume::Volume;

use crate::adapter::Adapter;
use crate::attach::{Attach, attach};
use crate::cache::KernelCache;
use crate::directory::Directory;
use crate::options::Serve;
use crate::push::Push;

/// A volume that is being served.
#[derive(Debug)]
pub struct Served {
    session: BackgroundSession,
    activity: Arc<Activity>,
}

/// Begins to serve a volume; returns when the kernel's first request was answered.
///
/// # Errors
/// The descriptor is none of a mount, or its mount is gone already.
pub fn serve(volume: Arc<dyn Volume>, device: OwnedFd, options: &Serve) -> io::Result<Served> {
    let mut config = Config::default();
    config.n_threads = Some(options.threads.unwrap_or_else(default_threads));
    let activity = Arc::new(Activity::default());
    let (push, prefetcher) = Push::new();
    let cache = KernelCache::default();
    let adapter = Adapter::new(volume.clone(), options, activity.clone(), push, cache.clone());
    // Who may enter is the kernel's business: it knows the owner of the mount.
    let session = Session::from_fd(adapter, device, SessionACL::All, config)?;
    let notifier = session.notifier();
    cache.is_of(session.notifier());
    std::thread::Builder::new()
        .name("push".to_owned())
        .spawn(move || prefetcher.follow(&*volume, &notifier))?;
    let session = session.spawn()?;
    Ok(Served { session, activity })
}

/// As many as there are processors, two at least and four at most: more gain nothing.
#[must_use]
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}

impl Served {
    /// What is being done, and how much was.
    #[must_use]
    pub fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }

    /// Waits until the mount is taken away, by whomever.
    ///
    /// # Errors
    /// The connection to the kernel broke.
    pub fn wait(self) -> io::Result<()> {
        self.session.join()
    }
}

/// Mounts a volume on a directory and serves it from this process.
///
/// # Errors
/// As [`attach`] and [`serve`].
pub fn mount(
    volume: Arc<dyn Volume>,
    at: &Path,
    attached: &Attach,
    served: &Serve,
) -> io::Result<Served> {
    let at = Directory::open(&std::path::absolute(at)?)?;
    let device = attach(&at, attached).map_err(io::Error::other)?;
    serve(volume, device, served)
}
