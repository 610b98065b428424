//! Images that are written to while they are mounted or read, by people who set the time of the
//! last writing back: no byte of the new one comes without an error from then on. What is done to
//! the name or the rights of an image changes nothing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::kernel_driver;
use isodrive_tests::program::{NOBODY, PATIENCE, Session, can_mount, until};

const O_DIRECT: i32 = 0o40000;
const EIO: i32 = 5;

/// Files of one letter each.
const FILES: usize = 12;
const FILE_BYTES: usize = 192 << 10;

/// Two discs of one shape: files of one letter, and the same of another.
struct Discs {
    session: Session,
    one: PathBuf,
    other: Vec<u8>,
}

impl Discs {
    fn new() -> Result<Self> {
        let session = Session::new()?;
        let disc = |letter: u8| -> Result<PathBuf> {
            let tree = session.path("tree");
            fs::create_dir(&tree)?;
            for number in 0..FILES {
                fs::write(tree.join(name(number)), vec![letter; FILE_BYTES])?;
            }
            let image = session.path(&format!("{}.iso", char::from(letter)));
            corpus::make_image(&tree, &image)?;
            fs::remove_dir_all(&tree)?;
            Ok(image)
        };
        let one = disc(b'a')?;
        let other = fs::read(disc(b'b')?)?;
        ensure!(fs::metadata(&one)?.len() == u64::try_from(other.len())?, "of one length");
        Ok(Self { session, one, other })
    }

    /// A fresh copy of the first disc, as `disc.iso`.
    fn fresh(&self) -> Result<PathBuf> {
        let path = self.session.path("disc.iso");
        let _ = fs::remove_file(&path);
        fs::copy(&self.one, &path)?;
        Ok(path)
    }

    /// Ejects the mount. Children of other tests hold what is open here for a moment, until they
    /// have become the program that they are to be.
    fn eject(&self) -> Result<()> {
        let ejected = || self.session.run(&["eject", "here"]).is_ok_and(|ended| ended.code == 0);
        ensure!(until(PATIENCE, ejected), "it stays");
        Ok(())
    }

    /// Writes the second disc over the first and sets the time of the last writing back, as
    /// `rsync --inplace --times` and `touch -r` do.
    fn overwrite(&self, path: &Path) -> Result<()> {
        let modified = fs::metadata(path)?.modified()?;
        let mut file = File::options().write(true).open(path)?;
        file.write_all(&self.other)?;
        file.set_modified(modified)?;
        Ok(())
    }
}

fn name(number: usize) -> String {
    format!("f{number:02}")
}

