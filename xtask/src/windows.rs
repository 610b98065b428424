//! Everything about Windows that can be proved without it: builds for both ABIs, tests under Wine
//! with WinFsp's own DLL, golden trees through its callbacks, checks for other systems.
//! Sets the tool chain up first (`xtask/windows/set-up.sh`); leaves all of it below `target`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::done;
use crate::imports::{self, Linked};

/// Debian's compiler, whose standard library can be built for any target. The project's own
/// toolchain is left alone.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const RUSTDOC: &str = "/usr/bin/rustdoc";
const CLIPPY: &str = "/usr/bin/cargo-clippy";
const WINE: &str = "/usr/lib/wine/wine64";
const WINE_SERVER: &str = "/usr/lib/wine/wineserver64";

const GNU: &str = "x86_64-pc-windows-gnu";
const MSVC: &str = "x86_64-pc-windows-msvc";

/// What the program for Windows is made of, and what tests it.
const CRATES: [&str; 5] =
    ["iso-core", "windows-view", "mount-winfsp", "isodrive", "isodrive-windows-tests"];

/// What is checked for systems that are not run here: the program for Windows on ARM; the core
/// and the view alone for macOS and FreeBSD, whose mounts are not written yet.
const CHECKED: [(&str, &[&str]); 3] = [
    ("aarch64-pc-windows-msvc", &["isodrive"]),
    ("aarch64-apple-darwin", &["iso-core", "windows-view"]),
    ("x86_64-unknown-freebsd", &["iso-core", "windows-view"]),
];

/// The tool chain, and where things of it are.
struct Cross<'r> {
    root: &'r Path,
    folder: PathBuf,
    target: PathBuf,
    images: PathBuf,
    dll: PathBuf,
    since: Instant,
}

/// Sets up, builds, tests, checks.
pub fn run(root: &Path) -> Result<()> {
    let folder = std::env::var_os("ISODRIVE_CROSS").map(PathBuf::from);
    let cross = Cross {
        root,
        folder: folder.unwrap_or_else(|| root.join("target/windows-cross")),
        target: root.join("target/cross"),
        images: root.join("target/windows-images"),
        dll: dll(root)?,
        since: Instant::now(),
    };
    let script = root.join("xtask/windows/set-up.sh");
    done(Command::new("bash").arg(script).arg(&cross.folder))?;
    cross.make_images()?;
    cross.lint()?;
    cross.lane(GNU)?;
    cross.lane(MSVC)?;
    cross.golden_trees(GNU)?;
    cross.release(GNU)?;
    cross.release(MSVC)?;
    CHECKED.iter().try_for_each(|(target, crates)| cross.check(target, crates))?;
    cross.say("all of it is well");
    Ok(())
}

/// WinFsp's DLL, which comes with the crate that declares its functions.
fn dll(root: &Path) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root);
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let package = packages.iter().find(|package| package["name"] == "winfsp-sys");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let folder = Path::new(manifest.context("winfsp-sys is not there")?).parent();
    let dll = folder.context("no folder")?.join("winfsp/bin/winfsp-x64.dll");
    ensure!(dll.is_file(), "{} is not there", dll.display());
    Ok(dll)
}

impl Drop for Cross<'_> {
    /// Ends the server that Wine leaves behind, which holds our output open.
    fn drop(&mut self) {
        let mut command = Command::new(WINE_SERVER);
        let _ = command.arg("-k").env("WINEPREFIX", self.folder.join("wine")).status();
    }
}

