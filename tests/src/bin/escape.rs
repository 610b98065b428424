//! Code as a hostile image would run it in a worker that it took over: tries to open, write,
//! connect, start and signal, and prints what came of it. Enters the sandbox first, or part of it.
//!
//! `escape none|all|landlock|filter|privileges serve|print|fill` tries everything, as code of a
//! mount's worker, of `ls` or of `extract` would; `escape old-kernel PROGRAM ARGUMENTS...` runs a
//! program on what looks to it like a kernel without Landlock, and `escape no-names ...` on one
//! that gives no name to a file that has none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use sandbox::{Layer, OPENING, Plan, Task, User};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

fn main() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|word| word.to_str()) {
        Some("old-kernel") => {
            let landlock = (libc::SYS_landlock_create_ruleset, Vec::new());
            on_an_old_kernel(landlock, libc::ENOSYS, &arguments[1..])
        }
        Some("no-names") => {
            let flag = libc::AT_EMPTY_PATH as u64;
            let is_set = SeccompCmpOp::MaskedEq(flag);
            let rule = SeccompCondition::new(4, SeccompCmpArgLen::Dword, is_set, flag)?;
            let naming = (libc::SYS_linkat, vec![SeccompRule::new(vec![rule])?]);
            on_an_old_kernel(naming, libc::ENOENT, &arguments[1..])
        }
        Some(layers) => {
            let task = arguments.get(1).and_then(|word| word.to_str());
            try_everything(layers, task.unwrap_or("serve"))
        }
        None => bail!("none, all, landlock, filter, privileges or old-kernel"),
    }
}

/// Has a call answer with an error, then becomes the program.
fn on_an_old_kernel(call: (i64, Vec<SeccompRule>), errno: i32, program: &[OsString]) -> Result<()> {
    let absent = BTreeMap::from([call]);
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(
        absent,
        SeccompAction::Allow,
        refuse,
        std::env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Err(Command::new(&program[0]).args(&program[1..]).exec().into())
}

fn try_everything(layers: &str, task: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Open for anybody, so that nothing is refused for being somebody else's.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(folder.path(), everybody)?;
    let secret = folder.path().join("secret");
    fs::write(&secret, "secret")?;
    let mut image = File::open(&secret)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket)?;
    let names = Names::new(folder.path())?;
    let parent = i64::from(std::os::unix::process::parent_id());

    let without = match layers {
        "none" => vec![Layer::Privileges, Layer::Landlock, Layer::Filter],
        "landlock" => vec![Layer::Privileges, Layer::Filter],
        "filter" => vec![Layer::Privileges, Layer::Landlock],
        "privileges" => vec![Layer::Landlock, Layer::Filter],
        "all" => Vec::new(),
        other => bail!("{other}?"),
    };
    if layers != "none" {
        let (task, drop_to) = match task {
            "serve" => (Task::Serve, Some(User::NOBODY)),
            "print" => (Task::Print, Some(User::NOBODY)),
            "fill" => (Task::Fill(names.own.as_fd()), None),
            other => bail!("{other}?"),
        };
        let memory_bytes = Some(256 << 20);
        let level = sandbox::enter(&Plan { task, drop_to, memory_bytes, without });
        say("missing", &level.missing.join("; "));
    }
    still_works(&mut image).context("what a worker does must still go")?;
    if task == "fill" {
        names.still_fills().context("what extract does must still go")?;
    }
    let unix = || UnixStream::connect(&socket).map(drop);
    outcome("open", File::open(&secret).map(drop));
    outcome("open the program", File::open("/proc/self/exe").map(drop));
    outcome("list", fs::read_dir(folder.path()).map(drop));
    outcome("create", File::create(folder.path().join("new")).map(drop));
    outcome("append", File::options().append(true).open(&secret).map(drop));
    outcome("make a directory", fs::create_dir(folder.path().join("dir")));
    outcome("link", fs::hard_link(&secret, folder.path().join("hard")));
    outcome("connect by TCP", TcpStream::connect(("127.0.0.1", port)).map(drop));
    outcome("listen by TCP", TcpListener::bind("127.0.0.1:0").map(drop));
    outcome("send by UDP", udp(port));
    outcome("connect to a local socket", unix());
    outcome("fork and exec", Command::new("/bin/true").status().map(drop));
    outcome("fork", call(libc::SYS_fork, [0; 3]).map(end_if_child));
    outcome("clone a process", call(libc::SYS_clone, [17, 0, 0]).map(end_if_child));
    outcome("memory of code", executable_memory());
    outcome("signal the parent", call(libc::SYS_kill, [parent, 0, 0]).map(drop));
    outcome("io_uring", call(libc::SYS_io_uring_setup, [1, io_uring_parameters(), 0]).map(drop));
    names.try_all();
    outcome("remove", fs::remove_file(&secret));
    // Last: whoever is traced stops at its next signal.
    outcome("trace", call(libc::SYS_ptrace, [0; 3]).map(drop));
    Ok(())
}

/// Files in a directory of one's own, and beside it some that are somebody else's.
struct Names {
    /// The directory that may be filled.
    own: OwnedFd,
    /// The one that it is in.
    outside: PathBuf,
}

