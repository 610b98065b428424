//! The callbacks under a replacement of WinFsp's DLL, which calls them with the pointers that hurt.
#![cfg(windows)]

use std::path::PathBuf;
use std::sync::Arc;

use iso_core::Options;
use iso_core::serving::Activity;
use isodrive_windows_tests::setup::{images, mounting, open};
use mount_winfsp::{Drive, Place};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_view::{Choices, Tree, VolumeLook};

type Report = unsafe extern "C" fn(*mut u32, *mut u8, usize) -> usize;

#[test]
fn no_pointer_and_no_size_of_a_buffer_hurts() {
    let dll = PathBuf::from(std::env::var_os("ISODRIVE_STANDIN").expect("ISODRIVE_STANDIN"));
    mount_winfsp::load_from(&dll).unwrap();
    let (view, volume) = open(&images().join("many.iso"), None, &Options::default()).unwrap();
    let look = VolumeLook::of(&*volume, view);
    let zone = Some(b"[ZoneTransfer]\r\nZoneId=3\r\n".to_vec());
    let tree = Arc::new(Tree::new(volume, Choices { zone, ..Choices::default() }));
    // A callback that breaks down must not bring its words on the screen by the hundred.
    std::panic::set_hook(Box::new(|_| ()));
    let mut how = mounting(Place::Letter('X'));
    how.has_streams = true;
    let drive = Drive::mount(tree, look, Arc::new(Activity::default()), &how).unwrap();
    let (mut checks, mut text) = (0, vec![0u8; 1 << 16]);
    let len = unsafe {
        let name = mount_winfsp::system::wide(dll.file_name().unwrap().to_str().unwrap());
        let report =
            GetProcAddress(GetModuleHandleW(name.as_ptr()), c"standin_report".as_ptr().cast());
        let report: Report = std::mem::transmute(report.unwrap());
        report(&mut checks, text.as_mut_ptr(), text.len())
    };
    assert!(!drive.is_gone());
    drive.end();
    let failures = String::from_utf8_lossy(&text[..len]);
    println!("{checks} checks");
    println!("{failures}");
    assert!(failures.is_empty(), "{failures}");
    assert!(checks > 20_000, "only {checks} checks");
}
