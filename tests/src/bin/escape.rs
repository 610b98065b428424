//! Code as a hostile image would run it in a worker that it took over: tries to open, write,
//! connect, start and signal, and prints what came of it. Enters the sandbox first, or part of it.
//!
//! `escape none|all|landlock|filter` tries everything; `escape old-kernel PROGRAM ARGUMENTS...`
//! runs a program on what looks to it like a kernel without Landlock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sandbox::{Layer, Plan, User};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

fn main() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|word| word.to_str()) {
        Some("old-kernel") => on_an_old_kernel(&arguments[1..]),
        Some(layers) => try_everything(layers),
        None => bail!("none, all, landlock, filter or old-kernel"),
    }
}

/// Makes Landlock a call that there is not, then becomes the program.
fn on_an_old_kernel(program: &[OsString]) -> Result<()> {
    let absent = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let filter = SeccompFilter::new(
        absent,
        SeccompAction::Allow,
        refuse,
        std::env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Err(Command::new(&program[0]).args(&program[1..]).exec().into())
}

fn try_everything(layers: &str) -> Result<()> {
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
    let parent = i64::from(std::os::unix::process::parent_id());

    let without = match layers {
        "none" => vec![Layer::Privileges, Layer::Landlock, Layer::Filter],
        "landlock" => vec![Layer::Privileges, Layer::Filter],
        "filter" => vec![Layer::Privileges, Layer::Landlock],
        "all" => Vec::new(),
        other => bail!("{other}?"),
    };
    if layers != "none" {
        let level = sandbox::enter(&Plan {
            drop_to: Some(User::NOBODY),
            memory_bytes: Some(256 << 20),
            without,
        });
        say("missing", &level.missing.join("; "));
    }
    still_works(&mut image).context("what a worker does must still go")?;
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
    outcome("remove", fs::remove_file(&secret));
    // Last: whoever is traced stops at its next signal.
    outcome("trace", call(libc::SYS_ptrace, [0; 3]).map(drop));
    Ok(())
}

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
