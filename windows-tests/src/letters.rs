//! Definitions of drive letters as Windows keeps them: a later one lies on top of an earlier one.
//! For this process, or for all processes that `ISODRIVE_TEST_LETTERS` gives the same folder.

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_DELETE_ON_CLOSE;

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

/// Puts a definition on top of those of the same name: `X:`, or `Global\X:`.
pub fn define(name: &str, target: &str) {
    let file = folder().map(|folder| {
        std::fs::create_dir_all(&folder).unwrap();
        let stamp = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let rest = target.strip_prefix(DEVICE).expect("the name of a device");
        let path = folder.join(format!("{}!{stamp:024}!{rest}", written(name)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
        options.open(path).unwrap()
    });
    let definition = Definition { name: name.to_owned(), target: target.to_owned(), _file: file };
    OWN.lock().unwrap().push(definition);
    if let Some(time) = milliseconds(SLOW) {
        std::thread::sleep(time);
    }
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

/// All definitions that are there, the newest first: names as files begin with them, and targets.
fn all() -> Vec<(String, String)> {
    let Some(folder) = folder() else {
        return own().into_iter().rev().map(|(name, to)| (written(&name), to)).collect();
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let mut found: Vec<(String, String, String)> = names
        .filter_map(|file| {
            let mut parts = file.split('!').map(str::to_owned);
            Some((parts.next()?, parts.next()?, format!("{DEVICE}{}", parts.next()?)))
        })
        .collect();
    found.sort_unstable_by(|(_, a, _), (_, b, _)| b.cmp(a));
    found.into_iter().map(|(name, _, target)| (name, target)).collect()
}

/// Where a name leads, the newest definition first.
pub fn targets(name: &str) -> Vec<String> {
    let name = written(name);
    all().into_iter().filter(|(own, _)| *own == name).map(|(_, target)| target).collect()
}

/// The letters that are defined, as `GetLogicalDrives` tells them.
pub(crate) fn bits() -> u32 {
    let bit = |(name, _): (String, String)| 1 << (name.as_bytes().last().unwrap() - b'A');
    all().into_iter().map(bit).fold(0, |bits, bit: u32| bits | bit)
}
