//! Names that say nothing: modules for leftovers, types that end in a role instead of a thing.

use syn::visit::{self, Visit};

use super::Finding;
use super::source::Source;

const BANNED_MODULES: &[&str] = &["util", "utils", "common", "misc", "types", "core", "helpers"];
const BANNED_ENDINGS: &[&str] = &["Manager", "Helper", "Handler", "Info"];

/// Checks the names of modules and types that a file declares.
pub fn check(source: &Source, found: &mut Vec<Finding>) {
    for declared in &source.declared {
        let name = declared.module.last().map_or("", String::as_str);
        if BANNED_MODULES.contains(&name) {
            let wrong = format!("`{name}` names no idea");
            found.push(Finding::new(&source.path, declared.line, wrong, "name the module after what it holds"));
        }
    }
    Types { path: &source.path, found }.visit_file(&source.ast);
}

struct Types<'a> {
    path: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Types<'_> {
    fn judge(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if let Some(ending) = BANNED_ENDINGS.iter().find(|ending| name.ends_with(**ending)) {
            let wrong = format!("type `{name}` ends in `{ending}`");
            let fix = "name the type after the thing that it is";
            self.found.push(Finding::new(self.path, ident.span().start().line, wrong, fix));
        }
    }
}

impl<'ast> Visit<'ast> for Types<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Enum(item) => self.judge(&item.ident),
            syn::Item::Struct(item) => self.judge(&item.ident),
            syn::Item::Trait(item) => self.judge(&item.ident),
            syn::Item::Type(item) => self.judge(&item.ident),
            syn::Item::Union(item) => self.judge(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

#[cfg(test)]
mod tests;