/// Reads a file past the kernel's cache.
fn read_past_cache(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::options().read(true).custom_flags(O_DIRECT).open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether these are bytes of the first disc, all of them.
fn is_old(bytes: &[u8]) -> bool {
    bytes.len() == FILE_BYTES && bytes.iter().all(|byte| *byte == b'a')
}

/// How often an attack is tried; `ISODRIVE_ATTACKS` for more.
fn attacks() -> usize {
    std::env::var("ISODRIVE_ATTACKS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// A number below a bound that nobody foresees.
fn random(below: u64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (u64::from(now.subsec_nanos()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % below
}

#[test]
fn an_image_overwritten_with_its_time_set_back_gives_errors_and_no_byte_of_the_new_one()
-> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    let (mut read, mut refused, mut overtaken) = (0, 0, 0);
    for _ in 0..attacks() {
        let path = discs.fresh()?;
        let mount = discs.session.mount(&["disc.iso", "here"])?;
        let counts = attack(&discs, &path, &mount.at)?;
        read += counts.0;
        refused += counts.1;
        overtaken += counts.2;
        // Through the kernel's cache and past it: what was read before or an error, nothing else.
        for number in 0..FILES {
            let file = mount.at.join(name(number));
            let error = read_past_cache(&file).expect_err("it is another image");
            assert_eq!(error.raw_os_error(), Some(EIO));
            if let Ok(bytes) = fs::read(&file) {
                assert!(is_old(&bytes), "{}: bytes of the new image", name(number));
            }
        }
        discs.eject()?;
    }
    println!("{read} right, {refused} refused, {overtaken} overtaken while they were answered");
    assert!(read > 0 && refused > 0);
    Ok(())
}

/// Overwrites the image at a random moment while three readers read. Gives how many files they read
/// rightly, how many were refused, and how many showed bytes of the new image: only such as were
/// being read when it was written.
fn attack(discs: &Discs, path: &Path, at: &Path) -> Result<(usize, usize, usize)> {
    let [read, refused, overtaken] = [(); 3].map(|()| AtomicUsize::new(0));
    let (over, written) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| -> Result<()> {
        for reader in 0..3 {
            let (read, refused, overtaken) = (&read, &refused, &overtaken);
            let (over, written) = (&over, &written);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    for number in 0..FILES {
                        let begun_late = written.load(Ordering::SeqCst);
                        let file = at.join(name(number));
                        let bytes =
                            if reader == 0 { fs::read(&file) } else { read_past_cache(&file) };
                        let count = match bytes {
                            Ok(bytes) if is_old(&bytes) => read,
                            Ok(_) => {
                                assert!(!begun_late, "bytes of the new image without an error");
                                overtaken
                            }
                            Err(error) => {
                                assert_eq!(error.raw_os_error(), Some(EIO));
                                refused
                            }
                        };
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_micros(random(30_000)));
        let outcome = discs.overwrite(path);
        // What was on its way to a reader has arrived, or was taken back.
        std::thread::sleep(Duration::from_millis(20));
        written.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        over.store(true, Ordering::SeqCst);
        outcome
    })?;
    Ok((read.into_inner(), refused.into_inner(), overtaken.into_inner()))
}

#[test]
fn a_change_is_listed_though_nobody_reads() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    let path = discs.fresh()?;
    discs.session.mount(&["disc.iso", "here"])?;
    discs.overwrite(&path)?;
    let is_told = || discs.session.listed_state().is_ok_and(|state| state == "image changed");
    assert!(until(Duration::from_secs(12), is_told), "{:?}", discs.session.listed_state());
    // Another mount of this path is of the new image.
    let again = discs.session.run(&["mount", "disc.iso", "there"])?;
    assert!(again.out.starts_with("Mounted  "), "{again:?}");
    assert_eq!(fs::read(discs.session.path("there").join(name(0)))?, vec![b'b'; FILE_BYTES]);
    Ok(())
}

#[test]
fn a_new_name_owner_or_permission_of_the_image_changes_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    let path = discs.fresh()?;
    let other = discs.session.path("other.iso");
    let mount = discs.session.mount(&["disc.iso", "here"])?;
    let mut number = 0;
    let mut reads = |what: &str| -> Result<()> {
        for _ in 0..3 {
            number = (number + 1) % FILES;
            let bytes = read_past_cache(&mount.at.join(name(number)));
            ensure!(is_old(&bytes.with_context(|| what.to_owned())?), "{what}");
        }
        Ok(())
    };
    fs::rename(&path, &other)?;
    reads("renamed")?;
    fs::rename(&other, &path)?;
    fs::rename(&path, &other)?;
    reads("renamed there and back and there")?;
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600))?;
    reads("closed")?;
    fs::hard_link(&other, &path)?;
    reads("linked")?;
    fs::remove_file(&other)?;
    reads("one name removed")?;
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(NOBODY), Some(NOBODY))?;
        reads("given away")?;
    }
    fs::remove_file(&path)?;
    reads("removed")?;
    assert_eq!(discs.session.listed_state()?, "idle");
    Ok(())
}

#[test]
fn an_image_renamed_over_and_over_while_it_is_read_gives_no_error() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    let path = discs.fresh()?;
    let other = discs.session.path("other.iso");
    let mount = discs.session.mount(&["disc.iso", "here"])?;
    let over = AtomicBool::new(false);
    let read = std::thread::scope(|scope| -> Result<usize> {
        let at = &mount.at;
        let over = &over;
        let readers = [0, 1].map(|_| {
            scope.spawn(move || -> Result<usize> {
                let mut read = 0;
                while !over.load(Ordering::Relaxed) {
                    ensure!(is_old(&read_past_cache(&at.join(name(read % FILES)))?), "a mixture");
                    read += 1;
                }
                Ok(read)
            })
        });
        for _ in 0..3000 {
            fs::rename(&path, &other)?;
            fs::rename(&other, &path)?;
        }
        over.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().expect("a reader lives")).sum()
    })?;
    println!("{read} files read meanwhile");
    assert!(read > 10);
    Ok(())
}

