//! `mutate COUNT [FIRST]`: damages the metadata of sound discs at random, COUNT times, on every
//! processor, and ends with 1 if anything came of it that must not. The same numbers give the same
//! damage.

use std::process::ExitCode;

use anyhow::{Context, Result};
use isodrive_tests::mutate::{Outcome, run, seeds};

fn main() -> Result<ExitCode> {
    let mut reported = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let count = reported.next().context("usage: mutate COUNT [FIRST]")??;
    let first = reported.next().transpose()?.unwrap_or(0);
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = seeds()?;
    let threads = std::thread::available_parallelism()?.get() as u64;
    let share = count.div_ceil(threads);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let ranges = (0..threads).map(|thread| {
            let start = first + thread * share;
            start..(start + share).min(first + count)
        });
        let started: Vec<_> = ranges.map(|range| scope.spawn(|| run(&seeds, range))).collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{} discs from {} seeds, {} refused",
        sum(|o| o.discs),
        seeds.len(),
        sum(|o| o.refused)
    );
    println!(
        "{} files left alone: {} as before, {} whose loss was reported",
        sum(|o| o.untouched),
        sum(|o| o.as_before),
        sum(|o| o.reported)
    );
    println!("the slowest took {:?}", outcomes.iter().map(|o| o.slowest).max().unwrap_or_default());
    let wrong: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.wrong).collect();
    wrong.iter().for_each(|line| println!("{line}"));
    let mute: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.mute).collect();
    mute.iter().for_each(|line| println!("mute: {line}"));
    println!("{} abnormal ends and silent differences, {} mute losses", wrong.len(), mute.len());
    let is_whole = sum(|o| o.discs) == count && wrong.is_empty() && mute.is_empty();
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
