//! Which files are joined to a set and which are not: a stranger's folder must not show what is
//! private to the person who opens a disc there, whatever it puts in the place of a part.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{self, Ended, NOBODY, Session, can_mount, is_root};
use serde_json::Value;

const SECRET: &[u8] = b"SECRET! ";
const GOOD: &[u8] = b"good one";

/// A stranger's folder with the first part of a set, `x.iso`, beside which the bytes of `zz.txt`
/// would lie in `x.i01`; and a private file of the person who opens it.
struct Bait {
    session: Session,
    folder: PathBuf,
    secret: PathBuf,
    /// What the second part ought to be.
    tail: Vec<u8>,
}

impl Bait {
    fn new() -> Result<Self> {
        let session = Session::new()?;
        let tree = session.path("tree");
        fs::create_dir(&tree)?;
        fs::write(tree.join("a.txt"), "first")?;
        fs::write(tree.join("zz.txt"), GOOD.repeat(1024))?;
        let image = session.path("whole.iso");
        corpus::make_image(&tree, &image)?;
        let bytes = fs::read(&image)?;
        let at = bytes.windows(64).position(|window| window == GOOD.repeat(8)).context("zz.txt")?;
        let (head, tail) = bytes.split_at(at);

        let folder = session.path("stranger");
        fs::create_dir(&folder)?;
        fs::write(folder.join("x.iso"), head)?;
        let secret = session.path("secret");
        fs::write(&secret, SECRET.repeat(tail.len() / 8))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        let bait = Self { session, folder, secret, tail: tail.to_vec() };
        fs::write(bait.path("good"), &bait.tail)?;
        for path in [&bait.folder, &bait.path("x.iso"), &bait.path("good")] {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(bait)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = self.session.command(arguments)?;
        Ok(Ended::of(&command.current_dir(&self.folder).output()?))
    }

    /// What `zz.txt` is through each door, or nothing where it is an error.
    fn through(&self, door: &str) -> Result<(Option<Vec<u8>>, String)> {
        let out = self.session.path("out");
        let (bytes, err) = match door {
            "cat" => {
                let ended = self.run(&["cat", "x.iso", "zz.txt"])?;
                ensure!(!contains(&ended.bytes, SECRET), "cat gives the private file away");
                ((ended.code == 0).then_some(ended.bytes), ended.err)
            }
            "extract" => {
                let _ = fs::remove_dir_all(&out);
                let ended = self.run(&["extract", "x.iso", "-C", &out.to_string_lossy()])?;
                let bytes = fs::read(out.join("zz.txt")).unwrap_or_default();
                ensure!(!contains(&bytes, SECRET), "extract gives the private file away");
                ((ended.code == 0).then_some(bytes), ended.err)
            }
            _ => {
                let at = self.session.path("here");
                let place = at.to_string_lossy();
                let ended = self.run(&["mount", "--allow-other", "x.iso", &place])?;
                ensure!(ended.code == 0, "{}", ended.err);
                let bytes = fs::read(at.join("zz.txt"));
                let first = fs::read(at.join("a.txt"))?;
                ensure!(self.run(&["eject", &place])?.code == 0, "it stays");
                ensure!(first == b"first", "what lies in the first part is there");
                (bytes.ok(), ended.err)
            }
        };
        ensure!(!bytes.as_ref().is_some_and(|b| contains(b, SECRET)), "{door}: given away");
        Ok((bytes, err))
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// The ways through which a disc is read.
fn doors() -> Vec<&'static str> {
    if can_mount() { vec!["cat", "extract", "mount"] } else { vec!["cat", "extract"] }
}

#[test]
fn a_part_that_is_a_link_to_a_private_file_is_left_out_at_every_door() -> Result<()> {
    if !is_root("a folder of a stranger's") {
        return Ok(());
    }
    let bait = Bait::new()?;
    let part = bait.path("x.i01");
    let put = |what: &str| -> Result<()> {
        let _ = fs::remove_file(&part);
        match what {
            "symbolic" => symlink(&bait.secret, &part)?,
            "hard" => fs::hard_link(&bait.secret, &part)?,
            "pipe" => {
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &part, fifo, mode, 0)?;
            }
            _ => symlink(bait.path("good"), &part)?,
        }
        Ok(())
    };
    for (what, why) in [
        ("symbolic", "it is a symbolic link, and those are not followed"),
        ("hard", "it belongs to another user than the first part"),
        ("pipe", "neither a file nor a block device"),
        ("to a good one", "it is a symbolic link, and those are not followed"),
    ] {
        put(what)?;
        for door in doors() {
            let (bytes, err) = bait.through(door)?;
            assert!(bytes.is_none(), "{what}: zz.txt is an error through {door}");
            assert!(err.contains("\"x.i01\" was not joined"), "{what} {door}: {err}");
            assert!(err.contains(why), "{what} {door}: {err}");
        }
        let reported: Value = serde_json::from_str(&bait.run(&["info", "--json", "x.iso"])?.out)?;
        assert_eq!(reported["refused_part"]["name"]["name"], "x.i01");
        assert_eq!(reported["parts"], Value::Null);
        assert!(bait.run(&["info", "x.iso"])?.out.contains("Not joined x.i01: "));
    }
    Ok(())
}

#[test]
fn the_parts_that_were_joined_are_named() -> Result<()> {
    let session = Session::new()?;
    let sample = fs::read(corpus::repository().join("samples/setup-disc.iso"))?;
    let (first, second) = sample.split_at(100 << 10);
    fs::write(session.path("x.iso"), first)?;
    fs::write(session.path("x.i01"), second)?;
    let names = |reported: &Value| -> Vec<String> {
        let parts = reported["parts"].as_array().into_iter().flatten();
        parts.filter_map(|part| part["name"].as_str().map(str::to_owned)).collect()
    };
    let reported = json(&session.run(&["info", "--json", "x.iso"])?)?;
    assert_eq!(names(&reported), ["x.iso", "x.i01"]);
    let reported = session.run(&["info", "x.iso"])?.out;
    assert!(reported.contains("Parts      x.iso, x.i01\n"), "{reported}");
    if can_mount() {
        for (reason, count) in [("first", false), ("again", true)] {
            let reported = session.run(&["mount", "--json", "x.iso", "here"])?;
            assert_eq!(reported.code, 0, "{reason}: {}", reported.err);
            let reported: Value = serde_json::from_str(&reported.out)?;
            assert_eq!(
                (names(&reported).len(), &reported["already_mounted"]),
                (2, &count.into()),
                "{reason}"
            );
        }
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
        let reported = session.run(&["mount", "x.iso", "here"])?.out;
        assert!(reported.contains("parts    x.iso, x.i01\n"), "{reported}");
    }
    // One file alone is no set, and nothing is said of parts.
    fs::remove_file(session.path("x.i01"))?;
    fs::write(session.path("x.iso"), &sample)?;
    let reported = json(&session.run(&["info", "--json", "x.iso"])?)?;
    assert_eq!((&reported["parts"], &reported["refused_part"]), (&Value::Null, &Value::Null));
    Ok(())
}

#[test]
fn a_private_first_part_is_not_shown_by_what_a_stranger_adds_to_it() -> Result<()> {
    if !is_root("a folder of a stranger's") {
        return Ok(());
    }
    let bait = Bait::new()?;
    let whole = fs::read(bait.session.path("whole.iso"))?;
    // The first 16 blocks of a disc are anybody's: here the private file's.
    fs::write(&bait.secret, SECRET.repeat(256))?;
    fs::write(bait.path("y.002"), &whole[2048..])?;
    chown(bait.path("y.002"), Some(NOBODY), Some(NOBODY))?;
    for (what, how) in [("symbolic", "beside a link"), ("hard", "belongs to another user")] {
        let _ = fs::remove_file(bait.path("y.001"));
        match what {
            "symbolic" => symlink(&bait.secret, bait.path("y.001"))?,
            _ => fs::hard_link(&bait.secret, bait.path("y.001"))?,
        }
        let ended = bait.run(&["mount", "--allow-other", "--view", "all", "y.001", "here"])?;
        assert_ne!(ended.code, 0, "{what}");
        assert!(ended.err.contains("\"y.002\" was not joined"), "{what}: {}", ended.err);
        assert!(ended.err.contains(how), "{what}: {}", ended.err);
    }
    Ok(())
}

/// Swaps what a name leads to as fast as it can, until dropped.
fn swapping<T>(swap: impl Fn(u64) -> Result<()> + Sync, work: impl FnOnce() -> T) -> Result<T> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| -> Result<u64> {
            let mut swaps = 0;
            while !over.load(Ordering::Relaxed) {
                swap(swaps)?;
                swaps += 1;
            }
            Ok(swaps)
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        println!("{} swaps", swapper.join().expect("the swapper lives")?);
        Ok(done)
    })
}

