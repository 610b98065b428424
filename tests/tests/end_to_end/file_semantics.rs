//! What programs may do with files of a mount, and what they may not (F63 to F80 of the faults that
//! must be survived). The calls are made as programs make them, by number where that matters.

use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{self, Ended, Mount, NOBODY, Session, can_mount};

const EROFS: i32 = 30;
const EEXIST: i32 = 17;
const O_DIRECT: i32 = 0o40000;

/// A disc with files of many sizes, folders, links, and many names in one folder; mounted.
fn mounted(options: &[&str]) -> Result<(Session, Mount)> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("folder/deeper"))?;
    fs::create_dir(tree.join("many"))?;
    for number in 0..500 {
        fs::write(tree.join(format!("many/name-{number:03}")), number.to_string())?;
    }
    for size in [0usize, 1, 2047, 2048, 4097, 70_000, 3_000_000] {
        fs::write(tree.join(format!("size-{size}")), contents(size))?;
    }
    std::os::unix::fs::symlink("size-1", tree.join("link"))?;
    File::create(tree.join("large"))?.set_len((2 << 30) + 5)?;
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    fs::remove_dir_all(&tree)?;
    let mut arguments = options.to_vec();
    arguments.extend(["disc.iso", "here"]);
    let mount = session.mount(&arguments)?;
    Ok((session, mount))
}

fn contents(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn c(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The errno of a C call that answers -1.
fn errno(result: impl Into<i64>) -> i32 {
    let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    if result.into() < 0 { error } else { 0 }
}

#[test]
fn f63_every_way_of_writing_is_refused_as_on_a_disc() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&["--permissions", "image"])?;
    let at = |name: &str| c(&mount.at.join(name));
    let (file, new, dir) = (at("size-1")?, at("new")?, at("folder")?);
    let open = File::open(mount.at.join("size-1"))?;
    let fd = open.as_raw_fd();
    let (f, n, d) = (file.as_ptr(), new.as_ptr(), dir.as_ptr());
    let mut wrong = Vec::new();
    let mut refused = |what: &str, got: i32, want: &[i32]| {
        if !want.contains(&got) {
            wrong.push(format!("{what}: {got}"));
        }
    };
    // SAFETY: strings and the descriptor live until the end of this function; nothing is written
    // to memory.
    unsafe {
        for (what, flags) in [
            ("write", libc::O_WRONLY),
            ("read and write", libc::O_RDWR),
            ("truncate", libc::O_WRONLY | libc::O_TRUNC),
            ("append", libc::O_WRONLY | libc::O_APPEND),
        ] {
            refused(what, errno(libc::open(f, flags)), &[EROFS]);
        }
        refused("create", errno(libc::open(n, libc::O_CREAT | libc::O_WRONLY, 0o644)), &[EROFS]);
        refused(
            "temporary",
            errno(libc::open(d, libc::O_TMPFILE | libc::O_RDWR, 0o600)),
            &[EROFS, 95],
        );
        refused("truncate()", errno(libc::truncate(f, 0)), &[EROFS]);
        refused("unlink", errno(libc::unlink(f)), &[EROFS]);
        refused("rmdir", errno(libc::rmdir(d)), &[EROFS]);
        refused("mkdir", errno(libc::mkdir(n, 0o755)), &[EROFS]);
        refused("mkdir over a name", errno(libc::mkdir(d, 0o755)), &[EEXIST]);
        refused("mknod", errno(libc::mknod(n, libc::S_IFIFO | 0o644, 0)), &[EROFS]);
        refused("mknod over a name", errno(libc::mknod(f, libc::S_IFREG | 0o644, 0)), &[EEXIST]);
        refused("symlink", errno(libc::symlink(f, n)), &[EROFS]);
        refused("symlink over a name", errno(libc::symlink(f, f)), &[EEXIST]);
        refused("link", errno(libc::link(f, n)), &[EROFS]);
        refused("link over a name", errno(libc::link(f, d)), &[EEXIST]);
        refused("rename", errno(libc::rename(f, n)), &[EROFS]);
        refused("chmod", errno(libc::chmod(f, 0o777)), &[EROFS]);
        refused("fchmod", errno(libc::fchmod(fd, 0o777)), &[EROFS]);
        refused("chown", errno(libc::chown(f, 1, 1)), &[EROFS]);
        refused("lchown", errno(libc::lchown(f, 1, 1)), &[EROFS]);
        refused("fchown", errno(libc::fchown(fd, 1, 1)), &[EROFS]);
        refused(
            "utimensat",
            errno(libc::utimensat(libc::AT_FDCWD, f, std::ptr::null(), 0)),
            &[EROFS],
        );
        refused("futimens", errno(libc::futimens(fd, std::ptr::null())), &[EROFS]);
        refused("utime", errno(libc::utime(f, std::ptr::null())), &[EROFS]);
        refused("access W_OK", errno(libc::access(f, libc::W_OK)), &[EROFS]);
        refused("acct", errno(libc::acct(f)), &[EROFS, 1, 38]);
        let name = c"user.x".as_ptr();
        let value = c"y".as_ptr().cast();
        refused("setxattr", errno(libc::setxattr(f, name, value, 1, 0) as i64), &[EROFS]);
        refused("removexattr", errno(libc::removexattr(f, name)), &[EROFS]);
        refused("fallocate", errno(libc::fallocate(fd, 0, 0, 10)), &[9, EROFS]);
        refused("ftruncate", errno(libc::ftruncate(fd, 0)), &[22, 9, EROFS]);
        refused("write to what is open for reading", errno(libc::write(fd, value, 1) as i64), &[9]);
        let map = libc::mmap(std::ptr::null_mut(), 1, libc::PROT_WRITE, libc::MAP_SHARED, fd, 0);
        refused("shared map to write", if map == libc::MAP_FAILED { errno(-1) } else { 0 }, &[13]);
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(fs::read(mount.at.join("size-1"))?, contents(1));
    Ok(())
}

#[test]
fn f64_f71_positions_ends_and_holes() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
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
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
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

/// All paths of a tree.
fn walk(at: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        paths.push(entry.path());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        }
    }
    Ok(())
}

