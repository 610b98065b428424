//! What programs may do with files of a mount, and what they may not (F63 to F69 of the faults that
//! must be survived). The calls are made as programs make them, by number where that matters.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isodrive_tests::program::{self, can_mount};
use isodrive_tests::sample::{c, contents, mounted, walk};
use libc::{EACCES, EBADF, EEXIST, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EROFS, O_DIRECT};

/// Runs a test with the mount served by each driver that there is.
fn on_every_driver(test: impl Fn(&[&str]) -> Result<()>) -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    for driver in program::drivers() {
        test(&driver).with_context(|| driver.join(" "))?;
    }
    Ok(())
}

/// The errno of a C call that answers -1.
fn errno(result: impl Into<i64>) -> i32 {
    let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    if result.into() < 0 { error } else { 0 }
}

/// What each attempt to write gave, and what it may give.
type Attempts = Vec<(&'static str, i32, &'static [i32])>;

/// Calls that name a file.
fn by_name(at: &std::path::Path) -> Result<Attempts> {
    let (file, new, dir) = (c(&at.join("size-1"))?, c(&at.join("new"))?, c(&at.join("folder"))?);
    let (f, n, d) = (file.as_ptr(), new.as_ptr(), dir.as_ptr());
    let (name, value) = (c"user.x".as_ptr(), c"y".as_ptr().cast());
    let now = std::ptr::null();
    let cwd = libc::AT_FDCWD;
    use libc::{O_APPEND, O_CREAT, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY};
    // SAFETY: strings live until the end of this function; nothing is written to memory.
    Ok(unsafe {
        vec![
            ("write", errno(libc::open(f, O_WRONLY)), &[EROFS]),
            ("read and write", errno(libc::open(f, O_RDWR)), &[EROFS]),
            ("cut", errno(libc::open(f, O_WRONLY | O_TRUNC)), &[EROFS]),
            ("append", errno(libc::open(f, O_WRONLY | O_APPEND)), &[EROFS]),
            ("create", errno(libc::open(n, O_CREAT | O_WRONLY, 0o644)), &[EROFS]),
            ("temporary", errno(libc::open(d, O_TMPFILE | O_RDWR, 0o600)), &[EROFS, EOPNOTSUPP]),
            ("truncate", errno(libc::truncate(f, 0)), &[EROFS]),
            ("unlink", errno(libc::unlink(f)), &[EROFS]),
            ("rmdir", errno(libc::rmdir(d)), &[EROFS]),
            ("mkdir", errno(libc::mkdir(n, 0o755)), &[EROFS]),
            ("mkdir over a name", errno(libc::mkdir(d, 0o755)), &[EEXIST]),
            ("mknod", errno(libc::mknod(n, libc::S_IFIFO | 0o644, 0)), &[EROFS]),
            ("mknod over a name", errno(libc::mknod(f, libc::S_IFREG | 0o644, 0)), &[EEXIST]),
            ("symlink", errno(libc::symlink(f, n)), &[EROFS]),
            ("symlink over a name", errno(libc::symlink(f, f)), &[EEXIST]),
            ("link", errno(libc::link(f, n)), &[EROFS]),
            ("link over a name", errno(libc::link(f, d)), &[EEXIST]),
            ("rename", errno(libc::rename(f, n)), &[EROFS]),
            ("chmod", errno(libc::chmod(f, 0o777)), &[EROFS]),
            ("chown", errno(libc::chown(f, 1, 1)), &[EROFS]),
            ("lchown", errno(libc::lchown(f, 1, 1)), &[EROFS]),
            ("fchownat", errno(libc::fchownat(cwd, f, 1, 1, 0)), &[EROFS]),
            ("utimensat", errno(libc::utimensat(cwd, f, now, 0)), &[EROFS]),
            ("utime", errno(libc::utime(f, std::ptr::null())), &[EROFS]),
            ("access W_OK", errno(libc::access(f, libc::W_OK)), &[EROFS]),
            ("acct", errno(libc::acct(f)), &[EROFS, EPERM, ENOSYS]),
            ("setxattr", errno(libc::setxattr(f, name, value, 1, 0)), &[EROFS]),
            ("removexattr", errno(libc::removexattr(f, name)), &[EROFS]),
        ]
    })
}

