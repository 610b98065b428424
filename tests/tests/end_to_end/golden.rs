//! Every image with a golden tree, through every door; and the table of expected differences.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use iso_core::View;
use isodrive_tests::suite::{Door, Report, check};
use isodrive_tests::{corpus, drive, kernel_driver, program};

/// A difference from the kernel that is meant, and why. A row that explains nothing fails.
struct Row {
    /// Images whose path contains one of these.
    images: &'static [&'static str],
    view: Option<View>,
    /// Differences whose line contains all of these.
    line: &'static [&'static str],
    why: &'static str,
}

const ANY: &[&str] = &[""];

/// Where isodrive and the kernel differ, and the standard or FIELD.md says that isodrive is right;
/// or where the kernel itself failed, or the manifest was made from another build of the image.
const ROWS: &[Row] = &[
    Row {
        images: ANY,
        view: Some(View::Udf),
        line: &["id is 0, should be 65534"],
        why: "an id of -1 is none (UDF 2.60 2.3.6.1): shown as the mounting user's, FIELD.md #10",
    },
    Row {
        images: ANY,
        view: Some(View::RockRidge),
        line: &["rr_moved: missing"],
        why: "the kernel leaves the emptied rr_moved in sight (FIELD.md, measured defects)",
    },
    Row {
        images: &["f-cd9660-rr"],
        view: Some(View::RockRidge),
        line: &[".rr_moved/", ": missing"],
        why: "makefs writes PL and no RE: shown in their true places, not twice (RRIP 4.1.5)",
    },
    Row {
        images: &["f-cd9660-rr"],
        view: Some(View::Iso9660),
        line: &["SYM/", "sha256"],
        why: "the manifest is of another build; kernel 6.1 reads here what isodrive reads",
    },
    Row {
        images: &["x-r", "f-cd9660-rr"],
        view: Some(View::RockRidge),
        line: &["dev/big", "device is"],
        why: "the kernel takes 8 bits of the minor from PN; it holds a Linux dev_t (RRIP 4.1.2)",
    },
    Row {
        images: &["f-cd9660-rr"],
        view: Some(View::RockRidge),
        line: &["sym/", "not in the golden tree"],
        why: "makefs lets continuation areas cross a block's edge; the kernel drops those entries",
    },
    Row {
        images: &["x-zisofs2"],
        view: Some(View::RockRidge),
        line: &["size is"],
        why: "zisofs v2: the size of the file, where the kernel shows the compressed one",
    },
    Row {
        images: &["x-zisofs2"],
        view: Some(View::RockRidge),
        line: &["sha256 is"],
        why: "zisofs v2: the file, where the kernel gives compressed bytes",
    },
    Row {
        images: &["x-l4"],
        view: Some(View::Joliet),
        line: &["...: not in the golden tree"],
        why: "the kernel strips all dots of a name of dots and then cannot show it",
    },
    Row {
        images: &[
            "g-udf-posix",
            "s-UDF-posix",
            "n-disk-102",
            "n-disk-201",
            "n-cdrom-2",
            "n-meta-disk-250",
            "n-vat-cdr",
        ],
        view: Some(View::Udf),
        line: &["not in the golden tree"],
        why: "the kernel drops entries: an empty name ends its listing, long links fail",
    },
    Row {
        images: &["hfsplus"],
        view: Some(View::Hfs),
        line: &["\\xf0", "not in the golden tree"],
        why: "the kernel drops names with surrogate pairs on HFS+",
    },
    Row {
        images: &["x-hfsplus"],
        view: Some(View::Hfs),
        line: &["u/", "golden tree"],
        why: "the kernel composes names of HFS+ by an old Unicode table",
    },
    Row {
        images: &["x-hfsplus"],
        view: Some(View::Hfs),
        line: &["u/", "missing"],
        why: "the same names by composition of today's Unicode",
    },
    Row {
        images: &["x-relaxed-lc"],
        view: Some(View::Iso9660),
        line: &["semi;1: not in the golden tree"],
        why: "semi;1 and semi;2 are versions of one file: the older one is listed by its version",
    },
    Row {
        images: &["ce_loop", "zf_overflow"],
        view: Some(View::RockRidge),
        line: &["not in the golden tree"],
        why: "a damaged system use area costs the kernel the entry; isodrive shows it",
    },
    Row {
        images: &["iso-different-iso-joliet-label"],
        view: None,
        line: &["time is (0, 0), should be (-2211753600, 0)"],
        why: "a date of all zeros is none, not one in 1899",
    },
];

