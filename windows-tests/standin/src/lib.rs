//! A replacement of WinFsp's DLL: when the dispatcher is started it calls the adapter's callbacks
//! with raw pointers, in shapes that the real DLL makes rarely or never. Empty but on Windows.
#![cfg(windows)]
#![allow(clippy::missing_safety_doc)]

mod calls;
mod exports;
mod report;
