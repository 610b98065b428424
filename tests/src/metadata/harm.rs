//! Metadata that does harm where root mounts it, and why each piece is refused.
//! Whole pieces, each sound but for one thing.

use anyhow::{Context, Result};

use super::chart::SUPERBLOCK;
use super::hand::{File, ROOT, by_hand};

/// Pieces by their names, with why they are refused. The first one is sound.
pub const HARM: [(&str, &str); 16] = [
    ("sound", ""),
    ("setuid", "mode bits that nobody asked for"),
    ("device", "a device that nobody asked for"),
    ("security", "an attribute that is not the user's"),
    ("trusted", "an attribute that is not the user's"),
    ("acl", "an attribute that is not the user's"),
    ("prefixed", "an attribute that is not the user's"),
    ("compressed", "a form of inode not ours"),
    ("algorithms", "features that are not ours"),
    ("fragments", "features that are not ours"),
    ("outside", "it reaches past the end of the metadata"),
    ("loop", "an entry for no inode"),
    ("parents", "an entry for no inode"),
    ("slash", "a name that no file has"),
    ("chunk", "a chunk outside the image"),
    ("devices", "not one further device"),
];

/// The piece of a name, for an image of so many bytes.
///
/// # Errors
/// There is none of this name.
pub fn harmful(name: &str, image_bytes: u64) -> Result<Vec<u8>> {
    HARM.iter().find(|(known, _)| *known == name).context("no such harm")?;
    let plain = File::new("evil");
    let with = |namespace, name: &'static [u8], value| File {
        xattr: Some((namespace, name, value)),
        ..plain.clone()
    };
    let evil = match name {
        "setuid" => File { mode: 0o104_755, ..plain.clone() },
        "device" => File {
            kind: 4,
            mode: 0o060_666,
            format: 1,
            size: 0,
            place: 0x800,
            tail: Vec::new(),
            ..plain.clone()
        },
        "security" => {
            with(6, b"capability", b"\x01\0\0\x02\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\0\0\0\0\0")
        }
        "trusted" => with(4, b"overlay.opaque", b"y"),
        "acl" => with(2, b"", b"\x01\0\0\0\x01\0\x06\0"),
        "prefixed" => with(0x81, b"name", b"value"),
        "compressed" => File { format: 3, ..plain.clone() },
        "parents" => {
            File { kind: 2, mode: 0o040_555, format: 1, size: 27, place: 1, ..plain.clone() }
        }
        "slash" => File { name: "../evil", ..plain.clone() },
        "chunk" => {
            let index = [&[0, 0, 1, 0][..], &u32::MAX.wrapping_sub(9).to_le_bytes()].concat();
            File { format: 9, place: 0x20, tail: index, ..plain.clone() }
        }
        _ => plain.clone(),
    };
    let more: &[(&str, usize)] = if name == "parents" { &[("evil2", 0)] } else { &[] };
    let mut bytes = by_hand(&[evil], image_bytes, more);
    let entry = |bytes: &[u8]| {
        let entries = bytes.len() - 2048;
        // Its own entry comes behind those of the directory itself.
        entries + 2 * 12
    };
    match name {
        "algorithms" => bytes[SUPERBLOCK + 80] |= 1,
        "fragments" => bytes[SUPERBLOCK + 80] |= 0x20,
        "devices" => bytes[SUPERBLOCK + 86] = 2,
        "outside" => {
            let at = entry(&bytes);
            bytes[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        }
        "loop" => {
            let at = entry(&bytes);
            bytes[at..at + 8].copy_from_slice(&(ROOT as u64 / 32).to_le_bytes());
            bytes[at + 10] = 2;
        }
        _ => {}
    }
    Ok(bytes)
}