/// Calls on a file that is open, for reading as it must be.
fn by_descriptor(file: &File) -> Attempts {
    let fd = file.as_raw_fd();
    let byte: *const libc::c_void = c"y".as_ptr().cast();
    let map = |protection| {
        // SAFETY: a new map at a place the kernel chooses.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), 1, protection, libc::MAP_SHARED, fd, 0) };
        if at == libc::MAP_FAILED { errno(-1) } else { 0 }
    };
    // SAFETY: the descriptor is open, and the byte is a constant.
    unsafe {
        vec![
            ("fchmod", errno(libc::fchmod(fd, 0o777)), &[EROFS]),
            ("fchown", errno(libc::fchown(fd, 1, 1)), &[EROFS]),
            ("futimens", errno(libc::futimens(fd, std::ptr::null())), &[EROFS]),
            ("fallocate", errno(libc::fallocate(fd, 0, 0, 10)), &[EBADF, EROFS]),
            ("ftruncate", errno(libc::ftruncate(fd, 0)), &[EINVAL, EBADF, EROFS]),
            ("write()", errno(i64::try_from(libc::write(fd, byte, 1)).unwrap_or(0)), &[EBADF]),
            ("shared map to write", map(libc::PROT_WRITE), &[EACCES]),
        ]
    }
}

#[test]
fn f63_every_way_of_writing_is_refused_as_on_a_disc() -> Result<()> {
    on_every_driver(refuses_to_write)
}

fn refuses_to_write(driver: &[&str]) -> Result<()> {
    let (_session, mount) = mounted(&[driver, &["--permissions", "image"]].concat())?;
    let mut attempts = by_name(&mount.at)?;
    attempts.extend(by_descriptor(&File::open(mount.at.join("size-1"))?));
    assert_eq!(attempts.len(), 35);
    attempts.retain(|(_, got, may)| !may.contains(got));
    assert!(attempts.is_empty(), "{attempts:?}");
    assert_eq!(fs::read(mount.at.join("size-1"))?, contents(1));
    Ok(())
}

#[test]
fn f64_f71_positions_ends_and_holes() -> Result<()> {
    on_every_driver(has_positions)
}

fn has_positions(driver: &[&str]) -> Result<()> {
    let (_session, mount) = mounted(driver)?;
    for size in [0usize, 1, 2047, 2048, 4097, 70_000] {
        let mut file = File::open(mount.at.join(format!("size-{size}")))?;
        let want = contents(size);
        let len = u64::try_from(size)?;
        let mut bytes = [0; 16];
        for at in [0, 1, len.saturating_sub(1), len, len + 1, len + 5000, i64::MAX as u64 - 16] {
            let got = file.read_at(&mut bytes, at)?;
            let from = usize::try_from(at)?.min(size);
            assert_eq!(bytes[..got], want[from..(from + 16).min(size)], "{size} at {at}");
        }
        assert_eq!(file.read_at(&mut bytes, u64::MAX).unwrap_err().raw_os_error(), Some(22));
        assert_eq!(file.seek(SeekFrom::End(0))?, len);
        // The whole file is data, whatever is in it.
        // SAFETY: a descriptor that is open.
        let (data, hole) = unsafe {
            (
                libc::lseek(file.as_raw_fd(), 0, libc::SEEK_DATA),
                libc::lseek(file.as_raw_fd(), 0, libc::SEEK_HOLE),
            )
        };
        if size > 0 {
            assert_eq!((data, hole), (0, i64::try_from(size)?));
        } else {
            assert_eq!(data, -1);
        }
    }
    let large = File::open(mount.at.join("large"))?;
    let mut bytes = [1; 16];
    assert_eq!(large.read_at(&mut bytes, (2 << 30) - 1)?, 6);
    assert_eq!(bytes[..6], [0; 6]);
    Ok(())
}

