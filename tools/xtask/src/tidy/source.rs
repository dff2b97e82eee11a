//! One parsed Rust file and every name that its code speaks: paths, macros, method calls.
//!
//! `use` trees are flattened to one path each. Inside macro calls there is no syntax to go by, so tokens that
//! look like a path, a macro call or a method call are taken for one.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Finding;

/// How a name was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A path in code, outside `use`.
    Path,
    /// A `use` of everything below the path.
    Glob,
    /// One leaf of a `use` that is no glob.
    Leaf,
    /// A macro call.
    Macro,
    /// A method call; the only segment is the method.
    Method,
}

/// A name that code speaks.
#[derive(Debug, Clone)]
pub struct Named {
    /// The segments as written; `$crate` is `crate`.
    pub segments: Vec<String>,
    /// The line, from 1.
    pub line: usize,
    /// The module that it stands in, from the crate's root.
    pub module: Vec<String>,
    /// Only compiled for tests.
    pub in_test: bool,
    /// How.
    pub form: Form,
}

impl Named {
    /// Returns the path from the crate's root, or none if it does not start at `crate`, `self` or `super`.
    pub fn resolved(&self) -> Option<Vec<String>> {
        let mut rest = self.segments.iter().map(String::as_str).peekable();
        let mut absolute = match *rest.peek()? {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        rest.next_if(|first| matches!(*first, "crate" | "self"));
        while rest.next_if_eq(&"super").is_some() {
            absolute.pop()?;
        }
        absolute.extend(rest.map(str::to_owned));
        Some(absolute)
    }
}

/// A module that a file declares.
#[derive(Debug)]
pub struct Declared {
    /// The path from the crate's root.
    pub module: Vec<String>,
    /// The line, from 1.
    pub line: usize,
    /// Only compiled for tests.
    pub in_test: bool,
}

/// One parsed file.
pub struct Source {
    /// The path relative to the repository, with `/`.
    pub path: String,
    /// The text.
    pub text: String,
    /// The syntax.
    pub ast: syn::File,
    /// The module's path from the crate's root; only right below `src/`.
    pub module: Vec<String>,
    /// What the code names, in order.
    pub named: Vec<Named>,
    /// The modules that the file declares, in order.
    pub declared: Vec<Declared>,
}

impl Source {
    /// Parses a file; the finding says where that failed.
    pub fn parse(path: &str, text: String) -> Result<Self, Finding> {
        let ast = syn::parse_file(&text).map_err(|error| {
            let line = error.span().start().line;
            Finding::new(path, line, format!("cannot be parsed: {error}"), "make it compile")
        })?;
        let module = module_of(path);
        let in_test = is_test_file(path);
        let mut collector = Collector { module: module.clone(), in_test, named: Vec::new(), declared: Vec::new() };
        collector.visit_file(&ast);
        let Collector { named, declared, .. } = collector;
        Ok(Self { path: path.to_owned(), text, ast, module, named, declared })
    }

    /// Returns whether the file is part of the program.
    pub fn is_product(&self) -> bool {
        self.path.starts_with("src/")
    }

    /// Returns whether the file is the root of the library or of the binary.
    pub fn is_root(&self) -> bool {
        matches!(self.path.as_str(), "src/lib.rs" | "src/main.rs")
    }
}

/// Marks what stands in files that another file declares under `#[cfg(test)]`.
pub fn mark_test_modules(sources: &mut [Source]) {
    let for_tests: Vec<Vec<String>> = sources
        .iter()
        .filter(|source| source.is_product())
        .flat_map(|source| source.declared.iter().filter(|declared| declared.in_test))
        .map(|declared| declared.module.clone())
        .collect();
    for source in sources.iter_mut().filter(|source| source.is_product()) {
        if for_tests.iter().any(|module| source.module.starts_with(module)) {
            source.named.iter_mut().for_each(|named| named.in_test = true);
        }
    }
}

fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let mut module: Vec<String> = inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let named_by_place = module.last().is_some_and(|last| last == "mod");
    if named_by_place || matches!(path, "src/lib.rs" | "src/main.rs") {
        module.pop();
    }
    module
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

struct Collector {
    module: Vec<String>,
    in_test: bool,
    named: Vec<Named>,
    declared: Vec<Declared>,
}

impl Collector {
    fn push(&mut self, segments: Vec<String>, line: usize, form: Form) {
        let (module, in_test) = (self.module.clone(), self.in_test);
        self.named.push(Named { segments, line, module, in_test, form });
    }

