//! A fault of our own in one request: that request fails, and the mount goes on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use iso_core::volume::{Attr, Data, Dir, Facts, NodeId, Volume};
use iso_core::{Disc, Image, Limits, source};
use isodrive_tests::corpus;
use isodrive_tests::program::can_mount;

/// A volume that panics when a file of one size is read.
struct Panics {
    inner: Arc<dyn Volume>,
    at_len: u64,
    panics: Arc<AtomicUsize>,
}

impl Volume for Panics {
    fn facts(&self) -> &Facts {
        self.inner.facts()
    }
    fn disc(&self) -> &Disc {
        self.inner.disc()
    }
    fn root(&self) -> NodeId {
        self.inner.root()
    }
    fn attr(&self, node: NodeId) -> iso_core::Result<Attr> {
        self.inner.attr(node)
    }
    fn read_dir(&self, node: NodeId) -> iso_core::Result<Arc<Dir>> {
        self.inner.read_dir(node)
    }
    fn data(&self, node: NodeId) -> iso_core::Result<Arc<Data>> {
        let data = self.inner.data(node)?;
        if data.len() == self.at_len {
            self.panics.fetch_add(1, Ordering::Relaxed);
            panic!("injected");
        }
        Ok(data)
    }
    fn read_link(&self, node: NodeId) -> iso_core::Result<Vec<u8>> {
        self.inner.read_link(node)
    }
}

#[test]
fn a_panic_fails_one_request_and_the_mount_goes_on() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let sample = corpus::repository().join("samples/setup-disc.iso");
    let image = Image::open(source::open_path(&sample)?, Limits::default())?;
    let panics = Arc::new(AtomicUsize::new(0));
    let volume =
        Panics { inner: image.choose(None)?.volume, at_len: 60_000, panics: panics.clone() };
    let folder = tempfile::tempdir_in(corpus::scratch()?)?;
    let served = mount_fuse::Serve { threads: Some(2), ..mount_fuse::Serve::default() };
    let attached = mount_fuse::Attach::default();
    let mounted = mount_fuse::mount(Arc::new(volume), folder.path(), &attached, &served)?;
    // More often than there are threads: none of them may end.
    let outcomes: Vec<_> = (0..10)
        .map(|_| {
            let error = fs::read(folder.path().join("sources/install.wim")).unwrap_err();
            let other = fs::read(folder.path().join("sources/ei.cfg"));
            (error.raw_os_error(), other.map(|bytes| bytes.len()).ok())
        })
        .collect();
    mount_fuse::unmount(folder.path(), true)?;
    mounted.wait()?;
    assert!(outcomes.iter().all(|outcome| *outcome == (Some(5), Some(55))), "{outcomes:?}");
    assert!(panics.load(Ordering::Relaxed) >= 10);
    Ok(())
}
