//! The rules of ARCHITECTURE.md that a compiler does not check: who may depend on whom, which backend is enabled where, how long a file may
//! be, what library code may not call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate → the crates of the workspace that it may use. A new edge is a decision: ARCHITECTURE.md has the same table.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("tooltune-chat", &[]),
    ("tooltune-kernels", &[]),
    ("tooltune-lm", &["tooltune-kernels"]),
    ("tooltune-gemma2", &["tooltune-kernels", "tooltune-lm"]),
    ("tooltune-lora", &["tooltune-kernels", "tooltune-lm"]),
    ("tooltune-sft", &["tooltune-chat", "tooltune-kernels", "tooltune-lm"]),
    ("tooltune-eval", &["tooltune-chat"]),
    (
        "tooltune",
        &[
            "tooltune-chat",
            "tooltune-eval",
            "tooltune-gemma2",
            "tooltune-kernels",
            "tooltune-lm",
            "tooltune-lora",
            "tooltune-sft",
        ],
    ),
];
/// Packages that may use everything, the facade included.
const FRONT: [&str; 3] = ["tooltune-benches", "tooltune-examples", "tooltune-tests"];
/// Features of Burn that bring a backend, or part of one.
const BACKENDS: [&str; 16] = [
    "accelerate",
    "blas-netlib",
    "cpu",
    "cubecl",
    "cuda",
    "flex",
    "metal",
    "ndarray",
    "openblas",
    "rayon",
    "remote",
    "rocm",
    "simd",
    "tch",
    "vulkan",
    "wgpu",
];
const BURN: &str = "=0.22.1";
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn metadata(arguments: &[&str]) -> Value {
    let text = cargo(&[&["metadata", "--format-version", "1", "--locked"], arguments].concat());
    serde_json::from_str(&text).expect("JSON")
}

/// The packages of the workspace, by name.
fn members() -> BTreeMap<String, Value> {
    let metadata = metadata(&["--no-deps"]);
    array(&metadata["packages"]).iter().map(|package| (text(&package["name"]), package.clone())).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Normal and build dependencies; tests may use what they like.
fn shipped(package: &Value) -> impl Iterator<Item = &Value> {
    array(&package["dependencies"]).iter().filter(|dependency| dependency["kind"] != "dev")
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let members = members();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).chain(FRONT).collect();
    assert_eq!(members.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "packages without a rule");
    for (name, allowed) in ALLOWED {
        let uses = shipped(&members[name]).map(|dependency| text(&dependency["name"]));
        let uses: BTreeSet<String> = uses.filter(|name| members.contains_key(name)).collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let new: Vec<&String> = uses.difference(&allowed).collect();
        assert!(
            new.is_empty(),
            "{name} may not depend on {new:?}; see ARCHITECTURE.md, \"Who may know whom\""
        );
    }
}

#[test]
fn chat_and_eval_build_without_burn() {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    // For this platform: what other platforms need may not be downloaded.
    let metadata = metadata(&["--filter-platform", host]);
    let nodes = array(&metadata["resolve"]["nodes"]);
    let nodes: BTreeMap<String, &Value> = nodes.iter().map(|node| (text(&node["id"]), node)).collect();
    let packages = array(&metadata["packages"]);
    let names: BTreeMap<String, String> =
        packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    for crate_name in ["tooltune-chat", "tooltune-eval"] {
        let start = names.iter().find(|(_, name)| *name == crate_name).expect("a member").0.clone();
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            for dependency in array(&nodes[&id]["deps"]) {
                let shipped = array(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
                let id = text(&dependency["pkg"]);
                if shipped && seen.insert(id.clone()) {
                    open.push(id);
                }
            }
        }
        assert!(seen.len() > 3, "{crate_name} has dependencies: {seen:?}");
        let burn: Vec<&String> = seen.iter().map(|id| &names[id]).filter(|name| is_burn(name)).collect();
        assert!(burn.is_empty(), "{crate_name} depends on {burn:?}");
    }
}

