//! What `doctor` found out, check by check, as text, as JSON and as an exit code.
//! Looks at nothing itself.

use std::io::Write;

use serde::Serialize;

use crate::exit::{Exit, Failure, Outcome};
use crate::json::{self, SCHEMA};
use crate::shell::Advice;
use crate::terminal::{Terminal, harmless, output_failed};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Works, and could be better.
    Note,
    /// Keeps discs from being mounted.
    Broken,
    /// Left behind by a crash.
    Dead,
    /// Was left behind and is cleaned up.
    Fixed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    schema: u32,
    what: &'static str,
    verdict: Verdict,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    pub(crate) fn new(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { schema: SCHEMA, what, verdict, text: text.into(), fix: None }
    }

    pub(crate) fn fix(self, how: impl Into<Advice>) -> Self {
        Self { fix: how.into().text(), ..self }
    }
}

/// Tells what was found out; a failure if discs cannot be mounted, or a crash left something.
pub(crate) fn tell(checks: &[Check], json: bool, terminal: &mut Terminal) -> Outcome {
    let out = terminal.out();
    let written = if json {
        checks.iter().try_for_each(|check| json::write_line(out, check))
    } else {
        checks.iter().try_for_each(|check| write(check, out))
    };
    written.map_err(|error| output_failed(&error))?;
    terminal.flush()?;
    let any = |verdict| checks.iter().any(|check| check.verdict == verdict);
    if any(Verdict::Broken) {
        Err(Failure::reported(Exit::NoFuse))
    } else if any(Verdict::Dead) {
        Err(Failure::reported(Exit::Other))
    } else {
        Ok(())
    }
}

fn write(check: &Check, out: &mut impl Write) -> std::io::Result<()> {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Broken => "broken",
        Verdict::Dead => "dead",
        Verdict::Fixed => "fixed",
    };
    writeln!(out, "{verdict:<7} {}: {}", check.what, harmless(&check.text))?;
    match &check.fix {
        Some(fix) => writeln!(out, "        fix   {fix}"),
        None => Ok(()),
    }
}
