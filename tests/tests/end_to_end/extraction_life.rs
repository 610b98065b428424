//! The life of an extraction: interrupted, killed, without room; names of one file, names of equal
//! bytes. A file is whole under its name or not there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::make::craft::{Craft, Record};
use isodrive_tests::make::ecma167::retag;
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{self, Ended, Session};
use rustix::process::Signal;

const FILES: usize = 301;
const FILE_BYTES: usize = 100_000;

/// A session with a disc of many files, some below a directory, each of its own bytes.
fn with_many_files() -> Result<Session> {
    let session = Session::new()?;
    fs::create_dir_all(session.path("tree/d"))?;
    for number in 0..FILES {
        let folder = if number % 2 == 0 { "tree" } else { "tree/d" };
        let name = session.path(folder).join(format!("file{number}"));
        fs::write(name, isodrive_tests::make::bytes(number as u32 + 1, FILE_BYTES))?;
    }
    corpus::make_image(&session.path("tree"), &session.path("many.iso"))?;
    Ok(session)
}

/// How many files are there, each of which must be whole; and how many hidden ones.
fn files_in(out: &Path, tree: &Path) -> Result<(usize, usize)> {
    let (mut whole, mut hidden) = (0, 0);
    for folder in ["", "d"] {
        let Ok(entries) = fs::read_dir(out.join(folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(".isodrive-") {
                hidden += 1;
                continue;
            }
            let want = fs::read(tree.join(folder).join(&name))?;
            ensure!(fs::read(entry.path())? == want, "{name:?} is not whole");
            whole += 1;
        }
    }
    Ok((whole, hidden))
}

/// Extracts under a wrapper and sends a signal after a time.
fn stopped(session: &Session, wrapper: &[&str], signal: Signal, after: Duration) -> Result<Ended> {
    let arguments = ["extract", "many.iso", "-C", "out"];
    let mut command = match wrapper {
        [] => session.command(&arguments)?,
        _ => session.command_under(wrapper, &arguments)?,
    };
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn()?;
    std::thread::sleep(after);
    let _ = program::signal(i32::try_from(child.id())?, signal);
    Ok(Ended::of(&child.wait_with_output()?))
}

#[test]
fn an_interrupted_extraction_leaves_whole_files_only_and_counts_them() -> Result<()> {
    let session = with_many_files()?;
    let (out, tree) = (session.path("out"), session.path("tree"));
    let begin = Instant::now();
    assert_eq!(session.run(&["extract", "many.iso", "-C", "out"])?.code, 0);
    let whole = begin.elapsed();
    let escape = env!("CARGO_BIN_EXE_escape");
    let signals = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];
    let (mut interrupted, mut before) = (0, 0);
    for round in 0..100u32 {
        fs::remove_dir_all(&out).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        // On every other kernel files get hidden names until they are complete.
        let wrapper: &[&str] = if round % 2 == 0 { &[] } else { &[escape, "no-names"] };
        let signal = signals[round as usize / 2 % 4];
        let after = whole * (round * 37 % 100) / 100;
        let ended = stopped(&session, wrapper, signal, after)?;
        let (files, hidden) = files_in(&out, &tree)?;
        assert_eq!(hidden, 0, "round {round}: {}", ended.err);
        match ended.code {
            130 => {
                interrupted += 1;
                let want = format!("error: interrupted: {files} of {FILES} files written\n");
                let nothing = "error: interrupted: nothing was written\n";
                let is_right = ended.err == want || (files == 0 && ended.err == nothing);
                assert!(is_right, "round {round}: {files}: {}", ended.err);
            }
            0 => assert_eq!(files, FILES, "round {round}"),
            // Before it listens there is nothing to leave behind.
            -1 => {
                before += 1;
                assert_eq!(files, 0, "round {round}");
            }
            code => panic!("round {round}: {code}: {}", ended.err),
        }
    }
    println!("{interrupted} of 100 were interrupted, {before} before they began");
    // On a busy machine many are over, or not begun, when the signal comes.
    assert!(interrupted >= 10, "{interrupted} of 100");
    Ok(())
}