#[test]
fn a_change_is_not_covered_up_by_a_new_name_or_permission() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    for what in ["chmod", "rename", "link"] {
        let path = discs.fresh()?;
        let mount = discs.session.mount(&["disc.iso", "here"])?;
        assert!(is_old(&read_past_cache(&mount.at.join(name(0)))?));
        discs.overwrite(&path)?;
        let other = discs.session.path("other.iso");
        match what {
            "chmod" => fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?,
            "rename" => fs::rename(&path, &other)?,
            _ => fs::hard_link(&path, &other)?,
        }
        let error = read_past_cache(&mount.at.join(name(1))).expect_err(what);
        assert_eq!(error.raw_os_error(), Some(EIO), "{what}");
        discs.eject()?;
        let _ = fs::remove_file(other);
    }
    Ok(())
}

#[test]
fn an_image_overwritten_while_a_command_reads_it_is_an_error_of_that_command() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("large"), vec![b'a'; 32 << 20])?;
    let image = session.path("disc.iso");
    corpus::make_image(&tree, &image)?;
    let mut child = session
        .command(&["cat", "disc.iso", "large"])?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().context("its output")?;
    let mut first = vec![0; 1 << 20];
    out.read_exact(&mut first)?;
    let modified = fs::metadata(&image)?.modified()?;
    let file = File::options().write(true).open(&image)?;
    file.write_all_at(&vec![b'b'; 16 << 20], 16 << 20)?;
    file.set_modified(modified)?;
    let mut rest = Vec::new();
    out.read_to_end(&mut rest)?;
    let ended = child.wait_with_output()?;
    let err = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{err}");
    assert!(err.contains("was changed after it was opened"), "{err}");
    Ok(())
}

#[test]
fn the_kernels_driver_takes_no_image_that_others_may_write_to_and_list_tells_of_a_change()
-> Result<()> {
    if !kernel_driver::can_mount() || !can_mount() {
        return Ok(());
    }
    let discs = Discs::new()?;
    let asked = ["mount", "--driver", "erofs", "disc.iso", "here"];
    for (mode, owner) in [(0o666, 0), (0o664, 0), (0o644, NOBODY)] {
        let path = discs.fresh()?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        chown(&path, Some(owner), None)?;
        let ended = discs.session.run(&asked)?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        let why = "other users can write to the image";
        assert!(ended.err.contains("using FUSE") && ended.err.contains(why), "{}", ended.err);
        discs.eject()?;
    }
    let path = discs.fresh()?;
    let ended = discs.session.run(&asked)?;
    assert!(ended.code == 0 && ended.err.is_empty(), "{}", ended.err);
    assert_eq!(discs.session.listed_state()?, "idle");
    discs.overwrite(&path)?;
    assert_eq!(discs.session.listed_state()?, "image changed");
    Ok(())
}

#[test]
fn what_is_written_at_the_moment_of_opening_is_noticed() -> Result<()> {
    use iso_core::source::{FileSource, Medium, Source};
    let session = Session::new()?;
    let path = session.path("file");
    let since = Instant::now();
    for round in 0..attacks() {
        // The same length, within one tick of the clock as far as that can be had.
        fs::write(&path, vec![b'a'; 4096])?;
        let source = FileSource::from_file(File::open(&path)?, Medium::Local)?;
        let mut bytes = vec![0; 4096];
        source.read_at(&mut bytes, 0)?;
        File::options().write(true).open(&path)?.write_all_at(&[b'b'; 4096], 0)?;
        assert!(source.read_at(&mut bytes, 0).is_err(), "round {round}");
        assert!(source.confirm(None).is_err(), "round {round}");
    }
    println!("{:?} for one", since.elapsed() / u32::try_from(attacks())?);
    Ok(())
}
