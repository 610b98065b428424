//! How far a sandbox went: what is in force and what the kernel refused.
//! Words only, for `list` and for one notice.

/// What of the sandbox is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    held: Vec<&'static str>,
    /// What is missing, and why.
    pub missing: Vec<String>,
}

impl Level {
    /// Notes how one layer went.
    pub(crate) fn note(&mut self, layer: &'static str, went: Result<(), String>) {
        match went {
            Ok(()) => self.held.push(layer),
            Err(why) => self.missing.push(format!("{layer}: {why}")),
        }
    }

    /// One word, or what is in force: `full`, `none`, `seccomp, privileges`. The root directory of
    /// its own is an extra that many systems refuse; a full sandbox does without.
    #[must_use]
    pub fn summary(&self) -> String {
        let extra = |layer: &&str| layer.starts_with("own root") || *layer == "another user";
        if self.held.is_empty() {
            "none".to_owned()
        } else if self.essential_missing().next().is_none() {
            "full".to_owned()
        } else {
            let held: Vec<&str> = self.held.iter().copied().filter(|l| !extra(l)).collect();
            held.join(", ")
        }
    }

    /// The missing parts that a person should know.
    pub fn essential_missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(String::as_str).filter(|text| !text.starts_with("own root"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_says_what_holds() {
        let mut level = Level::default();
        assert_eq!(level.summary(), "none");
        level.note("seccomp", Ok(()));
        level.note("own root directory", Err("no user namespaces".to_owned()));
        assert_eq!(level.summary(), "full");
        level.note("Landlock", Err("this kernel lacks it".to_owned()));
        assert_eq!(level.summary(), "seccomp");
        assert_eq!(
            level.essential_missing().collect::<Vec<_>>(),
            ["Landlock: this kernel lacks it"]
        );
    }
}
