//! The raw command line of `forget`.

use clap::Args;

/// `forget`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run --store pub --keys k
  chunkstore forget --keep-within 2y6mo --keep-tag release --store pub --keys k
  chunkstore forget HEAD~3 @2025-11 --store pub --keys k

The words are restic's: a snapshot stays if any of them keeps it. Hours, days, weeks (from Monday),
months and years are those of UTC and count where they have a snapshot; where there are fewer than
N, the oldest snapshot stays, too. N is a number from 1, or `unlimited`. The newest snapshot always
stays. `gc` gives back the space of what was forgotten.")]
pub struct ForgetArgs {
    /// Forgets these: an id prefix, HEAD~N, a tag, @DATE
    #[arg(value_name = "SNAP")]
    pub snapshots: Vec<String>,
    /// Keeps the newest N
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_last: Option<String>,
    /// Keeps the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_hourly: Option<String>,
    /// Keeps the newest of each of the last N days that have one
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_daily: Option<String>,
    /// Keeps the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_weekly: Option<String>,
    /// Keeps the newest of each of the last N months that have one
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_monthly: Option<String>,
    /// Keeps the newest of each of the last N years that have one
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub keep_yearly: Option<String>,
    /// Keeps those with this tag, of `a,b` with both, of '' without any; repeatable
    #[arg(long, value_name = "T")]
    pub keep_tag: Vec<String>,
    /// Keeps those younger than D before the youngest, as 30d or 2y6mo: y, mo or m, w, d, h
    #[arg(long, value_name = "D", allow_hyphen_values = true)]
    pub keep_within: Option<String>,
    /// Says what would stay and what would go, and writes nothing at all
    #[arg(long)]
    pub dry_run: bool,
}
