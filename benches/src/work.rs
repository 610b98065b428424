//! What is done with a disc while the time is taken: walks, reads, copies.
//! Each gives one number, in its unit.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Bytes of a large file that are read.
pub const READ_BYTES: u64 = 1 << 30;

/// How long random reads go on.
const RANDOM_TIME: Duration = Duration::from_millis(1000);

/// Seconds of `find -ls`.
pub fn walk(at: &Path) -> Result<f64> {
    timed("find", &[at.as_os_str(), "-ls".as_ref()])
}

/// Seconds of `du`.
pub fn du(at: &Path) -> Result<f64> {
    timed("du", &["-s".as_ref(), at.as_os_str()])
}

/// Seconds of `tar c`, read by another process: it reads nothing for `/dev/null`.
pub fn tar(at: &Path) -> Result<f64> {
    let script = "tar -C \"$0\" -cf - . | cat > /dev/null";
    timed("sh", &["-c".as_ref(), script.as_ref(), at.as_os_str()])
}

/// Seconds of `cp -a` into memory.
pub fn copy(at: &Path) -> Result<f64> {
    let to = tempfile::tempdir_in("/dev/shm")?;
    let from = at.join(".");
    timed("cp", &["-a".as_ref(), from.as_os_str(), to.path().as_os_str()])
}

fn timed(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<f64> {
    let begin = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(begin.elapsed().as_secs_f64())
}

/// Seconds to open, read and close every small file of a tree of two levels.
pub fn small_files(at: &Path) -> Result<f64> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    let mut buffer = vec![0; 64 << 10];
    let begin = Instant::now();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let mut file = File::open(entry?.path())?;
            ensure!(file.read(&mut buffer)? > 0, "an empty file");
        }
    }
    Ok(begin.elapsed().as_secs_f64())
}

/// GB/s from front to back by reads of `step` bytes.
pub fn sequential(file: &Path, step: usize) -> Result<f64> {
    let mut file = File::open(file)?;
    let mut buffer = vec![0; step];
    let begin = Instant::now();
    let mut total = 0;
    while total < READ_BYTES {
        let read = file.read(&mut buffer)?;
        ensure!(read > 0, "a short file");
        total += read as u64;
    }
    Ok(gigabytes(total, begin))
}

/// GB/s of eight readers, each of an eighth.
pub fn eight_readers(path: &Path) -> Result<f64> {
    let len = fs::metadata(path)?.len() / 8;
    let begin = Instant::now();
    let total = AtomicU64::new(0);
    std::thread::scope(|scope| -> Result<()> {
        let readers = (0..8).map(|reader| {
            let total = &total;
            scope.spawn(move || -> Result<()> {
                let file = File::open(path)?;
                let mut buffer = vec![0; 1 << 20];
                let (mut at, end) = (reader * len, reader * len + READ_BYTES / 8);
                while at < end {
                    let read = file.read_at(&mut buffer, at)? as u64;
                    ensure!(read > 0, "a short file");
                    at += read;
                    total.fetch_add(read, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let readers: Vec<_> = readers.collect();
        readers.into_iter().try_for_each(|reader| reader.join().expect("no reader panics"))
    })?;
    Ok(gigabytes(total.into_inner(), begin))
}

/// Thousands of reads of 4 KiB a second, anywhere in the file, by so many threads.
pub fn random(path: &Path, threads: u64) -> Result<f64> {
    let len = fs::metadata(path)?.len();
    let total = AtomicU64::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let readers = (0..threads).map(|thread| {
            let total = &total;
            scope.spawn(move || -> Result<()> {
                let file = File::open(path)?;
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random)?;
                let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
                let mut buffer = [0; 4096];
                while begin.elapsed() < RANDOM_TIME {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let at = state % (len / 4096 - 1) * 4096;
                    file.read_exact_at(&mut buffer, at)?;
                    total.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let readers: Vec<_> = readers.collect();
        readers.into_iter().try_for_each(|reader| reader.join().expect("no reader panics"))
    })?;
    Ok(total.into_inner() as f64 / begin.elapsed().as_secs_f64() / 1000.0)
}

/// GB/s through a map, a byte of each page.
pub fn mapped(path: &Path) -> Result<f64> {
    let file = File::open(path)?;
    #[expect(unsafe_code, reason = "memory maps cannot be made safely")]
    // SAFETY: nobody changes the image while it is measured.
    let map = unsafe { memmap2::Mmap::map(&file) }?;
    let len = (READ_BYTES as usize).min(map.len());
    let begin = Instant::now();
    let sum: u64 = map[..len].iter().step_by(4096).map(|byte| u64::from(*byte)).sum();
    std::hint::black_box(sum);
    Ok(gigabytes(len as u64, begin))
}

fn gigabytes(bytes: u64, begin: Instant) -> f64 {
    bytes as f64 / 1e9 / begin.elapsed().as_secs_f64()
}

/// Makes all folders of a tree writable, so that it can be removed.
pub fn make_removable(at: &Path) -> Result<()> {
    let mut command = Command::new("chmod");
    ensure!(command.args(["-R", "u+rwX"]).arg(at).status()?.success(), "chmod");
    Ok(())
}

/// Has nothing of any file in memory.
pub fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    Ok(fs::write("/proc/sys/vm/drop_caches", "3")?)
}

/// Takes memory and gives it back, so that what comes next gets pages that the machine has at hand:
/// a virtual machine may have returned free ones to its host, and to have them again takes longer
/// than what is to be measured.
pub fn touch_memory() {
    let mut memory = vec![0u8; 3 << 29];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

/// Has all of a file in memory.
pub fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}
