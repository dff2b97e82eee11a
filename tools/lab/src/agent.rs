//! `lab agent`: the agent in the machine, and keys that come and go. A key arrives and is synced from a real FTP server, comes again with
//! nothing new, is pulled in the middle of the next sync, comes back and is finished; a volume beside it that is no key stays as it is.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};
use crate::kit::{DEFAULT_DIR, Kit};
use crate::media::Medium;
use crate::recovery::demand;

mod office;
mod room;

use office::Office;
use room::Room;

/// The media that are tried unless some are named.
const MEDIA: [&str; 2] = ["vfat-flush", "exfat"];
/// What the weeks bring.
const WEEK_BYTES: [u64; 3] = [1 << 20, 2 << 20, 20 << 20];
/// What has to be on the key before it is pulled in the third week.
const PULLED_AFTER_BYTES: u64 = 8 << 20;
/// How long the agent may take to let go of a key that was pulled, in a machine that is emulated on a host that is busy;
/// `cargo xtask agent` holds it to 2 s where nothing is.
const LETS_GO_WITHIN: Duration = Duration::from_secs(10);

/// What `lab agent` is asked for.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// A medium, repeatable [default: vfat-flush, exfat]
    #[arg(long, value_name = "M")]
    pub medium: Vec<String>,
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// Tells the story on each medium.
///
/// # Errors
/// The step that did not come to what it should, and why.
pub fn run(args: &AgentArgs) -> Result<()> {
    let kit = Kit::open(&args.dir)?;
    let named: Vec<&str> = args.medium.iter().map(String::as_str).collect();
    for name in if named.is_empty() { &MEDIA[..] } else { &named } {
        let medium = Medium::named(name)?;
        let story = Story { kit: &kit, medium, started: Instant::now() };
        story.tell().map_err(|error| LabError::because(format!("{name}: the story broke off"), error))?;
    }
    Ok(())
}

struct Story<'a> {
    kit: &'a Kit,
    medium: &'static Medium,
    started: Instant,
}

impl Story<'_> {
    fn tell(&self) -> Result<()> {
        let office = Office::open(self.kit)?;
        office.publish(1, WEEK_BYTES[0])?;
        let mut room = Room::open(self.kit, self.medium)?;
        room.make_key(&office)?;
        let stranger = room.make_stranger()?;
        let newest = office.publish(2, WEEK_BYTES[1])?;
        let agent = room.start_agent()?;
        self.say("the agent waits");
        room.plug_stranger()?;
        room.wait_for_notice("no-store")?;
        self.first_sync(&mut room, newest)?;
        self.nothing_new(&mut room)?;
        let newest = office.publish(3, WEEK_BYTES[2])?;
        self.pulled_in_the_middle(&mut room, newest)?;
        let code = room.stop_agent(agent)?;
        demand(code == 0, || format!("the agent ended with {code}"))?;
        room.take_stranger()?;
        demand(room.stranger_sum()? == stranger, || "the volume that is no key was written".to_owned())?;
        self.say("the agent ended; not one byte of the volume beside it changed");
        Ok(())
    }

    fn first_sync(&self, room: &mut Room, newest: u64) -> Result<()> {
        room.plug_key()?;
        let message = room.wait_for_notice("updated")?;
        demand(message.contains("You may unplug it at any time"), || format!("the status says: {message}"))?;
        room.must_hold(newest)?;
        room.take_key()?;
        self.say(&format!("a key arrived and is up to date at generation {newest}: {message}"));
        Ok(())
    }

    fn nothing_new(&self, room: &mut Room) -> Result<()> {
        let before = room.key_sum()?;
        room.plug_key()?;
        room.wait_for_end("up-to-date")?;
        room.take_key()?;
        demand(room.key_sum()? == before, || "a run with nothing new wrote to the key".to_owned())?;
        self.say("it came again; with nothing new not one byte of it changed");
        Ok(())
    }

    fn pulled_in_the_middle(&self, room: &mut Room, newest: u64) -> Result<()> {
        room.plug_key()?;
        room.wait_for_packs(PULLED_AFTER_BYTES)?;
        let pulled = Instant::now();
        room.pull_key()?;
        room.wait_until_forgotten()?;
        let took = pulled.elapsed();
        demand(took < LETS_GO_WITHIN, || format!("the agent let go after {:.1} s", took.as_secs_f64()))?;
        self.say(&format!("it was pulled in the middle, and let go of in {:.1} s", took.as_secs_f64()));
        room.clear_away()?;
        room.plug_key()?;
        room.must_hold(newest - 1)?;
        room.wait_for_end("updated")?;
        room.must_hold(newest)?;
        room.verify()?;
        room.take_key()?;
        self.say(&format!("it came back, is up to date at generation {newest}, and whole"));
        Ok(())
    }

    fn say(&self, what: &str) {
        println!("{:<11} {:>6.1} s  {what}", self.medium.name, self.started.elapsed().as_secs_f64());
    }
}
