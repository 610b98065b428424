//! Columns of text for people, and times in words.
//! Formatting only.

use std::io::Write;

/// Writes rows with columns as wide as what stands in them.
pub(crate) fn write<const COLUMNS: usize>(
    rows: &[[String; COLUMNS]],
    out: &mut impl Write,
) -> std::io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// How long ago a time was, roughly.
pub(crate) fn age(since: i64) -> String {
    let seconds = jiff::Timestamp::now().as_second().saturating_sub(since).max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