impl Names {
    fn new(folder: &Path) -> Result<Self> {
        for name in ["theirs", "moved", "replaced"] {
            fs::write(folder.join(name), "theirs")?;
        }
        let own = folder.join("own");
        fs::create_dir(&own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777))?;
        for name in ["mine", "to move", "to replace with"] {
            fs::write(own.join(name), "mine")?;
        }
        let own = rustix::fs::open(&own, OPENING[0], Mode::empty())?;
        Ok(Self { own, outside: folder.to_path_buf() })
    }

    /// What `extract` does in its directory.
    fn still_fills(&self) -> Result<()> {
        let all = Mode::from(0o700);
        rustix::fs::mkdirat(&self.own, "d", all)?;
        let below = rustix::fs::openat(&self.own, "d", OPENING[0], Mode::empty())?;
        let nameless = rustix::fs::openat(&below, ".", OPENING[2], all)?;
        rustix::io::pwrite(&nameless, b"bytes", 0)?;
        rustix::fs::ftruncate(&nameless, 9)?;
        rustix::fs::fsync(&nameless)?;
        rustix::fs::fstatfs(&nameless)?;
        let now = Timestamps { last_access: UTIME_NOW, last_modification: UTIME_NOW };
        rustix::fs::futimens(&nameless, &now)?;
        let named = rustix::fs::openat(&below, ".hidden", OPENING[1], all)?;
        drop(named);
        rustix::fs::renameat_with(&below, ".hidden", &below, "file", RenameFlags::NOREPLACE)?;
        rustix::fs::linkat(&below, "file", &self.own, "again", AtFlags::empty())?;
        rustix::fs::symlinkat("file", &below, "link")?;
        Ok(rustix::fs::unlinkat(&self.own, "again", AtFlags::empty())?)
    }

    /// The calls of `extract`, aimed at what is outside.
    fn try_all(&self) {
        let Self { own, outside } = self;
        let (all, none) = (Mode::from(0o700), AtFlags::empty());
        let at = |name: &str| outside.join(name);
        let opened = |name: &str, how: usize| -> io::Result<()> {
            Ok(rustix::fs::openat(CWD, at(name), OPENING[how], all).map(drop)?)
        };
        let tell = |name: &str, result: rustix::io::Result<()>| {
            outcome(name, result.map_err(io::Error::from));
        };
        outcome("open a directory outside", opened("", 0));
        outcome("make a file outside", opened("new file", 1));
        outcome("make a nameless file outside", opened("", 2));
        let above = rustix::fs::openat(own, "../other file", OPENING[1], all);
        // Above a root directory is that directory itself.
        let stayed_inside = || rustix::fs::statat(own, "other file", none).is_ok();
        let above = above.and_then(|_| match stayed_inside() {
            true => Err(rustix::io::Errno::XDEV),
            false => Ok(()),
        });
        tell("make a file above", above);
        let reading = OFlags::RDONLY | OFlags::CLOEXEC;
        tell("read a file above", rustix::fs::openat(own, "../theirs", reading, all).map(drop));
        tell("make a directory outside", rustix::fs::mkdirat(CWD, at("new directory"), all));
        tell("make a link outside", rustix::fs::symlinkat("x", CWD, at("symlink")));
        tell("link a file in", rustix::fs::linkat(CWD, at("theirs"), own, "got", none));
        tell("link a file out", rustix::fs::linkat(own, "mine", CWD, at("given"), none));
        tell("move a file in", rename(CWD, &at("moved"), own.as_fd(), "got too".as_ref()));
        tell("move a file out", rename(own.as_fd(), "to move".as_ref(), CWD, &at("given too")));
        let replaced = rename(own.as_fd(), "to replace with".as_ref(), CWD, &at("replaced"));
        tell("replace a file outside", replaced);
        let now = Timestamps { last_access: UTIME_NOW, last_modification: UTIME_NOW };
        tell("set times outside", rustix::fs::utimensat(CWD, at("theirs"), &now, none));
        tell("remove a file outside", rustix::fs::unlinkat(CWD, at("theirs"), none));
    }
}

/// By the call that `extract` may make.
fn rename(from: BorrowedFd, old: &Path, to: BorrowedFd, new: &Path) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(from, old, to, new, RenameFlags::empty())
}

const UTIME_NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };

/// Reading what is open, memory and threads.
fn still_works(image: &mut File) -> Result<()> {
    let mut text = String::new();
    image.read_to_string(&mut text)?;
    anyhow::ensure!(text == "secret" && image.metadata()?.len() == 6);
    let sum = std::thread::spawn(|| vec![1u8; 1 << 20].iter().map(|one| u64::from(*one)).sum());
    anyhow::ensure!(sum.join().ok() == Some(1u64 << 20));
    Ok(())
}

fn udp(port: u16) -> io::Result<()> {
    UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", ("127.0.0.1", port)).map(drop)
}

fn call(number: i64, arguments: [i64; 3]) -> io::Result<i64> {
    // SAFETY: the calls that are tried take numbers, or pointers to memory that lives long enough.
    let result = unsafe { libc::syscall(number, arguments[0], arguments[1], arguments[2], 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Ends a child that should not have come to be, and waits for it.
fn end_if_child(pid: i64) {
    if pid > 0 {
        // SAFETY: waits for a child and keeps nothing of it.
        unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
    } else {
        // SAFETY: ends the process at once; nothing of it is used any more.
        unsafe { libc::_exit(0) }
    }
}

fn io_uring_parameters() -> i64 {
    Box::leak(Box::new([0u64; 32])).as_ptr() as i64
}

fn executable_memory() -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory, at a place the kernel chooses.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Prints `NAME: done`, or the number of the error.
fn outcome(name: &str, result: io::Result<()>) {
    match result {
        Ok(()) => say(name, "done"),
        Err(error) => match error.raw_os_error() {
            Some(number) => say(name, &number.to_string()),
            None => say(name, &error.to_string()),
        },
    }
}

fn say(name: &str, what: &str) {
    let _ = writeln!(io::stdout(), "{name}: {what}");
}
