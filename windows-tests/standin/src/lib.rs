//! A replacement of WinFsp's DLL: when the dispatcher is started it calls the adapter's callbacks
//! with raw pointers, in shapes that the real DLL makes rarely or never. One of `virtdisk.dll`,
//! which Wine has not, lies beside it. Empty but on Windows.
#![cfg(windows)]
#![allow(clippy::missing_safety_doc)]

mod calls;
mod exports;
mod report;
mod virtual_disk;