impl Cross<'_> {
    fn say(&self, what: &str) {
        println!("windows: {what} ({} s)", self.since.elapsed().as_secs());
    }

    /// The images that the tests mount, made by the programs of this system.
    fn make_images(&self) -> Result<()> {
        self.say("images");
        let mut command = Command::new("cargo");
        command.args(["run", "-q", "-p", "isodrive-tests", "--bin", "windows_images", "--"]);
        done(command.arg(&self.images).current_dir(self.root))
    }

    /// Cargo with Debian's compiler, for a target.
    fn cargo(&self, program: &str, what: &str, target: &str) -> Command {
        self.cargo_as("cross", program, what, target)
    }

    /// As [`Cross::cargo`], with a profile.
    fn cargo_as(&self, profile: &str, program: &str, what: &str, target: &str) -> Command {
        let mut command = Command::new(program);
        command.args([what, "--quiet", "--profile", profile, "--target", target]);
        command.current_dir(self.root);
        command.env("RUSTC", RUSTC).env("RUSTDOC", RUSTDOC).env("CARGO", CARGO);
        command.env("CARGO_TARGET_DIR", &self.target).env("RUST_BACKTRACE", "0");
        // Or rustup's compiler would be found first, whatever the variables say.
        command.env("PATH", path_behind("/usr/bin")).env_remove("RUSTUP_TOOLCHAIN");
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        let sysroot = format!("--sysroot={}", self.folder.join("sysroot").display());
        let flags = if target == MSVC { self.msvc_flags(&sysroot) } else { sysroot.clone() };
        command.env(variable(target, "RUSTFLAGS"), flags);
        command.env(variable(target, "RUSTDOCFLAGS"), sysroot);
        command.env(variable(GNU, "LINKER"), "x86_64-w64-mingw32-gcc");
        command.env(variable(MSVC, "LINKER"), linker());
        self.under_wine(&mut command, target);
        command
    }

    /// The environment of the tests: Wine, images, the DLL, the programs.
    fn under_wine(&self, command: &mut Command, target: &str) {
        command.env(variable(target, "RUNNER"), WINE);
        command.env("WINEPREFIX", self.folder.join("wine"));
        command.env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        command.env("DISPLAY", "");
        let built = self.target.join(target).join("cross");
        command.env("ISODRIVE_TEST_IMAGES", of_wine(&self.images));
        command.env("ISODRIVE_WINFSP_DLL", of_wine(&self.dll));
        command.env("ISODRIVE_PROGRAM", of_wine(&built.join("isodrive.exe")));
        command.env("ISODRIVE_STANDIN", of_wine(&built.join("isodrive_standin.dll")));
    }

    fn msvc_flags(&self, sysroot: &str) -> String {
        let kit = self.folder.join("msvc");
        let kit = kit.display();
        let parts = [
            sysroot.to_owned(),
            "-Clinker-flavor=lld-link".to_owned(),
            format!("-Clink-arg=/libpath:{kit}"),
            format!("-Clink-arg={kit}/start.lib"),
        ];
        parts.join(" ")
    }

    fn lint(&self) -> Result<()> {
        self.say("lints");
        let mut command = self.cargo(CLIPPY, "clippy", GNU);
        name(&mut command, &CRATES);
        done(command.args(["--all-targets", "--", "-D", "warnings"]))
    }

    /// Everything that runs, for one ABI.
    fn lane(&self, target: &str) -> Result<()> {
        self.say(&format!("building for {target}"));
        let mut command = self.cargo(CARGO, "build", target);
        done(command.args(["-p", "isodrive", "-p", "isodrive-standin"]))?;
        self.say(&format!("testing on {target}"));
        let mut command = self.cargo(CARGO, "test", target);
        name(&mut command, &CRATES);
        done(&mut command)
    }

    /// The program as it is released wants nothing that a Windows lacks. Its C run-time is the
    /// stand-in of the kit; Microsoft's is looked at where the zip for people is made.
    fn release(&self, target: &str) -> Result<()> {
        self.say(&format!("imports of the release for {target}"));
        let mut command = self.cargo_as("release", CARGO, "build", target);
        // The kit's standard library cannot become one piece with the program. In many pieces it
        // is made sooner, and names at least as many libraries.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        done(command.args(["-p", "isodrive"]))?;
        let program = self.target.join(target).join("release/isodrive.exe");
        imports::check(self.root, &program, Linked::Elsewhere)
    }

    /// The golden trees of the kernel and the hostile discs, through WinFsp's callbacks: by the
    /// tests that compare them with what the library and FUSE show.
    fn golden_trees(&self, target: &str) -> Result<()> {
        self.say("golden trees and hostile discs");
        let mut command = Command::new("cargo");
        command.args(["test", "-q", "-p", "isodrive-tests", "--test", "end_to_end", "--"]);
        command.args(["a_drive_of_windows_shows", "--nocapture"]).current_dir(self.root);
        self.under_wine(&mut command, target);
        let show = self.target.join(target).join("cross/show.exe");
        done(command.env("ISODRIVE_SHOW", format!("{WINE} {}", show.display())))
    }

    fn check(&self, target: &str, crates: &[&str]) -> Result<()> {
        self.say(&format!("checking for {target}"));
        let mut command = self.cargo(CARGO, "check", target);
        name(&mut command, crates);
        done(&mut command)
    }
}

/// Names the crates that a command is about.
fn name(command: &mut Command, crates: &[&str]) {
    for name in crates {
        command.args(["-p", name]);
    }
}

/// The variable that sets a property of a target for cargo.
fn variable(target: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", target.to_uppercase().replace('-', "_"))
}

/// A path of this system as programs under Wine see it.
fn of_wine(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

fn path_behind(first: &str) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(PathBuf::from(first)).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).unwrap_or(rest)
}

/// The linker that the project's toolchain carries, which takes the options of Microsoft's.
fn linker() -> PathBuf {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let tools = "lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld";
    Path::new(&sysroot.unwrap_or_default()).join(tools)
}
