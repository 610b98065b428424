//! Who runs this program, and objects that this user may use whatever the rights of the program.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::ffi::c_void;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountSidW, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::{Handle, is_elevated, last_error, wide};

/// Words of a token's user: its head and the longest SID, which has 68 bytes.
const USER_WORDS: usize = 16;

/// Units of a name of an account and of a domain at most.
const NAME_UNITS: usize = 257;

/// The user of a token, as Windows writes it into memory: with a pointer into itself, so that it
/// must not move.
struct User(Box<[u64; USER_WORDS]>);

impl User {
    fn own() -> Result<Self, u32> {
        let mut token = std::ptr::null_mut();
        // SAFETY: a constant that stands for this process.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: writes one handle.
        let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) };
        let token = Handle::new(if opened == 0 { std::ptr::null_mut() } else { token })?;
        let mut user = Box::new([0u64; USER_WORDS]);
        let size = u32::try_from(size_of_val(&*user)).unwrap_or(0);
        let mut written = 0;
        let into = user.as_mut_ptr().cast();
        // SAFETY: writes at most `size` bytes, which is what there is.
        let asked =
            unsafe { GetTokenInformation(token.0, TokenUser, into, size, &raw mut written) };
        if asked == 0 { Err(last_error()) } else { Ok(Self(user)) }
    }

    fn sid(&self) -> *mut c_void {
        // SAFETY: words are aligned as the head is, and Windows has filled it.
        unsafe { (*self.0.as_ptr().cast::<TOKEN_USER>()).User.Sid }
    }

    fn sid_text(&self) -> Result<String, u32> {
        let mut text = std::ptr::null_mut();
        // SAFETY: the SID lies in `self`; writes one pointer.
        if unsafe { ConvertSidToStringSidW(self.sid(), &raw mut text) } == 0 {
            return Err(last_error());
        }
        let text = Local(text.cast());
        let units = text.0.cast::<u16>();
        let unit = |at: usize| {
            // SAFETY: the text ends in a zero, and nothing behind that is asked for.
            let place = unsafe { units.add(at) };
            // SAFETY: as above.
            unsafe { place.read() }
        };
        let units: Vec<u16> = (0..).map(unit).take_while(|unit| *unit != 0).collect();
        Ok(String::from_utf16_lossy(&units))
    }

    /// Domain and name, where Windows knows them.
    fn account(&self) -> Option<String> {
        let (mut name, mut domain) = ([0u16; NAME_UNITS], [0u16; NAME_UNITS]);
        let room = u32::try_from(NAME_UNITS).unwrap_or(0);
        let (mut name_len, mut domain_len, mut kind) = (room, room, 0);
        // SAFETY: the SID lies in `self`; writes at most as many units as there are.
        let found = unsafe {
            LookupAccountSidW(
                std::ptr::null(),
                self.sid(),
                name.as_mut_ptr(),
                &raw mut name_len,
                domain.as_mut_ptr(),
                &raw mut domain_len,
                &raw mut kind,
            )
        };
        let text = |units: &[u16]| {
            let units: Vec<u16> = units.iter().copied().take_while(|unit| *unit != 0).collect();
            String::from_utf16_lossy(&units)
        };
        let (domain, name) = (text(&domain), text(&name));
        (found != 0 && !name.is_empty())
            .then(|| if domain.is_empty() { name.clone() } else { format!("{domain}\\{name}") })
    }
}

/// The user whose program this is, as people know it: `DOMAIN\name`, or a SID.
#[must_use]
pub fn user_name() -> Option<String> {
    let user = User::own().ok()?;
    user.account().or_else(|| user.sid_text().ok())
}

/// Memory that Windows gave out.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the memory is there and this is its only owner.
        unsafe { LocalFree(self.0) };
    }
}

/// Who may use an object of the kernel.
pub(super) struct Descriptor(Local);

impl Descriptor {
    /// Grants `rights` to this user, with an administrator's rights and without, to the system and
    /// to administrators; to nobody else. What an elevated program makes is by default for
    /// administrators alone, so that the same person's plain programs could not use it.
    pub(super) fn for_own_user(rights: u32) -> Result<Self, u32> {
        let sid = User::own()?.sid_text()?;
        let text = wide(&descriptor_text(&sid, rights, is_elevated()));
        let mut made = std::ptr::null_mut();
        // SAFETY: the text ends in a zero; writes one pointer.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut made,
                std::ptr::null_mut(),
            )
        };
        if done == 0 { Err(last_error()) } else { Ok(Self(Local(made))) }
    }

    /// As functions that make objects take it; for as long as `self` is there.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
            lpSecurityDescriptor: self.0.0,
            bInheritHandle: 0,
        }
    }
}

/// The label says that programs of medium integrity may write, which plain ones have. That is what
/// an object without a label is taken for; it is said where a program of high integrity makes the
/// object, and left out elsewhere because a program of low integrity may not say it.
fn descriptor_text(sid: &str, rights: u32, is_elevated: bool) -> String {
    let grant = |who: &str| format!("(A;;{rights:#x};;;{who})");
    let label = if is_elevated { "S:(ML;;NW;;;ME)" } else { "" };
    format!("D:P{}{}{}{label}", grant(sid), grant("SY"), grant("BA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_names_the_user_and_no_crowd() {
        let sid = "S-1-5-21-1-2-3-1001";
        let plain = "D:P(A;;0x100002;;;S-1-5-21-1-2-3-1001)(A;;0x100002;;;SY)(A;;0x100002;;;BA)";
        assert_eq!(descriptor_text(sid, 0x10_0002, false), plain);
        assert_eq!(descriptor_text(sid, 0x10_0002, true), format!("{plain}S:(ML;;NW;;;ME)"));
        assert!(Descriptor::for_own_user(0x10_0002).is_ok());
        assert!(user_name().is_some_and(|name| !name.is_empty()));
    }
}
