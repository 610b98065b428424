//! Symbolic links of a disc, and where they may lead once they are extracted.
//! Looks at their text alone.

/// Whether a link at this depth below the destination may lead out of it. `..` is trusted at the
/// beginning alone, where it climbs real directories: behind a name it may climb from wherever
/// another link leads.
pub(super) fn leads_out(target: &[u8], depth: usize) -> bool {
    let parts = target.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let climbs = parts.clone().take_while(|part| *part == b"..").count();
    let climbs_later = parts.skip(climbs).any(|part| part == b"..");
    target.first() == Some(&b'/') || climbs > depth || climbs_later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_may_lead_out_are_known() {
        for (target, depth, want) in [
            ("/etc/passwd", 5, true),
            ("../x", 1, false),
            ("../x", 0, true),
            ("./../../x", 1, true),
            ("a/../../x", 3, true),
            ("a/b", 0, false),
            ("a..b/...", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(leads_out(target.as_bytes(), depth), want, "{target} at {depth}");
        }
    }
}
