//! Writes the seeds of the fuzz targets into a folder: our own discs and the images of the shared
//! corpus that were made for this project, packed. `seeds FOLDER`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use isodrive_tests::fuzz::{self, Packed};
use isodrive_tests::{corpus, hostile, make};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: seeds FOLDER")?;
    let folder = Path::new(&folder);
    for (name, image) in make::discs() {
        let target = match name {
            _ if name.starts_with("udf") => "walk_udf",
            _ if name.starts_with("hfs") => "walk_hfs",
            _ => "walk_iso",
        };
        keep(&folder.join(target), name, &image)?;
    }
    for (number, case) in hostile::all().into_iter().enumerate() {
        let is_udf = case.image.get(17 * 2048 + 1..).is_some_and(|id| id.starts_with(b"NSR"));
        let target = if is_udf { "walk_udf" } else { "walk_iso" };
        keep(&folder.join(target), &format!("{}-{number}", case.class), &case.image)?;
    }
    for (target, seed) in fuzz::seeds() {
        keep_bytes(&folder.join(target), "seed", seed)?;
    }
    if let Some(set) = corpus::shared_set("oracle-dev")? {
        for path in corpus::files(&set, ".zst")? {
            shared(folder, &path)?;
        }
    }
    Ok(())
}

/// Packs an image of the shared corpus if it is small enough.
fn shared(folder: &Path, path: &Path) -> Result<()> {
    let image = corpus::unpack(path)?;
    let name = image.path.file_name().and_then(|name| name.to_str()).context("a name")?;
    let target = match name {
        _ if name.contains("hfs") => "walk_hfs",
        _ if name.ends_with(".udf") => "walk_udf",
        _ if name.ends_with(".iso") => "walk_iso",
        _ => return Ok(()),
    };
    if fs::metadata(&image.path)?.len() >= 64 << 20 {
        return Ok(());
    }
    keep(&folder.join(target), name, &fs::read(&image.path)?)
}

fn keep(folder: &Path, name: &str, image: &[u8]) -> Result<()> {
    let packed = Packed::describe(image).filter(|packed| packed.len() < 100 << 10);
    packed.map_or(Ok(()), |packed| keep_bytes(folder, name, &packed))
}

fn keep_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
