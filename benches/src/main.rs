//! `compare`: placeholder while images are made.
mod images;
fn main() -> anyhow::Result<()> {
    images::Images::in_folder(std::path::Path::new("/tmp/bench"))?;
    Ok(())
}
