//! The whole comparison: every round does every work with every tool once, so that what slows the
//! machine down for a while slows all of them down.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::images::Images;
use crate::tools::{PEERS, Shown, Tool, extract, show};
use crate::work;

/// What was measured: image and work, then tool.
pub type Results = BTreeMap<(&'static str, &'static str), BTreeMap<Tool, Vec<f64>>>;

/// One comparison in work.
pub struct Run<'a> {
    images: &'a Images,
    at: &'a Path,
    /// Part of the names of what is measured; everything if empty.
    only: &'a str,
    /// Rounds that are done.
    rounds: usize,
    results: Results,
}

impl<'a> Run<'a> {
    /// A run that mounts at `at`.
    pub fn new(images: &'a Images, at: &'a Path, only: &'a str) -> Self {
        Self { images, at, only, rounds: 0, results: Results::new() }
    }

    /// What was measured.
    pub fn into_results(self) -> Results {
        self.results
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || part.contains(self.only)
    }

    /// Everything once.
    pub fn round(&mut self) -> Result<()> {
        type Part<'a> = fn(&mut Run<'a>, Tool) -> Result<()>;
        let parts: [(&str, Part<'a>, &[Tool]); 7] = [
            ("mount", Self::mounts, &[Tool::Isodrive, Tool::Erofs, Tool::Fuseiso]),
            (
                "data",
                Self::data,
                &[Tool::Isodrive, Tool::Erofs, Tool::Raw, Tool::Fuseiso, Tool::Ratarmount],
            ),
            (
                "tree",
                Self::tree,
                &[
                    Tool::Isodrive,
                    Tool::Erofs,
                    Tool::KernelErofs,
                    Tool::KernelSquashfs,
                    Tool::Fuseiso,
                    Tool::Archivemount,
                    Tool::Ratarmount,
                ],
            ),
            ("small", Self::small, &[Tool::Isodrive, Tool::Erofs, Tool::Raw, Tool::Fuseiso]),
            ("million", Self::million, &[Tool::Isodrive, Tool::Erofs]),
            (
                "extract",
                Self::extract,
                &[Tool::Isodrive, Tool::SevenZip, Tool::Bsdtar, Tool::Xorriso],
            ),
            ("cold", Self::cold, &[Tool::Isodrive, Tool::Erofs, Tool::File]),
        ];
        for (name, part, tools) in parts {
            if !self.wants(name) {
                continue;
            }
            // Another one comes first in each round: what was done before counts too.
            let mut here: Vec<Tool> = tools.iter().copied().filter(|tool| tool.is_here()).collect();
            let first = self.rounds % here.len().max(1);
            here.rotate_left(first);
            for tool in here {
                part(self, tool).with_context(|| format!("{name} by {}", tool.name()))?;
            }
        }
        self.rounds += 1;
        Ok(())
    }

    fn note(&mut self, image: &'static str, work: &'static str, tool: Tool, value: f64) {
        eprintln!("{image:8} {work:28} {:16} {value:.3}", tool.name());
        self.results.entry((image, work)).or_default().entry(tool).or_default().push(value);
    }

    /// Shows an image that is in memory.
    fn show_warm(&self, tool: Tool, image: &str) -> Result<Shown> {
        work::warm(&self.images.path(image))?;
        work::touch_memory();
        self.show(tool, image)
    }

    fn show(&self, tool: Tool, image: &str) -> Result<Shown> {
        show(tool, self.images, image, self.at)
    }

    fn mounts(&mut self, tool: Tool) -> Result<()> {
        for image in ["win7", "live", "many", "one50k", "million"] {
            // What is read of it, and the program, are in memory from then on.
            drop(self.show(tool, &format!("{image}.iso"))?);
            let shown = self.show(tool, &format!("{image}.iso"))?;
            self.note(image, "mount to first ls, ms", tool, shown.ready.as_secs_f64() * 1000.0);
        }
        Ok(())
    }