/// Images whose clocks were set anew after their manifests were made: every time on them is
/// 2020-02-02, which kernel 6.1 shows on them too.
const OTHER_CLOCK: &[&str] = &["/f-", "/n-", "/s-", "/d-meta", "/d-spar"];

struct Tally {
    used: Vec<AtomicUsize>,
    compared: AtomicUsize,
    unexplained: Mutex<Vec<String>>,
    declined: Mutex<BTreeMap<String, usize>>,
}

impl Tally {
    fn new() -> Self {
        Self {
            used: ROWS.iter().map(|_| AtomicUsize::new(0)).collect(),
            compared: AtomicUsize::new(0),
            unexplained: Mutex::default(),
            declined: Mutex::default(),
        }
    }

    fn add(&self, name: &str, report: &Report) {
        self.compared.fetch_add(report.compared, Ordering::Relaxed);
        for why in &report.declined {
            *self.declined.lock().unwrap().entry(why.clone()).or_default() += 1;
        }
        for error in &report.refused {
            self.complain(format!("{name}: {error}"));
        }
        for found in &report.differences {
            let fits = |row: &Row| {
                row.images.iter().any(|part| name.contains(part))
                    && row.view.is_none_or(|view| view == found.view)
                    && row.line.iter().all(|part| found.line.contains(part))
            };
            match ROWS.iter().position(fits) {
                Some(row) => {
                    self.used[row].fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    self.complain(format!(
                        "{name} {} {:?}: {}",
                        found.view, found.door, found.line
                    ));
                }
            }
        }
    }

    fn complain(&self, line: String) {
        self.unexplained.lock().unwrap().push(line);
    }

    fn finish(&self, least: usize, rows_must_be_used: bool) {
        let unexplained = self.unexplained.lock().unwrap();
        let compared = self.compared.load(Ordering::Relaxed);
        println!("{compared} trees compared");
        assert!(
            unexplained.is_empty(),
            "{} differences:\n{}",
            unexplained.len(),
            unexplained.join("\n")
        );
        assert!(compared >= least, "only {compared} trees were compared");
        let counted = ROWS.iter().zip(&self.used);
        let idle = counted.filter(|(_, used)| used.load(Ordering::Relaxed) == 0);
        let idle: Vec<&str> = idle.map(|(row, _)| row.why).collect();
        assert!(idle.is_empty() || !rows_must_be_used, "these rows explain nothing: {idle:#?}");
    }
}

pub(crate) fn doors() -> Vec<Door> {
    let mut doors = vec![Door::Library, Door::Extract];
    if program::can_mount() {
        doors.push(Door::Mount);
    }
    doors
}

