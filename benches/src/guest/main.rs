//! `guest`: the first process of a virtual machine, in which the kernel's own driver for ISO 9660
//! and its EROFS driver, with metadata by isodrive, show the same images in turn. Made and started
//! by `benches/vm.sh`; reports on the console and switches the machine off.
//!
//! `guest --metadata IMAGE OUT`, on the host: EROFS metadata of an image, as a file.

#[path = "../work.rs"]
#[allow(dead_code, reason = "shared with the comparison outside")]
mod work;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use iso_core::volume::Presentation;
use iso_core::{Image, Limits, source};
use rustix::mount::{MountFlags, UnmountFlags};

const ROUNDS: usize = 5;
const AT: &str = "/mnt";

/// An image with its metadata, as disks of the machine.
struct Disks {
    image: &'static str,
    metadata: &'static str,
}

const MANY: Disks = Disks { image: "/dev/vda", metadata: "/dev/vdb" };
const LIVE: Disks = Disks { image: "/dev/vdc", metadata: "/dev/vdd" };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, image, out] = arguments.as_slice()
        && word == "--metadata"
    {
        return metadata(Path::new(image), Path::new(out));
    }
    ensure!(std::process::id() == 1, "this is the first process of a virtual machine");
    if let Err(error) = measure() {
        println!("failed: {error:#}");
    }
    rustix::system::reboot(rustix::system::RebootCommand::PowerOff)?;
    Ok(())
}

/// Translates what isodrive would show of an image.
fn metadata(image: &Path, out: &Path) -> Result<()> {
    let len = fs::metadata(image)?.len();
    let shown = Image::open(source::open_path(image)?, Limits::default())?.choose(None)?;
    let file = File::create(out)?;
    let (reader, writer) = std::io::pipe()?;
    let keeper = file.try_clone()?;
    let kept = std::thread::spawn(move || mount_erofs::receive(reader, &keeper, u64::MAX));
    let mut sender = mount_erofs::Sender::new(writer);
    mount_erofs::translate(&*shown.volume, &Presentation::default(), len, &mut sender)?;
    sender.finish()?;
    kept.join().ok().context("the receiver broke down")??;
    // Disks are made of whole sectors.
    file.set_len(file.metadata()?.len().next_multiple_of(4096))?;
    Ok(())
}

fn measure() -> Result<()> {
    for (kind, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(at)?;
        rustix::mount::mount(kind, at, kind, MountFlags::empty(), None)?;
    }
    fs::create_dir_all(AT)?;
    load_modules()?;
    let mut results = Results::default();
    for round in 0..ROUNDS {
        let mut drivers = ["iso9660", "erofs"];
        drivers.rotate_left(round % 2);
        for driver in drivers {
            tree(driver, &mut results).with_context(|| format!("{driver}, many"))?;
            data(driver, &mut results).with_context(|| format!("{driver}, live"))?;
        }
    }
    results.tell();
    Ok(())
}

/// Loads the modules that lie at hand, in the order of their names.
fn load_modules() -> Result<()> {
    let mut modules: Vec<_> =
        fs::read_dir("/modules")?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    modules.sort();
    for module in modules {
        rustix::system::finit_module(File::open(&module)?, c"", 0)
            .with_context(|| module.display().to_string())?;
    }
    Ok(())
}

fn mount(driver: &str, disks: &Disks) -> Result<()> {
    let (disk, options) = match driver {
        "erofs" => (disks.metadata, format!("device={}", disks.image)),
        _ => (disks.image, String::new()),
    };
    let options = std::ffi::CString::new(options)?;
    rustix::mount::mount(disk, AT, driver, MountFlags::RDONLY, &*options)?;
    Ok(())
}

fn unmount() -> Result<()> {
    Ok(rustix::mount::unmount(AT, UnmountFlags::empty())?)
}

/// 100 000 files in 1000 folders.
fn tree(driver: &'static str, results: &mut Results) -> Result<()> {
    let at = Path::new(AT);
    work::drop_caches()?;
    let begin = Instant::now();
    mount(driver, &MANY)?;
    let listed = fs::read_dir(at)?.count();
    results.note("many: mount to first ls, s", driver, begin.elapsed().as_secs_f64());
    ensure!(listed == 1000, "{listed} folders");
    for what in ["many: first walk, s", "many: second walk, s"] {
        let begin = Instant::now();
        let count = walk(at)?;
        results.note(what, driver, begin.elapsed().as_secs_f64());
        ensure!(count == 101_000, "{count} entries");
    }
    results.note("many: read all 100 000 files, s", driver, work::small_files(at)?);
    unmount()
}

/// Entries below a folder, each looked at.
fn walk(at: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        count += 1;
        if entry.metadata()?.is_dir() {
            count += walk(&entry.path())?;
        }
    }
    Ok(count)
}

/// One file of 2 GiB.
fn data(driver: &'static str, results: &mut Results) -> Result<()> {
    let file = Path::new(AT).join("live/filesystem.squashfs");
    for (what, step) in [("128 KiB", 128 << 10), ("1 MiB", 1 << 20)] {
        work::drop_caches()?;
        mount(driver, &LIVE)?;
        for nth in ["first", "second"] {
            let speed = work::sequential(&file, step)?;
            results.note(&format!("live: {nth} read by {what}, GB/s"), driver, speed);
        }
        unmount()?;
    }
    mount(driver, &LIVE)?;
    for threads in [1, 8] {
        work::drop_caches()?;
        let speed = work::random(&file, threads)?;
        results.note(&format!("live: random 4 KiB, {threads} threads, k/s"), driver, speed);
    }
    work::drop_caches()?;
    results.note("live: 8 readers, GB/s", driver, work::eight_readers(&file)?);
    unmount()
}

/// What was measured: work, then driver.
#[derive(Default)]
struct Results(BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>);

impl Results {
    fn note(&mut self, what: &str, driver: &'static str, value: f64) {
        println!("{driver:8} {what:34} {value:.4}");
        self.0.entry(what.to_owned()).or_default().entry(driver).or_default().push(value);
    }

    /// Medians, and how many times as fast EROFS is.
    fn tell(&self) {
        let mut kernel = String::new();
        let _ = File::open("/proc/sys/kernel/osrelease").map(|mut f| f.read_to_string(&mut kernel));
        println!(
            "Medians of {ROUNDS} interleaved rounds in one virtual machine, {}.",
            kernel.trim()
        );
        println!();
        println!("| work | isofs | EROFS by isodrive | EROFS is faster by |");
        println!("|---|---|---|---|");
        for (what, by_driver) in &self.0 {
            let median = |driver| {
                let mut values = by_driver.get(driver).cloned().unwrap_or_default();
                values.sort_by(f64::total_cmp);
                values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
            };
            let (isofs, erofs) = (median("iso9660"), median("erofs"));
            let factor = if what.ends_with(", s") { isofs / erofs } else { erofs / isofs };
            println!("| {what} | {isofs:.3} | {erofs:.3} | {factor:.2}x |");
        }
    }
}
