//! Is a function called when one is wanted, is it the right one, and are the calls exactly those wanted?

use crate::align::{calls_match, maximum_matching, names_match};
use crate::judge::{Ratio, Share};
use crate::rate::Rate;
use crate::record::Record;

impl Rate {
    /// `relevance_accuracy`: where calls are wanted, there is a readable one, whatever it says. The Berkeley leaderboard's
    /// name for [`Detection::recall`](crate::Detection::recall).
    #[must_use]
    pub fn relevance_accuracy() -> Self {
        Self::new("relevance_accuracy", |record| record.wants_call().then(|| !record.calls().is_empty()))
    }

    /// `irrelevance_accuracy`: where no call is wanted, none is attempted.
    #[must_use]
    pub fn irrelevance_accuracy() -> Self {
        Self::new("irrelevance_accuracy", |record| (!record.wants_call()).then(|| !record.attempted()))
    }

    /// `irrelevance_accuracy_bfcl`: as [`irrelevance_accuracy`](Self::irrelevance_accuracy), but an attempt that can't be
    /// read counts as silence, as on the Berkeley leaderboard. Not among the standard metrics.
    #[must_use]
    pub fn irrelevance_accuracy_bfcl() -> Self {
        Self::new("irrelevance_accuracy_bfcl", |record| {
            (!record.wants_call()).then(|| record.calls().is_empty())
        })
    }

    /// `over_call_rate`: where no call is wanted, one is attempted.
    #[must_use]
    pub fn over_call_rate() -> Self {
        Self::new("over_call_rate", |record| (!record.wants_call()).then(|| record.attempted()))
            .lower_is_better()
    }

    /// `under_call_rate`: where calls are wanted, there is no readable one.
    #[must_use]
    pub fn under_call_rate() -> Self {
        Self::new("under_call_rate", |record| record.wants_call().then(|| record.calls().is_empty()))
            .lower_is_better()
    }

    /// `name_accuracy`: where calls are wanted, the functions called are those wanted, each as often.
    #[must_use]
    pub fn name_accuracy() -> Self {
        Self::new("name_accuracy", |record| record.has_gold().then(|| right_names(record)))
    }

    /// `arg_exact_match`: where the names are right, the arguments are too.
    #[must_use]
    pub fn arg_exact_match() -> Self {
        Self::new("arg_exact_match", |record| {
            (record.has_gold() && right_names(record)).then(|| is_exact(record))
        })
    }

    /// `exact_calls`: where calls are wanted, those and no others are made, with equal arguments, in any order.
    #[must_use]
    pub fn exact_calls() -> Self {
        Self::new("exact_calls", |record| record.has_gold().then(|| is_exact(record)))
    }

    /// `exact_set_match`: of all records, those with exactly the wanted calls; where none is wanted, none is attempted;
    /// where any call will do, there is one.
    #[must_use]
    pub fn exact_set_match() -> Self {
        Self::new("exact_set_match", |record| Some(record.is_right()))
    }
}

impl Ratio {
    /// `call_precision`: of the calls made where some are wanted, those that are wanted, with equal arguments.
    #[must_use]
    pub fn call_precision() -> Self {
        Self::new("call_precision", |record| {
            let (hits, made, _) = matched_calls(record)?;
            Some(Share { hits, of: made })
        })
    }

    /// `call_recall`: of the calls wanted, those that are made, with equal arguments.
    #[must_use]
    pub fn call_recall() -> Self {
        Self::new("call_recall", |record| {
            let (hits, _, wanted) = matched_calls(record)?;
            Some(Share { hits, of: wanted })
        })
    }

    /// `call_f1`: the harmonic mean of the two, 2 TP / (calls made + calls wanted).
    #[must_use]
    pub fn call_f1() -> Self {
        Self::new("call_f1", |record| {
            let (hits, made, wanted) = matched_calls(record)?;
            Some(Share { hits: 2 * hits, of: made + wanted })
        })
    }
}

