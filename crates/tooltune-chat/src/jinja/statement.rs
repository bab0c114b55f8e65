//! A template, written anew for minijinja with checked expressions.

use super::JinjaError;
use super::call::OPERATOR;
use super::lexer::{Piece, PieceKind, split};
use super::parser::{Parser, string_literal};
use super::text::MARK;

/// How deep blocks may be nested.
const MAX_BLOCKS: usize = 40;
/// How many `elif` one `if` may have: minijinja nests them.
const MAX_ELIFS: usize = 100;
/// The variable that catches the text of a block.
const CAUGHT: &str = "_tooltune_caught";

/// A block that is open.
enum Block {
    If {
        elifs: usize,
        has_else: bool,
    },
    For {
        has_else: bool,
    },
    Macro,
    Call,
    With,
    /// `set`, `filter`, `generation`: a block whose text is caught in a variable, and what to write after its end.
    Caught {
        name: &'static str,
        after: String,
    },
}

/// The checked source of a template.
pub(super) struct Checked {
    pub(super) source: String,
    /// Whether the template marks what the model writes with `{% generation %}`.
    pub(super) has_generation: bool,
}

/// Parses a template and writes it anew.
pub(super) fn check(source: &str) -> Result<Checked, JinjaError> {
    if source.contains(MARK) {
        return Err(JinjaError::Reserved { place: "the chat template" });
    }
    let mut writer = Writer { out: String::new(), open: Vec::new(), has_generation: false };
    let mut line = 1;
    for piece in split(source)? {
        line = piece.line;
        writer.piece(&piece)?;
        if piece.breaks > 0 {
            // A comment keeps the lines of both sources the same.
            writer.out.push_str(&format!("{{#{}#}}", "\n".repeat(piece.breaks)));
        }
    }
    if writer.open.is_empty() {
        return Ok(Checked { source: writer.out, has_generation: writer.has_generation });
    }
    Err(JinjaError::Syntax { line, problem: "a block has no end".to_owned() })
}

struct Writer {
    out: String,
    open: Vec<Block>,
    has_generation: bool,
}

impl Writer {
    fn piece(&mut self, piece: &Piece) -> Result<(), JinjaError> {
        match &piece.kind {
            PieceKind::Data(text) if text.is_empty() => Ok(()),
            PieceKind::Data(text) => {
                self.print(&string_literal(text));
                Ok(())
            }
            PieceKind::Print(tokens) => {
                let mut parser = Parser::new(tokens, piece.line);
                let code = parser.expressions(true)?;
                parser.finish()?;
                parser.refuse_mark(tokens)?;
                self.print(&code.text);
                Ok(())
            }
            PieceKind::Block(tokens) => {
                let mut parser = Parser::new(tokens, piece.line);
                let name = parser.name()?;
                self.statement(name, &mut parser)?;
                parser.finish()?;
                parser.refuse_mark(tokens)
            }
        }
    }

    fn print(&mut self, code: &str) {
        // A blank keeps a dict's brace apart from the tag's.
        self.out.push_str(&format!("{{{{ {code} }}}}"));
    }

    fn tag(&mut self, body: &str) {
        self.out.push_str(&format!("{{% {body} %}}"));
    }

    fn begin(&mut self, parser: &Parser, block: Block) -> Result<(), JinjaError> {
        if self.open.len() >= MAX_BLOCKS {
            return Err(parser.error(format!("blocks are nested deeper than {MAX_BLOCKS}")));
        }
        self.open.push(block);
        Ok(())
    }

    fn statement(&mut self, name: &str, parser: &mut Parser) -> Result<(), JinjaError> {
        match name {
            "if" => {
                let test = parser.expressions(false)?;
                self.tag(&format!("if {}", test.text));
                self.begin(parser, Block::If { elifs: 0, has_else: false })
            }
            "elif" => self.elif(parser),
            "else" => match self.open.last_mut() {
                Some(
                    Block::If { has_else: has_else @ false, .. } | Block::For { has_else: has_else @ false },
                ) => {
                    *has_else = true;
                    self.tag("else");
                    Ok(())
                }
                _ => Err(parser.error("unexpected 'else'")),
            },
            "for" => self.begin_for(parser),
            "break" | "continue" => self.leave_loop(name, parser),
            "set" => self.set(parser),
            "macro" => self.begin_macro(parser),
            "call" => self.begin_call(parser),
            "with" => self.begin_with(parser),
            "filter" => {
                let mut filters = format!("|{}", parser.filter()?.0);
                while parser.skip("|") {
                    filters.push_str(&format!("|{}", parser.filter()?.0));
                }
                self.catch(parser, "filter", CAUGHT, format!("{{{{ {CAUGHT}{filters} }}}}"))
            }
            "generation" => {
                self.has_generation = true;
                self.catch(parser, "generation", CAUGHT, format!("{{{{ {CAUGHT}|{OPERATOR}generation }}}}"))
            }
            _ => self.end(name, parser),
        }
    }

    fn elif(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        let test = parser.expressions(false)?;
        match self.open.last_mut() {
            Some(Block::If { elifs, has_else: false }) if *elifs < MAX_ELIFS => {
                *elifs += 1;
                self.tag(&format!("elif {}", test.text));
                Ok(())
            }
            Some(Block::If { has_else: false, .. }) => {
                Err(parser.error(format!("more than {MAX_ELIFS} 'elif' in one 'if'")))
            }
            _ => Err(parser.error("unexpected 'elif'")),
        }
    }

