//! What an image is, in the shapes of the JSON that `info` prints and `--view all` shows.
//! Gathers what the core says; prints nothing.

use iso_core::volume::Facts;
use iso_core::{BootFile, Emulation, Findings, Image, Partition, Scheme, Shown};
use serde::{Deserialize, Serialize};

use crate::choices::ImageArguments;
use crate::json::{self, Name};
use crate::terminal::size;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) image: Name,
    /// The files that were joined, where there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Name>,
    /// The file at which the set was cut, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_part: Option<RefusedReport>,
    /// Bytes of the image: of all its files.
    pub(crate) image_bytes: u64,
    /// Those of them that belong to the disc.
    pub(crate) bytes: u64,
    pub(crate) missing_bytes: u64,
    /// Byte of the image at which byte 0 of the volume lies; below zero where the image is a track
    /// alone, whose numbers count from the beginning of its disc.
    pub(crate) begins_at: i64,
    pub(crate) sessions: Vec<SessionReport>,
    pub(crate) shown: &'static str,
    pub(crate) reason: String,
    /// The trees may differ in folders that were not looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) compared_in_part: bool,
    pub(crate) label: Name,
    /// Of the file system shown, or of the first that records one; empty for none.
    pub(crate) publisher: Name,
    pub(crate) preparer: Name,
    pub(crate) program: Name,
    pub(crate) systems: Vec<SystemReport>,
    pub(crate) unreadable: Vec<UnreadableReport>,
    pub(crate) boot: Vec<BootReport>,
    pub(crate) boot_error: Option<String>,
    pub(crate) partitions: Vec<PartitionReport>,
    pub(crate) findings: Vec<String>,
    pub(crate) more_findings: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RefusedReport {
    pub(crate) name: Name,
    pub(crate) why: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct FindingsReport {
    pub(crate) schema: u32,
    pub(crate) findings: Vec<String>,
    pub(crate) more_findings: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct SessionReport {
    pub(crate) number: u32,
    pub(crate) at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table_at: Option<u64>,
    pub(crate) shown: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct SystemReport {
    pub(crate) view: &'static str,
    pub(crate) system: String,
    pub(crate) label: Name,
    pub(crate) block_bytes: u32,
    pub(crate) volume_bytes: u64,
    pub(crate) root_entries: usize,
    pub(crate) created: Option<String>,
    pub(crate) publisher: Name,
    pub(crate) preparer: Name,
    pub(crate) application: Name,
}

#[derive(Debug, Serialize)]
pub(crate) struct UnreadableReport {
    pub(crate) view: &'static str,
    pub(crate) error: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct BootReport {
    pub(crate) platform: String,
    pub(crate) bootable: bool,
    pub(crate) emulation: String,
    pub(crate) load_segment: u16,
    pub(crate) load_sectors: u16,
    pub(crate) at: u64,
    /// Its name and true length under `--view boot`.
    pub(crate) file: String,
    pub(crate) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct PartitionReport {
    pub(crate) scheme: &'static str,
    pub(crate) number: u64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: Name,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
}

/// How many findings opening made, and the first that tells of damage, else the first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<String>,
}

/// Characters of a finding that are passed on.
pub(crate) const MAX_FINDING: usize = 400;

impl Found {
    /// The findings so far.
    pub(crate) fn of(findings: &Findings) -> Self {
        let short = |text: String| text.chars().take(MAX_FINDING).collect();
        Self { count: findings.count(), first: findings.foremost().map(short) }
    }
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

/// What an image is. The files that it lies in are the caller's to add.
pub(crate) fn report(arguments: &ImageArguments, image: &Image, chosen: &Shown) -> Report {
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
        image_bytes: image.source_bytes(),
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
        findings: objections(image),
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

/// What is odd about an image, which `--strict` refuses, in words; first that it is cut short.
pub(crate) fn objections(image: &Image) -> Vec<String> {
    let cut = image.truncation().map(|(missing, claimed)| {
        format!("the image is cut short: the last {} of {claimed} bytes are missing", size(missing))
    });
    let findings = image.disc().findings().list().into_iter().map(|finding| finding.text);
    cut.into_iter().chain(findings).collect()
}