/// The names of a folder with their cookies, by the kernel's own call.
fn raw_names(dir: &File, buffer: usize) -> io::Result<Vec<(OsString, i64)>> {
    let mut names = Vec::new();
    let mut bytes = vec![0u8; buffer];
    loop {
        // SAFETY: the buffer is as long as is said.
        let got = unsafe {
            libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), bytes.as_mut_ptr(), bytes.len())
        };
        match got {
            0 => return Ok(names),
            1.. => {
                let mut rest = &bytes[..got as usize];
                while !rest.is_empty() {
                    let offset = i64::from_ne_bytes(rest[8..16].try_into().unwrap_or_default());
                    let len = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
                    let name = rest[19..len].split(|byte| *byte == 0).next().unwrap_or_default();
                    names.push((std::os::unix::ffi::OsStringExt::from_vec(name.to_vec()), offset));
                    rest = &rest[len..];
                }
            }
            _ => return Err(io::Error::last_os_error()),
        }
    }
}

#[test]
fn f65_directories_can_be_read_from_anywhere_by_many() -> Result<()> {
    on_every_driver(lists_from_anywhere)
}

fn lists_from_anywhere(driver: &[&str]) -> Result<()> {
    let (_session, mount) = mounted(driver)?;
    let many = mount.at.join("many");
    let all = raw_names(&File::open(&many)?, 32_768)?;
    assert_eq!(all.len(), 502);
    let distinct: BTreeSet<_> = all.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(distinct.len(), 502, "every name once");
    let shared = File::open(&many)?;
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (many, all, shared) = (&many, &all, &shared);
            scope.spawn(move || {
                let own = File::open(many).unwrap();
                for round in 0..60usize {
                    let from = (thread * 131 + round * 37) % all.len();
                    let mut own_at = &own;
                    own_at.seek(SeekFrom::Start(all[from].1 as u64)).unwrap();
                    let rest = raw_names(&own, 512).unwrap();
                    assert_eq!(rest, all[from + 1..], "from entry {from}");
                    // Those who share a position get parts of it, and no error.
                    let mut shared_at = shared;
                    shared_at.rewind().unwrap();
                    raw_names(shared, 4096).unwrap();
                }
                // A place that no entry has.
                let mut own_at = &own;
                own_at.seek(SeekFrom::Start(1 << 40)).unwrap();
                assert_eq!(raw_names(&own, 4096).unwrap(), []);
            });
        }
    });
    Ok(())
}

#[test]
fn f66_f67_numbers_and_kinds_agree_and_stay_the_same_across_mounts() -> Result<()> {
    on_every_driver(keeps_numbers)
}

