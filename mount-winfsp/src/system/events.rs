//! Events by which one process of a user tells another something once.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::fmt::Write;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_GEN_FAILURE,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::Security::Authentication::Identity::RtlGenRandom;
use windows_sys::Win32::System::Threading::{
    CREATE_EVENT_MANUAL_RESET, CreateEventExW, EVENT_MODIFY_STATE, OpenEventW,
    SYNCHRONIZATION_SYNCHRONIZE, SetEvent, WaitForSingleObject,
};

use super::rights::Descriptor;
use super::{Handle, last_error, wide};

/// How many names are tried.
const ATTEMPTS: usize = 4;

/// An event with a name, which its user's programs may set, elevated or not.
#[derive(Debug)]
pub struct Event {
    handle: Handle,
    name: String,
}

/// Why an event of another process could not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSet {
    /// It is another user's.
    Denied,
    /// There is none of that name in this session.
    Missing,
    /// Anything else: the number of Windows.
    Other(u32),
}

impl Event {
    /// Makes an event that is not set, for all sessions of Windows: a task of an administrator
    /// mounts in another one than the person sees. It gets a name that begins with `kind` and that
    /// nobody can guess: a program that knew it beforehand could make the event first, and keep it.
    ///
    /// # Errors
    /// The number of Windows.
    pub fn create(kind: &str) -> Result<Self, u32> {
        let mut error = ERROR_GEN_FAILURE;
        for _ in 0..ATTEMPTS {
            match Self::create_named(format!("Global\\{kind}-{}", random()?)) {
                Ok(event) => return Ok(event),
                Err(code) => error = code,
            }
        }
        Err(error)
    }

    fn create_named(name: String) -> Result<Self, u32> {
        let units = wide(&name);
        let rights = EVENT_MODIFY_STATE | SYNCHRONIZATION_SYNCHRONIZE;
        let descriptor = Descriptor::for_own_user(rights)?;
        let attributes = descriptor.attributes();
        // SAFETY: attributes and name are there until it returns; the name ends in a zero.
        let handle = unsafe {
            CreateEventExW(
                &raw const attributes,
                units.as_ptr(),
                CREATE_EVENT_MANUAL_RESET,
                SYNCHRONIZATION_SYNCHRONIZE,
            )
        };
        let error = last_error();
        let handle = Handle::new(handle)?;
        // Somebody else's, who says who may set it and when it is set.
        if error == ERROR_ALREADY_EXISTS { Err(error) } else { Ok(Self { handle, name }) }
    }

    /// Its name, for others to set it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets the event that another process made.
    ///
    /// # Errors
    /// See [`NotSet`].
    pub fn set(name: &str) -> Result<(), NotSet> {
        let event = Self::open(name, EVENT_MODIFY_STATE).map_err(|code| match code {
            ERROR_ACCESS_DENIED => NotSet::Denied,
            ERROR_FILE_NOT_FOUND => NotSet::Missing,
            other => NotSet::Other(other),
        })?;
        // SAFETY: the handle is an event's and may be set.
        let set = unsafe { SetEvent(event.0) };
        if set == 0 { Err(NotSet::Other(last_error())) } else { Ok(()) }
    }

    /// Whether there is an event of this name, be it one that this user may not use. It is there
    /// for as long as the process that made it runs.
    #[must_use]
    pub fn exists(name: &str) -> bool {
        match Self::open(name, SYNCHRONIZATION_SYNCHRONIZE) {
            Ok(_) => true,
            Err(code) => code == ERROR_ACCESS_DENIED,
        }
    }

    fn open(name: &str, rights: u32) -> Result<Handle, u32> {
        let name = wide(name);
        // SAFETY: the name ends in a zero.
        Handle::new(unsafe { OpenEventW(rights, 0, name.as_ptr()) })
    }

    /// Waits until it is set; whether it was in time.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: the handle is an event's.
        unsafe { WaitForSingleObject(self.handle.0, milliseconds) == WAIT_OBJECT_0 }
    }
}

/// A text that nobody can guess.
fn random() -> Result<String, u32> {
    let mut bytes = [0u8; 16];
    let len = u32::try_from(bytes.len()).unwrap_or(0);
    // SAFETY: writes `len` bytes, which is what there is.
    if !unsafe { RtlGenRandom(bytes.as_mut_ptr().cast(), len) } {
        return Err(ERROR_GEN_FAILURE);
    }
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_set_by_its_name_and_by_no_other() {
        let event = Event::create("isodrive-test").unwrap();
        assert!(!event.wait(Duration::ZERO));
        assert!(Event::exists(event.name()));
        Event::set(event.name()).unwrap();
        assert!(event.wait(Duration::ZERO));
        let name = event.name().to_owned();
        // What another made first is not taken for our own.
        assert_eq!(Event::create_named(name.clone()).err(), Some(ERROR_ALREADY_EXISTS));
        drop(event);
        assert_eq!(Event::set(&name), Err(NotSet::Missing));
        assert!(!Event::exists(&name));
    }
}
