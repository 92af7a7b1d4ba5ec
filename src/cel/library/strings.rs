//! The string extension of cel-go in version 2, as Kubernetes enables it. Positions count Unicode scalar values.

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Text, Value},
    },
    Cost, Declarations, Size, go_quote, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

pub(super) fn declare(into: &mut Declarations) {
    use Type::{Int, String};
    let list = Type::list(String);
    into.function("charAt")
        .about("The character at a position.")
        .example("'hello'.charAt(4)", "'o'")
        .sized(Size::Character)
        .method([String, Int], String, Cost::Unit, char_at);
    // The same names are functions of lists, and Kubernetes counts both by the name.
    into.function("indexOf").undecided(Cost::Traverse).method([String, String], Int, Cost::Traverse, index_of).method(
        [String, String, Int],
        Int,
        Cost::Traverse,
        index_of,
    );
    into.function("lastIndexOf")
        .undecided(Cost::Traverse)
        .method([String, String], Int, Cost::Traverse, last_index_of)
        .method([String, String, Int], Int, Cost::Traverse, last_index_of);
    let scan = Cost::Scan(0);
    into.function("lowerAscii").sized(Size::Target).undecided(scan).method([String], String, scan, lower_ascii);
    into.function("upperAscii").sized(Size::Target).undecided(scan).method([String], String, scan, upper_ascii);
    into.function("trim").sized(Size::Target).undecided(scan).method([String], String, scan, trim);
    into.function("substring")
        .sized(Size::Target)
        .undecided(scan)
        .method([String, Int], String, scan, substring)
        .method([String, Int, Int], String, scan, substring);
    let copy = Cost::Copy(0);
    into.function("replace")
        .sized(Size::Replaced)
        .undecided(copy)
        .method([String, String, String], String, copy, replace)
        .method([String, String, String, Int], String, copy, replace);
    into.function("split")
        .sized(Size::Split)
        .undecided(copy)
        .method([String, String], list.clone(), copy, split)
        .method([String, String, Int], list.clone(), copy, split);
    into.function("join")
        .sized(Size::Joined)
        .undecided(Cost::Join)
        .method([list.clone()], String, Cost::Join, join)
        .method([list, String], String, Cost::Join, join);
    into.function("strings.quote").global([String], String, scan, quote);
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("indexOf").about("Where a part of a string, or an element of a list, is first, from 0; -1 where it is not. A string takes a position to start at.").example("'hello'.indexOf('l')", "2").example("'hello'.indexOf('l', 3)", "3").example("['a', 'b'].indexOf('b')", "1").example("'hello'.indexOf('z')", "-1");
    into.function("lastIndexOf").about("Where a part of a string, or an element of a list, is last, from 0; -1 where it is not. A string takes the last position to look at.").example("'hello'.lastIndexOf('l')", "3").example("[1, 2, 1].lastIndexOf(1)", "2");
    into.function("lowerAscii")
        .about("A string with its ASCII letters in lower case; others stay.")
        .example("'TacoCÆt'.lowerAscii()", "'tacocÆt'");
    into.function("upperAscii")
        .about("A string with its ASCII letters in upper case; others stay.")
        .example("'tacocæt'.upperAscii()", "'TACOCæT'");
    into.function("trim").about("A string without white space at both ends.").example("'  a b\\n'.trim()", "'a b'");
    into.function("substring")
        .about("The part of a string from a position, and up to before another.")
        .example("'tacocat'.substring(4)", "'cat'")
        .example("'tacocat'.substring(0, 4)", "'taco'");
    into.function("replace")
        .about("A string with a part of it replaced, everywhere or the given number of times.")
        .example("'hello hello'.replace('he', 'we')", "'wello wello'")
        .example("'hello hello'.replace('he', 'we', 1)", "'wello hello'");
    into.function("split")
        .about("The parts of a string between separators, in at most the given number of parts.")
        .example("'a,b,c'.split(',')", "['a', 'b', 'c']")
        .example("'a,b,c'.split(',', 2)", "['a', 'b,c']");
    into.function("join")
        .about("The strings of a list one after the other, with a separator between them.")
        .example("['a', 'b'].join()", "'ab'")
        .example("['a', 'b'].join('/')", "'a/b'");
    into.function("strings.quote")
        .about("A string in double quotes, its control characters, quotes and backslashes escaped.")
        .example("strings.quote('a\"b')", "'\"a\\\\\"b\"'");
}

