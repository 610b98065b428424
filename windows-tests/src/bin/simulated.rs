//! isodrive with the imitation of WinFsp's driver below it: what the program does with processes,
//! records and the registry, without Windows. Drives are there for programs of the same test.

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    isodrive_windows_tests::setup::install();
    isodrive_windows_tests::become_asked();
    isodrive_windows_tests::explorer::watch();
    isodrive_windows_tests::visitor::start();
    isodrive_windows_tests::console::watch();
    // The program for people knows the library of Windows alone.
    if let Some(dll) = std::env::var_os("ISODRIVE_TEST_VIRTDISK") {
        mount_winfsp::take_virtual_disks_from(dll.as_ref());
    }
    isodrive::main()
}

#[cfg(not(windows))]
fn main() {}
