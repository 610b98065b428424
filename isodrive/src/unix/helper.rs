//! Being called by mount(8), as `mount.isodrive` or `mount.fuse.isodrive`, or by mount.fuse3: their
//! syntax and exit codes around `isodrive mount`. Needs neither a home directory nor a terminal.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command, Mount};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::{Terminal, quoted};
use crate::unix::mount;

/// The names under which mount(8) calls.
const NAMES: [&str; 2] = ["mount.isodrive", "mount.fuse.isodrive"];

/// Whether this program was called by mount(8), or by mount.fuse3.
pub(crate) fn is_called(arguments: &[OsString]) -> bool {
    is_by_name(arguments) || is_by_fuse(arguments)
}

/// Whether mount(8) called, by a name of its own.
fn is_by_name(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|program| Path::new(program).file_name());
    NAMES.iter().any(|known| name == Some(OsStr::new(known)))
}

/// Whether mount.fuse3 called, which runs `isodrive IMAGE DIRECTORY -o OPTIONS` for
/// `mount -t fuse isodrive#IMAGE DIRECTORY`, and always with options. The name of a command is that
/// command, whatever follows; a file with such a name is called `./NAME`.
fn is_by_fuse(arguments: &[OsString]) -> bool {
    let [_, image, at, o, _] = arguments else { return false };
    let is_operand = |word: &OsString| !word.is_empty() && !word.as_bytes().starts_with(b"-");
    let cli = Cli::command();
    let is_command = |word: &OsString| {
        let is_wanted = |command: &clap::Command| {
            word == command.get_name() || command.get_all_aliases().any(|alias| word == alias)
        };
        word == "help" || cli.get_subcommands().any(is_wanted)
    };
    o == "-o" && is_operand(image) && is_operand(at) && !is_command(image)
}

/// What mount(8) asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    /// Image and directory.
    paths: Vec<OsString>,
    options: Vec<Vec<u8>>,
    is_fake: bool,
    is_sloppy: bool,
    is_verbose: bool,
    namespace: Option<OsString>,
}

pub(crate) fn run(arguments: &[OsString], mut terminal: Terminal) -> ExitCode {
    let asked = read(arguments.get(1..).unwrap_or_default());
    // mount.fuse3 adds `suid` and `dev` itself, where nobody said otherwise.
    let says_more = is_by_name(arguments);
    let outcome = asked.and_then(|asked| mount_as_asked(asked, says_more, &mut terminal));
    let code = match &outcome {
        Ok(()) => 0,
        Err(failure) => code(failure.exit),
    };
    terminal.end(outcome);
    ExitCode::from(code)
}

/// The exit code of mount(8) for one of isodrive's.
const fn code(exit: Exit) -> u8 {
    match exit.number() {
        2 => 1,
        8 => 2,
        _ => 32,
    }
}

/// `spec dir [-sfnv] [-N namespace] [-o options] [-t type]`, in any order.
fn read(arguments: &[OsString]) -> Result<Asked, Failure> {
    let usage = |why: &str| {
        Failure::new(Exit::Usage, format!("mount.isodrive: {why}"))
            .line("usage", "mount.isodrive IMAGE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS]")
    };
    let mut asked = Asked::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let flags = match argument.as_bytes() {
            [b'-', flags @ ..] if !flags.is_empty() => flags,
            _ => {
                asked.paths.push(argument.clone());
                continue;
            }
        };
        for (place, flag) in flags.iter().enumerate() {
            let attached = flags.get(place.saturating_add(1)..).filter(|text| !text.is_empty());
            let mut value = || {
                let value = attached.map(|text| OsString::from_vec(text.to_vec()));
                value.or_else(|| rest.next().cloned()).ok_or_else(|| usage("a value is missing"))
            };
            match flag {
                b's' => asked.is_sloppy = true,
                b'f' => asked.is_fake = true,
                b'v' => asked.is_verbose = true,
                b'n' => {}
                b'o' => {
                    let list = value()?;
                    let parts = list.as_bytes().split(|byte| *byte == b',');
                    asked.options.extend(parts.map(<[u8]>::to_vec));
                    break;
                }
                b'N' => {
                    asked.namespace = Some(value()?);
                    break;
                }
                b't' => {
                    value()?;
                    break;
                }
                _ => return Err(usage("unknown option")),
            }
        }
    }
    if asked.paths.len() != 2 {
        return Err(usage("an image and a directory are needed"));
    }
    Ok(asked)
}