/// The offset in bytes of character `index`, where the text has that many; its end counts.
fn byte_offset(text: &str, index: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(index)
}

fn character_count(text: &str, bytes: usize) -> Result<i64, EvaluationErrorKind> {
    let count = text.get(..bytes).unwrap_or_default().chars().count();
    i64::try_from(count).map_err(|_| EvaluationErrorKind::Overflow("int"))
}

/// A position that an expression gives: never negative.
fn position(index: i64) -> Result<usize, EvaluationErrorKind> {
    usize::try_from(index).map_err(|_| EvaluationErrorKind::IndexOutOfRange)
}

fn char_at<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text), Value::Int(index)] = arguments else {
        return Err(no_such_overload("charAt", arguments));
    };
    fuel.scan(text.len())?;
    let from = byte_offset(text, position(*index)?).ok_or(EvaluationErrorKind::IndexOutOfRange)?;
    let width = text.get(from..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Ok(Value::String(text.slice(fuel, from, from + width)?))
}

fn index_of<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (text, part, offset) = match arguments {
        [Value::String(text), Value::String(part)] => (text, part, 0),
        [Value::String(text), Value::String(part), Value::Int(offset)] => (text, part, *offset),
        _ => return Err(no_such_overload("indexOf", arguments)),
    };
    fuel.scan(text.len() + part.len())?;
    let offset = position(offset)?;
    let Some(from) = byte_offset(text, offset) else {
        // Past the end: an empty part is found at the end, anything else nowhere.
        let end = character_count(text, text.len())?;
        return Ok(Value::Int(if part.is_empty() { end } else { -1 }));
    };
    let found = text.get(from..).and_then(|rest| rest.find(&**part)).map(|at| from + at);
    Ok(Value::Int(found.map_or(Ok(-1), |at| character_count(text, at))?))
}

fn last_index_of<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (text, part, offset) = match arguments {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(offset)] => (text, part, Some(position(*offset)?)),
        _ => return Err(no_such_overload("lastIndexOf", arguments)),
    };
    fuel.scan(text.len() + part.len())?;
    let limit = match offset.map(|offset| byte_offset(text, offset)) {
        // No offset: from the end.
        None => text.len(),
        Some(Some(at)) if at < text.len() || part.is_empty() => at,
        // At or past the end: an empty part is found at the end, anything else nowhere.
        Some(_) if part.is_empty() => text.len(),
        Some(_) => return Ok(Value::Int(-1)),
    };
    // The part may start at the limit, not after it.
    let end = (limit + part.len()).min(text.len());
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let found = text.get(..end).and_then(|head| head.rfind(&**part));
    Ok(Value::Int(found.map_or(Ok(-1), |at| character_count(text, at))?))
}

fn lower_ascii<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("lowerAscii", arguments)) };
    changed(fuel, text, u8::is_ascii_uppercase, str::to_ascii_lowercase)
}

fn upper_ascii<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("upperAscii", arguments)) };
    changed(fuel, text, u8::is_ascii_lowercase, str::to_ascii_uppercase)
}

/// What `change` makes of a text; the text itself where it has no byte that `changes`.
fn changed<'a>(fuel: &mut Fuel, text: &Text<'a>, changes: fn(&u8) -> bool, change: fn(&str) -> String) -> Outcome<'a> {
    fuel.copy(text.len())?;
    if text.as_bytes().iter().any(changes) { Ok(Value::from(change(text))) } else { Ok(Value::String(text.clone())) }
}

