//! The shape of a file: it opens with its idea, and neither it nor any function in it is long.

use syn::visit::{self, Visit};

use super::Finding;
use super::source::Source;

const FILE_MAX_LINES: usize = 1000;
const FUNCTION_MAX_LINES: usize = 70;
/// Stands before the written reason in a comment directly above a long function.
const EXCUSE: &str = "// tidy: long because ";
/// How a file may open; the second form takes the idea from a document.
const OPENINGS: &[&str] = &["//! ", "#![doc = include_str!("];

/// Checks the opening and the lengths.
pub fn check(source: &Source, found: &mut Vec<Finding>) {
    let opens = OPENINGS.iter().any(|opening| source.text.starts_with(opening));
    if !opens {
        let fix = "say the file's idea and its limits on the first lines";
        found.push(Finding::new(&source.path, 1, "does not open with `//! `", fix));
    }
    let lines: Vec<&str> = source.text.lines().collect();
    if lines.len() > FILE_MAX_LINES {
        let wrong = format!("{} lines, {FILE_MAX_LINES} are allowed", lines.len());
        found.push(Finding::new(&source.path, lines.len(), wrong, "split the file by idea"));
    }
    Functions { path: &source.path, lines: &lines, found }.visit_file(&source.ast);
}

struct Functions<'a> {
    path: &'a str,
    lines: &'a [&'a str],
    found: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn judge(&mut self, attrs: &[syn::Attribute], sig: &syn::Signature, block: &syn::Block) {
        let first = sig.fn_token.span.start().line;
        let length = block.brace_token.span.close().end().line + 1 - first;
        let with_attributes = attrs.first().map_or(first, |attr| attr.pound_token.span.start().line);
        if length <= FUNCTION_MAX_LINES || self.is_excused(first) || self.is_excused(with_attributes) {
            return;
        }
        let wrong = format!("function `{}` has {length} lines, {FUNCTION_MAX_LINES} are allowed", sig.ident);
        let fix = format!("split it, or write `{EXCUSE}<reason>` directly above it");
        self.found.push(Finding::new(self.path, first, wrong, fix));
    }

    /// Returns whether the comment that ends directly above a line holds a reason.
    fn is_excused(&self, line: usize) -> bool {
        let above = self.lines.get(..line.saturating_sub(1)).unwrap_or_default().iter().rev().map(|line| line.trim());
        let is_comment = |line: &&str| line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!");
        above.take_while(is_comment).any(|line| line.strip_prefix(EXCUSE).is_some_and(|reason| !reason.is_empty()))
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.judge(&item.attrs, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.judge(&item.attrs, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.judge(&item.attrs, &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests;
