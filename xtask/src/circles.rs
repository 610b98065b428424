//! Finds circles of modules: files of one crate that need each other, through `use` or in a path.
//! Reads sources. Calls of methods are not seen: paths alone show which file knows which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Token, UseTree, Visibility};

/// The crates that are the product.
const PRODUCT: [&str; 7] = [
    "iso-core",
    "isodrive",
    "mount-erofs",
    "mount-fuse",
    "mount-winfsp",
    "sandbox",
    "windows-view",
];

/// A module by its path inside the crate; the root has none.
type Name = Vec<String>;

/// One `use` of a name, or of all names of a module.
struct Import {
    path: Vec<String>,
    /// The name it has here; `None` for `*`.
    alias: Option<String>,
    /// Names that are passed on to other modules do not make a module depend on what they mean.
    is_passed_on: bool,
}

/// What the file of a module defines and names.
#[derive(Default)]
struct Module {
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: Vec<Vec<String>>,
}

/// The modules of a crate.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Name, Module>,
}

/// Adds a complaint for each circle of each product crate.
pub fn check(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for name in PRODUCT {
        let source = root.join(name).join("src");
        let mut found = 0;
        for file in ["lib.rs", "main.rs"].map(|file| source.join(file)) {
            if file.is_file() {
                found += 1;
                let circles = Crate::read(&file)?.circles();
                complaints.extend(circles.iter().map(|circle| {
                    format!("{name}: modules need each other: {}", circle.join(" -> "))
                }));
            }
        }
        ensure!(found > 0, "{} has neither lib.rs nor main.rs", source.display());
    }
    Ok(())
}

impl Crate {
    fn read(file: &Path) -> Result<Self> {
        let mut read = Self::default();
        let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
        read.add(Vec::new(), file, &folder)?;
        Ok(read)
    }

    /// Reads a module, and those that it declares, whose files lie in `folder`.
    fn add(&mut self, name: Name, file: &Path, folder: &Path) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        for child in self.add_parsed(&name, &parsed) {
            let inside = folder.join(&child);
            let candidates = [folder.join(format!("{child}.rs")), inside.join("mod.rs")];
            let Some(path) = candidates.into_iter().find(|path: &PathBuf| path.is_file()) else {
                continue;
            };
            let name = name.iter().cloned().chain([child]).collect();
            self.add(name, &path, &inside)?;
        }
        Ok(())
    }

    /// Adds what a file holds, and gives the modules that it declares.
    fn add_parsed(&mut self, name: &Name, parsed: &syn::File) -> Vec<String> {
        let mut module = Module::default();
        let mut children = Vec::new();
        for item in &parsed.items {
            if let Item::Mod(child) = item
                && child.content.is_none()
                && !is_for_tests(&child.attrs)
            {
                children.push(child.ident.to_string());
            }
            module.items.extend(defined(item));
        }
        module.visit_file(parsed);
        self.modules.insert(name.clone(), module);
        children
    }

    /// The module that defines what a path in `from` means; `None` for other crates.
    fn definer(&self, from: &Name, path: &[String], depth: usize) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        let depth = depth.checked_sub(1)?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), rest, depth),
            "self" => self.walk(from.clone(), rest, depth),
            "super" => {
                let parent = from.split_last().map(|(_, parent)| parent.to_vec())?;
                let is_further = rest.first().is_some_and(|next| next == "super");
                if is_further {
                    self.definer(&parent, rest, depth)
                } else {
                    self.walk(parent, rest, depth)
                }
            }
            _ => self.step(from, first, rest, depth),
        }
    }

    /// Follows a path that begins inside `at`. What is not found there is of `at`, as a macro is.
    fn walk(&self, at: Name, path: &[String], depth: usize) -> Option<Name> {
        let Some((first, rest)) = path.split_first() else { return Some(at) };
        self.step(&at, first, rest, depth).or(Some(at))
    }

    /// Follows one name in `at`, then the rest of the path.
    fn step(&self, at: &Name, first: &String, rest: &[String], depth: usize) -> Option<Name> {
        let child: Name = at.iter().cloned().chain([first.clone()]).collect();
        if self.modules.contains_key(&child) {
            return self.walk(child, rest, depth);
        }
        let module = self.modules.get(at)?;
        if module.items.contains(first) {
            return Some(at.clone());
        }
        let named = module.imports.iter().find(|import| import.alias.as_ref() == Some(first));
        if let Some(import) = named {
            let path: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            // `use other::other` names a crate, not itself.
            return (import.path.first() != Some(first) || import.path.len() > 1)
                .then(|| self.definer(at, &path, depth))
                .flatten();
        }
        let all = module.imports.iter().filter(|import| import.alias.is_none());
        let mut within = all.filter_map(|import| self.definer(at, &import.path, depth));
        within.find(|name| self.modules.get(name).is_some_and(|m| m.items.contains(first)))
    }

    /// Which modules each module needs. What a module holds in a folder of its own is a part of
    /// it: the door of the folder may know its rooms.
    fn arrows(&self) -> BTreeMap<&Name, BTreeSet<Name>> {
        const MOST_STEPS: usize = 32;
        let mut arrows = BTreeMap::new();
        for (name, module) in &self.modules {
            let imports = module.imports.iter().filter(|import| !import.is_passed_on);
            let used = imports.map(|import| &import.path).chain(&module.paths);
            let needed = used.filter_map(|path| self.definer(name, path, MOST_STEPS));
            arrows.insert(name, needed.filter(|other| !other.starts_with(name)).collect());
        }
        arrows
    }

    /// One shortest circle for each set of modules that need each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let arrows = self.arrows();
        let mut seen: BTreeSet<Name> = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.modules.keys() {
            if seen.contains(start) {
                continue;
            }
            if let Some(circle) = shortest_circle(&arrows, start) {
                seen.extend(circle.iter().cloned());
                circles.push(circle.iter().map(shown).collect());
            }
        }
        circles
    }
}