#[test]
fn a_signal_that_the_caller_ignores_ends_no_extraction() -> Result<()> {
    let session = with_many_files()?;
    let arguments = ["extract", "many.iso", "-C", "out"];
    let child = session.command_under(&["nohup"], &arguments)?;
    let mut child = { child }.stderr(std::process::Stdio::null()).spawn()?;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(5));
        let _ = program::signal(i32::try_from(child.id())?, Signal::HUP);
    }
    let status = child.wait()?;
    let (files, _) = files_in(&session.path("out"), &session.path("tree"))?;
    // A signal may come before nohup ignores it.
    assert!(status.code().is_none_or(|code| code == 0 && files == FILES), "{status:?} {files}");
    Ok(())
}

#[test]
fn a_killed_extraction_leaves_nothing_short_under_a_name_of_the_disc() -> Result<()> {
    let session = with_many_files()?;
    let (out, tree) = (session.path("out"), session.path("tree"));
    let begin = Instant::now();
    assert_eq!(session.run(&["extract", "many.iso", "-C", "out"])?.code, 0);
    let whole = begin.elapsed();
    let escape = env!("CARGO_BIN_EXE_escape");
    let mut partly = 0;
    for round in 0..30u32 {
        let _ = fs::remove_dir_all(&out);
        let wrapper: &[&str] = if round % 2 == 0 { &[] } else { &[escape, "no-names"] };
        stopped(&session, wrapper, Signal::KILL, whole * (round * 37 % 100) / 100)?;
        let (files, hidden) = files_in(&out, &tree)?;
        assert!(hidden <= usize::from(round % 2 == 1), "round {round}: {hidden} hidden");
        partly += usize::from(files > 0 && files < FILES);
    }
    assert!(partly >= 3, "{partly} of 30 were killed on the way");
    Ok(())
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one_at_every_moment() -> Result<()> {
    let session = Session::with_disc()?;
    fs::create_dir_all(session.path("out/sources"))?;
    let place = session.path("out/sources/install.wim");
    fs::write(&place, b"old")?;
    let old = fs::File::open(&place)?;
    for wrapper in [&[][..], &[env!("CARGO_BIN_EXE_escape"), "no-names"]] {
        let arguments = ["extract", "--overwrite", "disc.iso", "-C", "out"];
        let mut command = match wrapper {
            [] => session.command(&arguments)?,
            _ => session.command_under(wrapper, &arguments)?,
        };
        let ended = Ended::of(&command.output()?);
        assert_eq!((ended.code, &*ended.err), (0, ""));
        assert_eq!(fs::metadata(&place)?.len(), 60_000);
        assert_eq!(
            fs::read_dir(session.path("out/sources"))?
                .filter(|entry| {
                    entry
                        .as_ref()
                        .is_ok_and(|e| e.file_name().to_string_lossy().starts_with(".isodrive"))
                })
                .count(),
            0
        );
    }
    assert_eq!(old.metadata()?.len(), 3, "who had the old one open has it whole");
    Ok(())
}

/// Runs a script with a tmpfs of so many KiB at `small`, then the program with arguments; what is
/// in it at the end is on standard output.
pub(super) fn on_a_small_disk(session: &Session, kib: u32, script: &str) -> Result<Option<Ended>> {
    if !program::is_root("mounting a small disk") {
        return Ok(None);
    }
    let script = format!(
        "mkdir -p small && mount -t tmpfs -o size={kib}k small small && {script}; \
         code=$?; find small -type f -printf '%s %f\\n'; exit $code"
    );
    let program = program::path()?.to_str().context("a path")?.to_owned();
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, &program]).current_dir(session.path(""));
    Ok(Some(Ended::of(&command.output()?)))
}

