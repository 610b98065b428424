//! The images that are measured, made once by the usual writers from trees made here.
//! Kept in a folder between runs; needs about 14 GB of it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The images of one folder.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
}

/// Bytes of the one large file of `win7` and of `live`.
pub const BIG_BYTES: u64 = 2_500_000_000;
const LIVE_BYTES: u64 = 2 << 30;

impl Images {
    /// Those of a folder, made where they are missing.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let images = Self { folder: folder.to_path_buf() };
        images.make("win7.iso", |tree| {
            windows_like(tree)?;
            Ok(mkisofs(tree, &["-udf", "-iso-level", "3", "-J", "-joliet-long"]))
        })?;
        images.make("live.iso", |tree| {
            random_file(&tree.join("live/filesystem.squashfs"), LIVE_BYTES)?;
            fs::write(tree.join("live/vmlinuz"), vec![7; 8 << 20])?;
            Ok(mkisofs(tree, &["-iso-level", "3", "-R"]))
        })?;
        images.make("many.iso", |tree| {
            small_files(tree, 1000, 100)?;
            images.foreign(tree)?;
            Ok(mkisofs(tree, &["-R", "-J"]))
        })?;
        images.make("one50k.iso", |tree| {
            small_files(tree, 1, 50_000)?;
            Ok(mkisofs(tree, &["-R", "-J"]))
        })?;
        images.make("million.iso", |tree| {
            empty_files(tree, 10_000, 100)?;
            Ok(mkisofs(tree, &["-R"]))
        })?;
        Ok(images)
    }

    /// One of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn make(&self, name: &str, fill: impl Fn(&Path) -> Result<Command>) -> Result<()> {
        let path = self.path(name);
        if path.exists() {
            return Ok(());
        }
        eprintln!("making {name}");
        let tree = tempfile::tempdir_in(&self.folder)?;
        let mut command = fill(tree.path())?;
        let partial = self.path(&format!("{name}.part"));
        command.arg("-o").arg(&partial).arg(tree.path());
        done(&mut command)?;
        Ok(fs::rename(partial, path)?)
    }

    /// The same files as file systems of the kernel's own, to measure against.
    fn foreign(&self, tree: &Path) -> Result<()> {
        done(Command::new("mkfs.erofs").arg("-b4096").arg(self.path("many.erofs")).arg(tree))
            .or_else(|_| done(Command::new("mkfs.erofs").arg(self.path("many.erofs")).arg(tree)))?;
        let mut squash = Command::new("mksquashfs");
        squash.arg(tree).arg(self.path("many.squashfs"));
        done(squash.args(["-noappend", "-noD", "-noF", "-no-progress", "-quiet"]))
    }
}

fn mkisofs(tree: &Path, options: &[&str]) -> Command {
    let _ = tree;
    let mut command = Command::new("genisoimage");
    command.args(["-quiet", "-allow-limited-size", "-V", "BENCH"]).args(options);
    command
}

/// Runs a program that must end well.
pub fn done(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// Like the setup disc of a Windows 7: 900 files in folders, one of 2.5 GB.
fn windows_like(tree: &Path) -> Result<()> {
    for number in 0..30 {
        let folder = tree.join(format!("sources/part{number:02}"));
        fs::create_dir_all(&folder)?;
        for file in 0..29 {
            let len = 1000 + (number * 29 + file) * 700;
            fs::write(folder.join(format!("module{file:02}.dll")), vec![file as u8; len])?;
        }
    }
    fs::write(tree.join("setup.exe"), vec![1; 100_000])?;
    fs::write(tree.join("autorun.inf"), "[autorun]\r\nopen=setup.exe\r\n")?;
    random_file(&tree.join("sources/install.wim"), BIG_BYTES)
}

/// Bytes that no compressing or hole finding makes less of.
fn random_file(path: &Path, len: u64) -> Result<()> {
    fs::create_dir_all(path.parent().context("a folder")?)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for _ in 0..len / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    out.write_all(&vec![0; usize::try_from(len % 8)?])?;
    Ok(out.flush()?)
}

/// Folders of files between 500 and 5500 bytes.
fn small_files(tree: &Path, folders: u64, per_folder: u64) -> Result<()> {
    let bytes = vec![b'x'; 5500];
    for folder in 0..folders {
        let path = tree.join(format!("folder-{folder:03}"));
        fs::create_dir(&path)?;
        for file in 0..per_folder {
            let number = folder * per_folder + file;
            let len = usize::try_from(500 + (number * 37) % 5000)?;
            fs::write(path.join(format!("f{file:05}.dat")), &bytes[..len])?;
        }
    }
    Ok(())
}

/// Folders of files with a length and no bytes of their own, so that a million fit.
fn empty_files(tree: &Path, folders: u64, per_folder: u64) -> Result<()> {
    for folder in 0..folders {
        let path = tree.join(format!("g{:02}/folder-{folder:05}", folder / 200));
        fs::create_dir_all(&path)?;
        for file in 0..per_folder {
            let new = File::create(path.join(format!("f{file:03}.dat")))?;
            new.write_all_at(b"x", 0)?;
        }
    }
    Ok(())
}
