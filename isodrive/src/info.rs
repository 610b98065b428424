//! `isodrive info`: what an image is, for people and as JSON.
//! Reads descriptors, roots and the boot catalogue; walks nothing.

use std::io::Write;

use iso_core::source::Refused;
use iso_core::volume::Facts;
use iso_core::{BootFile, Emulation, Findings, Image, Partition, Scheme, Shown};
use serde::Serialize;

use crate::choices::ImageArguments;
use crate::cli::Info;
use crate::exit::Outcome;
use crate::image;
use crate::json::{self, Name};
use crate::terminal::{Terminal, harmless, output_failed, path_shown, shown, size};

#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    image: Name,
    /// The files that were joined, where there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Name>,
    /// The file at which the set was cut, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_part: Option<RefusedReport>,
    bytes: u64,
    missing_bytes: u64,
    /// Byte of the image at which byte 0 of the volume lies; below zero where the image is a track
    /// alone, whose numbers count from the beginning of its disc.
    begins_at: i64,
    sessions: Vec<SessionReport>,
    shown: &'static str,
    reason: String,
    /// The trees may differ in folders that were not looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    compared_in_part: bool,
    label: Name,
    /// Of the file system shown, or of the first that records one; empty for none.
    publisher: Name,
    preparer: Name,
    program: Name,
    systems: Vec<SystemReport>,
    unreadable: Vec<UnreadableReport>,
    boot: Vec<BootReport>,
    boot_error: Option<String>,
    partitions: Vec<PartitionReport>,
    findings: Vec<String>,
    more_findings: u64,
}

#[derive(Debug, Serialize)]
struct RefusedReport {
    name: Name,
    why: String,
}

#[derive(Debug, Serialize)]
struct FindingsReport {
    schema: u32,
    findings: Vec<String>,
    more_findings: u64,
}

#[derive(Debug, Serialize)]
struct SessionReport {
    number: u32,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_at: Option<u64>,
    shown: bool,
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
    preparer: Name,
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
    /// Its name and true length under `--view boot`.
    file: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct PartitionReport {
    scheme: &'static str,
    number: u64,
    #[serde(rename = "type")]
    kind: String,
    name: Name,
    at: u64,
    bytes: u64,
}

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

/// The report as a JSON file.
pub(crate) fn as_json(arguments: &ImageArguments, image: &Image, chosen: &Shown) -> Vec<u8> {
    json::file(&report(arguments, image, chosen))
}

/// What was found odd so far, as a JSON file.
pub(crate) fn findings_as_json(findings: &Findings) -> Vec<u8> {
    json::file(&FindingsReport {
        schema: json::SCHEMA,
        findings: findings.list().into_iter().map(|finding| finding.text).collect(),
        more_findings: findings.dropped(),
    })
}

fn report(arguments: &ImageArguments, image: &Image, chosen: &Shown) -> Report {
    let (boot, boot_error) = match image.boot_files() {
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
            preparer: Name::new(&facts.preparer),
            application: Name::new(&facts.application),
        }
    });
    let unreadable = image
        .refused()
        .iter()
        .map(|(view, error)| UnreadableReport { view: view.name(), error: error.to_string() });
    let findings = image.disc().findings();
    let sessions = image.sessions().iter().map(|session| SessionReport {
        number: session.number,
        at: session.at,
        table_at: session.table_at,
        shown: *session == image.session(),
    });
    Report {
        schema: json::SCHEMA,
        image: Name::new(arguments.image.as_os_str().as_encoded_bytes()),
        parts: Vec::new(),
        refused_part: None,
        bytes: image.disc().held_bytes(),
        missing_bytes: image.truncation().map_or(0, |(missing, _)| missing),
        begins_at: image.origin(),
        sessions: sessions.collect(),
        shown: chosen.view.name(),
        reason: chosen.reason.clone(),
        compared_in_part: image.is_compared_in_part(),
        label: Name::new(&chosen.volume.facts().label),
        publisher: recorded(image, chosen, |facts| &facts.publisher),
        preparer: recorded(image, chosen, |facts| &facts.preparer),
        program: recorded(image, chosen, |facts| &facts.application),
        systems: systems.collect(),
        unreadable: unreadable.collect(),
        boot,
        boot_error,
        partitions: image.partitions().iter().map(partition_report).collect(),
        findings: image::objections(image),
        more_findings: findings.dropped(),
    }
}

/// A field of the file system that is shown, or of the first other one that records it: UDF has
/// no field for a publisher, and its bridge partner has.
fn recorded(image: &Image, chosen: &Shown, field: fn(&Facts) -> &Vec<u8>) -> Name {
    let others = image.systems().iter().map(|system| system.volume.facts());
    let mut all = std::iter::once(chosen.volume.facts()).chain(others).map(field);
    Name::new(all.find(|text| !text.is_empty()).map_or(&[], Vec::as_slice))
}

/// Where the volume begins, in words; nothing where it begins with the image.
fn place_of_volume(begins_at: i64) -> Option<String> {
    let bytes = begins_at.unsigned_abs();
    match begins_at {
        0 => None,
        1.. => Some(format!("at byte {bytes:#x} of the image")),
        _ => Some(format!(
            "behind {bytes} bytes of its disc, which the image does not hold: it is a later session \
             or track by itself"
        )),
    }
}

fn partition_report(partition: &Partition) -> PartitionReport {
    PartitionReport {
        scheme: match partition.scheme {
            Scheme::Mbr => "MBR",
            Scheme::Gpt => "GPT",
            Scheme::Apple => "Apple",
        },
        number: partition.number,
        kind: partition.kind.clone(),
        name: Name::new(&partition.name),
        at: partition.at,
        bytes: partition.len,
    }
}

fn boot_report(file: &BootFile) -> BootReport {
    let entry = &file.entry;
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
            Emulation::Floppy(kind) => {
                let size = ["1.2", "1.44", "2.88"].get(usize::from(kind)).unwrap_or(&"?");
                format!("floppy emulation ({size} MB)")
            }
            Emulation::HardDisk => "hard disk emulation".to_owned(),
            Emulation::Unknown(kind) => format!("unknown emulation {kind}"),
        },
        load_segment: entry.load_segment,
        load_sectors: entry.load_sectors,
        at: entry.at,
        file: file.name.clone(),
        bytes: file.bytes,
    }
}

fn print(report: &Report, facts: &Facts, out: &mut impl Write) -> std::io::Result<()> {
    let whole = if report.missing_bytes == 0 {
        "complete".to_owned()
    } else {
        format!("the last {} are missing", size(report.missing_bytes))
    };
    let name = path_shown(&report.image.bytes());
    row(out, "Image", format!("{name}, {} bytes ({}), {whole}", report.bytes, size(report.bytes)))?;
    if let Some(place) = place_of_volume(report.begins_at) {
        row(out, "Begins", place)?;
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
    if report.compared_in_part {
        let text = "the trees in part: they may differ in folders that opening does not read";
        row(out, "Compared", text.to_owned())?;
    }
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
