//! `cargo xtask imports PROGRAM...`: what a program for Windows wants to be there when it starts,
//! compared with the written list `packaging/windows/imports.txt`.
//! Reads import tables, those of late loading among them; runs nothing.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::read::pe::PeFile64;

const LIST: &str = "packaging/windows/imports.txt";

/// Where a program was linked: on Windows, as people get it, or elsewhere, for tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    OnWindows,
    Elsewhere,
}

/// Fails where a program names a library that is not on the list.
pub fn check(root: &Path, program: &Path, linked: Linked) -> Result<()> {
    let list = root.join(LIST);
    let list = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
    let named = named(&bytes).with_context(|| program.display().to_string())?;
    ensure!(!named.is_empty(), "{} names no library at all", program.display());
    let allowed = allowed(&list, linked)?;
    let others: Vec<&str> = named.difference(&allowed).map(String::as_str).collect();
    let (program, others_named) = (program.display(), others.join(", "));
    ensure!(others.is_empty(), "{program} needs what is not in {LIST}: {others_named}");
    println!("{program} needs {}", named.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

/// The libraries of the list, each of which has its reason.
fn allowed(list: &str, linked: Linked) -> Result<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (is_cross, rest) = match line.strip_prefix("cross ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let entry = rest.trim().split_once(char::is_whitespace);
        let (name, _) = entry.with_context(|| format!("no reason in {LIST}: {line}"))?;
        if !is_cross || linked == Linked::Elsewhere {
            allowed.insert(name.to_lowercase());
        }
    }
    Ok(allowed)
}

/// The libraries that a program names, in small letters.
fn named(program: &[u8]) -> Result<BTreeSet<String>> {
    let program = PeFile64::parse(program)?;
    let mut named = BTreeSet::new();
    let mut add = |name: &[u8]| named.insert(String::from_utf8_lossy(name).to_lowercase());
    if let Some(table) = program.import_table()? {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            add(table.name(descriptor.name.get(LittleEndian))?);
        }
    }
    let sections = program.section_table();
    let late = program.data_directories().delay_load_import_table(program.data(), &sections)?;
    if let Some(table) = late {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            add(table.name(descriptor.dll_name_rva.get(LittleEndian))?);
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_cross_is_for_no_program_of_people() {
        let list = "# a word\nkernel32.dll  files\ncross msvcrt.dll  tests\n";
        let names = |linked| allowed(list, linked).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(names(Linked::OnWindows), ["kernel32.dll"]);
        assert_eq!(names(Linked::Elsewhere), ["kernel32.dll", "msvcrt.dll"]);
    }

    fn written_list() -> String {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/windows/imports.txt");
        std::fs::read_to_string(list).unwrap()
    }

    #[test]
    fn every_library_has_its_reason() {
        assert!(allowed("kernel32.dll\n", Linked::OnWindows).is_err());
        allowed(&written_list(), Linked::Elsewhere).unwrap();
    }

    /// A program that is linked without `+crt-static` names it, wherever that is done.
    #[test]
    fn what_a_clean_windows_lacks_is_on_no_list() {
        for linked in [Linked::OnWindows, Linked::Elsewhere] {
            assert!(!allowed(&written_list(), linked).unwrap().contains("vcruntime140.dll"));
        }
    }
}
