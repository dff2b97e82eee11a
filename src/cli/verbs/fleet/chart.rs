//! A picture of how the last generations went through a fleet: for each the share of keys that had reached it, by day.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::day;
use crate::ops::fleet::remembered::Day;
use crate::ops::fleet::{Fleet, Wave};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 12.0;

/// Where things stand in the picture.
struct Frame {
    keys: u64,
    first: Day,
    last: Day,
}

impl Frame {
    fn x(&self, day: Day) -> f64 {
        let days = self.last.0.saturating_sub(self.first.0).max(1) as f64;
        LEFT + WIDTH * (day.0.saturating_sub(self.first.0) as f64 / days).clamp(0.0, 1.0)
    }

    fn share(&self, keys: u64) -> f64 {
        (keys as f64 / self.keys.max(1) as f64).min(1.0)
    }

    fn y(&self, keys: u64) -> f64 {
        TOP + HEIGHT * (1.0 - self.share(keys))
    }

    /// Returns the steps of one generation, from the bottom on the day that it was made.
    fn path(&self, wave: &Wave) -> String {
        let begun = wave.made.map(Day::of).or(wave.reached.first().map(|(day, _)| *day)).unwrap_or(self.last);
        let mut path = format!("M{:.1} {:.1}", self.x(begun), self.y(0));
        for (day, keys) in &wave.reached {
            // Writing to a String cannot fail.
            let _ = write!(path, "H{:.1}V{:.1}", self.x(*day), self.y(*keys));
        }
        let _ = write!(path, "H{:.1}", self.x(self.last));
        path
    }
}

fn final_share(frame: &Frame, wave: &Wave) -> f64 {
    100.0 * frame.share(wave.reached.last().map_or(0, |(_, keys)| *keys))
}

/// Writes the picture and the same in words; nothing where nothing is known.
///
/// # Errors
/// Those of the sink.
pub fn write(fleet: &Fleet, sink: &mut dyn Write) -> io::Result<()> {
    let waves = &fleet.spread.waves;
    let last = Day::of(fleet.time);
    let reached = waves.iter().flat_map(|wave| wave.reached.first()).map(|(day, _)| *day);
    let made = waves.iter().filter_map(|wave| wave.made.map(Day::of));
    let Some(first) = reached.chain(made).min().filter(|_| fleet.spread.keys > 0) else { return Ok(()) };
    let frame = Frame { keys: fleet.spread.keys, first: first.min(last), last };
    write!(
        sink,
        "<h2>How updates spread</h2>\n<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-labelledby=\"spread spread-said\">\n\
         <title id=\"spread\">Share of keys that have reached each of the last generations, by day</title>\n\
         <desc id=\"spread-said\">{}</desc>\n",
        LEFT + WIDTH + 8.0,
        TOP + HEIGHT + 24.0,
        said(&frame, waves),
    )?;
    for percent in [0.0, 50.0, 100.0] {
        let y = TOP + HEIGHT * (1.0 - percent / 100.0);
        writeln!(
            sink,
            "<line class=\"axis\" x1=\"{LEFT:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent:.0} %</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0,
        )?;
    }
    for (day_of, anchor) in [(frame.first, "start"), (frame.last, "end")] {
        let (x, y) = (frame.x(day_of), TOP + HEIGHT + 18.0);
        writeln!(sink, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", day(day_of.start()))?;
    }
    for (at, wave) in waves.iter().enumerate() {
        let class = if at + 1 == waves.len() { "wave newest" } else { "wave" };
        let path = frame.path(wave);
        writeln!(sink, "<path class=\"{class}\" d=\"{path}\"><title>Generation {}</title></path>", wave.generation)?;
    }
    write!(sink, "</svg>\n<ul>\n")?;
    for wave in waves.iter().rev() {
        writeln!(sink, "<li>{}</li>", said_of(&frame, wave))?;
    }
    writeln!(sink, "</ul>")
}

fn said(frame: &Frame, waves: &[Wave]) -> String {
    waves.last().map(|wave| format!("Of {} keys: {}", frame.keys, said_of(frame, wave))).unwrap_or_default()
}

fn said_of(frame: &Frame, wave: &Wave) -> String {
    let made = wave.made.map(|made| format!(", made {}", day(made))).unwrap_or_default();
    format!("generation {}{made}: reached by {:.0} % of the keys", wave.generation, final_share(frame, wave))
}