/// The shortest way from a module back to itself.
fn shortest_circle(arrows: &BTreeMap<&Name, BTreeSet<Name>>, start: &Name) -> Option<Vec<Name>> {
    let mut ways: VecDeque<Vec<Name>> = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| arrows.get(last)).into_iter().flatten() {
            let longer: Vec<Name> = way.iter().cloned().chain([next.clone()]).collect();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

fn shown(name: &Name) -> String {
    if name.is_empty() { "crate".to_owned() } else { name.join("::") }
}

/// Whether code is compiled for tests alone, which may look anywhere.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Mod(item) if item.content.is_some() => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// All names of a `use`.
fn imported(tree: &UseTree, before: &[String], is_passed_on: bool, imports: &mut Vec<Import>) {
    let joined = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(path) => {
            imported(&path.tree, &joined(path.ident.to_string()), is_passed_on, imports);
        }
        UseTree::Name(name) if name.ident == "self" => {
            let alias = before.last().cloned();
            imports.push(Import { path: before.to_vec(), alias, is_passed_on });
        }
        UseTree::Name(name) => {
            let alias = Some(name.ident.to_string());
            imports.push(Import { path: joined(name.ident.to_string()), alias, is_passed_on });
        }
        UseTree::Rename(name) => {
            let alias = Some(name.rename.to_string());
            imports.push(Import { path: joined(name.ident.to_string()), alias, is_passed_on });
        }
        UseTree::Glob(_) => {
            imports.push(Import { path: before.to_vec(), alias: None, is_passed_on });
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                imported(tree, before, is_passed_on, imports);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            let is_passed_on = !matches!(item.vis, Visibility::Inherited);
            imported(&item.tree, &[], is_passed_on, &mut self.imports);
        }
    }

    /// `pub(super)` says who may see an item, and needs nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// Most macros take expressions; others name nothing that counts.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        visit::visit_macro(self, called);
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = called.parse_body_with(parser) {
            for path in arguments.iter().flat_map(paths_in) {
                self.paths.push(path);
            }
        }
    }
}

/// The paths in an expression that does not outlive the macro it stands in.
fn paths_in(expression: &Expr) -> Vec<Vec<String>> {
    let mut inner = Module::default();
    inner.visit_expr(expression);
    inner.paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut made = Crate::default();
        for (name, text) in files {
            let name = name.split("::").filter(|part| !part.is_empty()).map(str::to_owned);
            made.add_parsed(&name.collect(), &syn::parse_file(text).unwrap());
        }
        made.circles()
    }

    #[test]
    fn a_planted_circle_is_found() {
        for (files, circle) in [
            (
                vec![
                    ("", ""),
                    ("a", "use crate::b::B; pub struct A;"),
                    ("b", "use super::a::A; pub struct B;"),
                ],
                vec!["a", "b", "a"],
            ),
            // Through the door of a folder, which passes on what is inside it.
            (
                vec![
                    ("", ""),
                    ("door", "mod inner; pub use inner::Inner;"),
                    ("door::inner", "pub struct Inner; fn f() { crate::user::go() }"),
                    ("user", "use crate::door::Inner; pub fn go() {}"),
                ],
                vec!["door::inner", "user", "door::inner"],
            ),
            // In an argument of a macro, and under another name.
            (
                vec![
                    ("", ""),
                    ("a", "use crate::b as to; fn f() { say!(to::V) } pub const N: u8 = 1;"),
                    ("b", "pub const V: u8 = crate::a::N;"),
                ],
                vec!["a", "b", "a"],
            ),
        ] {
            assert_eq!(circles_of(&files), [circle], "{files:?}");
        }
    }

    #[test]
    fn arrows_in_one_direction_are_no_circle() {
        let inside_tests = "#[cfg(test)] mod tests { use crate::a::A; } pub struct B;";
        for files in [
            vec![("", ""), ("a", "use crate::b::B; pub struct A;"), ("b", inside_tests)],
            vec![("", "mod a; pub use a::A;"), ("a", "pub struct A; use std::fmt;")],
            vec![
                ("", ""),
                ("door", "mod x; mod y; pub use x::X;"),
                ("door::x", "pub struct X;"),
                ("door::y", "use super::X;"),
            ],
        ] {
            assert_eq!(circles_of(&files), Vec::<Vec<String>>::new(), "{files:?}");
        }
    }
}
