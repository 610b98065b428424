//! What fuzzers found worth keeping, and every input that ever broke something, asked again; and a
//! share of the random damage that `cargo xtask mutate` does.

use std::fs;

use anyhow::{Context, Result};
use isodrive_tests::fuzz::{TARGETS, seeds};
use isodrive_tests::{corpus, mutate};

#[test]
fn kept_inputs_of_every_target_are_answered_or_refused() -> Result<()> {
    for (target, body) in TARGETS {
        let folder = tempfile::tempdir_in(corpus::scratch()?)?;
        let archive = corpus::repository().join(format!("fuzz/kept/{target}.tar.zst"));
        corpus::unpack_archive(&archive, folder.path()).with_context(|| target.to_owned())?;
        let inputs = corpus::files(folder.path(), "")?;
        assert!(!inputs.is_empty(), "{target}");
        for input in &inputs {
            let bytes = fs::read(input)?;
            let answered = std::panic::catch_unwind(|| body(&bytes));
            assert!(answered.is_ok(), "{target}: {}", input.display());
        }
        println!("{target}: {} inputs", inputs.len());
    }
    Ok(())
}

#[test]
fn seeds_of_targets_are_answered() {
    for (target, seed) in seeds() {
        let found = TARGETS.iter().find(|(name, _)| *name == target);
        let (_, body) = found.expect("it is a target");
        body(seed);
        body(b"");
    }
}

#[test]
fn random_damage_breaks_nothing_and_hides_nothing() -> Result<()> {
    let outcome = mutate::run(&mutate::seeds()?, 0..1500);
    assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    assert!(outcome.mute.is_empty(), "{}", outcome.mute.join("\n"));
    assert_eq!(outcome.discs, 1500);
    assert!(outcome.untouched > 10_000 && outcome.reported < outcome.untouched / 10, "{outcome:?}");
    Ok(())
}
