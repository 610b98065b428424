//! EROFS metadata with damage that a fuzzer chooses, before the verifier.
//! What it accepts is charted once more by code that shares nothing with it.

use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use iso_core::volume::Permissions;
use mount_erofs::verify;

use crate::metadata::{Base, Chart, Choices, damaged, generated};

/// Longest that one piece of metadata may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The numbers of a fuzzer, four bytes each, and zeros behind them.
struct Numbers<'d>(&'d [u8]);

impl Choices for Numbers<'_> {
    fn next(&mut self) -> u64 {
        let (head, tail) = self.0.split_at(self.0.len().min(4));
        self.0 = tail;
        let mut number = [0; 4];
        number[..head.len()].copy_from_slice(head);
        u32::from_le_bytes(number).into()
    }
}

/// Metadata: the first number chooses a sound piece, the others what is done to it. The verifier
/// says the same twice, soon, and accepts nothing that has a fault.
pub fn metadata(data: &[u8]) {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    let bases = BASES.get_or_init(generated);
    let mut numbers = Numbers(data);
    let base = &bases[numbers.below(bases.len())];
    let mut bytes = damaged(base, &mut numbers);
    // What is left goes anywhere, byte by byte.
    while !numbers.0.is_empty() {
        let (at, value) = (numbers.below(bytes.len()), numbers.next());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value as u8;
        }
    }
    let since = Instant::now();
    let first = answer(base, &bytes);
    assert!(since.elapsed() < PATIENCE, "it took {:?}", since.elapsed());
    assert_eq!(answer(base, &bytes), first, "another answer the second time");
    if first.is_none() {
        let chart = Chart::of(&bytes);
        for inode in &chart.inodes {
            let mode = u16::from_le_bytes([bytes[inode + 4], bytes[inode + 5]]);
            assert!(mode & 0o7000 == 0 || base.permissions == Permissions::Image, "{mode:o}");
        }
        assert!(chart.xattrs.iter().all(|entry| bytes[entry + 1] == 1), "a namespace");
    }
}

/// Why metadata is refused, if it is.
fn answer(base: &Base, bytes: &[u8]) -> Option<String> {
    let name = "metadata";
    let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC);
    let file = std::fs::File::from(file.expect("memory for a file"));
    file.write_all_at(bytes, 0).expect("memory for a file");
    verify(file, base.image_bytes, base.permissions).err().map(|why| why.to_string())
}
