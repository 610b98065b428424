//! How files are opened, by the numbers of `ntifs.h`, and by whom. Asks for nothing itself.

/// What is to be done where a file is there, or is not (`ntifs.h`).
pub mod disposition {
    pub const SUPERSEDE: u32 = 0;
    pub const OPEN: u32 = 1;
    pub const CREATE: u32 = 2;
    pub const OPEN_IF: u32 = 3;
    pub const OVERWRITE: u32 = 4;
    pub const OVERWRITE_IF: u32 = 5;
}

/// How a file is to be opened (`ntifs.h`).
pub mod option {
    pub const DIRECTORY_FILE: u32 = 0x1;
    pub const NON_DIRECTORY_FILE: u32 = 0x40;
    pub const DELETE_ON_CLOSE: u32 = 0x1000;
    pub const OPEN_REPARSE_POINT: u32 = 0x20_0000;
}

/// `FILE_GENERIC_READ`.
pub const GENERIC_READ: u32 = 0x0012_0089;

/// Who opens a file, as far as the DLL learns.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Whether the access check is made: the kernel's own components are not checked.
    pub is_user: bool,
    /// Rights that the driver has granted already, as it does for the holders of the privileges to
    /// back up and to restore who ask for that.
    pub granted: u32,
    /// Whether it holds those privileges.
    pub is_privileged: bool,
}

impl Caller {
    /// A program without privileges.
    pub const USER: Self = Self { is_user: true, granted: 0, is_privileged: false };
}

/// How a file is opened, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub caller: Caller,
    /// One of [`disposition`].
    pub disposition: u32,
    /// Some of [`option`].
    pub options: u32,
    /// The rights that are asked for.
    pub access: u32,
}
