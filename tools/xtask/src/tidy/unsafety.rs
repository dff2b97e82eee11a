//! `unsafe` stands only under an `expect(unsafe_code, reason = "..")`, on an item around it or at the top of its file: the
//! compiler would take an `allow` without a reason as well, and not every package here has the lint.

use syn::visit::{self, Visit};

use super::Finding;
use super::source::Source;

const LINT: &str = "unsafe_code";

/// Checks every `unsafe`, and every attribute that lets it be.
pub fn check(source: &Source, found: &mut Vec<Finding>) {
    let is_expected = source.ast.attrs.iter().any(is_reasoned);
    Unsafes { path: &source.path, is_expected, found }.visit_file(&source.ast);
}

struct Unsafes<'a> {
    path: &'a str,
    is_expected: bool,
    found: &'a mut Vec<Finding>,
}

impl Unsafes<'_> {
    fn judge(&mut self, keyword: Option<&syn::token::Unsafe>) {
        let Some(keyword) = keyword.filter(|_| !self.is_expected) else { return };
        let fix = "do without, or write `#[expect(unsafe_code, reason = \"..\")]` on the item";
        self.found.push(Finding::new(self.path, keyword.span.start().line, "`unsafe` without a written reason", fix));
    }

    /// Visits what an item with these attributes holds.
    fn within(&mut self, attrs: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let outside = self.is_expected;
        self.is_expected |= attrs.iter().any(is_reasoned);
        visit(self);
        self.is_expected = outside;
    }
}

/// Returns the lint level that an attribute sets for `unsafe`, and whether it says why.
fn level(attr: &syn::Attribute) -> Option<(String, bool)> {
    let list = attr.meta.require_list().ok()?;
    let words: Vec<String> = list.tokens.clone().into_iter().map(|token| token.to_string()).collect();
    let is_named = words.iter().any(|word| word == LINT);
    is_named
        .then(|| (list.path.get_ident().map(ToString::to_string).unwrap_or_default(), words.contains(&"reason".into())))
}

fn is_reasoned(attr: &syn::Attribute) -> bool {
    level(attr).is_some_and(|(level, has_reason)| level == "expect" && has_reason)
}

impl<'ast> Visit<'ast> for Unsafes<'_> {
    fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
        let lets = level(attr).filter(|(level, has_reason)| level == "allow" || (level == "expect" && !has_reason));
        if lets.is_some() {
            let line = attr.pound_token.span.start().line;
            let fix = "write `#[expect(unsafe_code, reason = \"..\")]`";
            self.found.push(Finding::new(self.path, line, "`unsafe` is let be without a reason", fix));
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attrs: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::ForeignMod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            _ => &[],
        };
        self.within(attrs, |this| visit::visit_item(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.judge(signature.unsafety.as_ref());
        visit::visit_signature(self, signature);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.within(&block.attrs, |this| {
            this.judge(Some(&block.unsafe_token));
            visit::visit_expr_unsafe(this, block);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.judge(item.unsafety.as_ref());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.judge(item.unsafety.as_ref());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.judge(item.unsafety.as_ref());
        visit::visit_item_foreign_mod(self, item);
    }
}

#[cfg(test)]
mod tests;
