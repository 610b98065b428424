//! Mounts by the kernel's EROFS driver, made in this process and without its sandbox; and what the
//! kernel says of such mounts in its log.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use iso_core::Volume;
use iso_core::volume::Presentation;
use mount_erofs::{Attach, AttachError, Declined, Through, attach, receive, translate, verify};

/// A volume as the kernel shows it. Taken away when this is dropped.
pub struct Mounted {
    folder: tempfile::TempDir,
    /// How the kernel reaches the files.
    pub through: Through,
}

impl Mounted {
    /// Where it is.
    #[must_use]
    pub fn at(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: between fork and exec, a child of another test holds our descriptors too.
        let _ = mount_fuse::unmount(self.folder.path(), true);
    }
}

/// Whether such mounts can be tested here; says so where not.
pub fn can_mount() -> bool {
    let systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has_driver = systems.lines().any(|line| line.trim() == "erofs");
    let is_root = rustix::process::geteuid().is_root();
    if !has_driver || !is_root {
        println!("not run: mounting EROFS takes root and a kernel that has it");
    }
    has_driver && is_root
}

/// Translates a volume into a file, as bytes.
pub fn metadata(
    volume: &dyn Volume,
    show: &Presentation,
    len: u64,
) -> Result<std::result::Result<File, Declined>> {
    let file = mount_erofs::scratch_file()?;
    let (reader, writer) = std::io::pipe()?;
    let keeper = file.try_clone()?;
    let received = std::thread::spawn(move || receive(reader, &keeper, u64::MAX));
    let mut sender = mount_erofs::Sender::new(writer);
    let outcome = translate(volume, show, len, &mut sender);
    sender.finish()?;
    received.join().ok().context("the receiver broke down")??;
    Ok(outcome.map(|_| file))
}

/// Mounts a volume of an image, or says why it has to be served another way.
pub fn mount(
    image: &Path,
    volume: &dyn Volume,
    show: &Presentation,
    through: Option<Through>,
) -> Result<std::result::Result<Mounted, Declined>> {
    let file = File::open(image)?;
    let len = file.metadata()?.len();
    let metadata = match metadata(volume, show, len)? {
        Ok(metadata) => verify(metadata, len, show.permissions)?,
        Err(why) => return Ok(Err(why)),
    };
    let folder = tempfile::tempdir_in(crate::corpus::scratch()?)?;
    let image_path: PathBuf = image.canonicalize()?;
    let scratch = tempfile::tempdir()?;
    let what = Attach {
        image: &file,
        image_path: &image_path,
        metadata: &metadata,
        scratch: scratch.path(),
        noexec: false,
        through,
    };
    let directory = File::open(folder.path())?;
    let through = attach(directory.as_fd(), &what).map_err(|error: AttachError| error)?;
    Ok(Ok(Mounted { folder, through }))
}

/// The kernel's log from now on.
pub struct KernelLog(Option<File>);

impl KernelLog {
    /// Begins to listen.
    #[must_use]
    pub fn from_now() -> Self {
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let log = OpenOptions::new().read(true).custom_flags(nonblocking).open("/dev/kmsg").ok();
        if let Some(log) = &log {
            let _ = rustix::fs::seek(log, rustix::fs::SeekFrom::End(0));
        }
        Self(log)
    }

    /// What the kernel's driver said since then, but that it mounted something. A warning of the
    /// file system below, met on the way through the driver, is not the driver's: ext4 of Linux
    /// 6.18 built for debugging has one for everybody who reads a file from inside the kernel.
    #[must_use]
    pub fn complaints(&mut self) -> Vec<String> {
        let Some(log) = &mut self.0 else { return Vec::new() };
        let mut complaints = Vec::new();
        let mut record = [0; 8192];
        loop {
            match log.read(&mut record) {
                Ok(read) => {
                    let line = String::from_utf8_lossy(&record[..read]).into_owned();
                    let said = ["erofs (device", "erofs: ", "fs/erofs/"];
                    let broke_down = line.contains("RIP: ") && line.contains(":erofs_");
                    let is_its_own = broke_down || said.iter().any(|mark| line.contains(mark));
                    if is_its_own && !line.contains("mounted with root inode") {
                        complaints.push(line);
                    }
                }
                // Records that were overwritten before they were read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => return complaints,
            }
        }
    }
}