#[test]
fn a_full_disk_is_reported_with_file_count_and_what_is_missing() -> Result<()> {
    let session = with_many_files()?;
    // Something is there already, so that nothing is certain before.
    let script = "mkdir small/d && \"$0\" extract many.iso d -C small";
    let Some(ended) = on_a_small_disk(&session, 4096, script)? else { return Ok(()) };
    assert_eq!(ended.code, 1, "{}", ended.err);
    let files = ended.out.lines().count();
    assert!(files > 20 && files < 45, "{files}");
    assert!(ended.out.lines().all(|line| line.starts_with("100000 file")), "{}", ended.out);
    let want = format!("{files} of {} files written", FILES / 2);
    assert!(ended.err.contains(&want), "{want}: {}", ended.err);
    assert!(ended.err.starts_with("error: cannot write \"d/file"), "{}", ended.err);
    assert!(ended.err.contains("No space left on device"), "{}", ended.err);
    // 15 000 000 bytes need 3700 pages or so, and there are 1024.
    assert!(ended.err.contains("  missing 10."), "{}", ended.err);
    Ok(())
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_written() -> Result<()> {
    let session = with_many_files()?;
    let script = "\"$0\" extract many.iso -C small";
    let Some(ended) = on_a_small_disk(&session, 4096, script)? else { return Ok(()) };
    assert_eq!((ended.code, &*ended.out), (1, ""), "{}", ended.err);
    assert!(ended.err.starts_with("error: the files do not fit: they take 28.7 MiB, and 4.0 MiB"));
    assert!(ended.err.contains("missing 24.7 MiB"), "{}", ended.err);
    // A part of it fits.
    let script = "\"$0\" extract many.iso file0 file2 -C small";
    let ended = on_a_small_disk(&session, 4096, script)?.context("as before")?;
    assert_eq!((ended.code, ended.out.lines().count()), (0, 2), "{}", ended.err);
    // Files that are there already need no room.
    let script =
        "\"$0\" extract many.iso d -C small >/dev/null && \"$0\" extract many.iso -C small";
    let ended = on_a_small_disk(&session, 40_960, script)?.context("as before")?;
    assert!(!ended.err.contains("do not fit"), "{}", ended.err);
    Ok(())
}

/// Whether two names are one file.
fn are_one(one: &Path, other: &Path) -> Result<bool> {
    let (one, other) = (fs::metadata(one)?, fs::metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

#[test]
fn names_that_rock_ridge_records_as_one_file_become_hard_links() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir_all(session.path("tree/d"))?;
    fs::write(session.path("tree/a"), vec![1u8; 70_000])?;
    fs::hard_link(session.path("tree/a"), session.path("tree/d/b"))?;
    fs::write(session.path("tree/c"), vec![1u8; 70_000])?;
    for (options, is_link) in [(&["--hardlinks"][..], true), (&[], false)] {
        let image = session.path("x.iso");
        let mut xorriso = std::process::Command::new("xorriso");
        xorriso.args(["-report_about", "SORRY", "-as", "mkisofs", "-R"]).args(options);
        ensure!(xorriso.arg("-o").arg(&image).arg(session.path("tree")).status()?.success());
        let _ = fs::remove_dir_all(session.path("out"));
        // A second time over what is there.
        for overwrite in [&[][..], &["--overwrite"]] {
            let arguments = [&["extract", "x.iso", "-C", "out"][..], overwrite].concat();
            let ended = session.run(&arguments)?;
            assert_eq!((ended.code, &*ended.err), (0, ""));
            let out = |name: &str| session.path("out").join(name);
            assert_eq!(are_one(&out("a"), &out("d/b"))?, is_link, "{options:?}");
            assert!(!are_one(&out("a"), &out("c"))?);
            assert_eq!(fs::read(out("d/b"))?, vec![1u8; 70_000]);
            assert_eq!(fs::read_dir(out("d"))?.count(), 1, "no other name is left");
        }
    }
    Ok(())
}

#[test]
fn names_of_one_icb_become_hard_links_and_those_of_two_do_not() -> Result<()> {
    let session = Session::new()?;
    let entries = ["one", "two", "tri"].map(|name| Entry::file(name, &[5; 50_000]));
    let mut image = udf::write(Layout::Plain, &entries);
    // The identifier of "two" gets the ICB of "one" (ECMA-167 4/14.4).
    let find = |image: &[u8], name: &[u8]| -> Result<usize> {
        let at = image.windows(name.len()).position(|bytes| bytes == name);
        at.and_then(|at| at.checked_sub(38)).context("its identifier")
    };
    let (one, two) = (find(&image, b"\x08one")?, find(&image, b"\x08two")?);
    let icb = image[one + 20..one + 36].to_vec();
    image[two + 20..two + 36].copy_from_slice(&icb);
    retag(&mut image[two..two + 44]);
    fs::write(session.path("x.udf"), image)?;
    let ended = session.run(&["extract", "x.udf", "-C", "out"])?;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    let out = |name: &str| session.path("out").join(name);
    assert!(are_one(&out("one"), &out("two"))? && !are_one(&out("one"), &out("tri"))?);
    assert_eq!(fs::read(out("two"))?, [5; 50_000]);
    Ok(())
}

/// A disc of 40 names, all of which lie in the same megabyte, with no word that they are one file.
fn with_equal_extents() -> Vec<u8> {
    let mut craft = Craft::new();
    craft.put(100, &vec![9; 1 << 20]);
    let names: Vec<Record> =
        (10..50).map(|n| Record::file(format!("F{n}.;1"), 100, 1 << 20)).collect();
    craft.root(&names);
    craft.image()
}

#[test]
fn equal_extents_are_files_of_their_own_and_ten_times_the_image_is_announced() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("x.iso"), with_equal_extents())?;
    let ended = session.run(&["extract", "x.iso", "-C", "out"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let want = "warning: the files are 40.0 MiB in all, and the image has 1.";
    assert_eq!(ended.err.matches("warning").count(), 1, "{}", ended.err);
    assert!(ended.err.starts_with(want), "{}", ended.err);
    let out = |name: &str| session.path("out").join(name);
    assert!(!are_one(&out("F10"), &out("F11"))?);
    for number in 10..50 {
        assert!(fs::read(out(&format!("F{number}")))? == vec![9; 1 << 20]);
    }
    // One of them is not worth a word.
    let ended = session.run(&["extract", "x.iso", "F10", "-C", "other"])?;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    Ok(())
}

#[test]
fn equal_extents_take_room_once_where_files_can_share_it() -> Result<()> {
    let has_xfs = std::process::Command::new("mkfs.xfs").arg("-V").output().is_ok();
    if !has_xfs || !program::is_root("making a file system") {
        println!("not run: xfsprogs, root and a loop device are needed");
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("x.iso"), with_equal_extents())?;
    let script = "truncate -s 400M fs.img && mkfs.xfs -q -m reflink=1 fs.img && mkdir big && \
        mount -o loop fs.img big && df --output=used -B1 big | tail -1 && \
        \"$0\" extract x.iso -C big && sync && df --output=used -B1 big | tail -1 && \
        cmp big/F10 big/F49; code=$?; umount big; exit $code";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script]).arg(program::path()?).current_dir(session.path(""));
    let ended = Ended::of(&command.output()?);
    if ended.err.contains("mount:") {
        println!("not run: {}", ended.err.trim());
        return Ok(());
    }
    assert_eq!(ended.code, 0, "{}", ended.err);
    let used: Vec<i64> = ended.out.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let took = used[1] - used[0];
    assert!(took < 8 << 20, "40 names of one megabyte took {took} bytes");
    Ok(())
}
