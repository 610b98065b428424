//! Why a disc is not translated: what about it EROFS cannot show just as FUSE does.
//! Words and nothing else.

use std::io;

use iso_core::Error;

/// Why a disc is not translated.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// A file's bytes are worked out, as those of zisofs.
    #[error("it has compressed files")]
    Decoded,
    /// More of its files lie between blocks than may be copied.
    #[error("its files do not lie in whole blocks")]
    Unaligned,
    /// A directory has two paths, or contains itself.
    #[error("a directory on it has several paths")]
    SeveralPaths,
    /// A name is too long.
    #[error("a name on it has more than 255 bytes")]
    LongName,
    /// Files in several versions: the newest is found under two names and listed under one.
    #[error("a file on it has several versions")]
    Versions,
    /// A symbolic link that leads nowhere.
    #[error("a symbolic link on it has no target that the kernel takes")]
    Link,
    /// Hidden files are to be found, and not listed.
    #[error("hidden files are not to be listed")]
    Hidden,
    /// An attribute is too long or means something to the kernel.
    #[error("an extended attribute on it is not the user's or too long")]
    Attribute,
    /// Its metadata would be too long.
    #[error("its directories are too large")]
    TooLarge,
    /// Something on it cannot be read: FUSE shows the rest.
    #[error("a part of it cannot be read: {0}")]
    Unreadable(#[from] Error),
    /// What it holds may be more than what is read of it: FUSE serves it and logs what is met.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// What was translated could not be passed on.
    #[error("its metadata could not be passed on: {0}")]
    Output(#[from] io::Error),
}
