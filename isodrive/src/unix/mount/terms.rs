//! What was asked of a mount, with every default filled in, so that a second request for the same
//! image finds the mount that serves it. Compares only; opens and mounts nothing.

use std::path::Path;

use iso_core::SessionChoice;
use serde::{Deserialize, Serialize};

use super::wire::Opened;
use crate::cli::Mount;
use crate::exit::{Exit, Failure};
use crate::shell::ShellCommand;
use crate::strict;
use crate::terminal::quoted;
use crate::unix::arguments::DriverChoice;

/// How a mount shows its image and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What differs between two mounts of an image: offset, character set, owners, modes, driver.
    show: String,
    /// The file system that is shown, by its name.
    view: String,
    /// The one that is shown where none is asked for.
    default_view: String,
    /// The session that is shown, from 1.
    session: u32,
    is_last_session: bool,
    /// What `--strict` refuses, in words.
    objections: Vec<String>,
    keep: Keep,
}

/// How a mount is kept. Nothing where nothing was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Keep {
    is_strict: bool,
    is_foreground: bool,
    no_sandbox: bool,
    redact: bool,
    idle_seconds: Option<u64>,
    memory_limit: Option<u64>,
    cache: Option<u64>,
    threads: Option<u16>,
    log_file: Option<String>,
}

impl Keep {
    fn of(arguments: &Mount) -> Self {
        let keep = &arguments.keep;
        Self {
            is_strict: keep.strict,
            is_foreground: keep.foreground || keep.debug,
            no_sandbox: arguments.no_sandbox,
            redact: keep.redact,
            idle_seconds: keep.idle.map(|idle| idle.as_secs()),
            memory_limit: arguments.memory_limit,
            cache: arguments.cache,
            threads: keep.threads,
            log_file: keep.log_file.as_ref().map(|file| {
                let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                absolute.to_string_lossy().into_owned()
            }),
        }
    }

    /// What is asked for and not so with a mount that is kept like this.
    fn lacks(&self, asked: &Self) -> Option<&'static str> {
        fn differs<T: PartialEq>(kept: &Option<T>, asked: &Option<T>) -> bool {
            asked.is_some() && asked != kept
        }
        [
            // Nobody can be made to wait for a mount that somebody else keeps.
            (asked.is_foreground, "--foreground"),
            // What the directories hold has not been checked.
            (asked.is_strict && !self.is_strict, "--strict"),
            (asked.no_sandbox && !self.no_sandbox, "--no-sandbox"),
            (asked.redact && !self.redact, "--redact"),
            (differs(&self.idle_seconds, &asked.idle_seconds), "--idle"),
            (differs(&self.memory_limit, &asked.memory_limit), "--memory-limit"),
            (differs(&self.cache, &asked.cache), "--cache"),
            (differs(&self.threads, &asked.threads), "--threads"),
            (differs(&self.log_file, &asked.log_file), "--log-file"),
        ]
        .into_iter()
        .find_map(|(is_lacking, option)| is_lacking.then_some(option))
    }
}

impl Terms {
    /// Those of a mount that is being made.
    pub(super) fn of(arguments: &Mount, opened: &Opened) -> Self {
        Self {
            show: show(arguments),
            view: opened.view.clone(),
            default_view: opened.default_view.clone(),
            session: opened.session,
            is_last_session: opened.session == opened.last_session,
            objections: opened.objections.clone(),
            keep: Keep::of(arguments),
        }
    }

    /// Whether a mount on these terms shows what is asked for now.
    pub(super) fn show_the_same(&self, arguments: &Mount) -> bool {
        let view = match arguments.image.view.view() {
            None => self.view == self.default_view,
            Some(asked) => self.view == asked.name(),
        };
        let session = match arguments.image.session {
            SessionChoice::Last => self.is_last_session,
            SessionChoice::First => self.session == 1,
            SessionChoice::Number(number) => self.session == number,
        };
        view && session && self.show == show(arguments)
    }

    /// Fails where a mount on these terms cannot serve a second request.
    pub(super) fn check_shared(&self, at: &Path, arguments: &Mount) -> Result<(), Failure> {
        let image = quoted(&arguments.image.image);
        let asked = Keep::of(arguments);
        if asked.is_strict && !self.objections.is_empty() {
            return Err(strict::refusal(&arguments.image.image, self.objections.clone()));
        }
        let Some(option) = self.keep.lacks(&asked) else { return Ok(()) };
        let eject = ShellCommand::new("isodrive eject").operand(at);
        let at = quoted(at);
        let message = format!("{image} is mounted already at {at}, and not with this {option}");
        Err(Failure::new(Exit::Busy, message)
            .advice("try", eject.after("mount it again after:"))
            .advice("else", "name another directory, for a second mount of the image"))
    }
}

/// What only a mount of its own can show otherwise, as one text.
fn show(arguments: &Mount) -> String {
    let show = &arguments.show;
    let resolved = (
        show.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
        show.gid.unwrap_or_else(|| rustix::process::getegid().as_raw()),
        show.permissions.unwrap_or(crate::unix::arguments::PermissionsChoice::Safe),
        show.case.unwrap_or(crate::unix::arguments::CaseChoice::Auto),
        show.hidden.unwrap_or(crate::choices::HiddenChoice::Show),
    );
    let modes = (show.fmode, show.dmode, show.allow_other, show.noexec);
    let is_kernels = arguments.driver == DriverChoice::Erofs;
    let which = (arguments.image.image_offset, arguments.image.charset, is_kernels);
    format!("{resolved:?} {modes:?} {which:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn asked(options: &str) -> Mount {
        let words = "isodrive mount disc.iso".split(' ').chain(options.split_whitespace());
        let Command::Mount(mount) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{options}")
        };
        crate::unix::options::folded(&mount).unwrap()
    }

    fn terms(options: &str) -> Terms {
        let opened = Opened {
            view: "udf".to_owned(),
            default_view: "udf".to_owned(),
            session: 1,
            last_session: 1,
            ..Opened::default()
        };
        Terms::of(&asked(options), &opened)
    }

    #[test]
    fn options_that_change_nothing_share_a_mount_and_others_do_not() {
        for (made, now, is_same) in [
            ("", "-t udf --session 1", true),
            ("-t udf", "", true),
            ("--session first", "--session last", true),
            ("", "--permissions safe --case auto --hidden show", true),
            ("--idle 5m", "", true),
            ("", "-t joliet", false),
            ("", "--session 2", false),
            ("", "--uid 7", false),
            ("", "-o noexec", false),
            ("", "--driver erofs", false),
        ] {
            assert_eq!(terms(made).show_the_same(&asked(now)), is_same, "{made:?} {now:?}");
        }
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        for (made, now, want) in [
            ("", "--foreground", Some("--foreground")),
            ("--foreground", "", None),
            ("", "--strict", Some("--strict")),
            ("--strict", "--strict", None),
            ("--strict", "", None),
            ("", "--idle 5m", Some("--idle")),
            ("--idle 5m", "--idle 300", None),
            ("--idle 5m", "--idle 6m", Some("--idle")),
            ("", "--no-sandbox", Some("--no-sandbox")),
            ("--no-sandbox", "--no-sandbox", None),
            ("", "--memory-limit 256M", Some("--memory-limit")),
            ("--memory-limit 256M", "", None),
            ("", "--log-file /tmp/x", Some("--log-file")),
            ("--log-file /tmp/x", "--log-file /tmp/x", None),
        ] {
            let lacks = terms(made).keep.lacks(&Keep::of(&asked(now)));
            assert_eq!(lacks, want, "{made:?} {now:?}");
        }
    }
}
