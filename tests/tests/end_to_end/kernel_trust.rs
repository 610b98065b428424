//! What a worker that was taken over could hand to the kernel's EROFS driver: nothing that the
//! translator would not write. And damaged discs, which that driver is not given at all.

use anyhow::Result;
use isodrive_tests::{kernel_driver, metadata};

/// Pieces of damaged metadata that are tried, unless `METADATA_CASES` asks for another number.
const CASES: u64 = 20_000;

#[test]
fn damaged_metadata_is_refused_or_mounted_without_a_complaint() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let cases = std::env::var("METADATA_CASES").ok().and_then(|cases| cases.parse().ok());
    let folder = tempfile::tempdir_in(isodrive_tests::corpus::scratch()?)?;
    let bases = metadata::of_corpus(folder.path())?;
    for base in &bases {
        let chart = &base.chart;
        println!(
            "{}: {} bytes, {} inodes of {} names, {} chunks, {} attributes, {} held",
            base.name,
            base.bytes.len(),
            chart.inodes.len(),
            chart.names.len(),
            chart.chunks.len(),
            chart.xattrs.len(),
            chart.held.len()
        );
    }
    let outcome = metadata::run(&bases, 0..cases.unwrap_or(CASES))?;
    println!("{outcome:#?}");
    assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    assert!(outcome.refused > 0 && outcome.mounted_damaged > 0);
    Ok(())
}
