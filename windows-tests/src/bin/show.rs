//! Shows images as drives to a program on the other side of a pipe: the tests that compare trees
//! with golden ones. Each line in asks for one image, JSON lines out tell of each of its files.

#[cfg(windows)]
fn main() -> anyhow::Result<()> {
    shower::run()
}

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
mod shower {
    use std::io::{BufRead, Write};
    use std::path::Path;

    use anyhow::{Context, Result};
    use iso_core::{Charset, Options, SessionChoice, View};
    use isodrive_windows_tests::setup::{self, Mounted, mounting};
    use isodrive_windows_tests::walk::{Reading, Seen, walk_reading};
    use mount_winfsp::Place;
    use serde_json::{Value, json};
    use windows_view::Choices;

    pub fn run() -> Result<()> {
        let mut out = std::io::stdout().lock();
        for line in std::io::stdin().lock().lines() {
            let asked: Value = serde_json::from_str(&line?)?;
            let mounted = mounted(&asked)?;
            let reading = match asked["ends"] == true {
                true => Reading::Ends,
                false => Reading::Whole,
            };
            for seen in walk_reading(&mounted.volume, 16_384, reading) {
                writeln!(out, "{}", reported(&mounted, &seen))?;
            }
            drop(mounted);
            writeln!(out, "{{}}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn mounted(asked: &Value) -> Result<Mounted> {
        let image = asked["image"].as_str().context("no image")?;
        let view = View::ALL.into_iter().find(|view| asked["view"] == view.name());
        let session = asked["session"].as_u64().and_then(|number| number.try_into().ok());
        let session = session.map_or(SessionChoice::Last, SessionChoice::Number);
        let charset = asked["charset"].as_str().context("no character set")?;
        let charset = Charset::by_name(charset).context("an unknown character set")?;
        let options = Options { session, charset, start: 0 };
        let (view, volume) = setup::open(Path::new(image), view, &options)?;
        Ok(setup::mount(volume, view, Choices::default(), &mounting(Place::FirstFree)))
    }

    fn reported(mounted: &Mounted, seen: &Seen) -> Value {
        let recorded = |path: &[u16]| {
            let path = mounted.tree.recorded_path(path).join(&b'/');
            path.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let target = seen.target.as_ref().map(|target| recorded(&landed(&seen.path, target)));
        let info = &seen.info;
        json!({
            "path": recorded(&seen.path),
            "attributes": info.FileAttributes,
            "size": info.FileSize,
            "times": [info.LastWriteTime, info.LastAccessTime, info.ChangeTime],
            "sha256": seen.sha256,
            "target": target,
            "error": seen.error.map(|status| format!("{status:#010x}")),
        })
    }

    /// Where a link leads, from the root on, by the rules of Windows.
    fn landed(link: &[u16], target: &[u16]) -> Vec<u16> {
        let parts = |path: &[u16]| -> Vec<Vec<u16>> {
            path.split(|unit| *unit == 0x5C)
                .filter(|part| !part.is_empty())
                .map(<[u16]>::to_vec)
                .collect()
        };
        let mut here = parts(link);
        here.pop();
        for part in parts(target) {
            match part.as_slice() {
                [0x2E] => {}
                [0x2E, 0x2E] => drop(here.pop().expect("a link that leaves the volume")),
                _ => here.push(part),
            }
        }
        here.join(&0x5C)
    }
}
