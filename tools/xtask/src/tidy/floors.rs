//! Floors: code in a module of `src/` names only modules of strictly lower floors, or its own.
//!
//! `lib.rs` and `main.rs` stand outside. Test code may also name modules of its own floor, but none above.

use super::Finding;
use super::source::{Form, Named, Source};

/// A set of modules that do not know each other.
struct Floor {
    label: &'static str,
    modules: &'static [&'static str],
}

/// From the ground up. `error` has a place of its own, so that floors 0 to 3 cannot name it.
const FLOORS: &[Floor] = &[
    Floor { label: "floor 0", modules: &["base"] },
    Floor { label: "floor 1", modules: &["format", "crypto", "chunker", "disk", "remote"] },
    Floor { label: "floor 2", modules: &["store", "folder", "path_remote"] },
    Floor { label: "floor 3", modules: &["tree"] },
    Floor { label: "below floor 4", modules: &["error"] },
    Floor { label: "floor 4", modules: &["ops", "view"] },
    Floor { label: "floor 5", modules: &["serve", "mount", "web", "agent"] },
    Floor { label: "floor 6", modules: &["cli"] },
];

/// Checks the floors and that nothing takes the crate's root whole.
pub fn check(source: &Source, found: &mut Vec<Finding>) {
    check_root_use(source, found);
    if !source.is_product() {
        return;
    }
    if source.is_root() {
        check_declared(source, found);
        return;
    }
    let own = source.module.first().map_or("", String::as_str);
    let Some(own_rank) = rank(own) else {
        found.push(no_floor(&source.path, 1, own));
        return;
    };
    for named in &source.named {
        let Some(target) = named.resolved().and_then(|path| path.first().cloned()) else { continue };
        if target == own {
            continue;
        }
        match rank(&target) {
            None => found.push(no_floor(&source.path, named.line, &target)),
            Some(target_rank) if target_rank < own_rank || (named.in_test && target_rank == own_rank) => {}
            Some(target_rank) => {
                let wrong =
                    format!("`{own}` ({}) names `{target}` ({})", FLOORS[own_rank].label, FLOORS[target_rank].label);
                found.push(Finding::new(
                    &source.path,
                    named.line,
                    wrong,
                    "name only lower floors: take a trait or a value instead, or move the code up",
                ));
            }
        }
    }
}

fn rank(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.modules.contains(&module))
}

fn no_floor(path: &str, line: usize, module: &str) -> Finding {
    let wrong = format!("`{module}` is a module without a floor");
    Finding::new(path, line, wrong, "name the module that holds the item, or add the module to the table of floors")
}

fn check_declared(source: &Source, found: &mut Vec<Finding>) {
    for declared in source.declared.iter().filter(|declared| declared.module.len() == 1 && !declared.in_test) {
        if rank(&declared.module[0]).is_none() {
            found.push(no_floor(&source.path, declared.line, &declared.module[0]));
        }
    }
}

fn check_root_use(source: &Source, found: &mut Vec<Finding>) {
    let taken_whole = |named: &&Named| {
        let is_root = if source.is_product() && !source.is_root() {
            named.resolved().is_some_and(|path| path.is_empty())
        } else {
            named.segments == ["crate"]
        };
        is_root && matches!(named.form, Form::Glob | Form::Leaf)
    };
    for named in source.named.iter().filter(taken_whole) {
        let wrong = "the crate's root is taken whole";
        found.push(Finding::new(&source.path, named.line, wrong, "name each module or item that is used"));
    }
}

#[cfg(test)]
mod tests;
