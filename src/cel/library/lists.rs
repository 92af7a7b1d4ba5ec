//! The list functions of Kubernetes and of cel-go's list extension in version 3.
//!
//! `sortBy` is a macro; what it calls, `@sortByAssociatedKeys`, cannot be named by an expression.

use std::cmp::Ordering;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Duration, List, Value, compare, same},
    },
    Apply, Cost, Declarations, Size, no_such_overload,
};

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The longest list that `lists.range` makes, as in cel-go.
const MAX_RANGE: i64 = 1_000_000;

pub(super) fn declare(into: &mut Declarations) {
    let a = Type::Parameter(0);
    let list = Type::list(a.clone());
    kubernetes(into, &a, &list);
    into.function("slice").sized(Size::Target).method(
        [list.clone(), Type::Int, Type::Int],
        list.clone(),
        Cost::NewList,
        slice,
    );
    into.function("flatten")
        .sized(Size::Flattened)
        .unguarded()
        .method([Type::list(list.clone())], list.clone(), Cost::Flatten, flatten)
        .method([Type::list(Type::Dyn), Type::Int], Type::list(Type::Dyn), Cost::Flatten, flatten);
    into.function("lists.range").sized(Size::Range).global([Type::Int], Type::list(Type::Int), Cost::NewList, range);
    into.function("reverse").sized(Size::Target).method([list.clone()], list.clone(), Cost::NewList, reverse);
    into.function("distinct").sized(Size::Target).method([list.clone()], list.clone(), Cost::SelfCompare(0), distinct);
    for of in
        [Type::Int, Type::Uint, Type::Double, Type::Bool, Type::Duration, Type::Timestamp, Type::String, Type::Bytes]
    {
        let sorted = Type::list(of.clone());
        into.function("sort").sized(Size::Target).singleton().method(
            [sorted.clone()],
            sorted.clone(),
            Cost::SelfCompare(0),
            sort,
        );
        let by = into.function("@sortByAssociatedKeys").singleton();
        by.method([list.clone(), sorted], list.clone(), Cost::SelfCompare(1), sort_by).sized(Size::Target);
    }
    describe(into);
}

fn describe(into: &mut Declarations) {
    into.function("slice")
        .about("The elements of a list from a position up to before another.")
        .example("[1, 2, 3, 4].slice(1, 3)", "[2, 3]");
    into.function("flatten")
        .about("The elements of the lists in a list, one level deep or as many as given.")
        .example("[[1], [2, 3]].flatten()", "[1, 2, 3]")
        .example("[[[1], [2]], [[3]]].flatten(2)", "[1, 2, 3]");
    into.function("lists.range")
        .about("The integers from 0 up to before a number.")
        .example("lists.range(3)", "[0, 1, 2]");
    into.function("reverse").about("A list from its end to its start.").example("[1, 2, 3].reverse()", "[3, 2, 1]");
    into.function("distinct")
        .about("A list without the elements that are equal to an earlier one.")
        .example("[1, 2, 1].distinct()", "[1, 2]");
    into.function("sort").about("A list of one ordered type in its order.").example("[3, 1, 2].sort()", "[1, 2, 3]");
    into.function("@sortByAssociatedKeys")
        .about("What the macro `sortBy` calls; no expression can name it.")
        .example("['bb', 'a'].sortBy(s, s.size())", "['a', 'bb']");
    into.function("isSorted")
        .about("Whether the elements of a list are in order.")
        .example("[1, 2, 2].isSorted()", "true")
        .example("['b', 'a'].isSorted()", "false");
    into.function("max")
        .about("The largest element of a list; an error where it is empty.")
        .example("[1, 3, 2].max()", "3");
    into.function("min")
        .about("The smallest element of a list; an error where it is empty.")
        .example("['b', 'a'].min()", "'a'");
    into.function("sum")
        .about("The sum of a list of numbers or durations; zero where it is empty.")
        .example("[1, 2, 3].sum()", "6")
        .example("[duration('1m'), duration('30s')].sum()", "duration('90s')");
    into.function("includes")
        .about("Whether a value is an element of a list; for what is no list, whether the two are equal.")
        .example("[1, 2].includes(2)", "true")
        .example("[1, 2].includes(3)", "false");
}

