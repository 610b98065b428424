//! `isodrive mount --native`: Windows itself makes a DVD drive of the image.
//! Asks only whether the image is one that Windows knows.

use iso_core::{Limits, View};
use mount_winfsp::attach;

use crate::cli::Mount;
use crate::exit::{Exit, Failure};
use crate::image;
use crate::json::{Name, SCHEMA};
use crate::ready::Ready;
use crate::shell::ShellCommand;
use crate::terminal::quoted;

/// Hands the image to Windows.
pub(super) fn mount(arguments: &Mount) -> Result<Ready, Failure> {
    let path = &arguments.image.image;
    let refuse = |why: &str| {
        Failure::new(Exit::Other, format!("Windows cannot mount {}: {why}", quoted(path)))
            .advice("try", ShellCommand::new("isodrive mount").operand(path))
    };
    let (_image, shown, _) = image::open_joined_within(&arguments.image, Limits::default())?;
    let is_iso = path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("iso"));
    if !is_iso {
        return Err(refuse("it takes files whose names end in .iso"));
    }
    let is_known = matches!(shown.view, View::Udf | View::Joliet | View::Iso9660);
    if !is_known || arguments.image.image_offset != 0 {
        return Err(refuse(&format!("it does not know {}", shown.view)));
    }
    let absolute = std::path::absolute(path).unwrap_or(path.clone());
    let letter = attach(&absolute).map_err(|error| refuse(&error.to_string()))?;
    let facts = shown.volume.facts();
    let at = letter.map_or_else(|| "a drive of Windows".to_owned(), |letter| format!("{letter}:"));
    Ok(Ready {
        schema: SCHEMA,
        path: Name::new(at.as_bytes()),
        label: Name::new(&facts.label),
        system: format!("{} by Windows itself; eject it in Explorer", facts.system),
        reason: shown.reason.clone(),
        already_mounted: false,
        parts: Vec::new(),
    })
}
