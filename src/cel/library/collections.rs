//! `size`, of strings, bytes, lists and maps.

use super::{
    super::{error::EvaluationErrorKind, fuel::Fuel, types::Type, value::Value},
    Cost, Declarations, no_such_overload,
};

pub(super) fn declare(into: &mut Declarations) {
    let sized =
        [Type::Bytes, Type::list(Type::Parameter(0)), Type::map(Type::Parameter(0), Type::Parameter(1)), Type::String];
    let function = into.function("size").singleton();
    for of in sized {
        function.global([of.clone()], Type::Int, Cost::Unit, size).method([of], Type::Int, Cost::Unit, size);
    }
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("size")
        .about("The characters of a string, the bytes of bytes, the elements of a list or the entries of a map.")
        .example("size('naïve')", "5")
        .example("[1, 2].size()", "2")
        .example("{'a': 1}.size()", "1")
        .example("size(b'naïve')", "6");
}

fn size<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Result<Value<'a>, EvaluationErrorKind> {
    let size = match arguments {
        [Value::String(text)] => {
            fuel.scan(text.len())?;
            text.characters()
        }
        [Value::Bytes(bytes)] => bytes.len(),
        [Value::List(list)] => list.len(),
        [Value::Map(map)] => map.len(),
        _ => return Err(no_such_overload("size", arguments)),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| EvaluationErrorKind::Overflow("int"))
}
