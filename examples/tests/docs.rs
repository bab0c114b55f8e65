//! The guide shows what the code does.

use tooltune_examples::sample::{in_all_templates, sample};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/function-calling.md");
const START: &str = "<!-- printed by the example format_tool_calls -->\n\n";

#[test]
fn the_templates_in_the_guide_are_those_of_the_code() {
    let guide = std::fs::read_to_string(GUIDE).expect("the guide");
    let (_, shown) = guide.split_once(START).expect("the mark");
    assert_eq!(shown.trim_end(), in_all_templates(&sample(), None).trim_end());
}