fn mount_as_asked(asked: Asked, says_more: bool, terminal: &mut Terminal) -> Outcome {
    // A disc gets no more than this, whatever mount(8) says by default for some types; `rw`, which
    // it says for all, is no news for a disc.
    let is_more = |option: &Vec<u8>| [&b"suid"[..], b"dev"].contains(&option.as_slice());
    if says_more && asked.options.iter().any(is_more) {
        terminal
            .warn("mounted read-only, without set-id programs and devices (ro,nosuid,nodev)", &[]);
    }
    if let Some(namespace) = &asked.namespace {
        enter(namespace)?;
    }
    if asked.is_fake {
        return Ok(());
    }
    let raw = arguments(&asked);
    let all = std::iter::once(OsString::from("isodrive")).chain(raw.clone());
    let cli = Cli::try_parse_from(all).map_err(|error| {
        let text = error.to_string();
        let said = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Failure::new(Exit::Usage, said.trim_end())
    })?;
    let Command::Mount(arguments) = cli.command else { return Ok(()) };
    mount::run(&Mount { raw, ..arguments }, cli.verbose, terminal)
}

/// The arguments of `isodrive` that do the same. A directory with something in it is mounted over,
/// as mount(8) does.
fn arguments(asked: &Asked) -> Vec<OsString> {
    let mut raw: Vec<OsString> = ["mount", "--quiet", "--over"].map(OsString::from).into();
    if asked.is_verbose {
        raw.push("-v".into());
    }
    if asked.is_sloppy {
        raw.push("--sloppy".into());
    }
    for option in &asked.options {
        raw.push("-o".into());
        raw.push(OsString::from_vec(option.clone()));
    }
    raw.push("--".into());
    raw.extend(asked.paths.iter().cloned());
    raw
}

/// Enters the mount namespace of a process, by its number, or the one a file stands for.
fn enter(namespace: &OsStr) -> Outcome {
    let is_number = namespace.as_bytes().iter().all(u8::is_ascii_digit);
    let path = if is_number {
        Path::new("/proc").join(namespace).join("ns/mnt")
    } else {
        PathBuf::from(namespace)
    };
    let failed = |error: std::io::Error| {
        Failure::io(Exit::Other, format!("cannot enter the namespace {}", quoted(&path)), &error)
    };
    let file = std::fs::File::open(&path).map_err(failed)?;
    let kind = Some(rustix::thread::LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(file.as_fd(), kind)
        .map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<Asked, Failure> {
        read(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_syntax_of_mount_helpers_is_read_in_any_order() {
        let want = Asked {
            paths: vec!["/a b.iso".into(), "/mnt".into()],
            options: vec![b"ro".to_vec(), b"uid=7".to_vec()],
            is_sloppy: true,
            is_verbose: true,
            ..Asked::default()
        };
        for arguments in [
            &["/a b.iso", "/mnt", "-sv", "-o", "ro,uid=7"][..],
            &["-svn", "-oro,uid=7", "/a b.iso", "/mnt", "-t", "fuse.isodrive"],
            &["-s", "/a b.iso", "-vo", "ro,uid=7", "/mnt"],
        ] {
            assert_eq!(asked(arguments).unwrap(), want, "{arguments:?}");
        }
        let raw = arguments(&want);
        let text: Vec<_> = raw.iter().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(
            text.join(" "),
            "mount --quiet --over -v --sloppy -o ro -o uid=7 -- /a b.iso /mnt"
        );
        for arguments in [&["/a.iso"][..], &["/a", "/b", "/c"], &["/a", "/b", "-z"], &["/a", "-o"]]
        {
            assert_eq!(code(asked(arguments).unwrap_err().exit), 1, "{arguments:?}");
        }
    }

    #[test]
    fn it_is_known_by_its_names() {
        let is = |name: &str| is_called(&[OsString::from(name)]);
        assert!(is("/sbin/mount.isodrive") && is("mount.fuse.isodrive"));
        assert!(!is("/usr/bin/isodrive") && !is_called(&[]));
    }

    #[test]
    fn mount_fuse3_is_known_by_its_arguments_and_commands_stay_commands() {
        for (words, want) in [
            ("/a.iso /mnt -o ro,dev,suid", true),
            ("./ls /mnt -o ro", true),
            ("lst /mnt -o ro", true),
            ("ls /mnt -o ro", false),
            ("ps /mnt -o ro", false),
            ("umount /mnt -o ro", false),
            ("help /mnt -o ro", false),
            ("moutn a.iso /mnt -o ro", false),
            ("a.iso /mnt", false),
            ("a.iso /mnt -o", false),
            ("a.iso -v -o ro", false),
            ("lst", false),
        ] {
            let all = std::iter::once("isodrive").chain(words.split(' '));
            assert_eq!(is_called(&all.map(OsString::from).collect::<Vec<_>>()), want, "{words}");
        }
    }
}
