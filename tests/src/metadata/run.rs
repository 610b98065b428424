//! Damaged metadata, one after the other: the verifier refuses it, or the kernel mounts it, shows
//! all of it, and finds nothing to complain of.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mount_erofs::{Attach, Refused, Verified, attach, scratch_file, verify};

use super::base::Base;
use super::damage::{Choices, damaged};
use super::walk::walk;
use crate::kernel_driver::KernelLog;
use crate::mutate::Numbers;

/// What came of many pieces of metadata.
#[derive(Debug, Default)]
pub struct Outcome {
    pub refused: u64,
    pub mounted: u64,
    /// Those of them that differ from sound metadata.
    pub mounted_damaged: u64,
    /// Files that the kernel showed.
    pub files: u64,
    /// How often metadata was refused for a reason.
    pub reasons: BTreeMap<String, u64>,
    /// The longest that the verifier took.
    pub slowest: Duration,
    /// What must not be, each with the number of its damage.
    pub wrong: Vec<String>,
}

impl Choices for Numbers {
    fn next(&mut self) -> u64 {
        Self::next(self)
    }
}

/// Tries damage with these numbers on the bases in turn. All bases have their image in a file.
pub fn run(bases: &[Base], numbers: Range<u64>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut log = KernelLog::from_now();
    let folder = tempfile::tempdir_in(crate::corpus::scratch()?)?;
    for number in numbers {
        let base = &bases[(number % bases.len() as u64) as usize];
        let bytes = damaged(base, &mut Numbers(number));
        let tried =
            catch_unwind(AssertUnwindSafe(|| judge(base, &bytes, folder.path(), &mut outcome)));
        let said = log.complaints();
        let complaint = match tried {
            Ok(Ok(())) if said.is_empty() => continue,
            Ok(Ok(())) => format!("the kernel complained: {said:?}"),
            Ok(Err(error)) => format!("{error:#}; {said:?}"),
            Err(_) => "a panic".to_owned(),
        };
        outcome.wrong.push(format!("damage {number} of {}: {complaint}", base.name));
    }
    Ok(outcome)
}

/// Whether the verifier accepts metadata, and how long it took.
fn verified(base: &Base, bytes: &[u8]) -> Result<(Result<Verified, Refused>, Duration)> {
    let file = scratch_file()?;
    file.write_all_at(bytes, 0)?;
    let since = Instant::now();
    let verified = verify(file, base.image_bytes, base.permissions);
    Ok((verified, since.elapsed()))
}

fn judge(base: &Base, bytes: &[u8], at: &Path, outcome: &mut Outcome) -> Result<()> {
    let (metadata, took) = verified(base, bytes)?;
    outcome.slowest = outcome.slowest.max(took);
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(Refused::Unsound { why, .. }) => {
            outcome.refused += 1;
            *outcome.reasons.entry(why.to_owned()).or_default() += 1;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    outcome.mounted += 1;
    outcome.mounted_damaged += u64::from(bytes != base.bytes);
    let image_path = base.image.as_deref().context("an image in a file")?;
    let image = File::open(image_path)?;
    let what = Attach {
        image: &image,
        image_path,
        metadata: &metadata,
        scratch: at.parent().context("a folder")?,
        noexec: false,
        through: None,
    };
    let directory = File::open(at)?;
    attach(directory.as_fd(), &what).context("the kernel refused what the verifier accepted")?;
    let walked = walk(at, base.permissions);
    mount_fuse::unmount(at, true)?;
    outcome.files += walked?;
    Ok(())
}