fn is_burn(name: &str) -> bool {
    name == "burn" || name.starts_with("burn-") || name.starts_with("cubecl")
}

#[test]
fn libraries_enable_no_backend_and_burn_is_pinned() {
    for (name, package) in members() {
        for dependency in array(&package["dependencies"]) {
            if is_burn(&text(&dependency["name"])) {
                assert_eq!(dependency["req"], BURN, "{name}: {}", dependency["name"]);
                assert_eq!(dependency["uses_default_features"], false, "{name}: {}", dependency["name"]);
            }
        }
        if FRONT.contains(&name.as_str()) {
            continue;
        }
        for dependency in shipped(&package).filter(|dependency| is_burn(&text(&dependency["name"]))) {
            let features: Vec<String> = array(&dependency["features"]).iter().map(text).collect();
            let backend = features.iter().find(|feature| BACKENDS.contains(&feature.as_str()));
            assert_eq!(backend, None, "{name} enables a backend of Burn for everybody");
            if dependency["name"] != "burn" {
                assert_eq!(dependency["optional"], true, "{name}: {} is a backend", dependency["name"]);
            }
        }
        for (feature, enables) in package["features"].as_object().expect("features") {
            let burn =
                array(enables).iter().map(text).filter_map(|e| e.strip_prefix("burn/").map(str::to_owned));
            let backends: Vec<String> = burn.filter(|feature| BACKENDS.contains(&feature.as_str())).collect();
            let may = name == "tooltune" || (name == "tooltune-kernels" && feature == "cpu");
            assert!(may || backends.is_empty(), "{name}: feature {feature} enables {backends:?}");
            let default = feature == "default" && name != "tooltune";
            assert!(!default || enables == &Value::Array(vec![]), "{name} has default features");
        }
    }
}

#[test]
fn packages_share_edition_and_rust_version_and_only_crates_are_published() {
    for (name, package) in members() {
        assert_eq!(package["edition"], "2024", "{name}");
        assert_eq!(package["rust_version"], "1.95", "{name}");
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        let unpublished = package["publish"] == Value::Array(vec![]);
        assert_eq!(unpublished, FRONT.contains(&name.as_str()), "{name}: publish is {}", package["publish"]);
    }
}

/// Every source file of the library crates, with its text.
fn library_sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = entries(&root().join("crates")).map(|krate| krate.join("src")).collect();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 50, "only {} source files found", sources.len());
    sources
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("readable").path())
}

#[test]
fn no_library_file_is_too_long() {
    for (path, text) in library_sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it: at most {MAX_LINES}", path.display());
    }
}

/// Clippy sees most of these; not all, and not where a lint is allowed.
const FORBIDDEN: [&str; 10] = [
    "println!",
    "eprintln!",
    "print!(",
    "dbg!",
    "todo!",
    "unimplemented!",
    "panic!",
    ".unwrap()",
    ".unwrap_err()",
    ".expect(",
];

#[test]
fn library_code_neither_prints_nor_panics() {
    let sources = library_sources();
    let test_modules: BTreeSet<PathBuf> =
        sources.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    let mut found = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| !test_modules.contains(path)) {
        for (index, line) in without_tests(text).lines().enumerate() {
            let code = line.trim_start();
            if !code.starts_with("//") && FORBIDDEN.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{}: {code}", path.display(), index + 1));
            }
        }
    }
    assert!(found.is_empty(), "return an error instead:\n{}", found.join("\n"));
}

/// The text before its module of tests, which is the last thing in a file.
fn without_tests(text: &str) -> &str {
    let start = text.find("#[cfg(test)]\nmod tests {").or_else(|| text.find("#[cfg(test)]\r\nmod tests {"));
    &text[..start.unwrap_or(text.len())]
}

/// Files that a file declares as `#[cfg(test)] mod name;`.
fn test_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
    names.map(|name| path.with_file_name(format!("{name}.rs"))).collect()
}
