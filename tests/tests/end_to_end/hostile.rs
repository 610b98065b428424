//! The catalogue of hostile discs through every door: the library, a mount, `ls`, `tree`, `info`,
//! `extract`. What has to be seen stands beside each disc in `tests/hostile`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use iso_core::volume::{FileKind, Presentation, Volume, Walk};
use iso_core::{Image, Limits};
use isodrive_tests::drive;
use isodrive_tests::hostile::{Case, Expect, HEALTHY, Seen, all, large};
use isodrive_tests::kernel_driver;
use isodrive_tests::program::{Ended, Session, can_mount};
use isodrive_tests::tree::Entry;
use sha2::{Digest, Sha256};

type Tree = BTreeMap<Vec<u8>, Seen>;

/// No command may take longer over a tiny disc.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nor print more.
const MAX_PRINTED: usize = 1 << 20;
/// Files longer than this are read at their end alone.
const MAX_READ: u64 = 1 << 20;

/// What the library shows.
fn by_library(volume: &dyn Volume) -> Result<Tree> {
    let mut tree = Tree::new();
    for step in Walk::new(volume, volume.root())? {
        let seen = match (step.kind, step.error) {
            (FileKind::Directory, None) => Seen::Directory,
            (_, Some(_)) if volume.attr(step.node).is_err() => Seen::Nothing,
            (_, Some(_)) => Seen::Closed,
            (_, None) => by_node(volume, step.node),
        };
        tree.insert(step.path, seen);
    }
    Ok(tree)
}

fn by_node(volume: &dyn Volume, node: iso_core::volume::NodeId) -> Seen {
    let Ok(attr) = volume.attr(node) else { return Seen::Nothing };
    match attr.kind {
        FileKind::Regular => {
            let read = |offset: u64| {
                let len = attr.size.saturating_sub(offset).min(MAX_READ) as usize;
                let mut bytes = vec![0; len];
                let read = volume.read_into(node, offset, &mut bytes);
                read.ok().filter(|read| *read == len).map(|_| bytes)
            };
            let start = if attr.size <= MAX_READ { 0 } else { attr.size - 10 };
            read(start).map_or(Seen::Unreadable(attr.size), Seen::File)
        }
        FileKind::Symlink => volume.read_link(node).map_or(Seen::Nothing, Seen::Link),
        kind => Seen::Special(kind.letter()),
    }
}

/// What the kernel shows of a mount.
fn by_kernel(root: &Path, at: &Path, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(at)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.as_os_str().as_bytes().to_vec();
        let Ok(metadata) = path.symlink_metadata() else {
            tree.insert(name, Seen::Nothing);
            continue;
        };
        let kind = metadata.file_type();
        let letters = [
            (kind.is_block_device(), 'b'),
            (kind.is_char_device(), 'c'),
            (kind.is_fifo(), 'p'),
            (kind.is_socket(), 's'),
        ];
        let seen = if kind.is_dir() {
            match fs::read_dir(&path) {
                Ok(_) if by_kernel(root, &path, tree).is_ok() => Seen::Directory,
                _ => Seen::Closed,
            }
        } else if kind.is_symlink() {
            let target = path.read_link().map(|target| target.into_os_string().into_vec());
            target.map_or(Seen::Nothing, Seen::Link)
        } else if let Some((_, letter)) = letters.iter().find(|(is, _)| *is) {
            Seen::Special(*letter)
        } else {
            by_path(&path, metadata.len())
        };
        tree.insert(name, seen);
    }
    Ok(())
}

fn by_path(path: &Path, size: u64) -> Seen {
    let start = if size <= MAX_READ { 0 } else { size - 10 };
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; (size - start) as usize];
        std::os::unix::fs::FileExt::read_exact_at(&fs::File::open(path)?, &mut bytes, start)?;
        Ok(bytes)
    };
    read().map_or(Seen::Unreadable(size), Seen::File)
}

