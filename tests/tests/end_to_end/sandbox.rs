//! The sandbox of the worker: code that tries to get out of it, and the level that is reported.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{self, Session, can_mount};

/// What code in a sandbox of some layers could do: the name of an attempt and what came of it.
fn attempts(layers: &str, task: &str) -> Result<BTreeMap<String, String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_escape")).args([layers, task]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{layers} {task}: {:?}: {said}{err}", output.status);
    let pairs = said.lines().filter_map(|line| line.split_once(": "));
    Ok(pairs.map(|(name, what)| (name.to_owned(), what.to_owned())).collect())
}

/// Attempts that Landlock alone refuses; the others are the filter's business.
const REFUSED_BY_LANDLOCK: [&str; 24] = [
    "open",
    "open the program",
    "list",
    "create",
    "append",
    "make a directory",
    "link",
    "connect by TCP",
    "listen by TCP",
    "fork and exec",
    "remove",
    "open a directory outside",
    "make a file outside",
    "make a nameless file outside",
    "make a file above",
    "read a file above",
    "make a directory outside",
    "make a link outside",
    "link a file in",
    "link a file out",
    "move a file in",
    "move a file out",
    "replace a file outside",
    "remove a file outside",
];

/// Attempts that the filter of a task that fills a directory leaves to Landlock and to the root
/// directory: it sees no names.
const ABOUT_NAMES: [&str; 14] = [
    "link",
    "open a directory outside",
    "make a file outside",
    "make a nameless file outside",
    "make a file above",
    "make a directory outside",
    "make a link outside",
    "link a file in",
    "link a file out",
    "move a file in",
    "move a file out",
    "replace a file outside",
    "set times outside",
    "remove a file outside",
];

#[test]
fn code_in_the_sandbox_cannot_open_connect_start_or_write_and_each_layer_holds_alone() -> Result<()>
{
    let free = attempts("none", "serve")?;
    assert_eq!(free.len(), 33, "{free:?}");
    assert!(free.values().all(|what| what == "done"), "without a sandbox all of it goes: {free:?}");

    // A worker, `ls` and its like, and `extract`.
    for task in ["serve", "print", "fill"] {
        let mut by_filter = attempts("filter", task)?;
        assert_eq!(by_filter.remove("missing").as_deref(), Some(""), "the filter is in force");
        by_filter.retain(|name, _| task != "fill" || !ABOUT_NAMES.contains(&&**name));
        assert!(by_filter.values().all(|errno| errno == "1"), "{task}: EPERM: {by_filter:?}");

        let by_landlock = attempts("landlock", task)?;
        for name in REFUSED_BY_LANDLOCK {
            assert_ne!(by_landlock[name], "done", "{task}: {name}");
        }

        let all = attempts("all", task)?;
        let done: Vec<_> = all.iter().filter(|(_, what)| *what == "done").collect();
        assert!(done.is_empty(), "{task}: {done:?}");
        assert_eq!(all.len(), 34, "{task}: {all:?}");
    }
    // Where there is no Landlock, the root directory of its own hides what is outside.
    let by_root = attempts("privileges", "fill")?;
    if !by_root["missing"].contains("own root") {
        for name in ABOUT_NAMES.iter().chain(&["read a file above", "open"]) {
            assert_ne!(by_root[*name], "done", "{name}");
        }
    }
    Ok(())
}

/// The fields of `/proc/PID/status`.
fn status(pid: i32) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

/// What a worker's process must look like, whoever mounted.
fn check_worker(pid: i32, session: &Session) -> Result<()> {
    let status = status(pid)?;
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2", "a filter");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert!(status["Uid"].split_whitespace().all(|uid| uid != "0"), "{}", status["Uid"]);
    let list = session.list()?;
    assert_eq!(list[0]["sandbox"], "full", "{list:?}");
    Ok(())
}

