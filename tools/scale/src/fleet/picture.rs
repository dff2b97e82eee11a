//! The week as a picture: one scalable drawing of four strips, with nothing in it from elsewhere.

use std::fmt::Write;

use super::world::{Curve, RELEASE, WEEK};

const WIDTH: f64 = 860.0;
const STRIP: f64 = 120.0;
const GAP: f64 = 46.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 40.0;
/// Minutes that one point of a line stands for.
const STEP: usize = 30;
const COLOURS: [&str; 3] = ["#c2410c", "#1d4ed8", "#15803d"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The name of a strip, and its values out of a curve and the count of keys.
type Strip = (&'static str, fn(&Curve, usize) -> Vec<f64>);

/// Draws the curves of some weeks below each other, each in a colour of its own.
#[must_use]
pub fn picture(weeks: &[(&str, &Curve)], keys: usize) -> String {
    let strips: [Strip; 4] = [
        ("keys that have the release, in percent", |curve, keys| {
            ends(&curve.current).map(|count| count as f64 * 100.0 / keys.max(1) as f64).collect()
        }),
        ("sessions", |curve, _| ends(&curve.sessions).map(|count| count as f64).collect()),
        ("MB/s that go out", |curve, _| means(&curve.bytes).map(|bytes| bytes / 60e6).collect()),
        ("turned away in a minute", |curve, _| means(&curve.turned_away).collect()),
    ];
    let height = TOP + strips.len() as f64 * (STRIP + GAP) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>A week of {keys} keys</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        LEFT + WIDTH + 16.0
    );
    for (at, (name, _)) in weeks.iter().enumerate() {
        let x = LEFT + at as f64 * 260.0;
        let colour = COLOURS[at % COLOURS.len()];
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"8\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"15\">{name}</text>",
            x + 20.0
        );
    }
    for (row, (name, values)) in strips.iter().enumerate() {
        let top = TOP + row as f64 * (STRIP + GAP);
        let lines: Vec<Vec<f64>> = weeks.iter().map(|(_, curve)| values(curve, keys)).collect();
        svg += &strip(name, &lines, top);
    }
    svg + "</svg>\n"
}

fn strip(name: &str, lines: &[Vec<f64>], top: f64) -> String {
    let most = lines.iter().flatten().copied().fold(1.0, f64::max);
    let bottom = top + STRIP;
    let mut svg = format!(
        "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{name}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most:.0}</text><text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
         <path d=\"M{LEFT} {top}V{bottom}H{}\" fill=\"none\" stroke=\"#999\"/>\n",
        top - 6.0,
        LEFT - 6.0,
        top + 10.0,
        LEFT - 6.0,
        LEFT + WIDTH
    );
    for (day, name) in DAYS.iter().enumerate() {
        let x = LEFT + WIDTH * day as f64 / 7.0;
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{}\" fill=\"#555\">{name}</text>",
            x + 4.0,
            bottom + 14.0
        );
    }
    let release = LEFT + WIDTH * RELEASE as f64 / WEEK as f64;
    let _ = writeln!(svg, "<path d=\"M{release:.1} {top}V{bottom}\" stroke=\"#555\" stroke-dasharray=\"3 3\"/>");
    for (at, line) in lines.iter().enumerate() {
        let points = line.iter().enumerate().map(|(at, value)| {
            let x = LEFT + WIDTH * at as f64 / (line.len().max(2) - 1) as f64;
            format!("{x:.1},{:.1}", bottom - STRIP * value / most)
        });
        let points = points.collect::<Vec<_>>().join(" ");
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
    }
    svg
}

fn ends(values: &[u64]) -> impl Iterator<Item = u64> {
    values.chunks(STEP).filter_map(|chunk| chunk.last().copied())
}

fn means(values: &[u64]) -> impl Iterator<Item = f64> {
    values.chunks(STEP).map(|chunk| chunk.iter().sum::<u64>() as f64 / chunk.len() as f64)
}
