//! Nodes: their numbers, which are places on the disc, and what is recorded of them.
//! Plain values; reads nothing.

use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The number of a file or directory: the byte position of its directory record or ICB, by 32.
///
/// A directory record has at least 34 bytes and an ICB a block, so numbers are unique, and each is
/// good on every mount. Names that a disc records as one file lead to one node; where each has a
/// record of its own (Rock Ridge), that is the record of the name that was read first. Positions
/// below 64 are system area on every disc, so the numbers 0 and 1 are free for adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

impl NodeId {
    /// Bytes per step of the number.
    const UNIT_BYTES: u64 = 32;

    /// The node whose record lies at byte `at`.
    #[must_use]
    pub const fn at(at: u64) -> Self {
        Self(at / Self::UNIT_BYTES)
    }

    /// A number that came from outside; a volume checks it when it is used.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The 32 bytes in which the record begins, as first byte.
    #[must_use]
    pub const fn position(self) -> u64 {
        self.0.saturating_mul(Self::UNIT_BYTES)
    }
}

/// What kind of file a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A file of bytes.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The kind that the type bits of a POSIX mode name; nothing for a value without meaning.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o040_000 => Self::Directory,
            0o100_000 => Self::Regular,
            0o120_000 => Self::Symlink,
            0o060_000 => Self::BlockDevice,
            0o020_000 => Self::CharDevice,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }

    /// The type bits of a POSIX mode that name this kind.
    #[must_use]
    pub const fn mode_bits(self) -> u16 {
        match self {
            Self::Directory => 0o040_000,
            Self::Regular => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::BlockDevice => 0o060_000,
            Self::CharDevice => 0o020_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
        }
    }

    /// Whether a node of this kind has bytes to be read.
    ///
    /// # Errors
    /// `IsDirectory`, or `NotRegular` for links and devices.
    pub const fn has_bytes(self) -> Result<()> {
        match self {
            Self::Regular => Ok(()),
            Self::Directory => Err(Error::IsDirectory),
            Self::Symlink | Self::BlockDevice | Self::CharDevice | Self::Fifo | Self::Socket => {
                Err(Error::NotRegular)
            }
        }
    }

    /// One letter, as `find -type` and `ls -l` use it (`-` is `f` here).
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Directory => 'd',
            Self::Regular => 'f',
            Self::Symlink => 'l',
            Self::BlockDevice => 'b',
            Self::CharDevice => 'c',
            Self::Fifo => 'p',
            Self::Socket => 's',
        }
    }
}

/// A device number as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// The unit.
    pub minor: u32,
}

impl Device {
    /// Both in 32 bits, as Linux packs them: 12 bits of the driver between 8 and 12 of the unit.
    #[must_use]
    pub const fn packed(self) -> u32 {
        (self.minor & 0xFF) | ((self.major & 0xFFF) << 8) | ((self.minor & 0xF_FF00) << 12)
    }
}

/// Owner and permissions as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posix {
    /// The twelve low bits of a POSIX mode.
    pub permissions: u16,
    /// The owner, if the disc names one.
    pub uid: Option<u32>,
    /// The group, if the disc names one.
    pub gid: Option<u32>,
}

/// What is recorded of a node. Policy (who owns it for us) is `Presentation`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// The node.
    pub node: NodeId,
    /// Its kind.
    pub kind: FileKind,
    /// Bytes: of a file its length, of a link its target's.
    pub size: u64,
    /// How many names it has, where that is recorded; else 1.
    pub links: u32,
    /// Owner and permissions, if the format records them.
    pub posix: Option<Posix>,
    /// Device number of a device.
    pub device: Option<Device>,
    /// When its bytes were last written.
    pub modified: Timestamp,
    /// When it was last read.
    pub accessed: Timestamp,
    /// When its attributes were last changed.
    pub changed: Timestamp,
    /// When it was made, if recorded.
    pub created: Option<Timestamp>,
}

impl Attr {
    /// The attributes of a node of which nothing but kind, length and one time is known.
    #[must_use]
    pub const fn plain(node: NodeId, kind: FileKind, size: u64, time: Timestamp) -> Self {
        Self {
            node,
            kind,
            size,
            links: 1,
            posix: None,
            device: None,
            modified: time,
            accessed: time,
            changed: time,
            created: None,
        }
    }
}
