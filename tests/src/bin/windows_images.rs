//! Writes the images that the tests of the Windows adapter mount, into a folder:
//! `windows_images FOLDER`. Run on the system that builds them; needs xorriso.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: windows_images FOLDER")?;
    isodrive_tests::windows_discs::make(folder.as_ref())
}
