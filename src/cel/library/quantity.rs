//! Quantities as Kubernetes has them (`kubernetes.quantity`, `resource.Quantity` of apimachinery): fixed-point numbers
//! with a suffix, for example `1.5Gi` or `100m`.
//!
//! A quantity is an integer of 64 bits with a power of ten for as long as that holds it, and digits of any length once
//! it does not. Which of the two it is shows in `isInteger`, so this is part of the value.

mod amount;
mod decimal;
mod format;
mod parse;

use std::cmp::Ordering;

use super::{
    super::{
        error::EvaluationErrorKind,
        fuel::Fuel,
        types::Type,
        value::{Foreign, Opaque, Value},
    },
    Cost, Declarations, no_such_overload,
};
use amount::Amount;
use format::Format;

type Outcome<'a> = Result<Value<'a>, EvaluationErrorKind>;

/// The name of the type.
const NAME: &str = "kubernetes.Quantity";

pub(super) fn declare(into: &mut Declarations) {
    let quantity = Type::Opaque(NAME);
    let one = [quantity.clone()];
    let two = [quantity.clone(), quantity.clone()];
    into.function("quantity")
        .about("The quantity that a text says; an error where it says none.")
        .example("quantity('1Ki')", "quantity('1024')")
        .example("quantity('1.5')", "quantity('1500m')")
        .global([Type::String], quantity.clone(), Cost::Scan(0), from_text);
    into.function("isQuantity")
        .about("Whether a text is a quantity.")
        .example("isQuantity('1.5Gi')", "true")
        .example("isQuantity('1,5')", "false")
        .global([Type::String], Type::Bool, Cost::Scan(0), is_quantity);
    into.function("sign").about("-1, 0 or 1: the sign of a quantity.").example("sign(quantity('-5m'))", "-1").global(
        one.clone(),
        Type::Int,
        Cost::Unit,
        sign,
    );
    declare_order(into, &two);
    into.function("asApproximateFloat")
        .about("The quantity as a double, which may lose precision.")
        .example("quantity('50k').asApproximateFloat()", "50000.0")
        .method(one.clone(), Type::Double, Cost::Unit, as_approximate_float);
    into.function("asInteger")
        .about("The quantity as an integer; an error unless `isInteger` is true.")
        .example("quantity('50k').asInteger()", "50000")
        .method(one.clone(), Type::Int, Cost::Unit, as_integer);
    into.function("isInteger")
        .about("Whether a quantity is kept as an integer of 64 bits, and `asInteger` has a result.")
        .example("quantity('50k').isInteger()", "true")
        .example("quantity('1.5').isInteger()", "false")
        .method(one, Type::Bool, Cost::Unit, is_integer);
    let integer = [quantity.clone(), Type::Int];
    into.function("add")
        .about("The sum of a quantity and a quantity or an integer.")
        .example("quantity('1Ki').add(quantity('1Ki')).compareTo(quantity('2Ki'))", "0")
        .example("quantity('1').add(2).asInteger()", "3")
        .method(two.clone(), quantity.clone(), Cost::Unit, add)
        .method(integer.clone(), quantity.clone(), Cost::Unit, add_integer);
    into.function("sub")
        .about("What is left of a quantity without a quantity or an integer.")
        .example("quantity('1Ki').sub(quantity('24')).asInteger()", "1000")
        .example("quantity('1').sub(2).asInteger()", "-1")
        .method(two, quantity.clone(), Cost::Unit, sub)
        .method(integer, quantity, Cost::Unit, sub_integer);
}

fn declare_order(into: &mut Declarations, two: &[Type; 2]) {
    into.function("isGreaterThan")
        .about("Whether the target is greater than the argument: two quantities, or two versions.")
        .example("quantity('2k').isGreaterThan(quantity('1Ki'))", "true")
        .method(two.clone(), Type::Bool, Cost::Unit, is_greater_than);
    into.function("isLessThan")
        .about("Whether the target is less than the argument: two quantities, or two versions.")
        .example("quantity('1k').isLessThan(quantity('1Ki'))", "true")
        .method(two.clone(), Type::Bool, Cost::Unit, is_less_than);
    into.function("compareTo")
        .about("-1, 0 or 1: the target is less than, equal to or greater than the argument.")
        .example("quantity('1000m').compareTo(quantity('1'))", "0")
        .method(two.clone(), Type::Int, Cost::Unit, compare_to);
}

/// A quantity, `kubernetes.Quantity`.
#[derive(Clone, Debug)]
pub struct Quantity {
    amount: Amount,
    /// How it is written, which sums take from the first that is not zero.
    format: Format,
    /// Whether it was computed. The API server keeps such a quantity behind a pointer, and its equality then knows it
    /// on the left side only.
    computed: bool,
}

impl Quantity {
    /// The type of quantities in expressions.
    pub const TYPE: Type = Type::Opaque(NAME);

