//! The guide shows what the code does.

use tooltune::lora::portability::{Consumer, Effect, Feature, RULES};
use tooltune_examples::sample::{in_all_templates, sample};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/function-calling.md");
const START: &str = "<!-- printed by the example format_tool_calls -->\n\n";

#[test]
fn the_templates_in_the_guide_are_those_of_the_code() {
    let guide = std::fs::read_to_string(GUIDE).expect("the guide");
    let (_, shown) = guide.split_once(START).expect("the mark");
    assert_eq!(shown.trim_end(), in_all_templates(&sample(), None).trim_end());
}

#[test]
fn the_table_of_who_loads_what_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lora.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let features = [
        ("rank above 16", Feature::LargeRank),
        ("rsLoRA", Feature::RsLora),
        ("ranks that differ", Feature::RankPattern),
        ("alphas that differ", Feature::AlphaPattern),
        ("alpha no whole number", Feature::FractionalAlpha),
        ("some layers only", Feature::SomeLayers),
        ("DoRA", Feature::Dora),
        ("embedding", Feature::Embedding),
        ("head", Feature::Head),
        ("trained tokens", Feature::TokenRows),
        ("added tokens", Feature::AddedTokens),
        ("whole modules", Feature::ModulesToSave),
    ];
    let consumers: Vec<String> = Consumer::ALL.iter().map(ToString::to_string).collect();
    let (_, table) = guide.split_once(&format!("| | {} |", consumers.join(" | "))).expect("the table");
    let mut said = 0;
    for (label, feature) in features {
        let start = format!("| {label} | ");
        let row =
            table.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{label}"));
        for (consumer, cell) in Consumer::ALL.into_iter().zip(row.split('|').map(str::trim)) {
            let rule = RULES.iter().find(|rule| rule.consumer == consumer && rule.feature == feature);
            let expected = match rule.map(|rule| rule.effect) {
                None => "yes",
                Some(Effect::Needs) => "enlarge",
                Some(Effect::Refuses) => "–",
                Some(Effect::Misreads) => "✗",
            };
            assert!(
                cell.starts_with(expected),
                "{label}, {consumer}: {cell:?} where the rules say {expected:?}"
            );
            said += usize::from(rule.is_some());
        }
    }
    assert_eq!(said, RULES.len(), "a rule has no row");
}
