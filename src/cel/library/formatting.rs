//! Formatted strings: `'%s has %d'.format([name, count])`, as cel-go's string extension has it in version 2.
//!
//! That version writes doubles by golang.org/x/text in American English, which shows: `%f` groups digits by commas, and
//! `%e` takes its precision for the least width.

mod clause;
mod numbers;
mod values;

use super::{
    super::{error::EvaluationErrorKind, fuel::Fuel, types::Type, value::Value},
    Cost, Declarations, Size, no_such_overload,
};
pub(in crate::cel) use clause::{Clause, Piece, Pieces, Verb};
pub(in crate::cel) use numbers::WIDEST_PADDING;
use values::Writer;

pub(super) fn declare(into: &mut Declarations) {
    into.function("format")
        .about("The text with each clause (%s, %d, %f, %e, %b, %x, %X, %o) replaced by the next value; %% is a percent sign.")
        .example("'%s has %d'.format(['web', 2])", "'web has 2'")
        .example("'%.1f%%'.format([99.5])", "'99.5%'")
        .example("'%x'.format([255])", "'ff'")
        .example("'%s'.format([['a', 1, null]])", "'[\"a\", 1, null]'")
        .sized(Size::Formatted)
        .variadic()
        .method([Type::String, Type::list(Type::Dyn)], Type::String, Cost::Scan(0), format);
}

fn format<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let [Value::String(text), Value::List(values)] = arguments else {
        return Err(no_such_overload("format", arguments));
    };
    fuel.scan(text.len())?;
    let mut writer = Writer::new(fuel);
    let mut pieces = Pieces::new(text);
    let mut index = 0;
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => writer.text(text)?,
            Piece::Clause(rest) => {
                let value = values.element(index).ok_or(EvaluationErrorKind::IndexOutOfRange)?;
                index += 1;
                let refused = |reason| EvaluationErrorKind::InvalidArgument { function: "format", reason };
                let (clause, rest) = Clause::parse(rest).map_err(refused)?;
                writer.clause(clause, &value)?;
                pieces.resume(rest);
            }
        }
    }
    Ok(Value::from(writer.finish()))
}
