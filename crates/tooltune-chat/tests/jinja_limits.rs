//! Hostile templates end in bounded time and memory. One test in a binary of its own: it reads the peak of the
//! process.
#![cfg(feature = "jinja")]
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use tooltune_chat::{
    ChatTemplate, Conversation, Error, JinjaError, JinjaLimits, JinjaOptions, JinjaTemplate, Message,
    TurnSpans,
};

const MIB: u64 = 1 << 20;
/// How far the peak may rise above the start.
const MAX_RISE: u64 = 256 * MIB;
const MAX_TIME: Duration = Duration::from_secs(20);

/// The peak of the process's memory in bytes; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// `count` times around `body`.
fn loops(count: usize, body: &str) -> String {
    format!(
        "{{% set ns = namespace(x='ab', l=[1, 2], d={{}}) %}}{{% for i in range({count}) %}}{body}{{% endfor %}}"
    )
}

fn hostile() -> Vec<(&'static str, String)> {
    let nested = |open: &str, close: &str, count: usize| open.repeat(count) + "1" + &close.repeat(count);
    let deep_macros = |count: usize| {
        (0..count).fold(String::new(), |mut out, i| {
            let _ = write!(
                out,
                "{{% macro m{i}() %}}{}{{% endmacro %}}",
                if i == 0 { "x".to_owned() } else { format!("{{{{ m{0}() }}}}{{{{ m{0}() }}}}", i - 1) }
            );
            out
        }) + &format!("{{{{ m{}() }}}}", count - 1)
    };
    let mut cases = vec![
        ("double with ~", loops(100, "{% set ns.x = ns.x ~ ns.x %}")),
        ("double with +", loops(100, "{% set ns.x = ns.x + ns.x %}")),
        ("double in a block", loops(100, "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}")),
        ("double with join", loops(100, "{% set ns.x = [ns.x, ns.x] | join %}")),
        ("double with format", loops(100, "{% set ns.x = '%s%s' % (ns.x, ns.x) %}")),
        ("double with braces", loops(100, "{% set ns.x = '{0}{0}'.format(ns.x) %}")),
        ("double with a macro", "{% macro d(x) %}{{ x }}{{ x }}{% endmacro %}".to_owned() + &loops(100, "{% set ns.x = d(ns.x) %}")),
        ("double with filter block", loops(100, "{% set ns.x %}{% filter upper %}{{ ns.x }}{{ ns.x }}{% endfilter %}{% endset %}")),
        ("double a list", loops(100, "{% set ns.l = ns.l + ns.l %}")),
        ("double a list and count", loops(100, "{% set ns.l = ns.l + ns.l %}{{ ns.l | length }}")),
        ("share a list", loops(100, "{% set ns.l = [ns.l, ns.l] %}") + "{{ ns.l }}"),
        ("share a list, compare", loops(60, "{% set ns.l = [ns.l, ns.l] %}{% set ns.d = [ns.d, ns.d] %}") + "{{ ns.l == ns.d }}{{ ns.l < ns.d }}"),
        ("share a list, json", loops(100, "{% set ns.l = [ns.l, ns.l] %}") + "{{ ns.l | tojson }}"),
        ("share a dict", loops(100, "{% set ns.d = {'a': ns.d, 'b': ns.d} %}") + "{{ ns.d }}"),
        ("nest a list", loops(100_000, "{% set ns.l = [ns.l] %}")),
        ("nest a dict", loops(100_000, "{% set ns.d = {1: ns.d} %}")),
        ("a namespace in itself", "{% set ns = namespace() %}{% set ns.x = ns %}".to_owned()),
        ("a namespace in a list", "{% set ns = namespace() %}{% set ns.x = [ns] %}".to_owned()),
        ("repeat a string", "{{ 'a' * 10**9 }}".to_owned()),
        ("repeat a string from the right", "{{ 10**15 * 'a' }}".to_owned()),
        ("repeat nothing", "{{ '' * 10**18 }}{{ [] * 10**18 }}{{ 'a' * -10**18 }}".to_owned()),
        ("repeat a list", "{{ [1] * 10**12 }}".to_owned()),
        ("repeat a list and index", loops(100_000, "{% set x = ([1] * 90000)[5] %}")),
        ("a long range", "{{ range(10**9) }}{{ range(10**30) | length }}".to_owned()),
        ("many ranges", loops(100_000, "{% set x = range(100000) %}")),
        ("nested loops", loops(100_000, "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")),
        ("nested loops that print", loops(100_000, "{% for a in range(100000) %}aaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}")),
        ("print in a block", "{% set y %}".to_owned() + &loops(100_000, "{% for a in range(100000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}") + "{% endset %}"),
        ("a growing list of growing strings", loops(100_000, "{% set ns.x = ns.x ~ 'aaaaaaaa' %}{% set ns.l = ns.l + [ns.x] %}")),
        ("replace", loops(100, "{% set ns.x = ns.x.replace('a', ns.x) %}")),
        ("replace nothing", loops(100, "{% set ns.x = ns.x | replace('', ns.x) %}")),
        ("indent", "{{ ('a\\n' * 100000) | indent(100000) }}".to_owned()),
        ("center", "{{ 'a' | center(10**12) }}".to_owned()),
        ("ljust", "{{ 'a'.ljust(10**12) }}{{ 'a'.zfill(10**12) }}".to_owned()),
        ("json indent", "{{ [[[[1]]]] | tojson(indent=10**12) }}".to_owned()),
        ("float digits", "{{ '%.1000000000f' % 1 }}".to_owned()),
        ("a large power", "{{ 10**10**10 }}".to_owned()),
        ("batch", "{{ [1] | batch(10**12, 'x') }}".to_owned()),
        ("split", "{% set x = 'a ' * 1000000 %}{% for i in range(100) %}{% set y = x.split() %}{% endfor %}".to_owned()),
        ("characters", "{% set x = 'a' * 1000000 %}{% for i in range(100) %}{% set y = x | list %}{% endfor %}".to_owned()),
        ("search", "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% set y = 'b' in x %}{% endfor %}".to_owned()),
        ("search for much", "{% set x = 'a' * 1000000 %}{% set z = 'a' * 500000 ~ 'b' %}{% for i in range(100000) %}{% set y = x.find(z) %}{% endfor %}".to_owned()),
        ("index", "{% set x = 'é' * 1000000 %}{% for i in range(100000) %}{% set y = x[-1] %}{% endfor %}".to_owned()),
        ("compare", "{% set x = 'a' * 1000000 %}{% set z = x ~ '' %}{% for i in range(100000) %}{% set y = x == z %}{% endfor %}".to_owned()),
        ("strip", "{% set x = ' ' * 1000000 %}{% for i in range(100000) %}{% set y = x.strip() %}{% endfor %}".to_owned()),
        ("strip characters", "{% set x = 'a' * 100000 %}{{ x.strip('b' * 100000 ~ 'a') }}".to_owned()),
        ("startswith", "{% set x = 'a' * 1000000 %}{% set z = x ~ '' %}{% for i in range(100000) %}{% set y = x.startswith(z) %}{% endfor %}".to_owned()),
        ("isupper", "{% set x = 'a1' * 1000000 %}{% for i in range(100000) %}{% set y = x.isupper() %}{% endfor %}".to_owned()),
        ("count", "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% set y = x.count('a') %}{% endfor %}".to_owned()),
        ("length", "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{% set y = x | length %}{% endfor %}".to_owned()),
        ("truth of a slice", "{% set x = range(100000) %}{% for i in range(100000) %}{% set y = x[::2] %}{% endfor %}".to_owned()),
        ("unique", "{{ range(100000) | unique | length }}".to_owned()),
        ("sort", loops(100_000, "{% set x = range(90000) | sort %}")),
        ("sort with nan", "{% set n = 'nan' | float %}{{ ([3, n, 1, n, 2] * 1000) | sort | length }}".to_owned()),
        ("recursive macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_owned()),
        ("recursive macro with blocks", "{% macro f() %}{% if true %}{% set x %}{{ f() ~ f() }}{% endset %}{{ x }}{% endif %}{% endmacro %}{{ f() }}".to_owned()),
        ("recursive caller", "{% macro f() %}{{ caller() }}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call f() %}{% endcall %}".to_owned()),
        ("recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned()),
        ("recursive loop that is kept", "{% for x in [1] recursive %}{% set y = loop([1, 1]) %}{% endfor %}".to_owned()),
        ("macros that double", deep_macros(60)),
        ("macros in a loop", loops(100_000, "{% macro f() %}{{ i }}{% endmacro %}")),
        ("calls in a loop", "{% macro f() %}{{ caller() }}{% endmacro %}".to_owned() + &loops(100_000, "{% call f() %}{{ i }}{{ ns.x }}{% endcall %}")),
        ("variables in a loop", loops(100_000, "{% set a = i %}{% set b = i %}{% with c = 1 %}{% endwith %}")),
        ("map of map", "{{ [[1]] | map('map', 'map', 'map') | list }}".to_owned()),
        ("cycle of nothing", "{% for i in [1] %}{{ loop.cycle(*[]) }}{% endfor %}".to_owned()),
        ("methods of the loop", "{% for i in [1] %}{% set l = loop %}{{ l.cycle() }}{% endfor %}".to_owned()),
        ("integers", "{{ 170141183460469231731687303715884105727 + 1 }}".to_owned()),
        ("integers, negative", "{{ -(-170141183460469231731687303715884105727 - 1) }}".to_owned()),
        ("integers, divided", "{{ (-170141183460469231731687303715884105727 - 1) // -1 }}{{ 1 % 0 }}".to_owned()),
        ("integers, remainder", "{{ (-170141183460469231731687303715884105727 - 1) % -1 }}".to_owned()),
        ("indexes", "{{ 'abc'[10**30] }}{{ 'abc'[-10**30:10**30:10**37] }}{{ [1][-10**30:] }}{{ 'abc'[::-10**38] }}{{ 'abc'[0:2:-1] }}".to_owned()),
        ("numbers from text", "{{ ('9' * 1000000) | int }}{{ ('9' * 1000000) | float }}{{ '1e999999999' | float | int }}".to_owned()),
        ("unpack", "{% for a, b in [[1, 2, 3]] %}{% endfor %}".to_owned()),
        ("deep brackets", format!("{{{{ {} }}}}", nested("(", ")", 50_000))),
        ("deep lists", format!("{{{{ {} }}}}", nested("[", "]", 39))),
        ("deep lists, too deep", format!("{{{{ {} }}}}", nested("[", "]", 50_000))),
        ("deep signs", format!("{{{{ {}1 }}}}", "-".repeat(100_000))),
        ("deep not", format!("{{{{ {} 1 }}}}", "not ".repeat(50_000))),
        ("a long sum", format!("{{{{ 1{} }}}}", "+1".repeat(100_000))),
        ("a long sum that fits", format!("{{{{ 1{} }}}}", "+1".repeat(190))),
        ("a long concatenation", format!("{{{{ 1{} }}}}", "~1".repeat(1900))),
        ("a very long concatenation", format!("{{{{ 1{} }}}}", "~1".repeat(100_000))),
        ("a long chain of or", format!("{{{{ 1{} }}}}", " and 1".repeat(190))),
        ("a long chain of filters", format!("{{{{ 1{} }}}}", "|string".repeat(30_000))),
        ("a long chain of attributes", format!("{{{{ messages{} }}}}", ".a".repeat(100_000))),
        ("a long chain of items", format!("{{{{ messages{} }}}}", "[0]".repeat(80_000))),
        ("a long chain of comparisons", format!("{{{{ 1{} }}}}", "<1".repeat(100_000))),
        ("conditions in conditions", format!("{{{{ {} }}}}", nested("(1 if 1 else ", ")", 38))),
        ("a long condition", format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(20_000))),
        ("many blocks", "{% if 1 %}".repeat(20_000)),
        ("blocks that fit", "{% if 1 %}".repeat(40) + &"{% endif %}".repeat(40)),
        ("loops that fit", "{% for x in [1] %}".repeat(40) + &"{% endfor %}".repeat(40)),
        ("many elif", "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(20_000) + "{% endif %}"),
        ("elif that fit", "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(100) + "{% endif %}"),
        ("many arguments", format!("{{{{ [{}] }}}}", "1,".repeat(100_000))),
        ("many tags", "{{1}}".repeat(50_000)),
        ("many comments", "{##}".repeat(60_000)),
        ("many braces", "{".repeat(200_000)),
        ("open comments", "{#".repeat(100_000)),
        ("open raw blocks", "{% raw %}".repeat(20_000)),
        ("lines", "\n".repeat(200_000) + "{{ x.y }}"),
    ];
    cases.push(("too long", "a".repeat(300_000)));
    cases
}

#[test]
fn hostile_templates_end_in_bounded_time_and_memory() {
    let conversation =
        Conversation::new(Vec::new(), vec![Message::user("hello ".repeat(100)), Message::assistant("bye")]);
    let options = JinjaOptions { spans: TurnSpans::Contents, ..JinjaOptions::default() };
    let start = peak();
    let mut slowest = (Duration::ZERO, "");
    let mut limited = 0;
    for (name, source) in hostile() {
        let before = Instant::now();
        // Reading renders twice to find out about the template; then it is rendered once.
        let rendered = JinjaTemplate::from_source(&source, options.clone())
            .and_then(|template| template.render(&conversation, false));
        let time = before.elapsed();
        slowest = slowest.max((time, name));
        limited += usize::from(matches!(rendered, Err(Error::Jinja(JinjaError::Limit { .. }))));
        assert!(time < MAX_TIME, "{name}: {time:?}");
        if std::env::var_os("VERBOSE").is_some() {
            let text = format!("{:.90?}", rendered.map(|segments| segments.len()));
            println!("{name}: {time:?} {} MiB {text}", peak().unwrap_or(0) / MIB);
        }
    }
    println!("{limited} ended at a limit; slowest: {slowest:?}");
    assert!(limited > 20);
    match (start, peak()) {
        (Some(start), Some(end)) => {
            println!("peak {} MiB, at the start {} MiB", end / MIB, start / MIB);
            assert!(end - start < MAX_RISE, "the peak rose by {} MiB", (end - start) / MIB);
        }
        _ => println!("skipped: there is no /proc/self/status with VmHWM"),
    }
}

#[test]
fn limits_are_the_options() {
    let render = |source: &str, limits| {
        let options = JinjaOptions { limits, ..JinjaOptions::default() };
        let template = JinjaTemplate::from_source(source, options)?;
        template.render(&Conversation::new(Vec::new(), vec![Message::user("x")]), false)
    };
    let limits = JinjaLimits { fuel: 500, max_bytes: 10_000, max_source_bytes: 100 };
    let limit = |source: &str| match render(source, limits).unwrap_err() {
        Error::Jinja(JinjaError::Limit { unit, limit }) => (unit, limit),
        other => panic!("{other}"),
    };
    assert_eq!(limit("{% for i in range(100) %}{% if i %}{% endif %}{% endfor %}"), ("instructions", 500));
    assert_eq!(limit("{{ 'a' * 20000 }}"), ("bytes made", 10_000));
    assert_eq!(limit(&"a".repeat(101)), ("bytes of source", 100));
    let search = "{% set x = 'a' * 4000 %}{% for i in range(40) %}{% if 'b' in x %}{% endif %}{% endfor %}";
    assert_eq!(limit(search), ("bytes read", 40_000));
    assert!(render(&"a".repeat(100), limits).is_ok());
}