    fn data(&mut self, tool: Tool) -> Result<()> {
        const IMAGE: &str = "win7.iso";
        let is_slow = tool == Tool::Ratarmount;
        let name = if tool == Tool::Raw { "big" } else { "sources/install.wim" };
        let file = self.at.join(name);
        // fuseiso shows the plain tree's names where there is no Rock Ridge.
        let file = move || {
            let upper = file.with_file_name("INSTALL.WIM");
            let plain =
                upper.parent().and_then(Path::parent).map(|up| up.join("SOURCES/INSTALL.WIM"));
            [Some(file.clone()), plain]
                .into_iter()
                .flatten()
                .find(|path| path.exists())
                .unwrap_or(file.clone())
        };
        let shown = self.show_warm(tool, IMAGE)?;
        self.note("win7", "read 128 KiB, GB/s", tool, work::sequential(&file(), 128 << 10)?);
        self.note("win7", "read again 128 KiB, GB/s", tool, work::sequential(&file(), 128 << 10)?);
        if let Some(resident) = shown.resident_mib() {
            self.note("win7", "memory after reading, MiB", tool, resident);
        }
        drop(shown);
        let shown = self.show_warm(tool, IMAGE)?;
        self.note("win7", "read 1 MiB, GB/s", tool, work::sequential(&file(), 1 << 20)?);
        drop(shown);
        let shown = self.show_warm(tool, IMAGE)?;
        self.note("win7", "random 4 KiB, 1 thread, k/s", tool, work::random(&file(), 1)?);
        drop(shown);
        let shown = self.show_warm(tool, IMAGE)?;
        self.note("win7", "random 4 KiB, 8 threads, k/s", tool, work::random(&file(), 8)?);
        drop(shown);
        if !is_slow {
            let shown = self.show_warm(tool, IMAGE)?;
            self.note("win7", "8 readers, GB/s", tool, work::eight_readers(&file())?);
            drop(shown);
            let shown = self.show_warm(tool, IMAGE)?;
            self.note("win7", "through a map, GB/s", tool, work::mapped(&file())?);
            drop(shown);
        }
        Ok(())
    }

    fn tree(&mut self, tool: Tool) -> Result<()> {
        let is_kernels = matches!(tool, Tool::KernelErofs | Tool::KernelSquashfs);
        let shown = self.show_warm(tool, "many.iso")?;
        self.note("many", "first walk, s", tool, work::walk(self.at)?);
        self.note("many", "second walk, s", tool, work::walk(self.at)?);
        self.note("many", "du, s", tool, work::du(self.at)?);
        if let Some(resident) = shown.resident_mib() {
            self.note("many", "memory after walking, MiB", tool, resident);
        }
        drop(shown);
        if is_kernels {
            return Ok(());
        }
        let shown = self.show_warm(tool, "one50k.iso")?;
        self.note("one50k", "first walk, s", tool, work::walk(self.at)?);
        self.note("one50k", "second walk, s", tool, work::walk(self.at)?);
        drop(shown);
        let is_slow = PEERS.contains(&tool) && tool != Tool::Fuseiso;
        if !is_slow {
            let shown = self.show_warm(tool, "many.iso")?;
            self.note("many", "tar c, s", tool, work::tar(self.at)?);
            drop(shown);
            let shown = self.show_warm(tool, "many.iso")?;
            self.note("many", "cp -a, s", tool, work::copy(self.at)?);
            drop(shown);
        }
        Ok(())
    }

    fn small(&mut self, tool: Tool) -> Result<()> {
        let folder = if tool == Tool::Raw { self.at.join("many") } else { self.at.to_path_buf() };
        let shown = self.show_warm(tool, "many.iso")?;
        // What is measured is reading: names are known from a walk before it.
        work::walk(self.at)?;
        self.note("many", "read all 100 000 files, s", tool, work::small_files(&folder)?);
        drop(shown);
        Ok(())
    }

    fn million(&mut self, tool: Tool) -> Result<()> {
        let begin = Instant::now();
        let shown = self.show(tool, "million.iso")?;
        let ready = begin.elapsed().as_secs_f64();
        if tool == Tool::Erofs {
            self.note("million", "translate and mount, s", tool, ready);
        }
        self.note("million", "first walk, s", tool, work::walk(self.at)?);
        if let Some(resident) = shown.resident_mib() {
            self.note("million", "memory after walking, MiB", tool, resident);
        }
        Ok(())
    }

    /// Without a mount.
    fn extract(&mut self, tool: Tool) -> Result<()> {
        for (image, path) in [("many", "many.iso"), ("live", "live.iso")] {
            let path = self.images.path(path);
            work::warm(&path)?;
            work::touch_memory();
            let to = tempfile::tempdir_in("/dev/shm")?;
            let begin = Instant::now();
            extract(tool, &path, to.path())?;
            self.note(image, "taking all out, s", tool, begin.elapsed().as_secs_f64());
            // Some make folders that nobody may empty.
            work::make_removable(to.path())?;
        }
        Ok(())
    }

    /// With nothing of the image in memory.
    fn cold(&mut self, tool: Tool) -> Result<()> {
        let image = self.images.path("win7.iso");
        work::drop_caches()?;
        work::touch_memory();
        if tool == Tool::File {
            self.note("win7", "read 1 MiB cold, GB/s", tool, work::sequential(&image, 1 << 20)?);
            return Ok(());
        }
        let shown = self.show(tool, "win7.iso")?;
        let file = self.at.join("sources/install.wim");
        self.note("win7", "read 1 MiB cold, GB/s", tool, work::sequential(&file, 1 << 20)?);
        drop(shown);
        Ok(())
    }
}