fn keeps_numbers(driver: &[&str]) -> Result<()> {
    let (session, mount) = mounted(driver)?;
    let look = || -> Result<Vec<(PathBuf, u64, bool)>> {
        let mut paths = Vec::new();
        walk(&mount.at, &mut paths)?;
        let mut seen = Vec::new();
        for path in paths {
            let metadata = fs::symlink_metadata(&path)?;
            let parent = path.parent().context("a parent")?;
            let name = path.file_name().context("a name")?;
            let entry = fs::read_dir(parent)?.flatten().find(|entry| entry.file_name() == name);
            let entry = entry.context("it is listed")?;
            assert_eq!(entry.ino(), metadata.ino(), "{path:?}");
            assert_eq!(entry.file_type()?, metadata.file_type(), "{path:?}");
            assert!(metadata.ino() < 1 << 32, "programs of 32 bits can have it");
            seen.push((path, metadata.ino(), metadata.file_type().is_fifo()));
        }
        Ok(seen)
    };
    for dir in ["", "folder", "folder/deeper"] {
        let dir = mount.at.join(dir);
        let own = fs::metadata(&dir)?.ino();
        assert_eq!(fs::metadata(dir.join("."))?.ino(), own);
        let up = fs::metadata(dir.join(".."))?.ino();
        let is_root = dir == mount.at.join("");
        let want = fs::metadata(dir.parent().context("a parent")?)?.ino();
        assert!(is_root || up == want, "{dir:?}");
    }
    let first = look()?;
    let distinct: BTreeSet<_> = first.iter().map(|(_, ino, _)| ino).collect();
    assert_eq!(distinct.len(), first.len(), "no number twice");
    if program::is_root("dropping the kernel's caches") {
        fs::write("/proc/sys/vm/drop_caches", "2")?;
    }
    assert_eq!(look()?, first);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    session.mount(&[driver, &["disc.iso", "here"]].concat())?;
    assert_eq!(look()?, first, "after another mount");
    let sums = || -> Result<Vec<u8>> {
        let mut tar = Command::new("tar");
        tar.args(["--exclude=large", "-cf", "-", "."]).current_dir(&mount.at);
        let output = tar.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    assert!(sums()? == sums()?, "tar sees no change");
    Ok(())
}

#[test]
fn f68_f69_every_way_of_reading_gives_the_same_bytes() -> Result<()> {
    on_every_driver(reads_in_every_way)
}

fn reads_in_every_way(driver: &[&str]) -> Result<()> {
    let (session, mount) = mounted(driver)?;
    let size = 3_000_000;
    let path = mount.at.join(format!("size-{size}"));
    let want = contents(size);
    assert!(fs::read(&path)? == want);
    for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
        let file = File::open(&path)?;
        // SAFETY: a new map of a file that does not change, unmapped before the file goes.
        unsafe {
            let at =
                libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ, flags, file.as_raw_fd(), 0);
            assert_ne!(at, libc::MAP_FAILED);
            assert!(std::slice::from_raw_parts(at.cast::<u8>(), size) == want);
            libc::munmap(at, size);
        }
    }
    // Past the cache: aligned, and at odd places and lengths.
    let direct = match File::options().read(true).custom_flags(O_DIRECT).open(&path) {
        // EROFS over files offers nothing but the cache.
        Err(error) if mount.is_kernels && error.raw_os_error() == Some(EINVAL) => None,
        opened => Some(opened?),
    };
    let pieces = [(0, 4096), (4096, 65_536), (1, 511), (12_345, 100_001), (size - 7, 4096)];
    for (direct, (at, len)) in direct.iter().flat_map(|file| pieces.map(|piece| (file, piece))) {
        let mut bytes = vec![0; len];
        let got = direct.read_at(&mut bytes, u64::try_from(at)?)?;
        assert!(bytes[..got] == want[at..(at + len).min(size)], "{at} {len}");
    }
    // From the kernel to the kernel: sendfile, splice, and copies to another file system.
    let out = session.path("out");
    for way in ["sendfile", "splice", "copy_file_range"] {
        let (from, to) = (File::open(&path)?, File::create(&out)?);
        let copied = match way {
            "sendfile" => copy(size, |n| unsafe {
                // SAFETY: open descriptors.
                libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), std::ptr::null_mut(), n)
            }),
            "splice" => splice(&from, &to, size),
            _ => copy(size, |n| unsafe {
                // SAFETY: open descriptors.
                let nowhere = std::ptr::null_mut();
                libc::copy_file_range(from.as_raw_fd(), nowhere, to.as_raw_fd(), nowhere, n, 0)
            }),
        };
        match copied {
            Ok(()) => assert!(fs::read(&out)? == want, "{way}"),
            Err(error) => {
                assert_eq!((way, error.raw_os_error()), ("copy_file_range", Some(18)), "EXDEV")
            }
        }
    }
    Ok(())
}

fn copy(size: usize, mut step: impl FnMut(usize) -> isize) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        match step(left) {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n @ 1.. => left -= n as usize,
            _ => return Err(io::Error::last_os_error()),
        }
    }
    Ok(())
}

fn splice(from: &File, to: &File, size: usize) -> io::Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let nowhere = std::ptr::null_mut();
    copy(size, |left| {
        // SAFETY: open descriptors.
        unsafe {
            let n = libc::splice(
                from.as_raw_fd(),
                nowhere,
                writer.as_raw_fd(),
                nowhere,
                left.min(65_536),
                0,
            );
            let mut moved = 0;
            while moved < n {
                let left = (n - moved) as usize;
                let m = libc::splice(reader.as_raw_fd(), nowhere, to.as_raw_fd(), nowhere, left, 0);
                if m <= 0 {
                    return -1;
                }
                moved += m;
            }
            n
        }
    })
}
