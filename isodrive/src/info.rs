//! `isodrive info`: prints what an image is, for people or as JSON.
//! Reads descriptors, roots and the boot catalogue; walks nothing.

use std::io::Write;

use iso_core::source::Refused;
use iso_core::volume::Facts;

use crate::cli::Info;
use crate::exit::Outcome;
use crate::image;
use crate::json::{self, Name};
use crate::report::{PartitionReport, RefusedReport, Report, report};
use crate::terminal::{Terminal, harmless, output_failed, path_shown, shown, size};

pub(crate) fn run(arguments: &Info, terminal: &mut Terminal) -> Outcome {
    let (image, shown, joined) = image::open_joined(&arguments.image, terminal)?;
    let report = Report {
        parts: joined.names,
        refused_part: joined.refused.map(|Refused { name, why }| RefusedReport {
            name: Name::new(name.as_encoded_bytes()),
            why,
        }),
        ..report(&arguments.image, &image, &shown)
    };
    let out = terminal.out();
    let written = if arguments.json {
        json::write_line(out, &report)
    } else {
        print(&report, shown.volume.facts(), out)
    };
    written.map_err(|error| output_failed(&error))
}

/// Where the disc begins, in words; nothing where it begins with the image file.
fn place_of_volume(report: &Report) -> Option<String> {
    let place = report.begins_at.unsigned_abs();
    match report.begins_at {
        0 => None,
        1.. => Some(format!(
            "at byte {place:#x} of the image (--image-offset {place:#x}), and spans {} bytes; \
             bytes of sessions, boot images and findings count from there",
            report.bytes
        )),
        _ => Some(format!(
            "behind {place} bytes of its disc, which the image does not hold: it is a later \
             session or track by itself"
        )),
    }
}

fn print(report: &Report, facts: &Facts, out: &mut impl Write) -> std::io::Result<()> {
    let whole = if report.missing_bytes == 0 {
        "complete".to_owned()
    } else {
        format!("the last {} are missing", size(report.missing_bytes))
    };
    let name = path_shown(&report.image.bytes());
    let bytes = report.image_bytes;
    row(out, "Image", format!("{name}, {bytes} bytes ({}), {whole}", size(bytes)))?;
    if let Some(place) = place_of_volume(report) {
        row(out, "Disc", format!("begins {place}"))?;
    }
    if !report.parts.is_empty() {
        let names: Vec<String> = report.parts.iter().map(Name::text).collect();
        row(out, "Parts", names.join(", "))?;
    }
    if let Some(RefusedReport { name, why }) = &report.refused_part {
        row(out, "Not joined", format!("{}: {why}", name.text()))?;
    }
    if report.sessions.len() > 1 {
        for session in &report.sessions {
            let label = if session.number == 1 { "Sessions" } else { "" };
            let used = if session.shown { ", used" } else { "" };
            let place = match session.table_at {
                Some(table) => format!("allocation table at byte {table:#x}"),
                None => format!("at byte {:#x}", session.at),
            };
            row(out, label, format!("{} {place}{used}", session.number))?;
        }
    }
    for (index, system) in report.systems.iter().enumerate() {
        let used = if system.view == report.shown { ", used" } else { "" };
        let label = if index == 0 { "Systems" } else { "" };
        let entries = system.root_entries;
        let name = match system.label.text() {
            blank if blank.is_empty() => blank,
            text => format!("; label {text}"),
        };
        row(out, label, format!("{}{used}{name}; {entries} in the root", system.system))?;
    }
    for unreadable in &report.unreadable {
        row(out, "", format!("{} cannot be shown: {}", unreadable.view, unreadable.error))?;
    }
    row(out, "Why", report.reason.clone())?;
    if !facts.label.is_empty() {
        row(out, "Label", shown(&facts.label))?;
    }
    if let Some(created) = facts.created {
        row(out, "Created", json::time(created))?;
    }
    let (publisher, preparer, program) = (&report.publisher, &report.preparer, &report.program);
    for (label, name) in [("Publisher", publisher), ("Preparer", preparer), ("Program", program)] {
        let text = name.text();
        if !text.is_empty() {
            row(out, label, text)?;
        }
    }
    print_boot(report, out)?;
    print_findings(report, out)
}

/// What is odd, the worst first. Directories below the root were not read.
fn print_findings(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    const READ: &str = "in the descriptors and root directories";
    let kept = u64::try_from(report.findings.len()).unwrap_or(u64::MAX);
    match kept.saturating_add(report.more_findings) {
        0 => return row(out, "Findings", format!("none {READ}; isodrive tree reads the others")),
        count => row(out, "Findings", format!("{count} {READ}"))?,
    }
    for finding in &report.findings {
        row(out, "", finding.clone())?;
    }
    if report.more_findings > 0 {
        row(out, "", format!("and {} more", report.more_findings))?;
    }
    Ok(())
}

/// One line: a label and what it says.
fn row(out: &mut dyn Write, label: &str, text: String) -> std::io::Result<()> {
    writeln!(out, "{label:<10} {}", harmless(&text))
}

/// What could be started, and the partitions that a disk would have.
fn print_boot(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    for (index, boot) in report.boot.iter().enumerate() {
        let label = if index == 0 { "Boot" } else { "" };
        let bootable = if boot.bootable { "" } else { ", not bootable" };
        let segment = match boot.load_segment {
            0 => String::new(),
            segment => format!(", load segment {segment:#x}"),
        };
        let text = format!(
            "{}  El Torito, {}, {} sectors at byte {:#x}{segment}{bootable}; {} of {}",
            boot.platform,
            boot.emulation,
            boot.load_sectors,
            boot.at,
            boot.file,
            size(boot.bytes)
        );
        row(out, label, text)?;
    }
    if let Some(error) = &report.boot_error {
        row(out, "Boot", error.clone())?;
    }
    for (index, partition) in report.partitions.iter().enumerate() {
        let label = if index == 0 { "Partitions" } else { "" };
        let PartitionReport { scheme, number, kind, at, bytes, .. } = partition;
        let name = partition.name.text();
        let text = format!("{scheme} {number}  type {kind}, {} at byte {at:#x}", size(*bytes));
        row(out, label, if name.is_empty() { text } else { format!("{text}, \"{name}\"") })?;
    }
    Ok(())
}
