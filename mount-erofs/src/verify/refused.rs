//! Why metadata is refused: what about it the translator never writes, and where.
//! Words and nothing else.

use std::io;

/// Why metadata is not mounted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The translator never writes this.
    #[error("the worker made unsound metadata of it: {why}, at byte {at:#x} of the metadata")]
    Unsound {
        /// What is wrong.
        why: &'static str,
        /// Byte position of the structure that is wrong.
        at: u64,
    },
    /// It could not be read.
    #[error("its metadata cannot be read: {0}")]
    Unread(#[from] io::Error),
    /// There was no memory to check it.
    #[error("there is not enough memory to check its metadata")]
    NoMemory,
}

/// The refusal of what stands at a byte.
pub(super) const fn unsound(why: &'static str, at: u64) -> Refused {
    Refused::Unsound { why, at }
}

/// Refuses what stands at a byte unless it is as it has to be.
pub(super) const fn require(is_sound: bool, why: &'static str, at: u64) -> Result<(), Refused> {
    if is_sound { Ok(()) } else { Err(unsound(why, at)) }
}
