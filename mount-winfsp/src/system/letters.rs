//! Drive letters: which are free, whose one is, and a turn at choosing one. Windows itself lets
//! two programs define the same letter, and then shows only what came last.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::marker::PhantomData;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, WAIT_ABANDONED, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::{GetLogicalDrives, QueryDosDeviceW};
use windows_sys::Win32::System::Threading::{
    CreateMutexExW, MUTEX_MODIFY_STATE, ReleaseMutex, SYNCHRONIZATION_SYNCHRONIZE,
    WaitForSingleObject,
};

use super::rights::Descriptor;
use super::{Handle, last_error, wide};

/// The mutex of everybody in a session who chooses a letter for a disc.
const MUTEX: &str = "Local\\isodrive-letters";

/// How long a turn is waited for, in milliseconds. Each takes a few, or a second on a machine with
/// too much to do; a program that means ill, or hangs, keeps it longer.
const PATIENCE: u32 = 5000;

/// Units that the targets of a letter may take.
const TARGETS_UNITS: usize = 4096;

/// Whether nobody uses a drive letter.
#[must_use]
pub fn is_letter_free(letter: char) -> bool {
    is_free(letter, used_letters())
}

/// Drive letters from D: on that nobody uses, all at one moment: a program that goes from letter
/// to letter may be seen at each of them, but not at one moment.
#[must_use]
pub fn free_letters() -> Vec<char> {
    let used = used_letters();
    ('D'..='Z').filter(|letter| is_free(*letter, used)).collect()
}

/// The letters in use, a bit for each from A: on.
fn used_letters() -> u32 {
    // SAFETY: reads a number.
    unsafe { GetLogicalDrives() }
}

fn is_free(letter: char, used: u32) -> bool {
    let bit = u32::from(letter.to_ascii_uppercase()).wrapping_sub(u32::from('A'));
    used.checked_shr(bit).is_some_and(|bits| bits & 1 == 0)
}

/// Where a letter, or a name as in `Global\X:`, leads: the newest definition first.
fn targets(name: &str) -> Result<Vec<String>, u32> {
    let name = wide(name);
    let mut units = [0u16; TARGETS_UNITS];
    let room = u32::try_from(units.len()).unwrap_or(0);
    // SAFETY: the name ends in a zero; writes at most as many units as there are.
    let written = unsafe { QueryDosDeviceW(name.as_ptr(), units.as_mut_ptr(), room) };
    if written == 0 {
        return Err(last_error());
    }
    let each = units.split(|unit| *unit == 0).take_while(|target| !target.is_empty());
    Ok(each.map(String::from_utf16_lossy).collect())
}

/// Whether a letter that this process has just defined leads elsewhere too: to a drive below it
/// or above it, or to one for everybody that is hidden by it or hides it.
///
/// More targets than there is room for are other programs' too. Where Windows does not answer at
/// all, the letter counts as not shared: it was free a moment ago, and a Windows that never answers
/// would otherwise have no drives.
pub(crate) fn is_letter_shared(letter: char) -> bool {
    let own = match targets(&format!("{letter}:")) {
        Ok(own) => own,
        Err(ERROR_INSUFFICIENT_BUFFER) => return true,
        Err(error) => {
            tracing::debug!(%letter, error, "Windows does not say where the letter leads");
            return false;
        }
    };
    // Fails where there is no such letter for everybody, which is how it should be for our own.
    let for_everybody = match targets(&format!("Global\\{letter}:")) {
        Ok(targets) => targets,
        Err(ERROR_INSUFFICIENT_BUFFER) => return true,
        Err(_) => Vec::new(),
    };
    own.len() > 1 || !(for_everybody.is_empty() || for_everybody == own)
}

/// Does a work while nobody else of this session chooses a letter, as far as others wait for the
/// turn.
pub fn in_letter_turn<T>(work: impl FnOnce() -> T) -> T {
    let _turn = Turn::take();
    work()
}

/// A turn at choosing and defining a letter, until it is dropped: others that ask wait.
///
/// A mutex is a thread's, so that this stays where it was made.
#[derive(Debug)]
pub(crate) struct Turn {
    mutex: Option<Handle>,
    of_this_thread: PhantomData<*const ()>,
}

impl Turn {
    /// Waits for the turn, not for ever: a program that keeps it must not keep others from
    /// mounting. Many that waited in vain go on at one moment, and take the same letters.
    pub(crate) fn take() -> Self {
        let mutex = open().and_then(wait);
        if let Err(error) = &mutex {
            tracing::debug!(error, "no turn at choosing a letter; the letter is checked alone");
        }
        Self { mutex: mutex.ok(), of_this_thread: PhantomData }
    }

    /// Whether the turn was got.
    pub(crate) fn is_ours(&self) -> bool {
        self.mutex.is_some()
    }
}

fn open() -> Result<Handle, u32> {
    let rights = SYNCHRONIZATION_SYNCHRONIZE | MUTEX_MODIFY_STATE;
    let descriptor = Descriptor::for_own_user(rights)?;
    let (attributes, name) = (descriptor.attributes(), wide(MUTEX));
    // SAFETY: attributes and name are there until it returns; the name ends in a zero.
    Handle::new(unsafe { CreateMutexExW(&raw const attributes, name.as_ptr(), 0, rights) })
}

fn wait(mutex: Handle) -> Result<Handle, u32> {
    // SAFETY: the handle is a mutex's.
    match unsafe { WaitForSingleObject(mutex.0, PATIENCE) } {
        // One who was killed in its turn left nothing half done: a letter is defined or not.
        WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(mutex),
        other => Err(other),
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mutex) = &self.mutex {
            // SAFETY: this thread owns the mutex.
            unsafe { ReleaseMutex(mutex.0) };
        }
    }
}
