//! Where the images with answers are, and unpacking them into scratch space.
//! `shared/corpus` lies beside the checkout or nowhere; its absence is said, not hidden.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The repository's own root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Scratch space of the tests, outside the sources.
pub fn scratch() -> Result<PathBuf> {
    let scratch = repository().join("target/tests");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

/// An unpacked set of `shared/corpus`; nothing, and one line that says so, where it is absent.
pub fn shared_set(name: &str) -> Result<Option<PathBuf>> {
    let archive = repository().join(format!("../shared/corpus/{name}.tar.zst"));
    if !archive.exists() {
        println!("shared/corpus is not beside this checkout: {name} is not compared");
        return Ok(None);
    }
    let folder = scratch()?.join(name);
    let ready = folder.join(".unpacked");
    if !ready.exists() {
        std::fs::create_dir_all(&folder)?;
        unpack_archive(&archive, &folder)?;
        std::fs::write(&ready, "")?;
    }
    Ok(Some(folder))
}

/// Unpacks a `.tar.zst` into a folder.
pub fn unpack_archive(archive: &Path, folder: &Path) -> Result<()> {
    let script = "set -o pipefail; zstd -dcq \"$1\" | tar -xf - -C \"$2\"";
    let status = Command::new("bash")
        .args(["-c", script, "-"])
        .args([archive, folder])
        .status()
        .context("bash, zstd and tar unpack the corpus")?;
    ensure!(status.success(), "unpacking {} failed", archive.display());
    Ok(())
}

/// An image in plain form, removed again when this is dropped.
pub struct Unpacked {
    /// Where it lies.
    pub path: PathBuf,
    _folder: tempfile::TempDir,
}

/// Unpacks a `.zst` image, keeping its holes; any other file is linked to. The plain image gets
/// the name of the packed one without `.zst`.
pub fn unpack(image: &Path) -> Result<Unpacked> {
    let folder = tempfile::tempdir_in(scratch()?)?;
    let name = image.file_name().and_then(|name| name.to_str()).context("an image's name")?;
    let path = folder.path().join(name.trim_end_matches(".zst"));
    if name.ends_with(".zst") {
        let status = Command::new("zstd")
            .args(["-dqf", "--sparse", "--long=31"])
            .arg(image)
            .arg("-o")
            .arg(&path)
            .status()
            .context("zstd unpacks the images")?;
        ensure!(status.success(), "unpacking {} failed", image.display());
    } else {
        std::os::unix::fs::symlink(image, &path)?;
    }
    Ok(Unpacked { path, _folder: folder })
}

/// All files below a folder that end in `suffix`, sorted.
pub fn files(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a Rock Ridge image of a folder with xorriso.
pub fn make_image(folder: &Path, image: &Path) -> Result<()> {
    let output = Command::new("xorriso")
        .args(["-report_about", "SORRY", "-as", "mkisofs", "-R", "-o"])
        .args([image, folder])
        .output()
        .context("xorriso makes the images of some tests")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