/// Checks images with their manifests, two at a time.
fn check_all(pairs: &[(PathBuf, PathBuf)], doors: &[Door], tally: &Tally) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((image, golden)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = golden.to_string_lossy().into_owned();
            let times = !OTHER_CLOCK.iter().any(|part| name.contains(part));
            let plain = corpus::unpack(image)?;
            tally.add(&name, &check(&plain.path, golden, doors, times)?);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// Manifests of a folder with the images they are of.
fn pairs(folder: &Path, suffix: &str) -> Result<Vec<(PathBuf, PathBuf)>> {
    let manifests = corpus::files(folder, suffix)?;
    let image = |manifest: &PathBuf| {
        let base = manifest.to_string_lossy();
        let base = base.trim_end_matches(suffix);
        let names = ["", ".zst", ".iso.zst", ".udf.zst"].map(|ending| format!("{base}{ending}"));
        names.into_iter().map(PathBuf::from).find(|path| path.is_file())
    };
    Ok(manifests.into_iter().filter_map(|manifest| Some((image(&manifest)?, manifest))).collect())
}

#[test]
fn our_own_images_equal_the_kernel_through_every_door() -> Result<()> {
    let pairs = pairs(&corpus::repository().join("tests/corpus"), ".manifest.jsonl")?;
    assert!(pairs.len() >= 10, "only {} images", pairs.len());
    let tally = Tally::new();
    check_all(&pairs, &doors(), &tally)?;
    tally.finish(40, false);
    Ok(())
}

#[test]
fn the_shared_corpus_equals_the_kernel_through_every_door() -> Result<()> {
    let tally = Tally::new();
    if check_shared(&doors(), &tally)? > 0 {
        tally.finish(700, true);
    }
    Ok(())
}

/// The same trees by the kernel's EROFS driver, from metadata that was made of the directories. It
/// shows them just as they are or not at all, and has nothing to complain of in its log.
#[test]
fn the_kernels_own_driver_shows_the_same_trees() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let mut log = kernel_driver::KernelLog::from_now();
    let tally = Tally::new();
    let own = pairs(&corpus::repository().join("tests/corpus"), ".manifest.jsonl")?;
    check_all(&own, &[Door::Kernel], &tally)?;
    let shared = check_shared(&[Door::Kernel], &tally)?;
    let declined = tally.declined.lock().unwrap();
    for (why, count) in &*declined {
        println!("{count} not shown: {why}");
    }
    tally.finish(if shared > 0 { 300 } else { 10 }, false);
    let complaints = log.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}

/// The same trees once more, through WinFsp's callbacks: run by `cargo xtask windows`, which
/// builds what shows them.
#[test]
fn a_drive_of_windows_shows_the_same_trees() -> Result<()> {
    if !drive::is_there() {
        println!("not compared here: cargo xtask windows builds the drive and runs this");
        return Ok(());
    }
    let tally = Tally::new();
    let own = pairs(&corpus::repository().join("tests/corpus"), ".manifest.jsonl")?;
    check_all(&own, &[Door::Drive], &tally)?;
    let shared = check_shared(&[Door::Drive], &tally)?;
    tally.finish(if shared > 0 { 240 } else { 10 }, false);
    Ok(())
}

/// Checks all images of the shared corpus; how many there are.
fn check_shared(doors: &[Door], tally: &Tally) -> Result<usize> {
    let mut seen = 0;
    for (set, suffix) in
        [("oracle-dev", ".manifest.jsonl"), ("foreign-dev", ".manifest.kernel-7.3.jsonl")]
    {
        let Some(folder) = corpus::shared_set(set)? else { continue };
        let raw = folder.join("raw");
        let mut pairs = pairs(&folder, suffix)?;
        pairs.retain(|(image, _)| !image.starts_with(&raw));
        seen += pairs.len();
        check_all(&pairs, doors, tally)?;
    }
    Ok(seen)
}

#[test]
fn split_sets_equal_the_image_they_were_cut_from() -> Result<()> {
    let Some(folder) = corpus::shared_set("oracle-dev")? else { return Ok(()) };
    let golden = folder.join("iso/g-rr-joliet.manifest.jsonl");
    for (set, first) in [("split", "split.iso.001"), ("splitdot", "splitdot.iso")] {
        let scratch = tempfile::tempdir_in(corpus::scratch()?)?;
        corpus::unpack_archive(&folder.join(format!("raw/{set}.tar.zst")), scratch.path())?;
        let report = check(&scratch.path().join(first), &golden, &doors(), true)?;
        assert!(report.compared >= 3 && report.differences.is_empty(), "{set}: {report:?}");
    }
    Ok(())
}
