//! Modules form no circles: neither files, nor what lies directly under `src/` (a folder with all its files is one
//! there).
//!
//! A module **uses** another if its code holds a path into it, in a `use` line or elsewhere: `crate::a::B`,
//! `super::{a::B, c}`. What a module says of its ancestors and descendants is left out, for a parent lists and
//! re-exports its children. So is the code of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::crates::{CRATES, workspace};
use super::paths::paths;
use super::rust_files;

/// A module by the segments of its path in its crate; the root has none.
type Module = Vec<String>;

/// One module uses another.
#[derive(Clone, Debug)]
struct Edge {
    from: Module,
    to: Module,
    /// The path, and where it is written.
    written: String,
}

/// The module that a file holds; none if it holds tests.
fn module_of(file: &str) -> Option<Module> {
    let mut module: Module = file.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if matches!(module.last().map(String::as_str), Some("lib" | "main" | "mod")) {
        module.pop();
    }
    Some(module)
}

/// The innermost of `modules` on a path that is written in `from`.
fn target(modules: &BTreeSet<Module>, from: &Module, path: &[String]) -> Module {
    let mut rest = path;
    let mut module = from.clone();
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => module.clear(),
            "super" => drop(module.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    for segment in rest {
        module.push(segment.clone());
        if !modules.contains(&module) {
            module.pop();
            break;
        }
    }
    module
}

/// Which modules of one crate use which. `files` has the path of each file under `src/` and its text.
fn edges(files: &[(String, String)]) -> Vec<Edge> {
    let files: Vec<_> =
        files.iter().filter_map(|(file, text)| Some((file, module_of(file)?, text))).collect();
    let modules: BTreeSet<Module> = files.iter().map(|(_, module, _)| module.clone()).collect();
    let mut edges = Vec::new();
    for (file, from, text) in files {
        for (line, path) in paths(text) {
            let to = target(&modules, &from, &path);
            if !to.starts_with(&from) && !from.starts_with(&to) {
                let written = format!("{file}:{line}: {}", path.join("::"));
                edges.push(Edge { from: from.clone(), to, written });
            }
        }
    }
    edges
}

/// The same between what lies directly under `src/`.
fn between_folders(edges: &[Edge]) -> Vec<Edge> {
    let all = edges.iter().map(|Edge { from, to, written }| Edge {
        from: from[..1].to_vec(),
        to: to[..1].to_vec(),
        written: written.clone(),
    });
    all.filter(|edge| edge.from != edge.to).collect()
}

/// The largest sets of modules of which each uses each, directly or through others.
fn circles(edges: &[Edge]) -> BTreeSet<BTreeSet<Module>> {
    let mut uses: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for Edge { from, to, .. } in edges {
        uses.entry(from).or_default().insert(to);
    }
    // All that a module uses, directly or through others; itself if it is in a circle.
    let reached = |from: &Module| {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(next) = left.pop() {
            for to in uses.get(next).into_iter().flatten() {
                if reached.insert(*to) {
                    left.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        uses.keys().map(|module| (*module, reached(module))).collect();
    let circle_of = |module: &&Module| -> BTreeSet<Module> {
        let others = reached[module].iter();
        let back = others.filter(|to| reached.get(*to).is_some_and(|uses| uses.contains(module)));
        back.map(|member| (*member).clone()).collect()
    };
    reached.keys().map(circle_of).filter(|circle| !circle.is_empty()).collect()
}

/// The source files of a crate, each by its path under `src/`, with its text.
fn files_of(name: &str) -> Vec<(String, String)> {
    let folder = workspace().join(name).join("src");
    let files = rust_files(&folder).into_iter().map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), text)
    });
    files.collect()
}

#[test]
fn no_circles_between_modules() {
    for of in CRATES {
        let between_files = edges(&files_of(of.name));
        for edges in [between_folders(&between_files), between_files] {
            if let Some(circle) = circles(&edges).into_iter().next() {
                let members: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
                let inside =
                    |edge: &&Edge| circle.contains(&edge.from) && circle.contains(&edge.to);
                let written: Vec<&str> =
                    edges.iter().filter(inside).map(|edge| edge.written.as_str()).collect();
                panic!(
                    "modules of `{}` use each other in a circle; put what they share into a module below them. \
                     Members: {members:?}, by these paths: {written:#?}",
                    of.name
                );
            }
        }
    }
}

#[test]
fn uses_of_modules_are_seen() {
    for (of, from, to) in [
        ("operators", "timestamp_buffer", "time"),
        ("operators", "ledger::instrument::records", "ledger::instrument::application"),
        ("connectors", "files::config", "codecs"),
        ("connectors", "messages::config", "lines"), // written inline
        ("oracle", "outliers", "history"),
        ("serving", "subscribe::broadcaster", "subscribe::cursor"),
    ] {
        let edges = edges(&files_of(of));
        let is_seen = |edge: &Edge| edge.from.join("::") == from && edge.to.join("::") == to;
        assert!(edges.iter().any(is_seen), "`{from}` of `{of}` uses `{to}`, and it is not seen");
    }
}

#[test]
fn every_way_to_write_a_path_is_read() {
    let edges = |a: &str| {
        let files = [
            ("lib.rs", "pub mod a;"),
            ("a/mod.rs", a),
            ("a/own.rs", ""),
            ("b.rs", ""),
            ("b/c.rs", ""),
            ("d.rs", ""),
        ];
        let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
        edges(&files).into_iter().map(|edge| edge.to.join("::")).collect::<Vec<_>>()
    };
    for (text, want) in [
        ("use crate::b::c::X;", vec!["b::c"]),
        ("use super::d;", vec!["d"]),
        ("pub(crate) use self::super::d::X as c;", vec!["d"]),
        ("use crate::{b::{c::{X, self}, c as own}, d::*};", vec!["b::c", "b::c", "b::c", "d"]),
        ("use super::{\n    b::c,\n    d,\n};\nuse std::b::c;", vec!["b::c", "d"]),
        ("fn x() -> u8 {\n    crate::d::Y { y: 1 }.z::<super::b::c::C>()\n}", vec!["d", "b::c"]),
        ("use self::own::X;\nuse super::X;\npub use own::X;", vec![]),
        ("// use crate::d;\n/// [`X`](crate::d::X)\nstruct X; // of crate::d", vec![]),
        ("#[cfg(test)]\nmod tests {\n    use crate::d;\n}\nuse crate::b::c;", vec!["b::c"]),
        ("#[cfg(test)]\nuse crate::{\n    d::X,\n};\nuse crate::b::c;", vec!["b::c"]),
    ] {
        assert_eq!(edges(text), want, "{text}");
    }
}

#[test]
fn circles_are_found_between_files_and_between_folders() {
    let files = [
        ("a.rs", "mod x;\nmod y;"),
        ("a/x.rs", "use super::y;\nuse crate::c::z;"),
        ("a/y.rs", "use super::x;"),
        ("b.rs", "use crate::a::y;"),
        ("c.rs", ""),
        ("c/z.rs", ""),
        ("c/w.rs", "use crate::b;"),
        ("c/tests.rs", "use crate::a;"),
    ];
    let between_files = edges(&files.map(|(file, text)| (file.to_owned(), text.to_owned())));
    let names = |edges: &[Edge]| -> Vec<Vec<String>> {
        let circles = circles(edges).into_iter();
        circles.map(|circle| circle.iter().map(|module| module.join("::")).collect()).collect()
    };
    assert_eq!(names(&between_files), [["a::x", "a::y"]]);
    assert_eq!(names(&between_folders(&between_files)), [["a", "b", "c"]]);
}