#[test]
fn a_worker_has_no_rights_and_nothing_open_but_the_image_and_the_mount() -> Result<()> {
    if !can_mount() || !program::is_root("looking at the descriptors of another user") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    check_worker(mount.worker, &session)?;
    let mut open = BTreeMap::new();
    for descriptor in fs::read_dir(format!("/proc/{}/fd", mount.worker))? {
        let target = fs::read_link(descriptor?.path())?.to_string_lossy().into_owned();
        let kind = target.split(':').next().unwrap_or_default().to_owned();
        *open.entry(kind).or_insert(0) += 1;
    }
    let image = session.path("disc.iso").to_string_lossy().into_owned();
    let mut want =
        vec![("/dev/fuse", 1), ("/dev/null", 1), ("pipe", 1), ("socket", 3), (&image, 1)];
    // What tells of writes to the image, unless this user has as many of these as it may.
    want.extend(open.contains_key("anon_inode").then_some(("anon_inode", 1)));
    let want: BTreeMap<String, i32> =
        want.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    assert_eq!(open, want, "the socket to the supervisor has three names");
    assert!(!fs::read(mount.at.join("sources/ei.cfg"))?.is_empty(), "and it serves");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    // Whoever asked root to mount is whom the worker becomes.
    let mut command = session.command(&["mount", "--quiet", "disc.iso", "here"])?;
    assert!(command.env("SUDO_UID", "4711").env("SUDO_GID", "4712").status()?.success());
    let status = status(session.mounted(&session.path("here"))?.worker)?;
    assert!(status["Uid"].starts_with("4711") && status["Gid"].starts_with("4712"));
    Ok(())
}

#[test]
fn an_ordinary_user_mounts_with_the_same_sandbox() -> Result<()> {
    let Some(session) = Session::of_nobody()?.filter(|_| can_mount()) else { return Ok(()) };
    fs::copy(corpus::repository().join("samples/setup-disc.iso"), session.path("disc.iso"))?;
    let mount = session.mount(&["disc.iso"])?;
    check_worker(mount.worker, &session)?;
    let ended = session.run(&["eject", "disc.iso"])?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(!session.path("isodrive").exists());
    Ok(())
}

#[test]
fn root_of_a_user_namespace_mounts_in_it_without_its_capabilities() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let script = "\"$0\" \"$@\" >/dev/null && \"$0\" list --json \
        && pid=$(\"$0\" list --json | sed -n 's/.*\"processes\":.[0-9]*,\\([0-9]*\\).*/\\1/p') \
        && grep -h ^Cap /proc/$pid/status \
        && \"$0\" eject \"$PWD/here\"";
    let here = session.path("here");
    let arguments = ["mount", "disc.iso", here.to_str().context("a path")?];
    let wrapper = ["unshare", "-Urm", "bash", "-c", script];
    let output = session.command_under(&wrapper, &arguments)?.output();
    let ended = program::Ended::of(&output?);
    if ended.err.contains("unshare failed") {
        println!("not run: {}", ended.err.trim());
        return Ok(());
    }
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("memory limit, privileges, Landlock, seccomp"), "{}", ended.out);
    let held = ended.out.lines().filter(|line| line.starts_with("Cap"));
    let held: Vec<_> = held.filter(|line| !line.ends_with("0000000000000000")).collect();
    assert!(held.is_empty(), "{held:?}");
    Ok(())
}

#[test]
fn a_kernel_without_landlock_degrades_with_one_notice() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let wrapper = [env!("CARGO_BIN_EXE_escape"), "old-kernel"];
    let mut command = session.command_under(&wrapper, &["mount", "disc.iso", "here"])?;
    let ended = program::Ended::of(&command.output()?);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let notices = ended.err.matches("the sandbox is not complete").count();
    assert_eq!(notices, 1, "{}", ended.err);
    assert!(ended.err.contains("Landlock: this kernel lacks it"), "{}", ended.err);
    let list = session.list()?;
    let level = list[0]["sandbox"].as_str().context("a level")?;
    assert_eq!(level, "memory limit, privileges, seccomp");
    assert!(!fs::read(session.path("here/sources/ei.cfg"))?.is_empty());
    Ok(())
}
