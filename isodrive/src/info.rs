//! `isodrive info`: what an image is, for people and as JSON.
//! Reads descriptors, roots and the boot catalogue; walks nothing.

use std::io::Write;

use iso_core::volume::Facts;
use iso_core::{BootEntry, Emulation, Image, Shown};
use serde::Serialize;

use crate::cli::Info;
use crate::exit::Outcome;
use crate::image;
use crate::json::{self, Name};
use crate::terminal::{Terminal, output_failed, shown, size};

#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    image: Name,
    bytes: u64,
    missing_bytes: u64,
    shown: &'static str,
    reason: String,
    label: Name,
    systems: Vec<SystemReport>,
    unreadable: Vec<UnreadableReport>,
    boot: Vec<BootReport>,
    boot_error: Option<String>,
    findings: Vec<String>,
    more_findings: u64,
}

#[derive(Debug, Serialize)]
struct SystemReport {
    view: &'static str,
    system: String,
    label: Name,
    block_bytes: u32,
    volume_bytes: u64,
    root_entries: usize,
    created: Option<String>,
    publisher: Name,
    application: Name,
}

#[derive(Debug, Serialize)]
struct UnreadableReport {
    view: &'static str,
    error: String,
}

#[derive(Debug, Serialize)]
struct BootReport {
    platform: String,
    bootable: bool,
    emulation: String,
    load_segment: u16,
    load_sectors: u16,
    at: u64,
}

pub(crate) fn run(arguments: &Info, terminal: &mut Terminal) -> Outcome {
    let (image, shown) = image::open_shown(&arguments.image)?;
    let report = report(arguments, &image, &shown);
    let out = terminal.out();
    let written = if arguments.json {
        json::write_line(out, &report)
    } else {
        print(&report, shown.volume.facts(), out)
    };
    written.map_err(|error| output_failed(&error))
}

fn report(arguments: &Info, image: &Image, chosen: &Shown) -> Report {
    let (boot, boot_error) = match image.boot_entries() {
        Ok(entries) => (entries.iter().map(boot_report).collect(), None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let systems = image.systems().iter().map(|system| {
        let facts = system.volume.facts();
        SystemReport {
            view: system.view.name(),
            system: facts.system.clone(),
            label: Name::new(&facts.label),
            block_bytes: facts.block_bytes,
            volume_bytes: facts.volume_bytes,
            root_entries: system.root_entries,
            created: facts.created.map(json::time),
            publisher: Name::new(&facts.publisher),
            application: Name::new(&facts.application),
        }
    });
    let unreadable = image
        .refused()
        .iter()
        .map(|(view, error)| UnreadableReport { view: view.name(), error: error.to_string() });
    let findings = image.disc().findings();
    Report {
        schema: json::SCHEMA,
        image: Name::new(std::os::unix::ffi::OsStrExt::as_bytes(arguments.image.image.as_os_str())),
        bytes: image.disc().len(),
        missing_bytes: image.truncation().map_or(0, |(missing, _)| missing),
        shown: chosen.view.name(),
        reason: chosen.reason.clone(),
        label: Name::new(&chosen.volume.facts().label),
        systems: systems.collect(),
        unreadable: unreadable.collect(),
        boot,
        boot_error,
        findings: findings.list().into_iter().map(|finding| finding.text).collect(),
        more_findings: findings.dropped(),
    }
}

fn boot_report(entry: &BootEntry) -> BootReport {
    BootReport {
        platform: match entry.platform {
            0 => "BIOS".to_owned(),
            1 => "PowerPC".to_owned(),
            2 => "Macintosh".to_owned(),
            0xEF => "UEFI".to_owned(),
            other => format!("platform {other:#x}"),
        },
        bootable: entry.bootable,
        emulation: match entry.emulation {
            Emulation::None => "no emulation".to_owned(),
            Emulation::Floppy => "floppy emulation".to_owned(),
            Emulation::HardDisk => "hard disk emulation".to_owned(),
            Emulation::Unknown(kind) => format!("unknown emulation {kind}"),
        },
        load_segment: entry.load_segment,
        load_sectors: entry.load_sectors,
        at: entry.at,
    }
}

fn print(report: &Report, facts: &Facts, out: &mut impl Write) -> std::io::Result<()> {
    let row = |out: &mut dyn Write, label: &str, text: String| writeln!(out, "{label:<10} {text}");
    let whole = if report.missing_bytes == 0 {
        "complete".to_owned()
    } else {
        format!("the last {} are missing", size(report.missing_bytes))
    };
    let name = report.image.text();
    row(out, "Image", format!("{name}, {} bytes ({}), {whole}", report.bytes, size(report.bytes)))?;
    for (index, system) in report.systems.iter().enumerate() {
        let used = if system.view == report.shown { ", used" } else { "" };
        let label = if index == 0 { "Systems" } else { "" };
        let entries = system.root_entries;
        row(
            out,
            label,
            format!(
                "{}{used}; label {}; {entries} in the root",
                system.system,
                system.label.text()
            ),
        )?;
    }
    for unreadable in &report.unreadable {
        row(out, "", format!("{} cannot be shown: {}", unreadable.view, unreadable.error))?;
    }
    row(out, "Why", report.reason.clone())?;
    row(out, "Label", shown(&facts.label))?;
    if let Some(created) = facts.created {
        row(out, "Created", json::time(created))?;
    }
    for (label, text) in [("Publisher", &facts.publisher), ("Made by", &facts.application)] {
        if !text.is_empty() {
            row(out, label, shown(text))?;
        }
    }
    for (index, boot) in report.boot.iter().enumerate() {
        let label = if index == 0 { "Boot" } else { "" };
        let bootable = if boot.bootable { "" } else { ", not bootable" };
        row(
            out,
            label,
            format!(
                "{}  El Torito, {}, {} sectors at byte {:#x}{bootable}",
                boot.platform, boot.emulation, boot.load_sectors, boot.at
            ),
        )?;
    }
    if let Some(error) = &report.boot_error {
        row(out, "Boot", error.clone())?;
    }
    if report.findings.is_empty() {
        return row(out, "Findings", "none".to_owned());
    }
    for (index, finding) in report.findings.iter().enumerate() {
        row(out, if index == 0 { "Findings" } else { "" }, finding.clone())?;
    }
    if report.more_findings > 0 {
        row(out, "", format!("and {} more", report.more_findings))?;
    }
    Ok(())
}