#[test]
fn f66_f67_numbers_and_kinds_agree_and_stay_the_same_across_mounts() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (session, mount) = mounted(&[])?;
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
    session.mount(&["disc.iso", "here"])?;
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
    if !can_mount() {
        return Ok(());
    }
    let (session, mount) = mounted(&[])?;
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
    let direct = File::options().read(true).custom_flags(O_DIRECT).open(&path)?;
    for (at, len) in [(0, 4096), (4096, 65_536), (1, 511), (12_345, 100_001), (size - 7, 4096)] {
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

#[test]
fn f70_twenty_thousand_open_files_cost_the_server_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let want = 21_000.min(limits.maximum.unwrap_or(u64::MAX));
    let raised = rustix::process::Rlimit { current: Some(want), maximum: limits.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
    let handles = usize::try_from(want - 1000)?;
    let (_session, mount) = mounted(&[])?;
    let resident = || -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", mount.worker))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        Ok(line.split_whitespace().nth(1).unwrap_or("0").parse()?)
    };
    let descriptors =
        || Ok::<_, anyhow::Error>(fs::read_dir(format!("/proc/{}/fd", mount.worker))?.count());
    fs::read(mount.at.join("many/name-001"))?;
    let before = (resident()?, descriptors()?);
    let mut open = Vec::with_capacity(handles);
    for number in 0..handles {
        open.push(File::open(mount.at.join(format!("many/name-{:03}", number % 500)))?);
    }
    let during = (resident()?, descriptors()?);
    // Closed in another order than they were opened.
    while !open.is_empty() {
        let at = open.len() * 7919 % open.len().max(1);
        let file = open.swap_remove(at);
        if open.len() % 1000 == 0 {
            let mut text = String::new();
            { file }.read_to_string(&mut text)?;
            assert!(text.parse::<usize>()? < 500);
        }
    }
    println!("{handles} handles: {before:?} KiB and descriptors, then {during:?}");
    assert_eq!(before.1, during.1, "no descriptor of the server for a handle");
    assert!(during.0 < before.0 + u64::try_from(handles)?, "1 KiB for each at most");
    Ok(())
}

#[test]
fn f72_f74_watching_and_locking_are_granted() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
    let path = mount.at.join("size-4097");
    // SAFETY: descriptors that are open, a string and structures that live long enough.
    unsafe {
        let watch = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
        assert!(watch >= 0);
        let watch = File::from_raw_fd(watch);
        let change = libc::IN_MODIFY | libc::IN_CREATE | libc::IN_DELETE;
        assert!(libc::inotify_add_watch(watch.as_raw_fd(), c(&mount.at)?.as_ptr(), change) >= 0);
        fs::read(&path)?;
        let error = { watch }.read(&mut [0; 256]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "no events");
        let file = File::open(&path)?;
        let fd = file.as_raw_fd();
        assert_eq!(libc::flock(fd, libc::LOCK_SH | libc::LOCK_NB), 0);
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_RDLCK as i16;
        assert_eq!(libc::fcntl(fd, libc::F_SETLK, &lock), 0);
        lock.l_type = libc::F_UNLCK as i16;
        assert_eq!(libc::fcntl(fd, libc::F_SETLK, &lock), 0);
    }
    Ok(())
}

