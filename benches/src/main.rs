//! `compare [--rounds N] [--only PART] [--images FOLDER] [--out FOLDER]`: measures isodrive against
//! other programs that do its work, the kernel's own file systems and the bare protocol, all in one
//! run. Run by `cargo xtask bench`; root's, since it mounts and drops caches.

mod images;
mod plot;
mod report;
mod run;
mod tools;
mod work;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::images::Images;
use crate::run::Run;

struct Arguments {
    rounds: usize,
    only: String,
    images: PathBuf,
    out: Option<PathBuf>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments {
        rounds: 5,
        only: String::new(),
        images: PathBuf::from("target/bench"),
        out: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        ensure!(word != "--help", "compare [--rounds N] [--only PART] [--images DIR] [--out DIR]");
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--rounds" => parsed.rounds = value.parse()?,
            "--only" => parsed.only = value,
            "--images" => parsed.images = value.into(),
            "--out" => parsed.out = Some(value.into()),
            _ => bail!("there is no {word}"),
        }
    }
    Ok(parsed)
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    ensure!(rustix::process::geteuid().is_root(), "mounting and dropping caches takes root");
    let images = Images::in_folder(&arguments.images)?;
    let at = tempfile::tempdir()?;
    let mut run = Run::new(&images, at.path(), &arguments.only);
    for round in 1..=arguments.rounds {
        eprintln!("round {round}");
        run.round()?;
    }
    let results = run.into_results();
    let report = report::text(&results, arguments.rounds);
    println!("{report}");
    if let Some(out) = arguments.out {
        std::fs::create_dir_all(&out)?;
        let part =
            if arguments.only.is_empty() { String::new() } else { format!("-{}", arguments.only) };
        std::fs::write(out.join(format!("results{part}.md")), report)?;
        std::fs::write(out.join(format!("results{part}.svg")), plot::svg(&results))?;
    }
    Ok(())
}
