//! Another person at the keyboard, for `simulated` alone: other rights, another user, numbers that
//! can be guessed, processes that hide themselves. Tests ask for each by a variable.

use std::ffi::c_void;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, HANDLE, SetLastError};
use windows_sys::Win32::Security::Authorization::ConvertStringSidToSidW;
use windows_sys::Win32::Security::{
    CreateRestrictedToken, CreateWellKnownSid, GetLengthSid, ImpersonateLoggedOnUser,
    LUID_AND_ATTRIBUTES, SECURITY_ATTRIBUTES, SID_AND_ATTRIBUTES, TOKEN_ALL_ACCESS, TOKEN_USER,
    TokenUser, WinBuiltinAdministratorsSid,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentProcessId, OpenProcessToken,
};

use crate::imports::Module;
use crate::setup::descriptor;

/// The SID of the user that this process takes itself for.
const USER: &str = "ISODRIVE_TEST_USER";
/// `plain`: without the rights of an administrator. `elevated`: with them, and events are for the
/// system and administrators alone if it says no more, as on Windows. Wine has them for everybody.
const TOKEN: &str = "ISODRIVE_TEST_TOKEN";
/// How many times the numbers that nobody can guess are all zero.
const GUESSED: &str = "ISODRIVE_TEST_GUESSED";
/// No other process can be opened.
const HIDDEN: &str = "ISODRIVE_TEST_HIDDEN";

type TokenInformation = unsafe extern "system" fn(HANDLE, i32, *mut c_void, u32, *mut u32) -> i32;
type Random = unsafe extern "system" fn(*mut c_void, u32) -> u8;
type Event = unsafe extern "system" fn(*const SECURITY_ATTRIBUTES, *const u16, u32, u32) -> HANDLE;
type Open = unsafe extern "system" fn(u32, i32, u32) -> HANDLE;

static TOKEN_INFORMATION: OnceLock<TokenInformation> = OnceLock::new();
static RANDOM: OnceLock<Random> = OnceLock::new();
static EVENT: OnceLock<Event> = OnceLock::new();
static OPEN: OnceLock<Open> = OnceLock::new();

/// Becomes whom the variables name.
pub fn become_asked() {
    let module = Module::own();
    let asked = |name: &str| std::env::var(name).ok();
    // SAFETY of the whole: each function has the signature of the one whose place it takes.
    unsafe {
        if asked(USER).is_some() {
            let new = token_information as *const c_void;
            let old = module.replace("advapi32.dll", "GetTokenInformation", new);
            let _ =
                TOKEN_INFORMATION.set(std::mem::transmute::<*const c_void, TokenInformation>(old));
        }
        if asked(GUESSED).is_some() {
            let old = module.replace("advapi32.dll", "SystemFunction036", random as *const c_void);
            let _ = RANDOM.set(std::mem::transmute::<*const c_void, Random>(old));
        }
        if asked(HIDDEN).is_some() {
            let old = module.replace("kernel32.dll", "OpenProcess", open_process as *const c_void);
            let _ = OPEN.set(std::mem::transmute::<*const c_void, Open>(old));
        }
        match asked(TOKEN).as_deref() {
            Some("plain") => drop_rights(),
            Some("elevated") => {
                let new = create_event as *const c_void;
                let old = module.replace("kernel32.dll", "CreateEventExW", new);
                let _ = EVENT.set(std::mem::transmute::<*const c_void, Event>(old));
            }
            Some(other) => panic!("{TOKEN} is {other}"),
            None => {}
        }
    }
}

unsafe fn own_token() -> HANDLE {
    let mut token = std::ptr::null_mut();
    unsafe {
        assert_ne!(OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &mut token), 0);
    }
    token
}

/// This thread, which does the work of the command, goes on without the administrators' group, as
/// the plain half of an administrator's two tokens has it: there to deny, not to grant.
unsafe fn drop_rights() {
    let mut sid = [0u64; 16];
    let mut len = size_of_val(&sid) as u32;
    let sid: *mut c_void = sid.as_mut_ptr().cast();
    let mut plain = std::ptr::null_mut();
    let none = std::ptr::null::<LUID_AND_ATTRIBUTES>();
    let nobody = std::ptr::null();
    unsafe {
        let kind = WinBuiltinAdministratorsSid;
        assert_ne!(CreateWellKnownSid(kind, std::ptr::null_mut(), sid, &mut len), 0);
        let group = SID_AND_ATTRIBUTES { Sid: sid, Attributes: 0 };
        let token = own_token();
        let made = CreateRestrictedToken(token, 0, 1, &group, 0, none, 0, nobody, &mut plain);
        assert_ne!(made, 0, "no token with fewer rights");
        assert_ne!(ImpersonateLoggedOnUser(plain), 0, "it cannot be worn");
    }
}

/// Makes an event as Windows does for an elevated process that does not say for whom it is.
unsafe extern "system" fn create_event(
    attributes: *const SECURITY_ATTRIBUTES,
    name: *const u16,
    flags: u32,
    rights: u32,
) -> HANDLE {
    let create = EVENT.get().unwrap();
    if !attributes.is_null() {
        return unsafe { create(attributes, name, flags, rights) };
    }
    let mut descriptor = descriptor("D:(A;;GA;;;SY)(A;;GA;;;BA)");
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.as_mut_ptr().cast(),
        bInheritHandle: 0,
    };
    unsafe { create(&attributes, name, flags, rights) }
}

unsafe extern "system" fn token_information(
    token: HANDLE,
    class: i32,
    into: *mut c_void,
    len: u32,
    written: *mut u32,
) -> i32 {
    let before = TOKEN_INFORMATION.get().unwrap();
    if class != TokenUser {
        return unsafe { before(token, class, into, len, written) };
    }
    let text = mount_winfsp::system::wide(&std::env::var(USER).unwrap());
    let mut sid = std::ptr::null_mut();
    unsafe {
        assert_ne!(ConvertStringSidToSidW(text.as_ptr(), &mut sid), 0);
        let (head, bytes) = (size_of::<TOKEN_USER>(), GetLengthSid(sid) as usize);
        assert!(head + bytes <= len as usize);
        let place = into.cast::<u8>().add(head);
        place.copy_from_nonoverlapping(sid.cast(), bytes);
        let user = SID_AND_ATTRIBUTES { Sid: place.cast(), Attributes: 0 };
        into.cast::<TOKEN_USER>().write(TOKEN_USER { User: user });
        *written = (head + bytes) as u32;
    }
    1
}

unsafe extern "system" fn random(into: *mut c_void, len: u32) -> u8 {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let times: usize = std::env::var(GUESSED).unwrap().parse().unwrap();
    if ASKED.fetch_add(1, Ordering::Relaxed) >= times {
        return unsafe { RANDOM.get().unwrap()(into, len) };
    }
    unsafe { into.cast::<u8>().write_bytes(0, len as usize) };
    1
}

unsafe extern "system" fn open_process(rights: u32, inherit: i32, pid: u32) -> HANDLE {
    unsafe {
        if pid == GetCurrentProcessId() {
            return OPEN.get().unwrap()(rights, inherit, pid);
        }
        SetLastError(ERROR_ACCESS_DENIED);
    }
    std::ptr::null_mut()
}
