//! Definitions of drive letters as Windows keeps them: a later one lies on top of an earlier one.
//! For this process, or for all processes that `ISODRIVE_TEST_LETTERS` gives the same folder, where
//! each definition is a file.
//!
//! Windows makes one definition after the other, and who sees one sees all that were made before it
//! and are still there. So do processes here: they make definitions, and look at them, one at a
//! time.

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, WAIT_ABANDONED, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_DELETE_ON_CLOSE;
use windows_sys::Win32::System::Threading::{
    CreateMutexW, INFINITE, ReleaseMutex, WaitForSingleObject,
};

/// What the names of letters for everybody begin with.
pub(crate) const GLOBAL: &str = "Global\\";

/// How many milliseconds a definition takes, and its removal before the letter is free: others
/// define the same letter meanwhile.
const SLOW: &str = "ISODRIVE_TEST_SLOW";

/// What targets begin with.
const DEVICE: &str = "\\Device\\";

struct Definition {
    name: String,
    target: String,
    number: u64,
    /// Goes with the definition, or with the process: letters of killed servers go too.
    _file: Option<File>,
}

/// Definitions of this process, the oldest first.
static OWN: Mutex<Vec<Definition>> = Mutex::new(Vec::new());

fn folder() -> Option<PathBuf> {
    std::env::var_os("ISODRIVE_TEST_LETTERS").map(PathBuf::from)
}

/// A name as a file's name can begin with it.
fn written(name: &str) -> String {
    let (global, letter) = match name.strip_prefix(GLOBAL) {
        Some(letter) => ("Global-", letter),
        None => ("", name),
    };
    format!("{global}{}", letter.trim_end_matches(':').to_ascii_uppercase())
}

/// The folder's definitions, for one thread of one process at a time.
struct Turn(HANDLE);

impl Turn {
    fn take(folder: &Path) -> Self {
        // Names of mutexes hold no backslash.
        let name = folder.to_string_lossy().replace(['\\', '/'], "|");
        let name = mount_winfsp::system::wide(&format!("Local\\{name}"));
        let mutex = unsafe { CreateMutexW(std::ptr::null(), 0, name.as_ptr()) };
        assert!(!mutex.is_null());
        // One who was killed left nothing half done: a file is there or not.
        let waited = unsafe { WaitForSingleObject(mutex, INFINITE) };
        assert!(matches!(waited, WAIT_OBJECT_0 | WAIT_ABANDONED));
        Self(mutex)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        unsafe { ReleaseMutex(self.0) };
        unsafe { CloseHandle(self.0) };
    }
}

/// Puts a definition on top of those of the same name: `X:`, or `Global\X:`.
pub fn define(name: &str, target: &str) {
    define_if(name, target, |_| true);
}

/// The same where nobody has defined the name; whether that is so.
pub(crate) fn define_first(name: &str, target: &str) -> bool {
    define_if(name, target, |before| before.is_empty())
}

/// The same if those that are there let it be, of which none comes between.
fn define_if(name: &str, target: &str, may: impl Fn(&[Found]) -> bool) -> bool {
    let folder = folder();
    {
        let turn = folder.as_deref().map(Turn::take);
        let all = all(folder.as_deref());
        let of_name: Vec<Found> =
            all.iter().filter(|own| own.name == written(name)).cloned().collect();
        if !may(&of_name) {
            return false;
        }
        let number = all.iter().map(|own| own.number + 1).max().unwrap_or(1);
        let file = folder.map(|folder| {
            let rest = target.strip_prefix(DEVICE).expect("the name of a device");
            let path = folder.join(format!("{}!{number}!{rest}", written(name)));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
            options.open(path).unwrap()
        });
        let (name, target) = (name.to_owned(), target.to_owned());
        OWN.lock().unwrap().push(Definition { name, target, number, _file: file });
        drop(turn);
    }
    if let Some(time) = milliseconds(SLOW) {
        std::thread::sleep(time);
    }
    true
}

/// The time that a variable names.
fn milliseconds(variable: &str) -> Option<Duration> {
    let text = std::env::var(variable).ok()?;
    Some(Duration::from_millis(text.parse().expect("milliseconds")))
}

/// Takes away the newest definition of a name, or the newest that leads to `target`.
pub(crate) fn remove(name: &str, target: &str) {
    if let Some(time) = milliseconds(SLOW) {
        std::thread::sleep(time);
    }
    let mut own = OWN.lock().unwrap();
    let fits = |own: &Definition| own.name == name && (target.is_empty() || own.target == target);
    if let Some(at) = own.iter().rposition(fits) {
        own.remove(at);
    }
}

/// Definitions of this process: names and targets.
pub(crate) fn own() -> Vec<(String, String)> {
    OWN.lock().unwrap().iter().map(|own| (own.name.clone(), own.target.clone())).collect()
}

/// A definition that is there: its name as files begin with it, its place among all, its target.
#[derive(Clone)]
struct Found {
    name: String,
    number: u64,
    target: String,
}

/// All definitions that are there, the newest first. Only whose turn it is may ask: who asks while
/// others define may find a newer one, and not one before it.
fn all(folder: Option<&Path>) -> Vec<Found> {
    let mut found: Vec<Found> = match folder {
        None => {
            let own = OWN.lock().unwrap();
            let found = |own: &Definition| Found {
                name: written(&own.name),
                number: own.number,
                target: own.target.clone(),
            };
            own.iter().map(found).collect()
        }
        Some(folder) => {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
            files.map(|file| read(&file.file_name().into_string().unwrap())).collect()
        }
    };
    found.sort_unstable_by_key(|found| std::cmp::Reverse(found.number));
    found
}

/// The definition that a file's name is.
fn read(file: &str) -> Found {
    let parts: Vec<&str> = file.split('!').collect();
    let [name, number, rest] = parts[..] else { panic!("{file} is no definition") };
    let target = format!("{DEVICE}{rest}");
    Found { name: name.to_owned(), number: number.parse().expect("a number"), target }
}

/// The same, when it is this thread's turn.
fn all_in_turn() -> Vec<Found> {
    let folder = folder();
    let _turn = folder.as_deref().map(Turn::take);
    all(folder.as_deref())
}

/// Where a name leads, the newest definition first.
pub fn targets(name: &str) -> Vec<String> {
    let name = written(name);
    all_in_turn().into_iter().filter(|own| own.name == name).map(|own| own.target).collect()
}

/// The letters that are defined, as `GetLogicalDrives` tells them.
pub(crate) fn bits() -> u32 {
    let bit = |own: Found| 1 << (own.name.as_bytes().last().unwrap() - b'A');
    all_in_turn().into_iter().map(bit).fold(0, |bits, bit: u32| bits | bit)
}
