//! The part of Windows' Mount Manager that gives volumes letters for everybody (`mountmgr.h`).
//! Keeps names and devices; what the DLL asks beyond that is answered with success.

use std::sync::Mutex;

use windows_sys::Win32::Foundation::ERROR_ALREADY_EXISTS;

use crate::letters::{self, GLOBAL};

/// The control codes that the DLL uses.
const QUERY_AUTO_MOUNT: u32 = 0x006D_003C;
const SET_AUTO_MOUNT: u32 = 0x006D_C040;
const VOLUME_ARRIVAL: u32 = 0x006D_402C;
const CREATE_POINT: u32 = 0x006D_C000;
const DELETE_POINTS: u32 = 0x006D_C004;

/// The device by which it is reached.
pub(crate) const DEVICE: &str = "\\\\.\\MountPointManager";

static HANDLES: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Letters that are for everybody, each with its device.
pub fn global_drives() -> Vec<(String, String)> {
    let name = |own: &str| own.strip_prefix(GLOBAL).map(str::to_owned);
    letters::own().into_iter().filter_map(|(own, to)| Some((name(&own)?, to))).collect()
}

/// Handles come again once they are closed: `is_ours` says what this one is now.
pub(crate) fn note_handle(handle: usize, is_ours: bool) {
    let mut handles = HANDLES.lock().unwrap();
    handles.retain(|own| *own != handle);
    handles.extend(is_ours.then_some(handle));
}

pub(crate) fn owns(handle: usize) -> bool {
    HANDLES.lock().unwrap().contains(&handle)
}

/// The answer to a request: the bytes that it writes.
pub(crate) fn answer(code: u32, input: &[u8]) -> Result<Vec<u8>, u32> {
    let part = |at: usize| text(input, short(input, at), short(input, at + 2));
    match code {
        // Volumes get letters by themselves, as on most machines.
        QUERY_AUTO_MOUNT => return Ok(1u32.to_le_bytes().to_vec()),
        SET_AUTO_MOUNT | VOLUME_ARRIVAL => {}
        CREATE_POINT => {
            if !letters::define_first(&letter(&part(0)), &part(4)) {
                return Err(ERROR_ALREADY_EXISTS);
            }
        }
        DELETE_POINTS => {
            let name = text(input, short(input, 0), short(input, 4));
            letters::remove(&letter(&name), "");
        }
        other => panic!("the Mount Manager is asked {other:#x}"),
    }
    Ok(Vec::new())
}

fn short(input: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([input[at], input[at + 1]]))
}

fn text(input: &[u8], at: usize, len: usize) -> String {
    let units = input[at..at + len].chunks_exact(2);
    let units: Vec<u16> = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

fn letter(name: &str) -> String {
    format!("{GLOBAL}{}", name.strip_prefix("\\DosDevices\\").expect("a letter"))
}
