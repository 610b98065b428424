//! Serves a volume to Windows through WinFsp: unpack a request, ask `windows-view`, reply.
//! Knows drives, the DLL and its requests; knows nothing that is on a disc. Empty elsewhere.
//!
//! WinFsp - Windows File System Proxy, Copyright (C) Bill Zissimopoulos,
//! <https://github.com/winfsp/winfsp>.
#![cfg(windows)]

mod adapter;
mod host;
mod loader;
mod mounting;
mod opened;
mod placing;
pub mod shell;
pub mod system;
mod thunks;
mod virtual_disk;

pub use adapter::Adapter;
pub use host::Drive;
pub use loader::{LoadError, dll_version, driver_version, install_folder, load, load_from};
pub use mounting::{Appearing, MountError, Mounting, Place};
pub use virtual_disk::{
    NativeDrive, NativeError, attach, detach, device_of, letter_of, take_virtual_disks_from,
};

/// What WinFsp's licence asks every program to show that uses it.
pub const NOTICE: &str = "WinFsp - Windows File System Proxy, Copyright (C) Bill Zissimopoulos, \
                          https://github.com/winfsp/winfsp";
