//! The system calls that are left, by seccomp. Whatever is not listed answers `EPERM`.
//! Each call has its reason; a new one needs one.

use std::collections::BTreeMap;

use rustix::fs::OFlags;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::Task;

/// The calls that are allowed whatever their arguments.
const PLAIN: [i64; 31] = [
    // Bytes of the image, requests of the kernel and answers to them, words with the supervisor.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_lseek,
    // Whether the image has changed. Names lead nowhere: see `privileges`.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads, their locks and their end.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, and numbers that nobody guesses.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
];

/// The calls that filling a directory takes beside these. Which names they reach is decided by
/// Landlock and by the root directory.
const FILLING: [i64; 9] = [
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_utimensat,
    // The bytes of files, and their lengths where they end in a hole.
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    // File systems of other machines report a full disk at the end of a file only.
    libc::SYS_fsync,
    // How much room is left.
    libc::SYS_fstatfs,
    // Complete files get their names; an old file is replaced by a new one.
    libc::SYS_linkat,
    libc::SYS_renameat2,
];

/// How files are opened: directories to go down into, and new files, with a name or without. No
/// file that is there already.
pub const OPENING: [OFlags; 3] = [
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC),
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC),
    OFlags::RDWR.union(OFlags::TMPFILE).union(OFlags::CLOEXEC),
];

/// `FICLONE` of linux/fs.h: bytes that two new files share.
const FICLONE: u64 = 0x4004_9409;

/// How many system calls are left in all to one who serves.
pub const ALLOWED_CALLS: usize = PLAIN.len().saturating_add(8);

/// Installs the filter for this thread and those it starts.
pub(crate) fn install(task: Task<'_>) -> Result<(), String> {
    // The flags of clone3 lie in memory, where no filter sees them. A C library that learns that
    // there is no such call takes clone, whose flags are seen. First, since the list below leaves
    // no call to install another filter with; of two answers the stricter one holds.
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let absent = program(absent, SeccompAction::Allow, SeccompAction::Errno(errno(libc::ENOSYS)))?;
    seccompiler::apply_filter(&absent).map_err(|error| error.to_string())?;
    let list = match task {
        Task::Serve | Task::Print => list()?,
        Task::Fill(_) => filling()?,
    };
    let list = program(list, SeccompAction::Errno(errno(libc::EPERM)), SeccompAction::Allow)?;
    seccompiler::apply_filter(&list).map_err(|error| error.to_string())
}

/// An errno as filters have it.
fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, String> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| e.to_string())?;
    let filter = SeccompFilter::new(rules, otherwise, matched, architecture);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

/// All allowed calls with the rules for their arguments.
fn list() -> Result<Rules, String> {
    let mut rules: Rules = PLAIN.iter().map(|call| (*call, Vec::new())).collect();
    let no_code = |argument| when(argument, Masked(libc::PROT_EXEC.unsigned_abs().into()), 0);
    // Memory never becomes code.
    rules.insert(libc::SYS_mmap, vec![no_code(2)?]);
    rules.insert(libc::SYS_mprotect, vec![no_code(2)?]);
    // Threads, never processes.
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    rules.insert(libc::SYS_clone, vec![when(0, Masked(thread), thread)?]);
    // Answered with ENOSYS by the other filter.
    rules.insert(libc::SYS_clone3, Vec::new());
    // Descriptors are looked at and doubled, never aimed at other processes.
    let commands = [libc::F_GETFD, libc::F_DUPFD_CLOEXEC];
    let commands = commands.map(|command| when(1, Equal, command.unsigned_abs().into()));
    rules.insert(libc::SYS_fcntl, commands.into_iter().collect::<Result<_, _>>()?);
    // Names of threads.
    let name = libc::PR_SET_NAME.unsigned_abs().into();
    rules.insert(libc::SYS_prctl, vec![when(0, Equal, name)?]);
    // What was read of the image and will not be again.
    let unneeded = libc::POSIX_FADV_DONTNEED.unsigned_abs().into();
    rules.insert(libc::SYS_fadvise64, vec![when(3, Equal, unneeded)?]);
    // Ending itself by abort, nobody else.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, Equal, own)?]);
    Ok(rules)
}

/// As `list`, with what filling a directory takes.
fn filling() -> Result<Rules, String> {
    let mut rules = list()?;
    rules.extend(FILLING.iter().map(|call| (*call, Vec::new())));
    // Whether a program of 64 bits says that files may be large changes nothing.
    let meant = Masked(u64::from(!OFlags::LARGEFILE.bits()));
    let ways = OPENING.map(|flags| when(2, meant, flags.bits().into()));
    rules.insert(libc::SYS_openat, ways.into_iter().collect::<Result<_, _>>()?);
    // Files, never directories.
    rules.insert(libc::SYS_unlinkat, vec![when(2, Equal, 0)?]);
    // Whether there is a terminal and how wide it is, for the progress bar.
    let requests = [FICLONE, libc::TCGETS, libc::TIOCGWINSZ].map(|request| when(1, Equal, request));
    rules.insert(libc::SYS_ioctl, requests.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

#[derive(Clone, Copy)]
enum Test {
    Equal,
    Masked(u64),
}
use Test::{Equal, Masked};

/// A rule for the low 32 bits of one argument, which is all that these arguments have.
fn when(argument: u8, test: Test, value: u64) -> Result<SeccompRule, String> {
    let operator = match test {
        Equal => SeccompCmpOp::Eq,
        Masked(mask) => SeccompCmpOp::MaskedEq(mask),
    };
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    condition.and_then(|one| SeccompRule::new(vec![one])).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_short_and_has_no_call_that_opens_connects_or_starts() {
        let list = list().unwrap();
        assert_eq!(list.len(), ALLOWED_CALLS);
        assert!(list.len() <= 40);
        for call in [
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_ioctl,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_unlinkat,
            libc::SYS_mount,
            libc::SYS_io_uring_setup,
        ] {
            assert!(!list.contains_key(&call), "{call}");
        }
        program(list, SeccompAction::Errno(1), SeccompAction::Allow).unwrap();
    }

    #[test]
    fn filling_a_directory_takes_twelve_calls_more_and_none_that_starts_or_connects() {
        let list = filling().unwrap();
        assert_eq!(list.len(), ALLOWED_CALLS + 12);
        for call in [libc::SYS_execve, libc::SYS_socket, libc::SYS_kill, libc::SYS_getdents64] {
            assert!(!list.contains_key(&call), "{call}");
        }
        program(list, SeccompAction::Errno(1), SeccompAction::Allow).unwrap();
    }
}