#[test]
fn f73_programs_of_32_bits_can_ask_for_files_below_2_gib() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (session, mount) = mounted(&[])?;
    // Without a C library of 32 bits: three system calls (stat, open, exit) by number.
    fs::write(
        session.path("stat32.c"),
        "static int call(int n, int a, int b, int c) { int r; \
         __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(n), \"b\"(a), \"c\"(b), \"d\"(c) : \"memory\"); \
         return r; }\n\
         void start(int *sp) { char buf[256]; char *path = (char *)sp[2]; \
         int r = call(106, (int)path, (int)buf, 0); \
         if (r == 0) r = call(5, (int)path, 0, 0); \
         call(1, r < 0 ? -r : 0, 0, 0); }\n\
         __asm__(\".globl _start\\n_start: mov %esp, %eax; push %eax; call start\");\n",
    )?;
    let built = Command::new("gcc")
        .args([
            "-m32",
            "-nostdlib",
            "-static",
            "-fno-pie",
            "-no-pie",
            "-fno-stack-protector",
            "-O1",
        ])
        .args(["-o", "stat32", "stat32.c"])
        .current_dir(session.path(""))
        .output();
    match built {
        Ok(output) if output.status.success() => {}
        other => {
            println!("not run: gcc makes no program of 32 bits here: {other:?}");
            return Ok(());
        }
    }
    let ask = |name: &str| -> Result<Option<i32>> {
        match Command::new(session.path("stat32")).arg(mount.at.join(name)).status() {
            Ok(status) => Ok(status.code()),
            Err(error) => {
                println!("not run: {error}");
                Ok(None)
            }
        }
    };
    let Some(code) = ask("size-70000")? else { return Ok(()) };
    assert_eq!(code, 0);
    assert_eq!(ask("folder")?, Some(0));
    assert_eq!(ask("large")?, Some(75), "EOVERFLOW");
    Ok(())
}

#[test]
fn f75_f76_the_volume_and_its_attributes() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
    let facts = rustix::fs::statvfs(&mount.at)?;
    assert_eq!((facts.f_bsize, facts.f_frsize), (2048, 2048));
    let image = fs::metadata(mount.at.with_file_name("disc.iso"))?.len();
    let volume = facts.f_blocks * 2048;
    assert!(volume <= image && image - volume < 1 << 20, "{volume} of {image}");
    assert_eq!((facts.f_bfree, facts.f_bavail, facts.f_namemax), (0, 0, 255));
    assert!(facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    for name in ["system.posix_acl_access", "security.capability", "user.none"] {
        for _ in 0..2 {
            let mut value = [0u8; 64];
            let got = rustix::fs::getxattr(mount.at.join("size-1"), name, &mut value);
            let number = got.map_err(|error| error.raw_os_error());
            assert!(matches!(number, Err(61 | 95)), "{name}: {number:?}");
        }
    }
    Ok(())
}

#[test]
fn f77_handles_of_files_stay_good_when_the_kernel_forgets_and_the_server_is_another() -> Result<()>
{
    if !can_mount() || !program::is_root("opening by handle, as an NFS server does") {
        return Ok(());
    }
    let (session, mount) = mounted(&[])?;
    let paths = ["size-4097", "folder/deeper", "many/name-321"].map(|name| mount.at.join(name));
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        data: [u8; 128],
    }
    let handle_of = |path: &Path| -> Result<Handle> {
        let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
        let mut mount_id = 0i32;
        // SAFETY: the structure has the shape of the kernel's, with room for the bytes that it says.
        let result = unsafe {
            libc::syscall(
                libc::SYS_name_to_handle_at,
                libc::AT_FDCWD,
                c(path)?.as_ptr(),
                &mut handle,
                &mut mount_id,
                0,
            )
        };
        ensure!(result == 0, "{path:?}: {}", io::Error::last_os_error());
        Ok(handle)
    };
    let handles = paths.iter().map(|path| handle_of(path)).collect::<Result<Vec<_>>>()?;
    let open = |handle: &mut Handle| -> io::Result<File> {
        let root = File::open(&mount.at)?;
        // SAFETY: as above.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                root.as_raw_fd(),
                &mut *handle,
                libc::O_RDONLY,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor, nobody else's.
        Ok(unsafe { File::from_raw_fd(fd as i32) })
    };
    let mut check = |mut handles: Vec<Handle>| -> Result<Vec<Handle>> {
        fs::write("/proc/sys/vm/drop_caches", "2")?;
        for (handle, path) in handles.iter_mut().zip(&paths) {
            let file = open(handle).with_context(|| format!("{path:?}"))?;
            let (by_handle, by_path) = (file.metadata()?, fs::metadata(path)?);
            assert_eq!((by_handle.ino(), by_handle.len()), (by_path.ino(), by_path.len()));
            rustix::fs::fstat(file.as_fd())?;
        }
        Ok(handles)
    };
    let handles = check(handles)?;
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    session.mount(&["disc.iso", "here"])?;
    check(handles)?;
    Ok(())
}

