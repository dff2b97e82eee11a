//! Every verb explains itself, and what it shows as an example is understood.

use clap::{Command, CommandFactory};

use super::*;

/// Splits a line as a shell does, as far as the examples go: quotes, and the end at a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(end)) if c == end => quote = None,
            ('>', None) => break,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Walks a command and all below it; `path` is how it is typed.
fn check(command: &Command, path: &str, seen: &mut Vec<String>) {
    let after = command.get_after_help().unwrap_or_else(|| panic!("{path} has no example")).to_string();
    let examples: Vec<_> = after.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(after.starts_with("Example"), "{path}: {after}");
    assert!(examples.first().is_some_and(|line| line.starts_with(path)), "{path}: {after}");
    for line in examples {
        if let Err(error) = CommandLine::try_parse_from(words(line)) {
            panic!("the example {line:?} of {path} is not understood: {error}");
        }
    }
    for arg in command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help") {
        assert!(
            arg.get_help().is_some_and(|help| !help.to_string().is_empty()),
            "{path}: {} says nothing",
            arg.get_id()
        );
    }
    assert!(command.get_about().is_some(), "{path} does not say what it does");
    seen.push(path.to_owned());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        check(below, &format!("{path} {}", below.get_name()), seen);
    }
}

#[test]
fn every_verb_has_an_example_that_is_understood() {
    let mut seen = Vec::new();
    check(&CommandLine::command(), "chunkstore", &mut seen);
    assert!(seen.len() >= 24 && seen.contains(&"chunkstore remote add".to_owned()), "{seen:?}");
    CommandLine::command().debug_assert();
}
