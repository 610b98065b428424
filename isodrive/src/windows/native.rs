//! `isodrive mount --native`: Windows itself makes a DVD drive of the image, and takes it away.
//! Asks only whether the image is one that Windows knows; no process of ours serves it.

use std::io::ErrorKind;
use std::path::Path;

use iso_core::{Limits, Shown, View};
use mount_winfsp::system::listen_to_console;
use mount_winfsp::{NativeError, attach, detach};

use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::json::{Name, SCHEMA, os};
use crate::ready::Ready;
use crate::report::Found;
use crate::shell::ShellCommand;
use crate::terminal::quoted;

use super::place::letter;
use super::state::{Facts, Record, sweep};

/// Hands the image to Windows.
pub(super) fn mount(arguments: &Mount) -> Result<Ready, Failure> {
    let image = super::one_path(&arguments.image.image);
    let _ = sweep();
    if let Some(ready) = already_mounted(&image) {
        return Ok(ready);
    }
    let (opened, shown, _) = image::open_joined_within(&arguments.image, Limits::default())?;
    let path = &arguments.image.image;
    check(&image, &shown).map_err(|why| refused(path, Exit::Other, &why))?;
    // An interrupted wait takes the drive away again.
    listen_to_console();
    let facts = shown.volume.facts();
    let (label, system) = (Name::new(&facts.label), system_name(&facts.system));
    // Of a drive that is new to us.
    let recorded = |at: &Name, device: &str| {
        let facts = Facts {
            stop: String::new(),
            at: at.clone(),
            image: image.clone(),
            asked: "native".to_owned(),
            label: label.clone(),
            system: system.clone(),
            bytes: opened.disc().held_bytes(),
        };
        Record::of_windows(facts, device.to_owned()).leave()
    };
    let drive = attach(&image).map_err(|error| {
        let why = error.to_string();
        match error {
            NativeError::Interrupted => Failure::reported(Exit::Interrupted),
            NativeError::NoLetter => refused(path, Exit::NotReady, &why),
            NativeError::NotHere | NativeError::Refused(_) => refused(path, Exit::Other, &why),
            NativeError::Stuck { device, .. } => {
                // It is there, and nothing but its device and its image names it.
                let is_known = recorded(&Name::new(device.as_bytes()), &device).is_ok();
                stuck(path, &why, &device, is_known)
            }
        }
    })?;
    let at = Name::new(format!("{}:", drive.letter).as_bytes());
    if !drive.is_new {
        return Ok(Ready::again(at, label, system));
    }
    if let Err(error) = recorded(&at, &drive.device) {
        // Or nobody but Explorer would find it again.
        let _ = detach(&image, &drive.device);
        return Err(Failure::io(Exit::Other, "cannot write down the drive", &error));
    }
    Ok(Ready {
        schema: SCHEMA,
        path: at,
        label,
        system,
        reason: shown.reason.clone(),
        already_mounted: false,
        view: shown.view.name().to_owned(),
        findings: Found::of(opened.disc().findings()),
        parts: Vec::new(),
    })
}

fn system_name(system: &str) -> String {
    format!("{system} by Windows itself")
}

fn refused(path: &Path, exit: Exit, why: &str) -> Failure {
    Failure::new(exit, format!("Windows cannot mount {}: {why}", quoted(path)))
        .advice("try", ShellCommand::new("isodrive mount").operand(path))
}

/// The failure for a drive without a letter that Windows keeps. Whether `eject` knows it.
fn stuck(path: &Path, why: &str, device: &str, is_known: bool) -> Failure {
    let message = format!("Windows cannot mount {}: {why}", quoted(path));
    let failure = Failure::new(Exit::Other, message);
    if is_known {
        failure.advice("try", ShellCommand::new("isodrive eject").operand(path))
    } else {
        failure.advice("try", by_hand(device))
    }
}

/// How a drive that has no letter is taken away without isodrive.
fn by_hand(device: &str) -> ShellCommand {
    ShellCommand::new("powershell Dismount-DiskImage -DevicePath").operand(device)
}

/// Why Windows would not know the image.
fn check(image: &Path, shown: &Shown) -> Result<(), String> {
    if !image.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("iso")) {
        return Err("it takes files whose names end in .iso".to_owned());
    }
    let is_known = matches!(shown.view, View::Udf | View::Joliet | View::Iso9660);
    if !is_known {
        return Err(format!("it does not know {}", shown.view));
    }
    if shown.volume.disc().origin() != 0 {
        return Err("it takes images whose volume begins at their first byte".to_owned());
    }
    Ok(())
}

/// The drive that Windows made of this image before, for us. One without a letter is of no use: it
/// is waited for once more.
fn already_mounted(image: &Path) -> Option<Ready> {
    let image = super::text(image);
    let is_wanted = |record: &Record| {
        record.is_of_windows()
            && record.image.bytes() == image.bytes()
            && letter(&record.at.text()).is_some()
    };
    let found = Record::alive().into_iter().find(is_wanted)?;
    Some(Ready::again(found.at, found.label, found.system))
}

/// Has Windows take a drive away that it made.
pub(super) fn eject(record: &Record, device: &str) -> Outcome {
    let image = os(&record.image.bytes());
    detach(Path::new(&image), device).map_err(|error| {
        let message = format!("cannot take {} away: {error}", record.place());
        let failure = Failure::new(Exit::Other, message);
        match letter(&record.at.text()) {
            Some(_) => failure.advice("try", "Eject in Explorer"),
            None => failure.advice("try", by_hand(device)),
        }
    })?;
    match record.clean_up() {
        // Another eject of the same drive was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        cleaned => {
            cleaned.map_err(|error| Failure::io(Exit::Other, "cannot forget the drive", &error))
        }
    }
}
