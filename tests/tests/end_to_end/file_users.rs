//! Many, odd and other users of a mount (F70 to F80 of the faults that must be survived): thousands
//! of handles, locks, programs of 32 bits, NFS-like handles, scanners, overlays.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{self, Ended, NOBODY, Running, Session, can_mount};
use isodrive_tests::sample::{c, contents, mounted, walk};

const O_DIRECT: i32 = 0o40000;

#[test]
fn f70_twenty_thousand_open_files_cost_the_server_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    // By several programs: one alone may not have so many.
    const PROGRAMS: usize = 4;
    const EACH: usize = 5000;
    let few = "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\"";
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
    let holders = (0..PROGRAMS).map(|program| -> Result<Running> {
        let file = mount.at.join(format!("many/name-{program:03}"));
        let each = EACH.to_string();
        let words = ["-c", few, env!("CARGO_BIN_EXE_client"), "many"].map(OsStr::new);
        let mut arguments = words.to_vec();
        arguments.extend([file.as_os_str(), each.as_ref()]);
        Running::client("bash", &arguments)
    });
    let holders = holders.collect::<Result<Vec<_>>>()?;
    let during = (resident()?, descriptors()?);
    drop(holders);
    let handles = PROGRAMS * EACH;
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
         __asm__ volatile(\"int $0x80\" : \"=a\"(r) \
         : \"a\"(n), \"b\"(a), \"c\"(b), \"d\"(c) : \"memory\"); \
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
fn attributes_that_no_file_has_are_soon_asked_for_no_more() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let (_session, mount) = mounted(&[])?;
    let begun = Instant::now();
    let list = || rustix::fs::listxattr(mount.at.join("size-1"), &mut [0u8; 64]);
    assert_eq!(list()?, 0);
    let end = loop {
        match list() {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "asked for ever");
    };
    assert_eq!(end, rustix::io::Errno::OPNOTSUPP);
    let mut value = [0u8; 64];
    while rustix::fs::getxattr(mount.at.join("size-1"), "user.none", &mut value)
        != Err(rustix::io::Errno::OPNOTSUPP)
    {
        assert!(begun.elapsed() < Duration::from_secs(20), "asked for ever");
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
        // SAFETY: the structure is shaped as the kernel's, with room for the bytes that it says.
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
    let check = |mut handles: Vec<Handle>| -> Result<Vec<Handle>> {
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
