//! Starts programs by a whole command line, as Explorer does with its verbs: nothing is quoted or
//! taken apart on the way to the program.

use std::fs::File;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Foundation::{
    CloseHandle, GetLastError, HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, GetExitCodeProcess, PROCESS_INFORMATION,
    STARTF_USESTDHANDLES, STARTUPINFOW, WaitForSingleObject,
};

/// What came of a command line.
#[derive(Debug)]
pub struct Ran {
    pub code: u32,
    pub out: String,
    pub err: String,
}

/// Puts a path in the place of `%1`, as the shell does.
pub fn expanded(command: &str, path: &str) -> String {
    command.replace("%1", path)
}

/// Runs a command line in a folder, with variables beside those of this process. Nothing but the
/// number of Windows where it is not even started.
pub fn run(line: &str, folder: &Path, variables: &[(&str, &Path)]) -> Result<Ran, u32> {
    let units = |text: &Path| text.as_os_str().encode_wide().chain([0]).collect::<Vec<u16>>();
    // Files, not pipes: the server of a drive lives on with the other end.
    let paths = ["line.out", "line.err"].map(|name| folder.join(name));
    let files = paths.each_ref().map(|path| File::create(path).unwrap());
    let startup = STARTUPINFOW {
        cb: size_of::<STARTUPINFOW>() as u32,
        dwFlags: STARTF_USESTDHANDLES,
        hStdOutput: files[0].as_raw_handle(),
        hStdError: files[1].as_raw_handle(),
        ..unsafe { std::mem::zeroed() }
    };
    for file in &files {
        let flag = HANDLE_FLAG_INHERIT;
        assert_ne!(unsafe { SetHandleInformation(file.as_raw_handle(), flag, flag) }, 0);
    }
    let environment = environment(variables);
    let mut line = units(Path::new(line));
    let mut made: PROCESS_INFORMATION = unsafe { std::mem::zeroed() };
    unsafe {
        let started = CreateProcessW(
            std::ptr::null(),
            line.as_mut_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            1,
            CREATE_UNICODE_ENVIRONMENT,
            environment.as_ptr().cast(),
            units(folder).as_ptr(),
            &startup,
            &mut made,
        );
        if started == 0 {
            return Err(GetLastError());
        }
        let ended = WaitForSingleObject(made.hProcess, 60_000);
        assert_eq!(ended, WAIT_OBJECT_0, "it does not end: {}", String::from_utf16_lossy(&line));
        let mut code = 0;
        GetExitCodeProcess(made.hProcess, &mut code);
        CloseHandle(made.hThread);
        CloseHandle(made.hProcess);
        drop(files);
        let [out, err] = paths
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).replace('\r', ""));
        Ok(Ran { code, out, err })
    }
}

/// The variables of this process and some more, as a process is given them.
fn environment(more: &[(&str, &Path)]) -> Vec<u16> {
    let mut block = Vec::new();
    let own = std::env::vars_os().filter(|(name, _)| more.iter().all(|(other, _)| name != other));
    let more = more.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    for (name, value) in own.chain(more) {
        block.extend(name.encode_wide().chain([u16::from(b'=')]).chain(value.encode_wide()));
        block.push(0);
    }
    block.push(0);
    block
}