fn kubernetes(into: &mut Declarations, a: &Type, list: &Type) {
    let comparable =
        [Type::Int, Type::Uint, Type::Double, Type::Bool, Type::Duration, Type::Timestamp, Type::String, Type::Bytes];
    for of in comparable {
        let list = Type::list(of.clone());
        let cost = Cost::Traverse;
        into.function("isSorted").undecided(cost).method([list.clone()], Type::Bool, cost, is_sorted);
        into.function("max").sized(Size::Element).undecided(cost).method([list.clone()], of.clone(), cost, max);
        into.function("min").sized(Size::Element).undecided(cost).method([list], of, cost, min);
    }
    let summable: [(Type, Apply); 4] =
        [(Type::Int, sum_int), (Type::Uint, sum_uint), (Type::Double, sum_double), (Type::Duration, sum_duration)];
    for (of, apply) in summable {
        let function = into.function("sum").undecided(Cost::Traverse);
        function.method([Type::list(of.clone())], of, Cost::Traverse, apply);
    }
    into.function("indexOf").method([list.clone(), a.clone()], Type::Int, Cost::Traverse, index_of);
    into.function("lastIndexOf").method([list.clone(), a.clone()], Type::Int, Cost::Traverse, last_index_of);
    let includes = into.function("includes").undecided(Cost::Traverse);
    includes.method([Type::Dyn, Type::Dyn], Type::Bool, Cost::Traverse, self::includes);
}

fn target<'a, 'v>(name: &'static str, arguments: &'v [Value<'a>]) -> Result<&'v List<'a>, EvaluationErrorKind> {
    match arguments {
        [Value::List(list), ..] => Ok(list),
        _ => Err(no_such_overload(name, arguments)),
    }
}

fn ordered(fuel: &mut Fuel, name: &'static str, a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, EvaluationErrorKind> {
    fuel.toil(1)?;
    compare(fuel, a, b)?.ok_or_else(|| {
        let types = format!("{}, {}", a.type_name(), b.type_name());
        EvaluationErrorKind::NoSuchOverload { function: name, arguments: types }
    })
}

fn comparable(name: &'static str, value: &Value<'_>) -> Result<(), EvaluationErrorKind> {
    match value {
        Value::Null | Value::List(_) | Value::Map(_) | Value::Opaque(_) | Value::Type(_) | Value::Optional(_) => {
            let arguments = value.type_name().to_owned();
            Err(EvaluationErrorKind::NoSuchOverload { function: name, arguments })
        }
        _ => Ok(()),
    }
}

fn is_sorted<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let list = target("isSorted", arguments)?;
    let mut previous: Option<Value<'a>> = None;
    for next in list.iter() {
        comparable("isSorted", &next)?;
        if let Some(previous) = &previous
            && ordered(fuel, "isSorted", previous, &next)? == Ordering::Greater
        {
            return Ok(Value::Bool(false));
        }
        previous = Some(next);
    }
    Ok(Value::Bool(true))
}

fn extreme<'a>(fuel: &mut Fuel, name: &'static str, arguments: &[Value<'a>], wanted: Ordering) -> Outcome<'a> {
    let list = target(name, arguments)?;
    let mut best: Option<Value<'a>> = None;
    for next in list.iter() {
        comparable(name, &next)?;
        best = match best {
            Some(best) if ordered(fuel, name, &next, &best)? != wanted => Some(best),
            _ => Some(next),
        };
    }
    best.ok_or(EvaluationErrorKind::InvalidArgument { function: name, reason: "the list is empty" })
}

fn max<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    extreme(fuel, "max", arguments, Ordering::Greater)
}

fn min<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    extreme(fuel, "min", arguments, Ordering::Less)
}

/// Adds up a list; the sum of an empty one is the zero of the type that the checker chose.
fn sum<'a>(fuel: &mut Fuel, arguments: &[Value<'a>], zero: Value<'a>) -> Outcome<'a> {
    let list = target("sum", arguments)?;
    fuel.toil(list.len() as u64)?;
    let mut total = zero;
    for next in list.iter() {
        total = match (&total, &next) {
            (Value::Int(a), Value::Int(b)) => {
                a.checked_add(*b).map(Value::Int).ok_or(EvaluationErrorKind::Overflow("int"))?
            }
            (Value::Uint(a), Value::Uint(b)) => {
                a.checked_add(*b).map(Value::Uint).ok_or(EvaluationErrorKind::Overflow("uint"))?
            }
            (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            (Value::Duration(a), Value::Duration(b)) => {
                a.checked_add(*b).map(Value::Duration).ok_or(EvaluationErrorKind::Overflow("duration"))?
            }
            _ => return Err(no_such_overload("sum", &[next])),
        };
    }
    Ok(total)
}

fn sum_int<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    sum(fuel, arguments, Value::Int(0))
}

fn sum_uint<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    sum(fuel, arguments, Value::Uint(0))
}

fn sum_double<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    sum(fuel, arguments, Value::Double(0.0))
}

fn sum_duration<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    sum(fuel, arguments, Value::Duration(Duration::default()))
}

/// The index of the first or last element equal to the argument, or -1.
fn position<'a>(fuel: &mut Fuel, arguments: &[Value<'a>], name: &'static str, last: bool) -> Outcome<'a> {
    let [Value::List(list), wanted] = arguments else { return Err(no_such_overload(name, arguments)) };
    for step in 0..list.len() {
        let index = if last { list.len() - 1 - step } else { step };
        fuel.toil(1)?;
        if let Some(item) = list.peek(index)
            && same(fuel, &item, wanted)?
        {
            return i64::try_from(index).map(Value::Int).map_err(|_| EvaluationErrorKind::Overflow("int"));
        }
    }
    Ok(Value::Int(-1))
}