    fn begin_for(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        let target = target(parser)?;
        if !parser.skip_name("in") {
            return Err(parser.error("expected 'in'"));
        }
        let items = parser.expressions(false)?;
        let mut body = format!("for {target} in {}|{OPERATOR}iter", items.text);
        if parser.skip_name("if") {
            body.push_str(&format!(" if {}", parser.expression(true)?.text));
        }
        if parser.skip_name("recursive") {
            body.push_str(" recursive");
        }
        self.tag(&body);
        self.begin(parser, Block::For { has_else: false })
    }

    /// `break` and `continue` may only leave blocks that have nothing to put in order.
    fn leave_loop(&mut self, name: &str, parser: &Parser) -> Result<(), JinjaError> {
        for block in self.open.iter().rev() {
            match block {
                Block::If { .. } => {}
                Block::For { has_else: false } => {
                    self.tag(name);
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(parser.error(format!("'{name}' must stand in a loop, with nothing but 'if' between")))
    }

    fn set(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        if parser.peek_is("(") {
            let targets = target(parser)?;
            parser.require("=")?;
            let value = parser.expressions(true)?;
            self.tag(&format!("set {targets} = {}", value.text));
            return Ok(());
        }
        let first = parser.target_name()?;
        if parser.skip(".") {
            let attribute = string_literal(parser.name()?);
            let assign = |value: &str| format!("if {first}|{OPERATOR}setattr({attribute}, {value})");
            if parser.skip("=") {
                let value = parser.expressions(true)?;
                self.tag(&assign(&value.text));
                self.tag("endif");
                return Ok(());
            }
            let value = format!("{CAUGHT}{}", filters(parser)?);
            return self.catch(parser, "set", CAUGHT, format!("{{% {} %}}{{% endif %}}", assign(&value)));
        }
        let mut targets = first.to_owned();
        while parser.skip(",") {
            if !parser.peek_is("=") {
                targets.push_str(&format!(", {}", parser.target_name()?));
            }
        }
        if parser.skip("=") {
            let value = parser.expressions(true)?;
            self.tag(&format!("set {targets} = {}", value.text));
            return Ok(());
        }
        if targets != first {
            return Err(parser.error("expected '='"));
        }
        let filters = filters(parser)?;
        let after = if filters.is_empty() {
            String::new()
        } else {
            format!("{{% set {first} = {first}{filters} %}}")
        };
        self.catch(parser, "set", first, after)
    }

    /// Begins a block whose text goes into a variable. What is set inside stays inside.
    fn catch(
        &mut self,
        parser: &Parser,
        name: &'static str,
        variable: &str,
        after: String,
    ) -> Result<(), JinjaError> {
        self.tag(&format!("set {variable}"));
        self.tag("with");
        self.begin(parser, Block::Caught { name, after })
    }

    fn begin_macro(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        let name = parser.target_name()?;
        let parameters = parameters(parser)?;
        self.tag(&format!("macro {name}({parameters})"));
        self.begin(parser, Block::Macro)
    }

    fn begin_call(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        let parameters =
            if parser.peek_is("(") { format!("({})", parameters(parser)?) } else { String::new() };
        let call = parser.expression(true)?;
        self.tag(&format!("call{parameters} {}", call.text));
        self.begin(parser, Block::Call)
    }

    fn begin_with(&mut self, parser: &mut Parser) -> Result<(), JinjaError> {
        let mut body = "with".to_owned();
        while !parser.at_end() {
            let name = parser.target_name()?;
            parser.require("=")?;
            let value = parser.expression(true)?;
            let separator = if body == "with" { ' ' } else { ',' };
            body.push_str(&format!("{separator}{name} = {}", value.text));
            if !parser.skip(",") {
                break;
            }
        }
        self.tag(&body);
        self.begin(parser, Block::With)
    }

    fn end(&mut self, name: &str, parser: &Parser) -> Result<(), JinjaError> {
        let Some(ended) = name.strip_prefix("end") else {
            return Err(parser.error(format!("the tag '{name}' is not supported")));
        };
        let matches = match self.open.last() {
            Some(Block::If { .. }) => ended == "if",
            Some(Block::For { .. }) => ended == "for",
            Some(Block::Macro) => ended == "macro",
            Some(Block::Call) => ended == "call",
            Some(Block::With) => ended == "with",
            Some(Block::Caught { name, .. }) => ended == *name,
            None => false,
        };
        match self.open.pop().filter(|_| matches) {
            Some(Block::Caught { after, .. }) => {
                self.tag("endwith");
                self.tag("endset");
                self.out.push_str(&after);
            }
            Some(_) => self.tag(name),
            None => return Err(parser.error(format!("unexpected '{name}'"))),
        }
        Ok(())
    }
}

/// What a loop assigns to: a name, or several.
fn target(parser: &mut Parser) -> Result<String, JinjaError> {
    let bracket = parser.skip("(");
    let mut names = parser.target_name()?.to_owned();
    while parser.skip(",") {
        names.push_str(&format!(", {}", parser.target_name()?));
    }
    if bracket {
        parser.require(")")?;
    }
    Ok(names)
}

/// The parameters of a macro, with their defaults.
fn parameters(parser: &mut Parser) -> Result<String, JinjaError> {
    let mut parameters = Vec::new();
    parser.require("(")?;
    while !parser.skip(")") {
        let mut parameter = parser.target_name()?.to_owned();
        if parser.skip("=") {
            parameter.push_str(&format!("={}", parser.expression(true)?.text));
        }
        parameters.push(parameter);
        if !parser.peek_is(")") {
            parser.require(",")?;
        }
    }
    Ok(parameters.join(", "))
}

/// The filters after the target of a `set` block.
fn filters(parser: &mut Parser) -> Result<String, JinjaError> {
    let mut filters = String::new();
    while parser.skip("|") {
        filters.push_str(&format!("|{}", parser.filter()?.0));
    }
    Ok(filters)
}
