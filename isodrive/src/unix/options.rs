//! The classic `-o` of mount(8), folded into the options of `mount`.
//! Unknown options are errors; what says nothing about a read-only disc is passed over.

use clap::ValueEnum;

use crate::choices::{self, HiddenChoice, ViewChoice};
use crate::cli::Mount;
use crate::exit::{Exit, Failure};
use crate::unix::arguments::{self, CaseChoice, DriverChoice, PermissionsChoice};

/// Options that are taken and change nothing: a disc is read-only, without set-id and device
/// files, whatever is asked; the rest is for mount(8) and systemd.
const WITHOUT_EFFECT: &[&str] = &[
    "ro",
    "rw",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "atime",
    "noatime",
    "relatime",
    "defaults",
    "default_permissions",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "group",
    "owner",
    "_netdev",
    "nofail",
    "sync",
    "async",
    "loop",
    "diratime",
    "nodiratime",
    "strictatime",
    "lazytime",
    "nolazytime",
    "silent",
    "loud",
    "comment",
];

/// The arguments with every `-o` option folded in.
pub(crate) fn folded(arguments: &Mount) -> Result<Mount, Failure> {
    let mut mount = arguments.clone();
    if mount.keep.all_views {
        mount.image.view = ViewChoice::All;
    }
    for option in std::mem::take(&mut mount.options) {
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        match name {
            _ if option.is_empty() || name.starts_with("x-") || name.starts_with("X-") => {}
            _ if WITHOUT_EFFECT.contains(&name) => {}
            "all_views" => mount.image.view = ViewChoice::All,
            "allow_other" => mount.show.allow_other = true,
            "noexec" => mount.show.noexec = true,
            "uid" => mount.show.uid = Some(number(&option, value, 10)?),
            "gid" => mount.show.gid = Some(number(&option, value, 10)?),
            "fmode" | "mode" => mount.show.fmode = Some(mode(&option, value)?),
            "dmode" => mount.show.dmode = Some(mode(&option, value)?),
            "permissions" => {
                mount.show.permissions = Some(choice::<PermissionsChoice>(&option, value)?);
            }
            "hidden" => mount.show.hidden = Some(choice::<HiddenChoice>(&option, value)?),
            "hide" => mount.show.hidden = Some(HiddenChoice::Hide),
            "unhide" => mount.show.hidden = Some(HiddenChoice::Show),
            "case" => mount.show.case = Some(choice::<CaseChoice>(&option, value)?),
            "view" | "type" => mount.image.view = choice::<ViewChoice>(&option, value)?,
            "driver" => mount.driver = choice::<DriverChoice>(&option, value)?,
            "session" => mount.image.session = parsed(&option, choices::session(value))?,
            "charset" | "iocharset" => {
                mount.image.charset = parsed(&option, choices::charset(value))?;
            }
            "offset" => mount.image.image_offset = parsed(&option, choices::bytes(value))?,
            "idle" => mount.keep.idle = Some(parsed(&option, choices::duration(value))?),
            "ready_timeout" => {
                mount.keep.ready_timeout = parsed(&option, choices::duration(value))?
            }
            "memory_limit" => mount.memory_limit = Some(parsed(&option, arguments::memory(value))?),
            "log_file" => mount.keep.log_file = Some(value.into()),
            "redact" => mount.keep.redact = true,
            "strict" => mount.keep.strict = true,
            _ if mount.sloppy => {}
            _ => {
                let message = format!("unknown mount option: {option}");
                return Err(
                    Failure::new(Exit::Usage, message).advice("try", "isodrive mount --help")
                );
            }
        }
    }
    Ok(mount)
}

fn number<N: TryFrom<u64>>(option: &str, value: &str, radix: u32) -> Result<N, Failure> {
    let parsed = u64::from_str_radix(value, radix).ok().and_then(|n| N::try_from(n).ok());
    parsed.ok_or_else(|| Failure::new(Exit::Usage, format!("-o {option}: a number is needed")))
}

fn parsed<T>(option: &str, value: Result<T, String>) -> Result<T, Failure> {
    value.map_err(|why| Failure::new(Exit::Usage, format!("-o {option}: {why}")))
}

fn mode(option: &str, value: &str) -> Result<u16, Failure> {
    Ok(number::<u16>(option, value, 8)? & 0o777)
}

fn choice<T: ValueEnum>(option: &str, value: &str) -> Result<T, Failure> {
    T::from_str(value, true).map_err(|_| {
        let known: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
            .collect();
        Failure::new(Exit::Usage, format!("-o {option}: one of {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(options: &str) -> Result<Mount, Failure> {
        let cli = Cli::try_parse_from(["isodrive", "mount", "x.iso", "-o", options]).unwrap();
        let Command::Mount(mount) = cli.command else { panic!("{cli:?}") };
        folded(&mount)
    }

    #[test]
    fn classic_options_become_the_named_ones() {
        let mount =
            parse("ro,nofail,x-gvfs-show,uid=7,fmode=0640,permissions=image,noexec").unwrap();
        assert_eq!((mount.show.uid, mount.show.fmode), (Some(7), Some(0o640)));
        assert_eq!(mount.show.permissions, Some(PermissionsChoice::Image));
        assert!(mount.show.noexec && !mount.show.allow_other);
    }

    #[test]
    fn an_offset_is_any_number_of_bytes() {
        for (options, want) in
            [("offset=32768", 32768), ("offset=0x8000", 32768), ("offset=1M", 1 << 20)]
        {
            assert_eq!(parse(options).unwrap().image.image_offset, want, "{options}");
        }
        assert_eq!(parse("offset=0x").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn unknown_and_malformed_options_are_named() {
        for (options, want) in [
            ("writeback", "unknown mount option: writeback"),
            ("uid=bob", "-o uid=bob: a number is needed"),
            ("case=no", "-o case=no: one of auto, sensitive, insensitive"),
        ] {
            let failure = parse(options).unwrap_err();
            assert_eq!((failure.exit, failure.message.as_str()), (Exit::Usage, want));
        }
    }
}
