//! One image against its golden trees, through every door: the library, a mount, `extract`.
//! Gives differences; the rows that explain the expected ones are in the tests' table.

use std::path::Path;

use anyhow::{Context, Result};
use iso_core::volume::{Permissions, Presentation, Volume, Walk, lacks_xattrs};
use iso_core::{Charset, Error, Image, Limits, Options, SessionChoice, System, View, source};

use mount_erofs::Declined;

use crate::compare::{Fields, differences};
use crate::drive;
use crate::kernel_driver;
use crate::manifest::{self, Case};
use crate::program::Session;
use crate::tree::Tree;

/// The views of isodrive and the kernel's way of mounting that shows the same.
pub const CASES: [(View, &str); 6] = [
    (View::Udf, "udf"),
    (View::RockRidge, "iso9660:iocharset=utf8"),
    (View::Joliet, "iso9660:norock,iocharset=utf8"),
    (View::Iso9660, "iso9660:norock,nojoliet,map=off"),
    (View::Hfs, "hfs"),
    (View::Hfs, "hfsplus"),
];

/// The ways by which a tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The library.
    Library,
    /// A FUSE mount.
    Mount,
    /// `isodrive extract`.
    Extract,
    /// A drive of Windows: WinFsp's own DLL above the adapter.
    Drive,
    /// A mount by the kernel's EROFS driver.
    Kernel,
}

/// Trees with a larger file are read through the first view alone, and are not written out again
/// by `extract`: the same gigabytes of holes prove nothing twice.
const LARGE_BYTES: u64 = 256 << 20;

/// A difference from a golden tree.
#[derive(Debug)]
pub struct Difference {
    /// Which view.
    pub view: View,
    /// By which door.
    pub door: Door,
    /// What differs.
    pub line: String,
}

/// What became of an image.
#[derive(Debug, Default)]
pub struct Report {
    /// What differs.
    pub differences: Vec<Difference>,
    /// Trees that were compared.
    pub compared: usize,
    /// Why the image, or a view of it that the kernel shows, could not be opened.
    pub refused: Vec<String>,
    /// Why the kernel's driver could not show a view.
    pub declined: Vec<String>,
}

/// Compares every view of an image with the kernel's, by the given doors.
pub fn check(image: &Path, golden: &Path, doors: &[Door], times: bool) -> Result<Report> {
    let cases = manifest::by_name(manifest::read(golden)?);
    let kernel_mounts = |name: &str| cases.get(name).filter(|case| case.mounted);
    let mut report = Report::default();
    // The kernel takes the descriptors at the beginning of a file.
    let opened = match open_first(image) {
        Ok(opened) => opened,
        Err(error) => {
            if cases.values().any(|case| case.mounted) {
                report.refused.push(error.to_string());
            }
            return Ok(report);
        }
    };
    let session = opened.session().number;
    for (view, name) in CASES {
        let Some(case) = kernel_mounts(name) else { continue };
        // The kernel's driver for ISO 9660 reads High Sierra too, and does not tell them apart.
        let is_same = |system: &&System| {
            system.view == view || (view == View::Iso9660 && system.view == View::HighSierra)
        };
        let Some(system) = opened.systems().iter().find(is_same) else {
            let refusal = opened.refused().iter().find(|refused| refused.0 == view);
            match refusal {
                Some((_, error)) => report.refused.push(error.to_string()),
                None if kernel_found(view, case) => {
                    report.refused.push(format!("the kernel finds {view}, isodrive does not"));
                }
                None => {}
            }
            continue;
        };
        let is_large = case.tree.entries.values().any(|entry| entry.size > LARGE_BYTES);
        if is_large && report.compared > 0 {
            continue;
        }
        let is_slow = |door: &Door| matches!(door, Door::Extract | Door::Drive);
        for door in doors.iter().filter(|door| !is_slow(door) || !is_large) {
            let found = compare((image, session), system, case, *door, times)
                .with_context(|| format!("{} {view} {door:?}", image.display()))?;
            let found = match found {
                Ok(found) => found,
                Err(why) => {
                    report.declined.push(why.to_string());
                    continue;
                }
            };
            report.compared += 1;
            let found = found.into_iter().map(|line| Difference { view, door: *door, line });
            report.differences.extend(found);
        }
    }
    Ok(report)
}

/// Opens an image by the descriptors at its beginning, whatever session those are of.
fn open_first(image: &Path) -> iso_core::Result<Image> {
    let open = |session: SessionChoice| {
        let source =
            source::open_path(image).map_err(|source| Error::Io { offset: 0, len: 0, source })?;
        Image::open_with(
            source,
            Limits::default(),
            &Options { session, charset: Charset::Raw, start: 0 },
        )
    };
    let first = open(SessionChoice::First)?;
    if first.session().at == 0 { Ok(first) } else { open(SessionChoice::Last) }
}

/// Whether a mount of the kernel's really showed this view: without Rock Ridge or Joliet on the
/// disc its driver mounts all the same, and shows the plain tree.
fn kernel_found(view: View, case: &Case) -> bool {
    match view {
        View::Udf | View::Iso9660 | View::Enhanced | View::HighSierra | View::Hfs | View::Boot => {
            true
        }
        View::RockRidge => case.messages.contains("RRIP") || case.messages.contains("IEEE_"),
        View::All => false,
        View::Joliet => case.messages.contains("Joliet"),
    }
}

