//! Writes the generated discs into a folder, to ask other programs about them:
//! `cargo run -p isodrive-tests --example make-discs -- FOLDER`.

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).unwrap_or_else(|| ".".into()).into();
    for (name, bytes) in isodrive_tests::make::discs() {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
