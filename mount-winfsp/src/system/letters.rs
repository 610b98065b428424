//! Drive letters: which are free, whose one is, and a turn at choosing one. Asks Windows, and
//! defines none. Windows itself lets two programs define the same letter, and then shows only what
//! came last.
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

/// Room for the targets of a letter at first, in units.
const ROOM: usize = 1024;

/// Room in which Windows finds place for all of them: it keeps them in one text (`UNICODE_STRING`),
/// which has less than 64 KiB.
const MOST_ROOM: usize = 0x8000;

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
    let units = growing(|units| {
        let room = u32::try_from(units.len()).unwrap_or(0);
        // SAFETY: the name ends in a zero; writes at most as many units as there are.
        let written = unsafe { QueryDosDeviceW(name.as_ptr(), units.as_mut_ptr(), room) };
        if written == 0 { Err(last_error()) } else { Ok(()) }
    })?;
    let each = units.split(|unit| *unit == 0).take_while(|target| !target.is_empty());
    Ok(each.map(String::from_utf16_lossy).collect())
}

/// Asks again with more room for as long as there is too little: the oldest definition, which
/// comes last, is the one that counts.
fn growing(mut ask: impl FnMut(&mut [u16]) -> Result<(), u32>) -> Result<Vec<u16>, u32> {
    let mut room = ROOM;
    loop {
        let mut units = vec![0; room];
        match ask(&mut units) {
            Ok(()) => return Ok(units),
            Err(ERROR_INSUFFICIENT_BUFFER) if room < MOST_ROOM => {
                room = room.saturating_mul(2);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whose a letter is that several programs may have defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It leads to our drive.
    Ours,
    /// It is ours and leads elsewhere: a definition hides ours that has to give way.
    Hidden,
    /// It is another's, and ours has to give way.
    Theirs,
}

/// Whose a letter is that this process has just defined for a device.
///
/// Where Windows does not say where it leads, the letter counts as ours: it was free a moment ago,
/// and a Windows that never says so would otherwise have no drives.
pub(crate) fn whose_letter(letter: char, device: &str) -> Whose {
    // Windows refuses where there is none for everybody, which is how it should be for our own.
    let for_everybody = targets(&format!("Global\\{letter}:")).unwrap_or_default();
    match targets(&format!("{letter}:")) {
        Ok(seen) => whose(device, &seen, &for_everybody),
        Err(error) => {
            tracing::debug!(%letter, error, "Windows does not say where the letter leads");
            Whose::Ours
        }
    }
}

/// Whose a letter is by where this session sees it lead and by where it leads for everybody, each
/// with the newest definition first.
///
/// Of definitions that meet, the oldest keeps the letter. Windows makes one after the other, so
/// that each program finds those that came before its own and are still there, and no two programs
/// can each find their own to be the oldest. Who gives a letter up has found an older definition,
/// so that one of them stays.
///
/// A letter for everybody goes before those of a session: the Mount Manager, which refuses a second
/// one, knows nothing of those. Which of the two is older cannot be seen, but a session's that was
/// kept before stays and hides the other. Where another program keeps a definition above ours, we
/// give up too.
fn whose(device: &str, seen: &[String], for_everybody: &[String]) -> Whose {
    let is_ours =
        |target: Option<&String>| target.is_some_and(|target| target.eq_ignore_ascii_case(device));
    let oldest = if for_everybody.is_empty() { seen.last() } else { for_everybody.last() };
    match (is_ours(oldest), is_ours(seen.first())) {
        (true, true) => Whose::Ours,
        (true, false) => Whose::Hidden,
        (false, _) => Whose::Theirs,
    }
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
    /// mounting. Who waited in vain goes on without, and may define a letter with others.
    pub(crate) fn take() -> Self {
        let mutex = open().and_then(wait);
        if let Err(error) = &mutex {
            tracing::debug!(error, "no turn at choosing a letter; the letter is checked alone");
        }
        Self { mutex: mutex.ok(), of_this_thread: PhantomData }
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

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "\\Device\\Volume{1}";
    const OTHER: &str = "\\Device\\Volume{2}";

    fn of(seen: &[&str], for_everybody: &[&str]) -> Whose {
        let texts = |list: &[&str]| list.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        whose(OWN, &texts(seen), &texts(for_everybody))
    }

    #[test]
    fn the_oldest_definition_keeps_the_letter() {
        assert_eq!(of(&[OWN], &[]), Whose::Ours);
        // The newest comes first.
        assert_eq!(of(&[OWN, OTHER], &[]), Whose::Theirs);
        assert_eq!(of(&[OTHER, OWN], &[]), Whose::Hidden);
        assert_eq!(of(&[OTHER, OWN, OTHER], &[]), Whose::Theirs);
        assert_eq!(of(&[OWN, "\\??\\C:\\folder"], &[]), Whose::Theirs);
        assert_eq!(of(&["\\Device\\volume{1}"], &[]), Whose::Ours);
        // Somebody took it away.
        assert_eq!(of(&[OTHER], &[]), Whose::Theirs);
        assert_eq!(of(&[], &[]), Whose::Theirs);
    }

    #[test]
    fn a_letter_for_everybody_goes_before_one_of_a_session() {
        assert_eq!(of(&[OWN], &[OWN]), Whose::Ours);
        assert_eq!(of(&[OWN], &[OTHER]), Whose::Theirs);
        assert_eq!(of(&[OTHER], &[OWN]), Whose::Hidden);
        assert_eq!(of(&[OTHER], &[OTHER]), Whose::Theirs);
    }

    #[test]
    fn room_grows_until_the_oldest_definition_is_seen() {
        let mut rooms = Vec::new();
        let units = growing(|units| {
            rooms.push(units.len());
            *units.get_mut(4999).ok_or(ERROR_INSUFFICIENT_BUFFER)? = 1;
            Ok(())
        });
        assert_eq!((rooms, units.map(|units| units[4999])), (vec![1024, 2048, 4096, 8192], Ok(1)));
        let mut most = 0;
        let refused = growing(|units| {
            most = units.len();
            Err(ERROR_INSUFFICIENT_BUFFER)
        });
        assert_eq!((refused, most), (Err(ERROR_INSUFFICIENT_BUFFER), MOST_ROOM));
        assert_eq!(growing(|_| Err(2)), Err(2));
    }
}
