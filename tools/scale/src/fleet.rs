//! A week of many keys, simulated: every key has an agent that decides by the program's own [`step`](chunkstore::agent::step::step), is
//! plugged in on working days, and shares one server's sessions and line with all others. Time is that of the simulation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use picture::picture;
use server::Link;
use world::{Curve, Week, World};

mod picture;
mod server;
mod world;

/// What is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct FleetArgs {
    /// Keys
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    keys: usize,
    /// What the release of Monday at eight has for each key, in MB
    #[arg(long, value_name = "MB", default_value_t = 50)]
    update_mb: u64,
    /// The server's line in Mbit/s
    #[arg(long, value_name = "N", default_value_t = 1000)]
    line_mbit: u64,
    /// The line of a key's machine in Mbit/s
    #[arg(long, value_name = "N", default_value_t = 50)]
    key_mbit: u64,
    /// Sessions that the server takes at a time
    #[arg(long, value_name = "N", default_value_t = 200)]
    sessions: usize,
    /// The window over which starts are spread, in hours
    #[arg(long, value_name = "H", default_value_t = 8)]
    spread_hours: u64,
    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Writes the load of the server as a picture
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// How starts are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// Every key starts when it is plugged in.
    None,
    /// The agents' configuration says a window.
    Configured,
    /// The server tells it to those whom it turns away.
    Asked,
}

impl Spread {
    const ALL: [Self; 3] = [Self::None, Self::Configured, Self::Asked];

    fn name(self) -> &'static str {
        match self {
            Self::None => "at once",
            Self::Configured => "spread by configuration",
            Self::Asked => "spread as the server asks",
        }
    }
}

/// Plays the week in each way and prints it; returns whether nobody starved.
///
/// # Errors
/// When the picture cannot be written.
pub fn run(root: &Path, args: &FleetArgs) -> Result<bool> {
    let window = Duration::from_secs(args.spread_hours * 3600);
    let link = || Link::new(args.line_mbit * 125_000, args.key_mbit * 125_000, args.sessions);
    let mut weeks = Vec::new();
    for spread in Spread::ALL {
        eprintln!("fleet: {} keys, {}", args.keys, spread.name());
        let mut world = World::new(args.keys, args.update_mb * 1_000_000, link(), spread, window, args.seed);
        weeks.push((spread.name(), world.play()));
    }
    println!("{}", table(&weeks));
    println!("{}", document(args, &weeks));
    if let Some(file) = &args.picture {
        let curves: Vec<(&str, &Curve)> = weeks.iter().map(|(name, week)| (*name, &week.curve)).collect();
        std::fs::write(root.join(file), picture(&curves, args.keys))?;
    }
    Ok(weeks.iter().all(|(_, week)| week.starved == 0))
}

fn table(weeks: &[(&str, Week)]) -> String {
    let mut text = "| | half current after h | 99 % after h | asked | turned away | most in a minute | starved |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n".to_owned();
    for (name, week) in weeks {
        let hours = |share: f64| week.hours_until(share).map_or("-".to_owned(), |hours| format!("{hours:.1}"));
        text += &format!(
            "| {name} | {} | {} | {} | {} | {} | {} |\n",
            hours(0.5),
            hours(0.99),
            week.asked,
            week.turned_away,
            week.curve.turned_away.iter().max().unwrap_or(&0),
            week.starved
        );
    }
    text
}

fn document(args: &FleetArgs, weeks: &[(&str, Week)]) -> Value {
    let week = |(name, week): &(&str, Week)| {
        json!({
            "way": name, "current": week.current, "half_hours": week.hours_until(0.5), "most_hours": week.hours_until(0.99),
            "asked": week.asked, "turned_away": week.turned_away, "bytes": week.bytes, "starved": week.starved,
        })
    };
    json!({
        "keys": args.keys, "update_mb": args.update_mb, "line_mbit": args.line_mbit, "sessions": args.sessions,
        "spread_hours": args.spread_hours, "weeks": weeks.iter().map(week).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
