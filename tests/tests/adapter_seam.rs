//! A new kind of low-rank adapter is one file: the code that attaches, trains, merges, counts, reads and writes adapters names no kind.

use std::fs;
use std::path::Path;

/// What may: the table of kinds, the crate's list of modules, what has PEFT's switches, and the rules about other programs.
const NAME_THEM: [&str; 6] =
    ["kind.rs", "lib.rs", "config.rs", "config_file.rs", "init.rs", "portability.rs"];

/// The variants of `Kind`, in lower case, but for the plain one.
fn kinds(table: &str) -> Vec<String> {
    let variants = table.split("pub enum Kind {").nth(1).and_then(|rest| rest.split('}').next());
    let variants = variants.expect("kind.rs has the enum").lines().map(str::trim);
    let names =
        variants.filter_map(|line| Some(line.split_once('(')?.0)).filter(|line| !line.starts_with("//"));
    names.map(str::to_lowercase).filter(|name| name != "lora").collect()
}

#[test]
fn only_its_own_file_and_the_table_name_a_kind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/tooltune-lora/src");
    let kinds = kinds(&fs::read_to_string(folder.join("kind.rs")).expect("there"));
    assert!(kinds.len() >= 2, "{kinds:?}");
    let (mut folders, mut checked) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("there").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if NAME_THEM.contains(&name.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n").to_lowercase();
            for kind in kinds.iter().filter(|kind| name != format!("{kind}.rs")) {
                assert!(!code.contains(kind.as_str()), "{} names {kind}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked} files");
}
