//! What goes wrong below the adapter: a medium that fails, an image cut short, a bug of our own.
//! Programs get an error, never zeros and never less than was reported; the drive goes on.
#![cfg(windows)]

use std::sync::Arc;

use iso_core::source::testing::{Failing, Fault};
use iso_core::source::{Source, open_path};
use iso_core::volume::{Attr, Data, Dir, Facts, NodeId};
use iso_core::{Disc, Image, Limits, Volume};
use isodrive_windows_tests::setup::{self, Mounted, images, mounting};
use mount_winfsp::Place;
use windows_view::Choices;

const DEVICE_DATA_ERROR: u32 = 0xC000_009C;
const FILE_CORRUPT_ERROR: u32 = 0xC000_0102;
const INTERNAL_ERROR: u32 = 0xC000_00E5;

fn mount(source: Box<dyn Source>) -> Mounted {
    let image = Image::open(source, Limits::default()).unwrap();
    let shown = image.choose(None).unwrap();
    setup::mount(shown.volume, shown.view, Choices::default(), &mounting(Place::FirstFree))
}

#[test]
fn a_medium_that_fails_is_an_error_and_the_rest_of_the_drive_works() {
    let path = images().join("many.iso");
    let open = || open_path(&path).unwrap();
    // Opening takes some reads; from one behind them on, all fail.
    let mut refused = 0;
    for reads in (5..60).step_by(5) {
        let failing = Failing::new(open(), Fault::From(reads));
        let Ok(image) = Image::open(Box::new(failing), Limits::default()) else { continue };
        let Ok(shown) = image.choose(None) else { continue };
        let how = mounting(Place::FirstFree);
        let mounted = setup::mount(shown.volume, shown.view, Choices::default(), &how);
        let Ok(file) = mounted.volume.open("\\size-3000000") else { continue };
        let mut offset = 0;
        while offset < 3_000_000 {
            match mounted.volume.read(&file, offset, 4096) {
                Ok(bytes) => {
                    let want = (offset..3_000_000.min(offset + 4096)).map(|at| (at % 251) as u8);
                    assert!(bytes.iter().copied().eq(want), "wrong bytes at {offset}");
                }
                Err(status) => {
                    assert_eq!(status, DEVICE_DATA_ERROR);
                    refused += 1;
                }
            }
            offset += 4096;
        }
        // What is reported of the file was read before.
        assert_eq!(mounted.volume.info(&file).unwrap().FileSize, 3_000_000);
        mounted.volume.close(file);
    }
    assert!(refused > 700, "only {refused} reads failed");
}

#[test]
fn what_lies_behind_the_cut_of_an_image_is_an_error() {
    let whole = std::fs::read(images().join("many.iso")).unwrap();
    let cut = whole.len() - 2_000_000;
    let mounted = mount(Box::new(whole[..cut].to_vec()));
    let volume = &mounted.volume;
    let file = volume.open("\\size-3000000").unwrap();
    let (mut good, mut bad) = (0, 0);
    for offset in (0..3_000_000u64).step_by(2048) {
        match volume.read(&file, offset, 2048) {
            Ok(bytes) => {
                assert_eq!(bytes.len() as u64, 2048.min(3_000_000 - offset));
                assert!(
                    bytes
                        .iter()
                        .enumerate()
                        .all(|(at, byte)| *byte == ((offset + at as u64) % 251) as u8)
                );
                good += 1;
            }
            Err(status) => {
                assert!(matches!(status, FILE_CORRUPT_ERROR | DEVICE_DATA_ERROR), "{status:#x}");
                bad += 1;
            }
        }
    }
    assert!(good > 300 && bad > 300, "{good} good, {bad} bad");
    volume.close(file);
    let small = volume.open("\\size-2049").unwrap();
    volume.close(small);
}

/// A volume with a bug: reading the data of any file breaks down.
struct Buggy(Arc<dyn Volume>);

impl Volume for Buggy {
    fn facts(&self) -> &Facts {
        self.0.facts()
    }
    fn disc(&self) -> &Disc {
        self.0.disc()
    }
    fn root(&self) -> NodeId {
        self.0.root()
    }
    fn attr(&self, node: NodeId) -> iso_core::Result<Attr> {
        self.0.attr(node)
    }
    fn read_dir(&self, node: NodeId) -> iso_core::Result<Arc<Dir>> {
        self.0.read_dir(node)
    }
    fn data(&self, _: NodeId) -> iso_core::Result<Arc<Data>> {
        panic!("a bug")
    }
    fn read_link(&self, node: NodeId) -> iso_core::Result<Vec<u8>> {
        self.0.read_link(node)
    }
}

#[test]
fn a_panic_is_one_error_and_no_thread_ends_by_it() {
    let (view, volume) =
        setup::open(&images().join("setup.iso"), None, &Default::default()).unwrap();
    let how = mounting(Place::FirstFree);
    let mounted = setup::mount(Arc::new(Buggy(volume)), view, Choices::default(), &how);
    let volume = &mounted.volume;
    let file = volume.open("\\setup.exe").unwrap();
    // More often than there are threads.
    for _ in 0..100 {
        assert_eq!(volume.read(&file, 0, 10), Err(INTERNAL_ERROR));
    }
    volume.close(file);
    let root = volume.open("\\").unwrap();
    assert_eq!(volume.list(&root, 4096).unwrap().0.len(), 11);
    volume.close(root);
}