/// How often an attack is tried; `ISODRIVE_ATTACKS` for more.
fn attacks(usual: usize) -> usize {
    std::env::var("ISODRIVE_ATTACKS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_part_that_is_swapped_while_it_is_opened_never_gives_the_private_file_away() -> Result<()> {
    if !is_root("a folder of a stranger's") {
        return Ok(());
    }
    let bait = Bait::new()?;
    let (part, next) = (bait.path("x.i01"), bait.path("next"));
    let swap = |number: u64| -> Result<()> {
        match number % 3 {
            0 => symlink(&bait.secret, &next)?,
            1 => fs::hard_link(&bait.secret, &next)?,
            _ => {
                fs::write(&next, &bait.tail)?;
                chown(&next, Some(NOBODY), Some(NOBODY))?;
            }
        }
        fs::rename(&next, &part)?;
        if number % 3 == 2 {
            // So that the good one is met too: it takes a while to make.
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let (right, refused) = swapping(swap, || -> Result<(usize, usize)> {
        let (mut right, mut refused) = (0, 0);
        for door in doors() {
            for _ in 0..if door == "mount" { attacks(20) } else { attacks(100) } {
                match bait.through(door)?.0 {
                    Some(bytes) => {
                        ensure!(bytes == GOOD.repeat(1024), "{door}: other bytes");
                        right += 1;
                    }
                    None => refused += 1,
                }
            }
        }
        Ok((right, refused))
    })??;
    println!("{right} right, {refused} refused");
    assert!(right > 0 && refused > 0, "both were met");
    Ok(())
}

#[test]
fn a_path_that_flips_between_a_pipe_and_a_disc_holds_nobody() -> Result<()> {
    let session = Session::with_disc()?;
    let (path, other) = (session.path("flips.iso"), session.path("other"));
    fs::rename(session.path("disc.iso"), &path)?;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &other, rustix::fs::FileType::Fifo, mode, 0)?;
    let swap = |number: u64| -> Result<()> {
        let here = rustix::fs::CWD;
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(here, &path, here, &other, exchange)?;
        if number % 1000 == 999 {
            // The disc has its name for long enough to be read now and then.
            std::thread::sleep(Duration::from_millis(4));
        }
        Ok(())
    };
    let (read, refused) = swapping(swap, || -> Result<(usize, usize)> {
        let (mut read, mut refused) = (0, 0);
        // Building it takes longer.
        program::path()?;
        for _ in 0..attacks(100) {
            let since = Instant::now();
            let wrapper = ["timeout", "-s", "KILL", "10"];
            let output = session.command_under(&wrapper, &["info", "flips.iso"])?.output()?;
            ensure!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
            match Ended::of(&output) {
                Ended { code: 0, .. } => read += 1,
                // A new name is a change for those who do not ask what was done.
                Ended { code: 3, err, .. }
                    if err.contains("neither a file nor a block")
                        || err.contains("was changed") =>
                {
                    refused += 1;
                }
                ended => anyhow::bail!("{ended:?}"),
            }
        }
        Ok((read, refused))
    })??;
    println!("{read} read, {refused} refused");
    assert!(read > 0 && refused > 0, "both were met");
    Ok(())
}

#[test]
fn an_image_on_a_mount_of_roots_own_is_read_as_root_and_another_users_is_explained() -> Result<()> {
    if !can_mount() || !is_root("a mount of root's own") {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("file"), GOOD.repeat(100_000))?;
    corpus::make_image(&tree, &session.path("inner.iso"))?;
    fs::remove_dir_all(&tree)?;
    fs::create_dir(&tree)?;
    fs::rename(session.path("inner.iso"), tree.join("inner.iso"))?;
    corpus::make_image(&tree, &session.path("outer.iso"))?;
    for (options, user, sandbox) in
        [(&[][..], 0, "seccomp"), (&["--allow-other"][..], NOBODY, "full")]
    {
        let outer = session.mount(&[options, &["outer.iso", "outer"]].concat())?;
        let image = outer.at.join("inner.iso");
        let inner = session.mount(&[image.as_path(), &session.path("inner")])?;
        assert!(fs::read(inner.at.join("file"))? == GOOD.repeat(100_000));
        let worker = format!("/proc/{}", inner.worker);
        let status = fs::read_to_string(format!("{worker}/status"))?;
        assert!(status.contains(&format!("Uid:\t{user}\t{user}\t{user}\t{user}\n")), "{status}");
        // Root's files are closed all the same.
        for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(status.contains(line), "{status}");
        }
        assert!(status.contains("Seccomp:\t2"), "{status}");
        let list = session.list()?;
        let level = list.iter().find(|line| line["at"]["name"] == inner.at.to_str().unwrap());
        let level = level.context("it is listed")?["sandbox"].to_string();
        assert!(level.contains(sandbox), "{level}");
        assert_eq!(session.run(&["eject", "inner"])?.code, 0);
        assert_eq!(session.run(&["eject", "outer"])?.code, 0);
    }
    // Root may not even open what lies on another user's.
    let Some(theirs) = Session::of_nobody()? else { return Ok(()) };
    fs::copy(session.path("outer.iso"), theirs.path("outer.iso"))?;
    let outer = theirs.mount(&["outer.iso", "outer"])?;
    let image = outer.at.join("inner.iso");
    let ended = session.run(&[Path::new("mount"), &image, &session.path("inner")])?;
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("its FUSE mount lets in nobody but user 65534"), "{}", ended.err);
    assert!(ended.err.contains("allow_other"), "{}", ended.err);
    assert!(File::open(&image).is_err(), "as the kernel has it");
    Ok(())
}

/// What a command reported as JSON.
fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.out).with_context(|| format!("{ended:?}"))
}
