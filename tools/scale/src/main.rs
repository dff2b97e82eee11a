//! `cargo xtask scale`: reads the command line and runs one part.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scale::big::{self, BigArgs};
use scale::fleet::{self, FleetArgs};
use scale::make::{Sizes, make};
use scale::monday::{self, MondayArgs};
use scale::mount::{self, MountArgs};
use scale::readers::{self, ReadersArgs};
use scale::weeks::{self, WeeksArgs};

/// What upkeep takes on a big store, and what a key fetches after it
#[derive(Parser)]
#[command(name = "cargo xtask scale")]
struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Makes a store in DIR/store and its keys in DIR/keys, and keeps them
    Make {
        /// Where; must not hold a store
        dir: PathBuf,
        #[command(flatten)]
        sizes: Sizes,
    },
    /// Times gc, commit, ls and verify on a big store
    Big(BigArgs),
    /// Plays a week of 100,000 keys with the agent's own decisions, and draws the load of the server
    Fleet(FleetArgs),
    /// Starts hundreds of agents at once against one vsftpd that takes few sessions (tools/test-tools.sh fetches it)
    Monday(MondayArgs),
    /// Times reads through a mount beside an empty fuser tree, `restore` and direct reads (root, for cold ones)
    Mount(MountArgs),
    /// Adds hundreds of readers, revokes one, and counts what the week after moves more
    Readers(ReadersArgs),
    /// Counts what a key fetches of packs that gc made anew after weekly commits
    Weeks(WeeksArgs),
}

fn main() -> ExitCode {
    let root = xtask::tidy::repository_root();
    let done = match Args::parse().part {
        Part::Make { dir, sizes } => make(&dir.join("store"), &dir.join("keys"), &sizes).map(|()| true),
        Part::Big(args) => big::run(&root, &args),
        Part::Fleet(args) => fleet::run(&root, &args),
        Part::Monday(args) => monday::run(&root, &args),
        Part::Mount(args) => mount::run(&root, &args),
        Part::Readers(args) => readers::run(&root, &args),
        Part::Weeks(args) => weeks::run(&root, &args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}
