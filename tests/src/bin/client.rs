//! A program that uses a mount, as the tests need it: holds files in different ways, or touches a
//! map. Says `ready`, then waits for a line on standard input.
//!
//! `client open|cwd PATH` and `client many PATH COUNT` hold; after the line, `client map PATH`
//! touches every page of a map, and `client read PATH` reads.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let how = arguments.next().context("how")?;
    let path = std::path::PathBuf::from(arguments.next().context("a path")?);
    match how.to_str() {
        Some("cwd") => {
            std::env::set_current_dir(&path)?;
            wait()
        }
        Some("open") => {
            let _file = File::open(&path)?;
            wait()
        }
        // The file again and again, with as many descriptors as are asked for.
        Some("many") => {
            let count: usize = arguments.next().and_then(|n| n.to_str()?.parse().ok()).unwrap_or(0);
            let _files = (0..count).map(|_| File::open(&path)).collect::<io::Result<Vec<_>>>()?;
            wait()
        }
        // The descriptor is closed: the map alone holds the file.
        Some("map") => {
            let map = map(&File::open(&path)?)?;
            wait()?;
            say(&sum(map).to_string());
            Ok(())
        }
        Some("read") => {
            let mut file = File::open(&path)?;
            wait()?;
            let mut bytes = Vec::new();
            say(&format!("{:?}", file.read_to_end(&mut bytes).map_err(|e| e.raw_os_error())));
            Ok(())
        }
        _ => bail!("open, cwd, many, map or read"),
    }
}

fn wait() -> Result<()> {
    say("ready");
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Says something, whether or not anybody listens.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A map of a file that outlives its descriptor.
fn map(file: &File) -> Result<&'static [u8]> {
    let len = usize::try_from(file.metadata()?.len())?;
    // SAFETY: a new map at a place the kernel chooses; never unmapped.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the map has `len` bytes and stays.
    Ok(unsafe { std::slice::from_raw_parts(at.cast(), len) })
}

/// One byte of each page.
fn sum(map: &[u8]) -> u64 {
    map.iter().step_by(4096).map(|byte| u64::from(*byte)).sum()
}