/// Calls right, calls made, calls wanted; only where some are wanted: other calls are what `over_call_rate` is about.
fn matched_calls(record: &Record) -> Option<(u64, u64, u64)> {
    if !record.has_gold() {
        return None;
    }
    let (gold, calls) = (&record.gold, record.calls());
    let equal = |g: usize, c: usize| gold[g].name == calls[c].name && gold[g].arguments == calls[c].arguments;
    let matched = maximum_matching(gold.len(), calls.len(), equal);
    let hits = matched.iter().filter(|call| call.is_some()).count();
    Some((hits as u64, calls.len() as u64, gold.len() as u64))
}

fn right_names(record: &Record) -> bool {
    names_match(&record.gold, record.calls())
}

fn is_exact(record: &Record) -> bool {
    calls_match(&record.gold, record.calls())
}

#[cfg(test)]
mod tests {
    use tooltune_chat::ParseStatus;

    use super::*;
    use crate::metric::Metric;
    use crate::record::Response;
    use crate::testing::{call, counts, malformed, record, response, silent, well_formed};

    fn calling(arguments: &str) -> Response {
        response(ParseStatus::Calls, vec![call("f", arguments)])
    }

    fn examples() -> [Record; 9] {
        [
            record(&["f"], well_formed(&["f"])),           // exact
            record(&["f", "g"], well_formed(&["g", "f"])), // exact, in another order
            record(&["f"], calling(r#"{"x":1}"#)),         // right name, wrong arguments
            record(&["f"], well_formed(&["g"])),           // wrong name
            record(&["f"], well_formed(&["f", "f"])),      // once too often
            record(&["f"], malformed()),                   // would be exact, can't be read
            record(&["f"], silent()),                      // no call
            record(&[], silent()),                         // not about it
            record(&[], well_formed(&["f"])),              // not about it
        ]
    }

    #[test]
    fn names_arguments_and_exact_calls() {
        let records = examples();
        assert_eq!(counts(Rate::name_accuracy(), &records), (3, 7));
        assert_eq!(counts(Rate::arg_exact_match(), &records), (2, 3));
        assert_eq!(counts(Rate::exact_calls(), &records), (2, 7));
        assert_eq!(counts(Rate::irrelevance_accuracy(), &records), (1, 2));
        assert_eq!(counts(Rate::over_call_rate(), &records), (1, 2));
        assert_eq!(counts(Rate::relevance_accuracy(), &records), (5, 7));
        assert_eq!(counts(Rate::under_call_rate(), &records), (2, 7));
        assert_eq!(counts(Rate::exact_set_match(), &records), (3, 9));
    }

    #[test]
    fn single_calls() {
        let of = |mut ratio: Ratio| {
            for (i, record) in examples().into_iter().enumerate() {
                ratio.update(&Record { id: i.to_string(), ..record });
            }
            let value = ratio.value();
            (value.numerator, value.denominator, value.interval.is_some())
        };
        // Right: f; f and g; the first f of two. Made: 1 + 2 + 1 + 1 + 2. Wanted: 8.
        assert_eq!(of(Ratio::call_precision()), (4.0, 7.0, true));
        assert_eq!(of(Ratio::call_recall()), (4.0, 8.0, true));
        assert_eq!(of(Ratio::call_f1()), (8.0, 15.0, true));
    }

    #[test]
    fn irrelevance_counts_every_attempt_as_an_error() {
        let recovered = response(ParseStatus::Recovered, vec![call("f", "{}")]);
        let records = [
            record(&[], silent()),
            record(&[], malformed()),
            record(&[], recovered),
            record(&[], well_formed(&[])),
        ];
        assert_eq!(counts(Rate::irrelevance_accuracy(), &records), (1, 4));
        // The leaderboard credits what it can't decode.
        assert_eq!(counts(Rate::irrelevance_accuracy_bfcl(), &records), (3, 4));
        assert_eq!(counts(Rate::exact_calls(), &records), (0, 0));
    }
}
