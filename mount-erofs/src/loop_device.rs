//! Block devices over files, for kernels that mount no file by itself. Gives one and lets it vanish
//! with its last user; knows nothing of what is in the files.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl};

/// What asks for the number of a device that is free (loop(4)).
const GET_FREE: Opcode = 0x4C82;

/// What puts a file behind a device (loop(4)).
const CONFIGURE: Opcode = 0x4C0A;

const READ_ONLY: u32 = 1;

/// The device vanishes when nobody has it open any more.
const AUTOCLEAR: u32 = 4;

/// A device over a file. It stays for as long as it is open or mounted.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
    _open: File,
}

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct Config {
    descriptor: u32,
    block_size: u32,
    /// Device, inode, number of the device, offset, limit of size.
    places: [u64; 5],
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names: [u8; 160],
    init: [u64; 2],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<Config>() == 304);

struct GetFree;

#[expect(unsafe_code, reason = "the answer of an ioctl has no safe form")]
// SAFETY: the call takes no argument and answers with a number alone.
unsafe impl Ioctl for GetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        GET_FREE
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(
        answer: IoctlOutput,
        _: *mut std::ffi::c_void,
    ) -> rustix::io::Result<i32> {
        Ok(answer)
    }
}

impl LoopDevice {
    /// A device over `file`.
    ///
    /// # Errors
    /// What the kernel said: most of all that it has no such devices, or that nobody may.
    pub(crate) fn over(file: &File) -> io::Result<Self> {
        let control = File::options().read(true).write(true).open("/dev/loop-control")?;
        // Somebody else may take the free one first.
        let mut last = io::Error::from(io::ErrorKind::ResourceBusy);
        for _ in 0..16 {
            #[expect(unsafe_code, reason = "ioctl")]
            // SAFETY: the control device knows this call, which takes nothing.
            let number = unsafe { ioctl(&control, GetFree) }?;
            match Self::configured(number, file) {
                Ok(device) => return Ok(device),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn configured(number: i32, file: &File) -> io::Result<Self> {
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&path)?;
        let config = Config {
            descriptor: file.as_fd().as_raw_fd().unsigned_abs(),
            block_size: 512,
            places: [0; 5],
            number: 0,
            encryption: [0; 2],
            flags: READ_ONLY | AUTOCLEAR,
            names: [0; 160],
            init: [0; 2],
            reserved: [0; 8],
        };
        #[expect(unsafe_code, reason = "ioctl")]
        // SAFETY: the code belongs to this structure, which the kernel only reads.
        let call = unsafe { Setter::<CONFIGURE, Config>::new(config) };
        #[expect(unsafe_code, reason = "ioctl")]
        // SAFETY: the descriptor in the structure is open for the time of the call.
        unsafe { ioctl(&device, call) }?;
        Ok(Self { path, _open: device })
    }
}