    /// Runs `inside` with the test mark that the attributes add.
    fn within(&mut self, attrs: &[syn::Attribute], inside: impl FnOnce(&mut Self)) {
        let outside = self.in_test;
        self.in_test |= attrs.iter().any(is_test_attribute);
        inside(self);
        self.in_test = outside;
    }

    fn flatten_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.flatten_use(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.flatten_use(prefix, tree)),
            syn::UseTree::Glob(glob) => self.push(prefix.to_vec(), line_of(glob.star_token.span), Form::Glob),
            syn::UseTree::Name(syn::UseName { ident }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                let itself = ident == "self" && !prefix.is_empty();
                let segments = if itself { prefix.to_vec() } else { with(ident) };
                self.push(segments, line_of(ident.span()), Form::Leaf);
            }
        }
    }

    fn scan(&mut self, tokens: TokenStream, with_strings: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(first) => {
                    let (segments, next) = path_at(&tokens, at);
                    let form = form_of(&tokens, at, next, segments.len());
                    self.push(segments, line_of(first.span()), form);
                    at = next;
                    continue;
                }
                TokenTree::Group(group) => self.scan(group.stream(), with_strings),
                TokenTree::Literal(literal) if with_strings => {
                    self.path_in_string(&literal.to_string(), line_of(literal.span()));
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Takes a string in an attribute for a path if it is one: `#[serde(with = "crate::x")]`.
    fn path_in_string(&mut self, literal: &str, line: usize) {
        if let Ok(path) = syn::parse_str::<syn::LitStr>(literal).and_then(|text| text.parse::<syn::Path>()) {
            self.push(segments_of(&path), line, Form::Path);
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.within(attributes_of(item), |this| visit::visit_item(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        let (module, line) = (self.module.clone(), line_of(item.ident.span()));
        self.declared.push(Declared { module, line, in_test: self.in_test });
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten_use(&[], &item.tree);
        visit::visit_item_use(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            self.push(segments_of(path), line_of(first.ident.span()), Form::Path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if let Some(first) = called.path.segments.first() {
            self.push(segments_of(&called.path), line_of(first.ident.span()), Form::Macro);
        }
        self.scan(called.tokens.clone(), false);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.push(vec![call.method.to_string()], line_of(call.method.span()), Form::Method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        match &attribute.meta {
            // A condition holds names of its own, no paths.
            syn::Meta::List(list) if !list.path.is_ident("cfg") => self.scan(list.tokens.clone(), true),
            _ => {}
        }
    }
}

fn line_of(span: proc_macro2::Span) -> usize {
    span.start().line
}

fn segments_of(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Reads `a::b::c` from the identifier at `at`; returns the segments and the place after them.
fn path_at(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    let mut segments = vec![tokens[at].to_string()];
    let mut next = at + 1;
    while is_colon(next) && is_colon(next + 1) {
        let Some(TokenTree::Ident(ident)) = tokens.get(next + 2) else { break };
        segments.push(ident.to_string());
        next += 3;
    }
    (segments, next)
}

/// Tells from the tokens around a path what it is.
fn form_of(tokens: &[TokenTree], start: usize, next: usize, segments: usize) -> Form {
    let is = |at: Option<usize>, wanted: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    let before = start.checked_sub(1);
    let called =
        matches!(tokens.get(next), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    if is(Some(next), '!') && matches!(tokens.get(next + 1), Some(TokenTree::Group(_))) {
        Form::Macro
    } else if segments == 1 && called && is(before, '.') {
        Form::Method
    } else {
        Form::Path
    }
}

fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition: String = list.tokens.to_string().split_whitespace().collect();
            condition == "test" || condition.starts_with("all(test,") || condition == "all(test)"
        }
        _ => false,
    }
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
