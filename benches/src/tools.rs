//! The programs that show a disc as files, isodrive among them: how each is started, what it costs
//! in memory, how it ends. One that is not installed is left out, and that is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::images::{BIG_BYTES, Images};

/// A way to see what is on a disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// isodrive through FUSE.
    Isodrive,
    /// isodrive by the kernel's EROFS driver.
    Erofs,
    /// fuseiso.
    Fuseiso,
    /// archivemount, on libarchive.
    Archivemount,
    /// ratarmount, on Python.
    Ratarmount,
    /// The bare FUSE protocol over a map, with a made-up tree.
    Raw,
    /// The kernel on an EROFS image of the same files.
    KernelErofs,
    /// The kernel on a squashfs image of the same files.
    KernelSquashfs,
    /// The image itself, read as a file.
    File,
    /// 7-Zip, which takes files out and mounts nothing; the two below likewise.
    SevenZip,
    /// bsdtar, on libarchive.
    Bsdtar,
    /// xorriso.
    Xorriso,
}

/// The programs that do what isodrive does.
pub const PEERS: [Tool; 6] = [
    Tool::Fuseiso,
    Tool::Archivemount,
    Tool::Ratarmount,
    Tool::SevenZip,
    Tool::Bsdtar,
    Tool::Xorriso,
];

impl Tool {
    /// Its name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Isodrive => "isodrive",
            Self::Erofs => "isodrive erofs",
            Self::Fuseiso => "fuseiso",
            Self::Archivemount => "archivemount",
            Self::Ratarmount => "ratarmount",
            Self::Raw => "raw",
            Self::KernelErofs => "kernel erofs",
            Self::KernelSquashfs => "kernel squashfs",
            Self::File => "the image itself",
            Self::SevenZip => "7z",
            Self::Bsdtar => "bsdtar",
            Self::Xorriso => "xorriso",
        }
    }

    /// Whether it can be had here.
    pub fn is_here(self) -> bool {
        let program = match self {
            Self::Fuseiso
            | Self::Archivemount
            | Self::Ratarmount
            | Self::SevenZip
            | Self::Bsdtar
            | Self::Xorriso => self.name(),
            Self::Isodrive
            | Self::Erofs
            | Self::Raw
            | Self::KernelErofs
            | Self::KernelSquashfs
            | Self::File => return true,
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    }
}

/// A disc that is being shown. It is taken away when this is dropped.
pub struct Shown {
    /// Where it is.
    pub at: PathBuf,
    /// How long it took until its root could be listed.
    pub ready: Duration,
}

/// Shows an image by a tool.
pub fn show(tool: Tool, images: &Images, image: &str, at: &Path) -> Result<Shown> {
    let path = images.path(image);
    let begin = Instant::now();
    let own = sibling("isodrive")?;
    let mut command = match tool {
        Tool::Isodrive | Tool::Erofs => {
            let driver = if tool == Tool::Erofs { "erofs" } else { "fuse" };
            let mut command = Command::new(own);
            command.args(["mount", "-q", "--driver", driver, "--ready-timeout", "60s"]);
            command
        }
        Tool::Fuseiso => Command::new("fuseiso"),
        Tool::Archivemount => {
            let mut command = Command::new("archivemount");
            command.args(["-o", "readonly"]);
            command
        }
        Tool::Ratarmount => {
            let mut command = Command::new("ratarmount");
            command.args(["--index-file", ":memory:"]);
            command
        }
        Tool::Raw => {
            raw(&path, at)?;
            return shown(at, begin);
        }
        Tool::KernelErofs => {
            let source = images.path("many.erofs");
            rustix::mount::mount(source, at, "erofs", MountFlags::RDONLY, None)?;
            return shown(at, begin);
        }
        Tool::KernelSquashfs => {
            let mut command = Command::new("mount");
            command.args(["-t", "squashfs", "-o", "loop,ro"]).arg(images.path("many.squashfs"));
            run(command.arg(at))?;
            return shown(at, begin);
        }
        Tool::File | Tool::SevenZip | Tool::Bsdtar | Tool::Xorriso => {
            anyhow::bail!("{} mounts nothing", tool.name())
        }
    };
    run(command.arg(path).arg(at))?;
    shown(at, begin)
}

/// Takes all files of an image out into a folder.
pub fn extract(tool: Tool, image: &Path, to: &Path) -> Result<()> {
    let mut command = match tool {
        Tool::SevenZip => {
            let mut command = Command::new("7z");
            command.args(["x", "-y", "-bd"]).arg(format!("-o{}", to.display())).arg(image);
            command
        }
        Tool::Bsdtar => {
            let mut command = Command::new("bsdtar");
            command.arg("-xf").arg(image).arg("-C").arg(to);
            command
        }
        Tool::Xorriso => {
            let mut command = Command::new("xorriso");
            command.args(["-osirrox", "on", "-indev"]).arg(image);
            command.args(["-extract", "/"]).arg(to);
            command
        }
        Tool::Isodrive => {
            let mut command = Command::new(sibling("isodrive")?);
            command.arg("extract").arg(image).arg("-C").arg(to);
            command
        }
        _ => anyhow::bail!("{} takes nothing out", tool.name()),
    };
    run(&mut command)
}

fn shown(at: &Path, begin: Instant) -> Result<Shown> {
    fs::read_dir(at)?.count();
    Ok(Shown { at: at.to_path_buf(), ready: begin.elapsed() })
}

/// A program of the same build.
fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    ensure!(path.is_file(), "{path:?} is not built: cargo build --release");
    Ok(path)
}

/// The raw server, over the bytes of the large file as they lie in `win7`.
fn raw(image: &Path, at: &Path) -> Result<()> {
    let mut command = Command::new(sibling("raw")?);
    // Past the descriptors, as far as the image goes.
    let len = fs::metadata(image)?.len().saturating_sub(1 << 20).min(BIG_BYTES);
    command.arg(image).args(["65536", &len.to_string()]).arg(at).arg("2");
    command.stdin(Stdio::null()).spawn()?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !at.join("big").exists() {
        ensure!(Instant::now() < deadline, "the raw server does not answer");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

impl Shown {
    /// What its processes hold of memory, in MiB; nothing where the kernel serves it.
    pub fn resident_mib(&self) -> Option<f64> {
        let at = self.at.to_string_lossy();
        let mut kib = 0.0;
        for process in fs::read_dir("/proc").ok()?.flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            if String::from_utf8_lossy(&line).contains(&*at) {
                let number = resident.and_then(|text| text.split_whitespace().next());
                kib += number.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0);
            }
        }
        (kib > 0.0).then_some(kib / 1024.0)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while rustix::mount::unmount(&self.at, UnmountFlags::NOFOLLOW)
            == Err(rustix::io::Errno::BUSY)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The server ends by itself; the next one is not to run beside it.
        while self.resident_mib().is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
