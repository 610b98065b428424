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
    let drive = attach(&image).map_err(|error| match error {
        NativeError::Interrupted => Failure::reported(Exit::Interrupted),
        NativeError::NoLetter => refused(path, Exit::NotReady, &error.to_string()),
        NativeError::NotHere | NativeError::Refused(_) | NativeError::Stuck(_) => {
            refused(path, Exit::Other, &error.to_string())
        }
    })?;
    let facts = shown.volume.facts();
    let at = Name::new(format!("{}:", drive.letter).as_bytes());
    let (label, system) = (Name::new(&facts.label), facts.system.clone());
    if !drive.is_new {
        return Ok(Ready::again(at, label, system_name(&system)));
    }
    let record = Record::of_windows(
        Facts {
            stop: String::new(),
            at: at.clone(),
            image: image.clone(),
            asked: "native".to_owned(),
            label: label.clone(),
            system: system_name(&system),
            bytes: opened.disc().held_bytes(),
        },
        drive.device.clone(),
    );
    if let Err(error) = record.leave() {
        // Or nobody but Explorer would find it again.
        let _ = detach(&image, &drive.device);
        return Err(Failure::io(Exit::Other, "cannot write down the drive", &error));
    }
    Ok(Ready {
        schema: SCHEMA,
        path: at,
        label,
        system: system_name(&system),
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

/// The drive that Windows made of this image before, for us.
fn already_mounted(image: &Path) -> Option<Ready> {
    let image = super::text(image);
    let is_wanted =
        |record: &Record| record.is_of_windows() && record.image.bytes() == image.bytes();
    let found = Record::alive().into_iter().find(is_wanted)?;
    Some(Ready::again(found.at, found.label, found.system))
}

/// Has Windows take a drive away that it made.
pub(super) fn eject(record: &Record, device: &str) -> Outcome {
    let image = os(&record.image.bytes());
    detach(Path::new(&image), device).map_err(|error| {
        let message = format!("cannot take {} away: {error}", record.at.text());
        Failure::new(Exit::Other, message).advice("try", "Eject in Explorer")
    })?;
    match record.clean_up() {
        // Another eject of the same drive was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        cleaned => {
            cleaned.map_err(|error| Failure::io(Exit::Other, "cannot forget the drive", &error))
        }
    }
}
