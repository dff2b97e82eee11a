//! `export`: an archive on stdout or in a file, which takes its name once it is whole.

use std::io::BufWriter;
use std::path::Path;

use serde_json::json;

use crate::base::units::show_size;
use crate::cli::args::reading::{ArchiveArg, ExportArgs};
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Stdout, shown};
use crate::cli::progress::Progress;
use crate::disk::host::NewHostFile;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::export::{ArchiveFormat, Exported, export};
use crate::ops::open::{Reading, Spot};

const BUFFER_BYTES: usize = 256 * 1024;
/// Rights of an archive before the umask.
const ARCHIVE_MODE: u32 = 0o666;

/// Writes an archive.
///
/// # Errors
/// Those of the op, of the file and of stdout.
pub fn run(args: &ExportArgs, context: &Context) -> Result<Outcome> {
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    let format = format_of(args);
    if args.output.is_none() && context.settings.stdout_is_terminal {
        let text = "an archive is not written to a terminal: name a file by -o, or redirect stdout";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    let done = match &args.output {
        Some(file) => to_file(&reading, &spot, format, file, context, &progress),
        None => {
            let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, Stdout(&context.output));
            export(&reading, &spot, format, &mut stdout, context.run(&progress))
        }
    };
    progress.finish();
    let done = done?;
    if let Some(file) = &args.output {
        show(&done, file, context, &progress)?;
    }
    let partial = if done.left_alone > 0 { Outcome::Partial } else { Outcome::Done };
    Ok(super::past_damage(done.damaged).and(partial))
}

fn to_file(
    reading: &Reading,
    spot: &Spot,
    format: ArchiveFormat,
    path: &Path,
    context: &Context,
    progress: &Progress,
) -> Result<Exported> {
    let wrap = |error| Error::from(error).within(format!("cannot write {}", shown(path)));
    let mut file = NewHostFile::create(path, ARCHIVE_MODE).map_err(wrap)?;
    let mut sink = BufWriter::with_capacity(BUFFER_BYTES, &mut file);
    let done = export(reading, spot, format, &mut sink, context.run(progress));
    let flushed = sink.into_inner().map(|_| ());
    let done = done.map_err(|error| error.within(format!("cannot export to {}", shown(path))))?;
    flushed.map_err(|error| {
        let text = format!("cannot write {}", shown(path));
        Error::with_source(ErrorKind::Other, text, error.into_error())
    })?;
    file.keep().map_err(wrap)?;
    Ok(done)
}

fn show(done: &Exported, file: &Path, context: &Context, progress: &Progress) -> Result<()> {
    let output = &context.output;
    output.text(format!("exported {} entries, {} to {}", done.entries, show_size(done.bytes), shown(file)))?;
    if done.damaged + done.left_alone > 0 {
        output.text(format!("left out for damage: {}, left alone: {}", done.damaged, done.left_alone))?;
    }
    output.json(&json!({
        "entries": done.entries,
        "bytes": done.bytes,
        "damaged": done.damaged,
        "left_alone": done.left_alone,
        "problems": super::problems(&progress.problems().0),
    }))
}

fn format_of(args: &ExportArgs) -> ArchiveFormat {
    let by_name =
        args.output.as_ref().and_then(|file| file.extension()).is_some_and(|end| end.eq_ignore_ascii_case("zip"));
    match args.format {
        Some(ArchiveArg::Zip) => ArchiveFormat::Zip,
        None if by_name => ArchiveFormat::Zip,
        Some(ArchiveArg::Tar) | None => ArchiveFormat::Tar,
    }
}
