//! Why calls don't match, with the leaderboard's names.

use std::fmt;

use super::Category;

/// Why calls don't match. The order is that of the names in reports, not of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AstError {
    /// The output is no list of calls.
    WrongOutputFormat,
    /// The output could not be read as calls at all.
    DecoderFailed,
    /// A call where none is wanted.
    Irrelevance,
    /// No call where one is wanted, whichever.
    Relevance,
    /// Too few or too many calls.
    WrongCount(Category),
    /// Parallel calls of which at least one wanted call has no match.
    CannotFindMatch,
    /// The right calls in another order, where order matters.
    WrongOrder,
    /// Another function.
    WrongFuncName,
    /// A function that no declared tool has.
    UnknownFunction,
    /// A required parameter is missing.
    MissingRequired,
    /// A parameter that may not be left out here is missing.
    MissingOptional,
    /// A parameter that the schema or the gold answer lacks.
    UnexpectedParam,
    /// A value of another type.
    Type,
    /// An element of another type.
    NestedType,
    /// A value that the schema's `enum` lacks.
    Enum,
    /// Another text.
    StringValue,
    /// Another list.
    ListValue,
    /// A key of a dict is missing or too much.
    DictKey,
    /// Another value in a dict.
    DictValue,
    /// Another number of dicts in a list.
    ListDictCount,
    /// Another value.
    OtherValue,
    /// A dict where no dict is among the accepted answers.
    DictUnclear,
    /// A list of dicts where none is among the accepted answers.
    ListDictUnclear,
    /// The declarations or the gold answer make no sense to the checker.
    Schema(SchemaError),
}

/// What in the declarations or in the gold answer defeats the leaderboard's checker, which raises an exception there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaError {
    /// `properties`, `required`, `type` or `items` is missing.
    MissingKey,
    /// A type that is not of the checker's dialect, as JSON Schema's `object`, `number` and `null`.
    UnknownType,
    /// A type that is no string, as a union of types, or a part of the schema that is no object.
    NotASchema,
    /// No declared tool has the wanted function's name.
    ToolNotDeclared,
    /// No tool is declared, or no answer is accepted.
    NothingDeclared,
    /// An accepted answer that has no length, where a list of them is expected.
    AnswerNotAList,
    /// An accepted answer that is no dict, or a value that is none, where dicts are compared.
    AnswerNotADict,
    /// An accepted answer that can't be indexed as it should.
    AnswerNotIndexed,
    /// An integer beyond the range of doubles, for a float.
    NumberTooLarge,
}

impl SchemaError {
    /// The Python exception that the leaderboard's checker raises.
    #[must_use]
    pub fn python_exception(self) -> &'static str {
        self.as_str().strip_prefix("checker_exception:").unwrap_or_default()
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey | Self::UnknownType | Self::AnswerNotIndexed => "checker_exception:KeyError",
            Self::NotASchema | Self::ToolNotDeclared | Self::AnswerNotAList => "checker_exception:TypeError",
            Self::NothingDeclared => "checker_exception:IndexError",
            Self::AnswerNotADict => "checker_exception:AttributeError",
            Self::NumberTooLarge => "checker_exception:OverflowError",
        }
    }
}

impl AstError {
    /// The leaderboard's name; where it has none, one of the same form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongOutputFormat => "ast_decoder:decoder_wrong_output_format",
            Self::DecoderFailed => "ast_decoder:decoder_failed",
            Self::Irrelevance => "irrelevance_error:decoder_success",
            Self::Relevance => "relevance_error:decoder_failed",
            Self::WrongCount(Category::Multiple) => "multiple_function_checker:wrong_count",
            Self::WrongCount(category) if category.is_parallel() => {
                "parallel_function_checker_no_order:wrong_count"
            }
            Self::WrongCount(_) => "simple_function_checker:wrong_count",
            Self::CannotFindMatch => "parallel_function_checker_no_order:cannot_find_match",
            Self::WrongOrder => "parallel_function_checker:wrong_order",
            Self::WrongFuncName => "simple_function_checker:wrong_func_name",
            Self::UnknownFunction => "simple_function_checker:unknown_function",
            Self::MissingRequired => "simple_function_checker:missing_required",
            Self::MissingOptional => "simple_function_checker:missing_optional",
            Self::UnexpectedParam => "simple_function_checker:unexpected_param",
            Self::Type => "type_error:simple",
            Self::NestedType => "type_error:nested",
            Self::Enum => "value_error:enum",
            Self::StringValue => "value_error:string",
            Self::ListValue => "value_error:list/tuple",
            Self::DictKey => "value_error:dict_key",
            Self::DictValue => "value_error:dict_value",
            Self::ListDictCount => "value_error:list_dict_count",
            Self::OtherValue => "value_error:others",
            Self::DictUnclear => "dict_checker:unclear",
            Self::ListDictUnclear => "list_dict_checker:unclear",
            Self::Schema(error) => error.as_str(),
        }
    }
}

impl fmt::Display for AstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