/// Unicode white space, as Go's `strings.TrimSpace` has it.
fn trim<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("trim", arguments)) };
    fuel.scan(text.len())?;
    let from = text.len() - text.trim_start().len();
    let to = from + text.trim().len();
    Ok(Value::String(text.slice(fuel, from, to)?))
}

fn substring<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (text, start, end) = match arguments {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(no_such_overload("substring", arguments)),
    };
    fuel.scan(text.len())?;
    if end.is_some_and(|end| start > end) {
        let reason = "the start is after the end";
        return Err(EvaluationErrorKind::InvalidArgument { function: "substring", reason });
    }
    let at = |index: i64| byte_offset(text, position(index)?).ok_or(EvaluationErrorKind::IndexOutOfRange);
    let from = at(start)?;
    let to = end.map_or(Ok(text.len()), at)?;
    Ok(Value::String(text.slice(fuel, from, to)?))
}

fn replace<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (text, old, new, limit) = match arguments {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [Value::String(text), Value::String(old), Value::String(new), Value::Int(limit)] => (text, old, new, *limit),
        _ => return Err(no_such_overload("replace", arguments)),
    };
    fuel.scan(text.len() + old.len())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let most = if old.is_empty() { text.chars().count() + 1 } else { text.matches(&**old).count() };
    fuel.toil(most as u64)?;
    // Paid before it is made: the result may be far longer than its parts.
    fuel.copy(most.min(limit).saturating_mul(new.len()).saturating_add(text.len()))?;
    Ok(Value::from(text.replacen(&**old, new, limit)))
}

/// Where `part` is. A search for one byte needs no preparation.
fn find_part(text: &str, part: &str) -> Option<usize> {
    match part.as_bytes() {
        [byte] => text.find(char::from(*byte)),
        _ => text.find(part),
    }
}

fn split<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (text, separator, limit) = match arguments {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [Value::String(text), Value::String(separator), Value::Int(limit)] => (text, separator, *limit),
        _ => return Err(no_such_overload("split", arguments)),
    };
    fuel.scan(text.len() + separator.len())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts: Vec<Value<'a>> = Vec::new();
    let mut from = 0;
    while parts.len() + 1 < limit {
        let rest = text.get(from..).unwrap_or_default();
        // An empty separator splits after each character.
        let found = if separator.is_empty() {
            rest.chars().next().map(char::len_utf8).filter(|width| *width < rest.len())
        } else {
            find_part(rest, separator)
        };
        let Some(at) = found else { break };
        fuel.elements(1)?;
        parts.push(Value::String(text.slice(fuel, from, from + at)?));
        from += at + separator.len();
    }
    let is_nothing = limit == 0 || (text.is_empty() && separator.is_empty());
    if !is_nothing {
        fuel.elements(1)?;
        parts.push(Value::String(text.slice(fuel, from, text.len())?));
    }
    Value::list(parts)
}

fn join<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (list, separator) = match arguments {
        [Value::List(list)] => (list, Text::Borrowed("")),
        [Value::List(list), Value::String(separator)] => (list, separator.clone()),
        _ => return Err(no_such_overload("join", arguments)),
    };
    let mut out = String::new();
    for (index, item) in list.iter().enumerate() {
        let Value::String(text) = &item else {
            let reason = "an element is not a string";
            return Err(EvaluationErrorKind::InvalidArgument { function: "join", reason });
        };
        fuel.toil(1)?;
        fuel.copy(separator.len() + text.len())?;
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(text);
    }
    Ok(Value::from(out))
}

fn quote<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("strings.quote", arguments)) };
    // Paid before it is made: each character may be escaped.
    fuel.copy(2 * text.len())?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match go_quote::named(character) {
            Some(escape) => out.push_str(escape),
            None => out.push(character),
        }
    }
    out.push('"');
    Ok(Value::from(out))
}
