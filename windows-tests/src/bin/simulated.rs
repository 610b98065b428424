//! isodrive with the imitation of WinFsp's driver below it: what the program does with processes,
//! records and the registry, without Windows. Drives are there for programs of the same test.

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    isodrive_windows_tests::setup::install();
    isodrive_windows_tests::become_asked();
    isodrive::main()
}

#[cfg(not(windows))]
fn main() {}
