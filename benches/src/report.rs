//! The tables: what each tool took, and how isodrive stands against what it is measured by.
//! Medians only; the machine is named, since figures mean nothing without it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::run::Results;
use crate::tools::{PEERS, Tool};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
}

/// Whether less of a work's number is better: times and memory against rates.
pub fn better(work: &str) -> Better {
    if work.ends_with("/s") { Better::More } else { Better::Less }
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What a goal is measured by.
#[derive(Debug, Clone, Copy)]
enum By {
    Tool(Tool),
    BestPeer,
    BestKernel,
    Number,
}

struct Goal {
    image: &'static str,
    work: &'static str,
    who: Tool,
    by: By,
    /// The ratio to the measure, or the number itself, that is to be reached.
    aim: f64,
}

const fn goal(image: &'static str, work: &'static str, by: By, aim: f64) -> Goal {
    Goal { image, work, who: Tool::Isodrive, by, aim }
}

const fn erofs(image: &'static str, work: &'static str, aim: f64) -> Goal {
    Goal { image, work, who: Tool::Erofs, by: By::Number, aim }
}

const MOUNT: &str = "mount to first ls, ms";

const GOALS: [Goal; 36] = [
    goal("win7", MOUNT, By::Tool(Tool::Fuseiso), 1.0),
    goal("win7", MOUNT, By::Number, 10.0),
    goal("live", MOUNT, By::Number, 10.0),
    goal("many", MOUNT, By::Tool(Tool::Fuseiso), 1.0),
    goal("many", MOUNT, By::Number, 10.0),
    goal("one50k", MOUNT, By::Number, 10.0),
    goal("million", MOUNT, By::Number, 10.0),
    goal("many", "first walk, s", By::BestPeer, 0.5),
    goal("one50k", "first walk, s", By::BestPeer, 0.5),
    goal("many", "second walk, s", By::BestKernel, 1.2),
    goal("many", "du, s", By::BestKernel, 1.2),
    goal("win7", "read 128 KiB, GB/s", By::Tool(Tool::Raw), 0.9),
    goal("win7", "read 128 KiB, GB/s", By::BestPeer, 1.8),
    goal("win7", "read 128 KiB, GB/s", By::Tool(Tool::Fuseiso), 2.5),
    goal("win7", "read 1 MiB, GB/s", By::Tool(Tool::Raw), 0.9),
    goal("win7", "read 1 MiB, GB/s", By::BestPeer, 1.8),
    goal("win7", "read 1 MiB, GB/s", By::Tool(Tool::Fuseiso), 2.5),
    goal("win7", "read again 128 KiB, GB/s", By::BestPeer, 4.0),
    goal("win7", "8 readers, GB/s", By::BestPeer, 2.3),
    goal("win7", "random 4 KiB, 1 thread, k/s", By::Tool(Tool::Raw), 0.9),
    goal("win7", "random 4 KiB, 8 threads, k/s", By::Tool(Tool::Raw), 0.9),
    goal("many", "cp -a, s", By::BestPeer, 0.5),
    goal("many", "tar c, s", By::BestPeer, 0.5),
    goal("many", "read all 100 000 files, s", By::Tool(Tool::Raw), 1.3),
    goal("many", "memory after walking, MiB", By::Number, 32.0),
    goal("million", "memory after walking, MiB", By::Number, 48.0),
    goal("win7", "read 1 MiB cold, GB/s", By::Tool(Tool::File), 0.95),
    goal("many", "taking all out, s", By::BestPeer, 1.0),
    goal("live", "taking all out, s", By::BestPeer, 1.0),
    erofs("many", MOUNT, 1000.0),
    erofs("million", "translate and mount, s", 12.0),
    Goal {
        image: "many",
        work: "first walk, s",
        who: Tool::Erofs,
        by: By::Tool(Tool::KernelErofs),
        aim: 1.0,
    },
    Goal {
        image: "many",
        work: "second walk, s",
        who: Tool::Erofs,
        by: By::Tool(Tool::KernelErofs),
        aim: 1.2,
    },
    Goal {
        image: "many",
        work: "du, s",
        who: Tool::Erofs,
        by: By::Tool(Tool::KernelErofs),
        aim: 1.2,
    },
    Goal {
        image: "win7",
        work: "read 1 MiB, GB/s",
        who: Tool::Erofs,
        by: By::Tool(Tool::Isodrive),
        aim: 1.0,
    },
    Goal {
        image: "win7",
        work: "read 1 MiB cold, GB/s",
        who: Tool::Erofs,
        by: By::Tool(Tool::File),
        aim: 0.95,
    },
];

/// The whole report.
pub fn text(results: &Results, rounds: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Medians of {rounds} interleaved rounds. {}\n", machine());
    table(&mut out, results);
    let _ = writeln!(out, "\n## Against the aims\n");
    let _ = writeln!(out, "| image | work | who | by | is | aim | reached |");
    let _ = writeln!(out, "|---|---|---|---|---|---|---|");
    for goal in &GOALS {
        line(&mut out, results, goal);
    }
    out
}

fn table(out: &mut String, results: &Results) {
    let tools: Vec<Tool> = {
        let mut tools: Vec<Tool> = results.values().flat_map(BTreeMap::keys).copied().collect();
        tools.sort();
        tools.dedup();
        tools
    };
    let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
    let _ = writeln!(out, "| image | work | {} |", names.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(tools.len()));
    for ((image, work), measured) in results {
        let cell = |tool: &Tool| measured.get(tool).map_or("-".to_owned(), |v| number(median(v)));
        let cells: Vec<String> = tools.iter().map(cell).collect();
        let _ = writeln!(out, "| {image} | {work} | {} |", cells.join(" | "));
    }
}

fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The best of several tools at a work.
pub fn best(
    measured: &BTreeMap<Tool, Vec<f64>>,
    tools: &[Tool],
    better: Better,
) -> Option<(Tool, f64)> {
    let candidates = tools.iter().filter_map(|tool| Some((*tool, median(measured.get(tool)?))));
    match better {
        Better::Less => candidates.min_by(|a, b| a.1.total_cmp(&b.1)),
        Better::More => candidates.max_by(|a, b| a.1.total_cmp(&b.1)),
    }
}

fn line(out: &mut String, results: &Results, goal: &Goal) {
    let Some(measured) = results.get(&(goal.image, goal.work)) else { return };
    let Some(own) = measured.get(&goal.who).map(|values| median(values)) else { return };
    let better = better(goal.work);
    let measure = match goal.by {
        By::Number => None,
        By::Tool(tool) => best(measured, &[tool], better),
        By::BestPeer => best(measured, &PEERS, better),
        By::BestKernel => best(measured, &[Tool::KernelErofs, Tool::KernelSquashfs], better),
    };
    let (by, is) = match (goal.by, measure) {
        (By::Number, _) => ("-", own),
        (_, Some((tool, other))) => (tool.name(), own / other),
        (_, None) => return,
    };
    let (sign, reached) = match better {
        Better::Less => ("<=", is <= goal.aim),
        Better::More => (">=", is >= goal.aim),
    };
    let unit = if by == "-" { "" } else { "x" };
    let reached = if reached { "yes" } else { "**no**" };
    let (is, aim, who) = (number(is), number(goal.aim), goal.who.name());
    let _ = writeln!(
        out,
        "| {} | {} | {who} | {by} | {is}{unit} | {sign} {aim}{unit} | {reached} |",
        goal.image, goal.work
    );
}

/// What it was measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']).trim();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = read("/proc/meminfo");
    let kib = memory.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let gib = kib.unwrap_or(0) >> 20;
    let release = read("/proc/sys/kernel/osrelease");
    let release = release.split(['-', '\n']).next().unwrap_or_default();
    format!("{count} processors ({model}), {gib} GiB, Linux {release}, images on ext4.")
}