#[test]
fn f78_other_users_get_in_when_let_and_as_far_as_the_modes_say() -> Result<()> {
    if !can_mount() || !program::is_root("being another user") {
        return Ok(());
    }
    // Where every user may pass.
    let folder = tempfile::tempdir()?;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open)?;
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("secret"), "secret")?;
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(tree.join("secret"), closed)?;
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    let at = folder.path().join("here");
    let as_nobody = || -> Result<Ended> {
        let user = NOBODY.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "cat"]);
        Ok(Ended::of(&command.arg(at.join("secret")).output()?))
    };
    for (options, may) in [
        (&["--quiet"][..], false),
        (&["--quiet", "--allow-other"], true),
        (&["--quiet", "--allow-other", "--permissions", "image"], false),
    ] {
        let mut arguments = vec!["mount"];
        arguments.extend(options);
        arguments.extend(["disc.iso", at.to_str().context("a path")?]);
        let ended = session.run(&arguments)?;
        assert_eq!(ended.code, 0, "{options:?}: {}", ended.err);
        let read = as_nobody()?;
        assert_eq!(read.out == "secret", may, "{options:?}: {}", read.err);
        assert_eq!(session.run(&[Path::new("eject"), &at])?.code, 0);
    }
    Ok(())
}

#[test]
fn f79_a_scanner_of_every_file_costs_bounded_memory_and_starves_nobody() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
    let mut paths = Vec::new();
    walk(&mount.at, &mut paths)?;
    paths.retain(|path| path.is_file());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        for thread in 0..8usize {
            let (paths, over) = (&paths, &over);
            scope.spawn(move || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    for path in paths.iter().skip(thread).step_by(3) {
                        let file = File::options().read(true).custom_flags(O_DIRECT).open(path);
                        let _ = file.and_then(|file| file.read_at(&mut [0; 4096], 0));
                    }
                }
            });
        }
        // In the foreground, somebody reads one file through: it must come to an end.
        let want = contents(3_000_000);
        let path = mount.at.join("size-3000000");
        for _ in 0..5 {
            let mut file = File::options().read(true).custom_flags(O_DIRECT).open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            assert!(bytes == want);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    })?;
    let status = fs::read_to_string(format!("/proc/{}/status", mount.worker))?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).context("a peak")?;
    let kib: u64 = peak.split_whitespace().nth(1).context("a number")?.parse()?;
    println!("{kib} KiB at most");
    // 64 MiB, and the pages of the image that the kernel counts for who maps it.
    let mapped = status.lines().find(|line| line.starts_with("RssFile:")).context("mapped")?;
    let mapped: u64 = mapped.split_whitespace().nth(1).context("a number")?.parse()?;
    assert!(kib < mapped + (64 << 10), "{status}");
    Ok(())
}

#[test]
fn f80_an_overlay_and_a_bind_mount_stand_on_it() -> Result<()> {
    if !can_mount() || !program::is_root("overlays and bind mounts") {
        return Ok(());
    }
    let (session, mount) = mounted(&[])?;
    // An overlay wants its upper folder elsewhere than on an overlay.
    let script = "set -e; mkdir -p o b; mount -t tmpfs none o; mkdir o/up o/work o/merged; \
        mount -t overlay -o lowerdir=here,upperdir=o/up,workdir=o/work none o/merged; \
        echo new > o/merged/size-1; cat o/merged/size-1; cmp here/size-70000 o/merged/size-70000; \
        rm o/merged/size-2048; test ! -e o/merged/size-2048; test -e here/size-2048; \
        mount --bind here/many b; cat b/name-007";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .current_dir(session.path(""))
        .output()?;
    let ended = Ended::of(&output);
    assert_eq!((ended.code, ended.out.as_str()), (0, "new\n7"), "{}", ended.err);
    assert_eq!(fs::read(mount.at.join("size-1"))?, contents(1));
    Ok(())
}