/// The lines by which two trees differ; a circle is seen as `circle` by this door.
fn differences(door: &str, got: &Tree, want: &Tree, circle: &Seen) -> Vec<String> {
    let mut want = want.clone();
    want.values_mut().filter(|seen| **seen == Seen::Circle).for_each(|seen| *seen = circle.clone());
    let paths: BTreeSet<&Vec<u8>> = got.keys().chain(want.keys()).collect();
    let short = |seen: Option<&Seen>| match seen {
        Some(Seen::File(bytes)) => {
            format!("{} bytes {}", bytes.len(), bytes[..bytes.len().min(12)].escape_ascii())
        }
        other => format!("{other:?}"),
    };
    let differ = paths.into_iter().filter(|path| got.get(*path) != want.get(*path));
    let line = |path: &Vec<u8>| {
        let (got, want) = (short(got.get(path)), short(want.get(path)));
        format!("{door}: {}: {got}, should be {want}", path.escape_ascii())
    };
    differ.map(line).collect()
}

/// Commands that leave something out of a directory and give no exit code and no name for that.
fn mute(findings: &[iso_core::Finding], commands: &[&Ended]) -> Vec<String> {
    let is_loss = |finding: &iso_core::Finding| {
        finding.text.contains("directory") && finding.text.contains("left out")
    };
    if !findings.iter().any(is_loss) {
        return Vec::new();
    }
    let is_mute = |ended: &&&Ended| ended.code == 0 || !ended.err.contains("damaged");
    let reported = |ended: &&Ended| format!("a command is mute: {} {}", ended.code, ended.err);
    commands.iter().filter(is_mute).map(reported).collect()
}

/// Everything that is wrong with how one disc is seen.
fn complaints(session: &Session, case: &Case) -> Result<Vec<String>> {
    let image = session.path("disc.iso");
    fs::write(&image, &case.image)?;
    let view: Vec<&str> = match &case.view {
        Some(view) => vec!["--view", view.name()],
        None => Vec::new(),
    };
    let wrong = RefCell::new(Vec::new());
    let complain = |line: String| wrong.borrow_mut().push(line);
    let run = |arguments: &[&str], codes: &[i32]| -> Result<Ended> {
        let since = Instant::now();
        let ended = session.run(&[arguments, &view].concat())?;
        if since.elapsed() > PATIENCE {
            complain(format!("{arguments:?} took {:?}", since.elapsed()));
        }
        if !codes.contains(&ended.code) {
            complain(format!("{arguments:?} ended with {}: {}", ended.code, ended.err));
        }
        if ended.bytes.len() + ended.err.len() > MAX_PRINTED {
            complain(format!("{arguments:?} printed {} bytes", ended.bytes.len()));
        }
        let is_harmless = |c: char| c == '\n' || !c.is_control();
        if !ended.out.chars().chain(ended.err.chars()).all(is_harmless) {
            complain(format!("{arguments:?} printed what acts on a terminal"));
        }
        Ok(ended)
    };
    match &case.expect {
        Expect::Refused(code, message) => {
            for command in ["info", "ls", "tree", "mount"] {
                let ended = run(&[command, "disc.iso"], &[*code])?;
                if !ended.err.contains(message) {
                    complain(format!("{command} says {:?}", ended.err));
                }
            }
        }
        Expect::Tree(seen) => {
            let want: Tree = seen.iter().cloned().collect();
            run(&["info", "-v", "disc.iso"], &[0])?;
            run(&["info", "--json", "disc.iso"], &[0])?;
            run(&["ls", "-l", "disc.iso"], &[0, 5])?;
            let tree = run(&["tree", "disc.iso"], &[0, 1, 5])?;
            let out = session.path("out");
            let copied = run(&["extract", "-C", "out", "disc.iso"], &[0, 1, 3, 4, 5])?;
            extracted(&out, &want)?.into_iter().for_each(complain);
            let opened = Image::open(Box::new(case.image.clone()), Limits::default())?;
            let shown = opened.choose(case.view)?;
            let seen = by_library(&*shown.volume)?;
            differences("library", &seen, &want, &Seen::Closed).into_iter().for_each(complain);
            let findings = opened.disc().findings().list();
            mute(&findings, &[&tree, &copied]).into_iter().for_each(complain);
            for reported in case.reported {
                if !findings.iter().any(|finding| finding.text.contains(reported)) {
                    complain(format!("{reported:?} is not among {findings:?}"));
                }
            }
            mounted(session, &view, &want)?.into_iter().for_each(complain);
        }
    }
    Ok(wrong.into_inner())
}