    /// The quantity that `text` says, by `resource.ParseQuantity`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (amount, format) = parse::parse(text)?;
        Ok(Self { amount, format, computed: false })
    }

    /// The canonical text: no fraction, the largest suffix of its format that loses nothing. Where the format has no
    /// suffix that is large enough, a power of ten. Kubernetes leaves the suffix out there (`1000E` becomes `1`).
    #[must_use]
    pub fn canonical(&self) -> String {
        format::canonical(&self.amount, self.format)
    }

    /// The text that is recorded: canonical, and the same when it is read and written again. A quantity with a binary
    /// suffix that no such suffix divides is written without one, and so is decimal from then on, as in the API server:
    /// `62.5Ki` is `64k`. None where the text reads back as another quantity: sums beyond 64 bits with a binary suffix
    /// do, because reading caps them.
    #[must_use]
    pub fn stable(&self) -> Option<String> {
        let again = Self::parse(&self.canonical()).ok()?;
        (again.amount.compare(&self.amount) == Ordering::Equal).then(|| again.canonical())
    }

    fn sum(&self, fuel: &mut Fuel, other: &Self, negated: bool) -> Result<Self, EvaluationErrorKind> {
        let format = if self.amount.is_zero() { other.format } else { self.format };
        Ok(Self { amount: self.amount.add(fuel, &other.amount, negated)?, format, computed: true })
    }

    fn of_integer(value: i64) -> Self {
        Self { amount: Amount::Integer { value, scale: 0 }, format: Format::Exponent, computed: false }
    }
}

impl Foreign for Quantity {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn literal(&self) -> String {
        format!("quantity(\"{}\")", self.canonical())
    }

    fn equals(&self, other: &Opaque) -> bool {
        other.get::<Self>().is_some_and(|other| self.amount.compare(&other.amount) == Ordering::Equal)
    }

    fn takes(&self, other: &Opaque) -> bool {
        other.get::<Self>().is_some_and(|other| !other.computed)
    }

    fn bytes(&self) -> usize {
        self.amount.digits()
    }
}

fn refused(function: &'static str, reason: &'static str) -> EvaluationErrorKind {
    EvaluationErrorKind::InvalidArgument { function, reason }
}

fn read(fuel: &mut Fuel, text: &str) -> Result<Result<Quantity, &'static str>, EvaluationErrorKind> {
    // Read once, and kept as digits where it is long.
    fuel.scan(text.len())?;
    fuel.copy(text.len())?;
    Ok(Quantity::parse(text))
}

fn from_text<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("quantity", arguments)) };
    read(fuel, text)?.map(Value::opaque).map_err(|reason| refused("quantity", reason))
}

fn is_quantity<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text)] = arguments else { return Err(no_such_overload("isQuantity", arguments)) };
    Ok(Value::Bool(read(fuel, text)?.is_ok()))
}

fn one<'v>(name: &'static str, arguments: &'v [Value<'_>]) -> Result<&'v Quantity, EvaluationErrorKind> {
    let [value] = arguments else { return Err(no_such_overload(name, arguments)) };
    value.as_opaque().ok_or_else(|| no_such_overload(name, arguments))
}

fn pair<'v>(
    name: &'static str,
    arguments: &'v [Value<'_>],
) -> Result<(&'v Quantity, &'v Quantity), EvaluationErrorKind> {
    let [first, second] = arguments else { return Err(no_such_overload(name, arguments)) };
    first.as_opaque().zip(second.as_opaque()).ok_or_else(|| no_such_overload(name, arguments))
}

fn sign<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(one("sign", arguments)?.amount.sign()))
}

fn as_approximate_float<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let quantity = one("asApproximateFloat", arguments)?;
    fuel.copy(quantity.bytes())?;
    Ok(Value::Double(quantity.amount.approximate()))
}

fn as_integer<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    let value = one("asInteger", arguments)?.amount.integer();
    value.map(Value::Int).ok_or_else(|| refused("asInteger", "the quantity is not an integer of 64 bits"))
}

fn is_integer<'a>(_: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(one("isInteger", arguments)?.amount.integer().is_some()))
}

fn ordered(fuel: &mut Fuel, name: &'static str, arguments: &[Value<'_>]) -> Result<Ordering, EvaluationErrorKind> {
    let (first, second) = pair(name, arguments)?;
    fuel.scan(first.bytes().min(second.bytes()))?;
    Ok(first.amount.compare(&second.amount))
}

fn is_greater_than<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(ordered(fuel, "isGreaterThan", arguments)? == Ordering::Greater))
}

fn is_less_than<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(ordered(fuel, "isLessThan", arguments)? == Ordering::Less))
}

fn compare_to<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(ordered(fuel, "compareTo", arguments)? as i64))
}

fn total<'a>(fuel: &mut Fuel, name: &'static str, arguments: &[Value<'a>], negated: bool) -> Outcome<'a> {
    let (first, second) = pair(name, arguments)?;
    first.sum(fuel, second, negated).map(Value::opaque)
}

fn add<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    total(fuel, "add", arguments, false)
}

fn sub<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    total(fuel, "sub", arguments, true)
}

fn total_integer<'a>(fuel: &mut Fuel, name: &'static str, arguments: &[Value<'a>], negated: bool) -> Outcome<'a> {
    let [first, Value::Int(second)] = arguments else { return Err(no_such_overload(name, arguments)) };
    let first: &Quantity = first.as_opaque().ok_or_else(|| no_such_overload(name, arguments))?;
    first.sum(fuel, &Quantity::of_integer(*second), negated).map(Value::opaque)
}

fn add_integer<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    total_integer(fuel, "add", arguments, false)
}

fn sub_integer<'a>(fuel: &mut Fuel, arguments: &[Value<'a>]) -> Outcome<'a> {
    total_integer(fuel, "sub", arguments, true)
}
