//! The same medians as a picture: for each work, how far every tool is from the best of them.
//! Plain SVG, drawn by hand: bars and words need no library.

use std::fmt::Write;

use crate::report::{Better, better, median};
use crate::run::Results;
use crate::tools::Tool;

const ROW: usize = 13;
const LEFT: usize = 250;
const WIDTH: usize = 420;

const fn colour(tool: Tool) -> &'static str {
    match tool {
        Tool::Isodrive => "#1b7837",
        Tool::Erofs => "#7fbf7b",
        Tool::Raw | Tool::File => "#999999",
        Tool::KernelErofs | Tool::KernelSquashfs => "#bbbbbb",
        Tool::Fuseiso => "#762a83",
        Tool::Archivemount => "#af8dc3",
        Tool::Ratarmount => "#d6b6e0",
        Tool::SevenZip => "#8c510a",
        Tool::Bsdtar => "#bf812d",
        Tool::Xorriso => "#dfc27d",
    }
}

/// The picture.
pub fn svg(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 20;
    for ((image, work), measured) in results {
        y += ROW;
        let _ = writeln!(body, "<text x='4' y='{y}' font-weight='bold'>{image}: {work}</text>");
        let medians: Vec<(Tool, f64)> =
            measured.iter().map(|(tool, values)| (*tool, median(values))).collect();
        let better = better(work);
        let best =
            medians.iter().map(|(_, value)| *value).fold(None, |best: Option<f64>, value| {
                Some(match (best, better) {
                    (None, _) => value,
                    (Some(best), Better::Less) => best.min(value),
                    (Some(best), Better::More) => best.max(value),
                })
            });
        for (tool, value) in medians {
            y += ROW;
            // As long as the tool is good: the best one fills the width.
            let share = match better {
                Better::Less => best.unwrap_or(value) / value,
                Better::More => value / best.unwrap_or(value),
            };
            let bar = (share * WIDTH as f64).max(1.0);
            let name = tool.name();
            let _ =
                writeln!(body, "<text x='{}' y='{y}' text-anchor='end'>{name}</text>", LEFT - 6);
            let _ = writeln!(
                body,
                "<rect x='{LEFT}' y='{}' width='{bar:.0}' height='{}' fill='{}'/>",
                y - ROW + 4,
                ROW - 3,
                colour(tool)
            );
            let after = LEFT as f64 + bar + 4.0;
            let _ = writeln!(body, "<text x='{after:.0}' y='{y}'>{value:.2}</text>");
        }
        y += 6;
    }
    let (width, height) = (LEFT + WIDTH + 70, y + 10);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' \
         font-family='sans-serif' font-size='10'>\n<rect width='{width}' height='{height}' \
         fill='white'/>\n<text x='4' y='14'>The longer the bar the better; numbers in the unit of \
         the heading</text>\n{body}</svg>\n"
    )
}
