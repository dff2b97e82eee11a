//! Floor 6: the command line. Only here is the environment read, a person asked, a line printed, an exit code chosen.
//!
//! Raw flags (`args`) become checked settings, settings make a context, a verb runs in it, and what came of it becomes
//! an exit code. Names, exit codes and JSON are a contract; the JSON is written down below.
//!
#![doc = include_str!("cli/json.md")]

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind as ClapErrorKind;

use crate::error::{Error, ErrorKind, Result};

mod agent;
mod args;
mod config;
mod context;
mod copies;
mod demo;
mod environment;
mod fingerprint;
mod notices;
mod outcome;
mod output;
mod paper;
mod passphrase;
mod progress;
mod pulled;
mod quantities;
mod remotes;
mod report;
mod settings;
mod signals;
mod verbs;

/// Runs what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(windows)]
    crate::disk::drives::show_no_dialogs();
    let line = match args::CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return refuse_line(&error),
    };
    let json = line.global.json && !line.verb.writes_bytes();
    let quiet = line.global.quiet;
    let mut surroundings = environment::Environment::read();
    if line.verb.is_of_the_machine() {
        surroundings = surroundings.of_the_machine();
    }
    let settings = match line.verb {
        args::Verb::Agent(_) => settings::Settings::in_parts(line.global, surroundings),
        _ => settings::Settings::new(line.global, surroundings),
    };
    let copies = line.verb.copies().map(settings::CopySettings::new).transpose();
    let settings = settings.and_then(|settings| Ok(settings::Settings { copies: copies?, ..settings }));
    let color = settings.as_ref().is_ok_and(|settings| settings.color);
    let output = Arc::new(output::Output::stdout(json, quiet, color));
    let ended = settings.and_then(|settings| carry_out(&line.verb, settings, &output));
    ExitCode::from(conclude(ended, &output))
}

/// Checks the text of a configuration file, as a run would read it.
///
/// # Errors
/// [`ErrorKind::Usage`] with line and column where it is not understood.
pub fn check_config(text: &str) -> Result<()> {
    config::Config::parse(text, std::path::Path::new("config.toml")).map(drop)
}

fn carry_out(
    verb: &args::Verb,
    settings: settings::Settings,
    output: &Arc<output::Output>,
) -> Result<outcome::Outcome> {
    let context = context::Context::new(settings, Arc::clone(output));
    let media = Arc::new(verbs::media(verb, &context));
    let told = Arc::clone(output);
    let end = move |error: &Error| end_now(error, &told);
    pulled::watch(Arc::clone(&media), Arc::clone(&context.clock), end)?;
    let outcome = pulled::settle(verbs::run(verb, &context), &media, context.clock.as_ref())?;
    output.flush()?;
    Ok(outcome)
}

/// Ends the process from beside a run that waits for something.
#[expect(clippy::disallowed_methods, reason = "main does not return while the run waits")]
fn end_now(error: &Error, output: &output::Output) {
    pulled::take_last_word();
    tell(error);
    output.event(&report::as_json(error));
    std::process::exit(error.kind().exit_code().into());
}

/// Shows help and versions on stdout, wrong usage on stderr.
fn refuse_line(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion) {
        // What cannot be shown has nowhere to go; a closed pipe is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    // It repeats what was typed, and a shell may have put names of files there.
    let notices = notices::Notices::default();
    error.to_string().trim_end().lines().for_each(|line| notices.line(&output::on_one_line(line)));
    ExitCode::from(ErrorKind::Usage.exit_code())
}

/// Tells of an error and returns the exit code.
fn conclude(ended: Result<outcome::Outcome>, output: &output::Output) -> u8 {
    pulled::take_last_word();
    let error = match ended {
        Ok(outcome) => return outcome.exit_code(),
        // Whoever closed the pipe has read what it wanted.
        Err(error) if output.is_closed() && error.kind() == ErrorKind::Other => return 0,
        Err(error) => error,
    };
    tell(&error);
    output.event(&report::as_json(&error));
    error.kind().exit_code()
}

fn tell(error: &Error) {
    let notices = notices::Notices::default();
    notices.line(&format!("chunkstore: {}", report::sentence(error)));
    if let Some(hint) = report::hint(error.kind()) {
        notices.line(&format!("hint: {hint}"));
    }
}