fn index_of<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    position(fuel, arguments, "indexOf", false)
}

fn last_index_of<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    position(fuel, arguments, "lastIndexOf", true)
}

fn includes<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [target, wanted] = arguments else { return Err(no_such_overload("includes", arguments)) };
    let Value::List(list) = target else { return Ok(Value::Bool(same(fuel, target, wanted)?)) };
    for item in list.iter() {
        fuel.toil(1)?;
        if same(fuel, &item, wanted)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn slice<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = arguments else {
        return Err(no_such_overload("slice", arguments));
    };
    let refused = |reason| EvaluationErrorKind::InvalidArgument { function: "slice", reason };
    let from = usize::try_from(*start).map_err(|_| refused("negative indexes are not supported"))?;
    let to = usize::try_from(*end).map_err(|_| refused("negative indexes are not supported"))?;
    if from > to {
        return Err(refused("the start is after the end"));
    }
    if to > list.len() {
        return Err(EvaluationErrorKind::IndexOutOfRange);
    }
    fuel.elements(to - from)?;
    Value::list((from..to).filter_map(|index| list.element(index)).collect())
}

fn flatten<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let (list, levels) = match arguments {
        [Value::List(list)] => (list, 1),
        [Value::List(list), Value::Int(levels)] => (list, *levels),
        _ => return Err(no_such_overload("flatten", arguments)),
    };
    let reason = "the number of levels must not be negative";
    let levels =
        u64::try_from(levels).map_err(|_| EvaluationErrorKind::InvalidArgument { function: "flatten", reason })?;
    // An explicit stack: how deep the lists nest is up to the input.
    let mut open = vec![(list.clone(), 0, levels)];
    let mut out = Vec::new();
    while let Some((list, index, levels)) = open.pop() {
        let Some(item) = list.element(index) else { continue };
        fuel.toil(1)?;
        open.push((list, index + 1, levels));
        match item {
            Value::List(inner) if levels > 0 => open.push((inner, 0, levels - 1)),
            other => {
                fuel.elements(1)?;
                out.push(other);
            }
        }
    }
    Value::list(out)
}

fn range<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Int(count)] = arguments else { return Err(no_such_overload("lists.range", arguments)) };
    if !(0..=MAX_RANGE).contains(count) {
        let reason = "the size must be between 0 and 1000000";
        return Err(EvaluationErrorKind::InvalidArgument { function: "lists.range", reason });
    }
    fuel.elements(usize::try_from(*count).unwrap_or(usize::MAX))?;
    Value::list((0..*count).map(Value::Int).collect())
}

fn reverse<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let list = target("reverse", arguments)?;
    fuel.elements(list.len())?;
    Value::list(list.iter().rev().collect())
}

fn distinct<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let list = target("distinct", arguments)?;
    let mut unique: Vec<Value<'a>> = Vec::new();
    'items: for item in list.iter() {
        fuel.toil(1)?;
        for known in &unique {
            fuel.toil(1)?;
            if same(fuel, &item, known)? {
                continue 'items;
            }
        }
        fuel.elements(1)?;
        unique.push(item);
    }
    Value::list(unique)
}

fn sort<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let list = target("sort", arguments)?;
    sorted(fuel, "sort", list, list)
}

fn sort_by<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    match arguments {
        [Value::List(list), Value::List(keys)] => sorted(fuel, "sortBy", list, keys),
        _ => Err(no_such_overload("sortBy", arguments)),
    }
}

/// `list` in the order of `keys`, which are all of one ordered type; equal keys keep their order.
fn sorted<'a>(fuel: &mut Fuel, name: &'static str, list: &List<'a>, keys: &List<'a>) -> Outcome<'a> {
    // The pairs and the list made of them.
    fuel.elements(keys.len().saturating_mul(3))?;
    let mut pairs: Vec<(Value<'a>, Value<'a>)> = keys.iter().zip(list.iter()).collect();
    let Some((first, _)) = pairs.first() else { return Ok(Value::List(list.clone())) };
    comparable(name, first)?;
    let kind = first.type_name();
    if pairs.iter().any(|(key, _)| key.type_name() != kind) {
        let reason = "list elements must have the same type";
        return Err(EvaluationErrorKind::InvalidArgument { function: name, reason });
    }
    let mut failure = None;
    pairs.sort_by(|(a, _), (b, _)| {
        if failure.is_some() {
            return Ordering::Equal;
        }
        ordered(fuel, name, a, b).unwrap_or_else(|kind| {
            failure = Some(kind);
            Ordering::Equal
        })
    });
    match failure {
        Some(kind) => Err(kind),
        None => Value::list(pairs.into_iter().map(|(_, item)| item).collect()),
    }
}