/// The differences through one door.
fn compare(
    (image, session): (&Path, u32),
    system: &System,
    case: &Case,
    door: Door,
    times: bool,
) -> Result<Result<Vec<String>, Declined>> {
    let show = Presentation { permissions: Permissions::Image, ..Presentation::default() };
    let golden = golden(&case.tree, system.view);
    // Modes and sizes of folders are the driver's own invention on the Macintosh's file systems.
    let is_macintosh = system.view == View::Hfs;
    let fields = Fields {
        permissions: !is_macintosh,
        times: times && !is_macintosh,
        other_times: times && !is_macintosh,
        directory_sizes: !is_macintosh,
    };
    Ok(Ok(match door {
        Door::Library => {
            let shown = Tree::of_volume(&*system.volume, &show)?;
            let mut differing = differences(&shown, &golden, fields);
            let (whole, each) = (lacks_xattrs(&*system.volume), each_lacks_xattrs(&*system.volume));
            if whole != each {
                differing.push(format!("no attributes: {whole} of the whole, {each} of each file"));
            }
            differing
        }
        Door::Mount => {
            let folder = tempfile::tempdir_in(crate::corpus::scratch()?)?;
            let served = mount_fuse::Serve { presentation: show, ..Default::default() };
            let attached = mount_fuse::Attach::default();
            let volume = system.volume.clone();
            let mounted = mount_fuse::mount(volume, folder.path(), &attached, &served)?;
            let shown = Tree::of_folder(folder.path());
            // Lazily: between fork and exec, a child of another test holds our descriptors too.
            mount_fuse::unmount(folder.path(), true)?;
            mounted.wait()?;
            differences(&shown?, &golden, fields)
        }
        Door::Drive => {
            let shown = drive::tree(image, system.view, session)?;
            let fields = Fields { permissions: false, directory_sizes: false, ..fields };
            differences(&shown, &drive::as_shown(&golden), fields)
        }
        Door::Extract => extract(image, (system.view, session), &golden)?,
        Door::Kernel => match kernel_driver::mount(image, &*system.volume, &show, None)? {
            Ok(mounted) => {
                let shown = Tree::of_folder(mounted.at())?;
                let fields = Fields { other_times: false, directory_sizes: false, ..fields };
                differences(&shown, &golden, fields)
            }
            Err(why) => return Ok(Err(why)),
        },
    }))
}

/// What `extract` writes is compared by name, kind, contents and target: it has the modes of new
/// files, and leaves devices out.
fn extract(image: &Path, (view, number): (View, u32), golden: &Tree) -> Result<Vec<String>> {
    let session = Session::new()?;
    let out = session.path("out");
    let number = number.to_string();
    let arguments = [
        "extract",
        "--unsafe-links",
        "--charset",
        "raw",
        "--session",
        &number,
        "--view",
        view.name(),
        "-C",
    ];
    let mut arguments: Vec<std::ffi::OsString> = arguments.map(Into::into).to_vec();
    arguments.extend([out.clone().into(), image.into()]);
    session.run(&arguments)?;
    let written = Tree::of_folder(&out)?;
    let mut wanted = Tree::default();
    for (path, entry) in &golden.entries {
        if matches!(entry.kind, 'd' | 'f' | 'l') && entry.error.is_none() {
            wanted.entries.insert(path.clone(), entry.clone());
        }
    }
    let fields =
        Fields { permissions: false, times: false, other_times: false, directory_sizes: false };
    Ok(differences(&written, &wanted, fields))
}

/// Whether nothing on a volume has extended attributes, asked of each file by itself.
fn each_lacks_xattrs(volume: &dyn Volume) -> bool {
    let lacks = |node| volume.xattrs(node).is_ok_and(|xattrs| xattrs.is_empty());
    let walk = Walk::new(volume, volume.root());
    lacks(volume.root()) && walk.is_ok_and(|mut walk| walk.all(|step| lacks(step.node)))
}

/// The kernel's tree as isodrive means to show it where the standards, and not the kernel's
/// defaults, decide: versions and idle dots of plain names go.
fn golden(kernel: &Tree, view: View) -> Tree {
    let mut golden = Tree::default();
    let is_plain = matches!(view, View::Iso9660 | View::HighSierra);
    for (path, entry) in &kernel.entries {
        let path = if is_plain && path != b"." { standard(path) } else { path.clone() };
        golden.entries.insert(path, entry.clone());
    }
    golden
}

/// Plain ISO 9660 names without version and without an idle dot (ECMA-119 7.5.1).
fn standard(path: &[u8]) -> Vec<u8> {
    let component = |name: &[u8]| -> Vec<u8> {
        let version = name.iter().rposition(|b| *b == b';');
        let is_version = |at: usize| at > 0 && name[at + 1..].iter().all(u8::is_ascii_digit);
        let bare = match version {
            Some(at) if is_version(at) => &name[..at],
            _ => name,
        };
        let is_only_dots = bare.iter().all(|b| *b == b'.');
        match bare.strip_suffix(b".") {
            Some(stem) if !is_only_dots => stem.to_vec(),
            _ => bare.to_vec(),
        }
    };
    path.split(|b| *b == b'/').map(component).collect::<Vec<_>>().join(&b'/')
}