fn mounted(session: &Session, view: &[&str], want: &Tree) -> Result<Vec<String>> {
    if !can_mount() {
        return Ok(Vec::new());
    }
    let mount = session.mount(&[view, &["--hidden", "show", "disc.iso", "here"]].concat())?;
    let mut got = Tree::new();
    by_kernel(&mount.at, &mount.at, &mut got)?;
    let processor = processor_time(mount.worker)?;
    let ended = session.run(&["eject", "here"])?;
    ensure!(ended.code == 0, "{}", ended.err);
    let mut wrong = differences("mount", &got, want, &Seen::Nothing);
    if processor > Duration::from_secs(1) {
        wrong.push(format!("the worker took {processor:?}"));
    }
    Ok(wrong)
}

/// What a process has used of a processor.
fn processor_time(pid: i32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[12].parse::<u64>()? + fields[13].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Files that `extract` wrote are those of the disc, byte by byte, and there are no others.
fn extracted(out: &Path, want: &Tree) -> Result<Vec<String>> {
    let mut got = Tree::new();
    if out.exists() {
        by_kernel(out, out, &mut got)?;
        fs::remove_dir_all(out)?;
    }
    let mut wanted = want.clone();
    // What cannot be read is named and not written; links that lead out are left out.
    // Nor is what has a name that the file system below cannot hold.
    wanted.retain(|path, seen| match seen {
        _ if path.len() > 255 => false,
        Seen::Directory | Seen::File(_) => true,
        Seen::Closed | Seen::Circle | Seen::Link(_) => got.contains_key(path),
        Seen::Unreadable(_) | Seen::Special(_) | Seen::Nothing => false,
    });
    for (path, seen) in &mut wanted {
        if matches!(seen, Seen::Closed | Seen::Circle) && got.get(path) == Some(&Seen::Directory) {
            *seen = Seen::Directory;
        }
    }
    Ok(differences("extract", &got, &wanted, &Seen::Closed))
}

#[test]
fn every_hostile_disc_is_seen_as_it_should_be_through_every_door() -> Result<()> {
    let session = Session::new()?;
    // The program is built before its time is taken.
    session.run(&["--version"])?;
    let only = std::env::var("ISODRIVE_HOSTILE").unwrap_or_default();
    let mut wrong = Vec::new();
    let (mut classes, mut discs) = (BTreeSet::new(), 0);
    for case in all() {
        classes.insert(case.class);
        if !only.is_empty() && case.class != only {
            continue;
        }
        discs += 1;
        let found = complaints(&session, &case).unwrap_or_else(|error| vec![format!("{error:#}")]);
        wrong.extend(found.into_iter().map(|line| format!("{} {}: {line}", case.class, case.name)));
    }
    println!("{discs} discs of {} classes", classes.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The kernel's EROFS driver shows what has to be seen, or is not given the disc at all; and it
/// never finds fault with what was made of a stranger's directories.
#[test]
fn the_kernels_own_driver_shows_hostile_discs_as_it_should_or_not_at_all() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let mut log = kernel_driver::KernelLog::from_now();
    let session = Session::new()?;
    let image = session.path("disc.iso");
    let (mut wrong, mut shown, mut declined) = (Vec::new(), 0, BTreeMap::new());
    for case in all() {
        let Expect::Tree(seen) = &case.expect else { continue };
        fs::write(&image, &case.image)?;
        let opened = Image::open(Box::new(case.image.clone()), Limits::default())?;
        let chosen = opened.choose(case.view)?;
        let show = Presentation::default();
        let mounted = match kernel_driver::mount(&image, &*chosen.volume, &show, None)? {
            Ok(mounted) => mounted,
            Err(why) => {
                *declined.entry(why.to_string()).or_insert(0) += 1;
                continue;
            }
        };
        shown += 1;
        let mut got = Tree::new();
        by_kernel(mounted.at(), mounted.at(), &mut got)?;
        let lines = differences("erofs", &got, &seen.iter().cloned().collect(), &Seen::Nothing);
        wrong.extend(lines.into_iter().map(|line| format!("{} {}: {line}", case.class, case.name)));
        drop(mounted);
        let said = log.complaints();
        wrong.extend(said.into_iter().map(|line| format!("{} {}: {line}", case.class, case.name)));
    }
    println!("{shown} discs shown; not shown: {declined:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 80, "only {shown} discs");
    Ok(())
}

/// What a drive of Windows shows has to be the same: the healthy file always, errors where the disc
/// is damaged, and nothing else. Where links lead and what kind a device is are not reported there.
#[test]
fn a_drive_of_windows_shows_hostile_discs_as_it_should() -> Result<()> {
    if !drive::is_there() {
        println!("not tried here: cargo xtask windows builds the drive and runs this");
        return Ok(());
    }
    let session = Session::new()?;
    let image = session.path("disc.iso");
    let (mut wrong, mut discs) = (Vec::new(), 0);
    for case in all() {
        let Expect::Tree(seen) = &case.expect else { continue };
        discs += 1;
        fs::write(&image, &case.image)?;
        let shown = drive::hostile(&image, case.view)?;
        let without_root = shown.entries.iter().filter(|(path, _)| *path != b".");
        let got: BTreeMap<_, _> =
            without_root.map(|(path, entry)| (path.clone(), by_drive(entry))).collect();
        let is_told = |path: &Vec<u8>| shown.entries.get(path).is_some_and(|e| e.error.is_some());
        // Where nothing can be had of a file, what the directory tells of it is shown, and an error
        // when it is opened.
        let want = seen.iter().map(|(path, seen)| match seen {
            Seen::Nothing if is_told(path) => (path.clone(), got[path].clone()),
            seen => (path.clone(), on_drive(seen)),
        });
        let want = want.collect();
        let lines = differences("drive", &got, &want, &Seen::Closed);
        wrong.extend(lines.into_iter().map(|line| format!("{} {}: {line}", case.class, case.name)));
    }
    println!("{discs} discs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(discs > 150, "only {discs} discs");
    Ok(())
}

/// What a drive reported of a file; of its bytes their sum.
fn by_drive(entry: &Entry) -> Seen {
    match (entry.kind, &entry.error, &entry.sha256) {
        ('d', None, _) => Seen::Directory,
        ('d', Some(_), _) => Seen::Closed,
        ('l', ..) => Seen::Link(Vec::new()),
        ('f', None, Some(sum)) => Seen::File(sum.clone().into_bytes()),
        ('f', ..) if entry.size > 0 => Seen::Unreadable(entry.size),
        ('f', ..) => Seen::Nothing,
        _ => Seen::Special('x'),
    }
}

/// What has to be seen, as a drive tells it.
fn on_drive(seen: &Seen) -> Seen {
    match seen {
        Seen::File(bytes) => {
            let sum = Sha256::digest(bytes);
            let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            Seen::File(digits.into_bytes())
        }
        Seen::Link(_) => Seen::Link(Vec::new()),
        Seen::Special(_) => Seen::Special('x'),
        other => other.clone(),
    }
}

/// What a server may hold beside its caches: 64 MiB, and the cache of blocks may be as much again.
const MAX_RESIDENT_KIB: u64 = (64 + 64) << 10;

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.map(|line| line.trim().trim_end_matches(" kB"));
    Ok(digits.unwrap_or_default().parse()?)
}

/// Processor seconds that one request may take; programs without optimisation are slow.
fn one_request() -> Duration {
    Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 })
}

#[test]
fn h48_a_million_entries_are_listed_once_each_within_the_bounds() -> Result<()> {
    const COUNT: usize = 1_000_000;
    if !can_mount() {
        return Ok(());
    }
    type Make = fn(usize) -> Vec<u8>;
    let discs: [(&str, Make, &str, &str); 3] = [
        ("many", large::many_entries, "D", "FILE0999999"),
        ("equal", large::equal_names, "D", "A~1000000"),
        ("udf", large::many_udf_entries, ".", "file0999999"),
    ];
    for (name, make, directory, last) in discs {
        let image = make(COUNT);
        let session = Session::new()?;
        fs::write(session.path("disc.iso"), image)?;
        let mount = session.mount(&["disc.iso", "here"])?;
        let before = processor_time(mount.worker)?;
        let mut entries = fs::read_dir(mount.at.join(directory))?;
        let first = entries.next().transpose()?;
        let one = processor_time(mount.worker)? - before;
        let mut names: std::collections::HashSet<_> =
            entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        names.extend(first.map(|entry| entry.file_name()));
        assert_eq!(names.len(), COUNT, "{name}: missing or twice");
        assert_eq!(fs::read(mount.at.join(directory).join(last))?, HEALTHY);
        let missing = fs::metadata(mount.at.join(directory).join("no such name"));
        assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        let peak = peak(mount.worker)?;
        println!("{name}: {COUNT} entries, the first after {one:?}, {peak} KiB at most");
        assert!(one <= one_request(), "{name}: {one:?}");
        assert!(peak <= MAX_RESIDENT_KIB, "{name}: {peak} KiB");
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
        let listed = session.run(&["ls", "disc.iso", directory])?;
        assert_eq!((listed.code, listed.out.lines().count()), (0, COUNT));
    }
    Ok(())
}

#[test]
fn h48_nested_and_folded_directories_end() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), large::nested(4096))?;
    for command in [&["tree", "disc.iso"][..], &["extract", "-C", "out", "disc.iso"]] {
        let since = Instant::now();
        assert_eq!(session.run(command)?.code, 0, "{command:?}");
        // A busy machine takes longer; looking along each path from its beginning takes minutes.
        assert!(since.elapsed() < 6 * PATIENCE, "{command:?}: {:?}", since.elapsed());
    }
    let end = |root: &Path| -> Result<Vec<u8>> {
        let mut here = fs::File::open(root)?;
        let (dir, none) = (rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty());
        for _ in 0..4096 {
            here = rustix::fs::openat(&here, "D", dir, none)?.into();
        }
        let mut file =
            fs::File::from(rustix::fs::openat(&here, "END", rustix::fs::OFlags::RDONLY, none)?);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    };
    assert_eq!(end(&session.path("out"))?, HEALTHY);
    if can_mount() {
        let mount = session.mount(&["disc.iso", "here"])?;
        assert_eq!(end(&mount.at)?, HEALTHY);
        let long = fs::metadata(mount.at.join("D/".repeat(4000)));
        assert_eq!(long.unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
        assert!(peak(mount.worker)? <= MAX_RESIDENT_KIB);
    }
    fs::write(session.path("folded.iso"), large::folded(60))?;
    let since = Instant::now();
    let ended = session.run(&["tree", "folded.iso"])?;
    assert!(matches!(ended.code, 1 | 5), "{} {}", ended.code, ended.err);
    assert!(ended.bytes.len() < 80 << 20 && since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    Ok(())
}

#[test]
fn h17_a_chain_that_a_directory_shares_ends_before_it_takes_long() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), large::shared_chain(100_000))?;
    let ended = session.run(&["ls", "disc.iso", "D"])?;
    assert_eq!(ended.code, 5);
    assert!(ended.err.contains("bytes of system use in one directory"), "{}", ended.err);
    if can_mount() {
        let mount = session.mount(&["disc.iso", "here"])?;
        assert_eq!(fs::read(mount.at.join("OK.TXT"))?, HEALTHY);
        let before = processor_time(mount.worker)?;
        let listed = fs::read_dir(mount.at.join("D"))
            .and_then(|dir| dir.collect::<std::io::Result<Vec<_>>>());
        assert_eq!(listed.unwrap_err().raw_os_error(), Some(libc::EIO));
        let took = processor_time(mount.worker)? - before;
        assert!(took <= one_request(), "{took:?}");
    }
    Ok(())
}
