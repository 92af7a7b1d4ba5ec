use std::{cell::RefCell, collections::BTreeMap};

use super::Input;
use crate::{
    api::SignalType,
    canonical,
    cel::{
        Activation, EvaluationError, EvaluationErrorKind, Fuel, Key, Map, Program, Quantity, Slot, Text, Timestamp,
        Value,
    },
    policy::{Policy, rule_slots, slots},
    signal::SignalValue,
};

/// The variables of one policy's expressions over one request.
pub(super) struct Scope<'a> {
    policy: &'a Policy,
    input: &'a Input<'a>,
    params: Value<'a>,
    // Each variable is evaluated at most once, and its error is remembered like its value.
    variables: RefCell<Vec<Option<Result<Value<'a>, EvaluationError>>>>,
}

/// The variables of rules: the signals, and for messages some of the request's.
pub(super) struct RuleScope<'s, 'a> {
    scope: &'s Scope<'a>,
    signals: Value<'a>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(policy: &'a Policy, params: &'a canonical::Value<'a>, input: &'a Input<'a>) -> Self {
        let typed = policy.params().iter().map(|(name, declaration)| {
            let value = params.member(name).unwrap_or(&canonical::Value::Null);
            (name.as_str(), typed(value, declaration.value_type()))
        });
        let variables = RefCell::new(vec![None; policy.variables().len()]);
        Self { policy, input, params: record(typed), variables }
    }

    /// The scope of rules, once all signals are taken.
    pub(super) fn rules(&self, signals: &BTreeMap<String, SignalValue>) -> RuleScope<'_, 'a> {
        let entries = self.policy.signals().iter();
        let entries = entries.filter_map(|signal| Some((signal.name.as_str(), owned(signals.get(&signal.name)?))));
        RuleScope { scope: self, signals: record(entries) }
    }

    pub(super) fn variable(&self, index: usize, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        if let Some(Some(known)) = self.variables.borrow().get(index) {
            return known.clone();
        }
        let missing = || EvaluationErrorKind::MissingVariable("variables".to_owned());
        let (_, program) = self.policy.variables().get(index).ok_or_else(missing)?;
        // No cycle: a variable only sees those before it.
        let value = fuel.apart(|fuel| program.evaluate(self, fuel));
        if let Some(place) = self.variables.borrow_mut().get_mut(index) {
            *place = Some(value.clone());
        }
        value
    }
}

impl<'a> Activation<'a> for Scope<'a> {
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        match slot.index() {
            slots::OBJECT => Ok(object(self.input.object)),
            slots::OLD_OBJECT => Ok(object(self.input.old_object)),
            slots::NAMESPACE_OBJECT => Ok(object(self.input.namespace)),
            slots::REQUEST => Ok(self.input.request()),
            slots::PARAMS => Ok(self.params.clone()),
            slots::CHANGE => Ok(record([("deletes", Value::Bool(self.input.deletes))])),
            index => self.variable(index - slots::VARIABLES, fuel),
        }
    }
}

impl<'a> Activation<'a> for RuleScope<'_, 'a> {
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        match slot.index() {
            rule_slots::SIGNALS => Ok(self.signals.clone()),
            rule_slots::PARAMS => Ok(self.scope.params.clone()),
            rule_slots::OBJECT => Ok(object(self.scope.input.object)),
            index => self.scope.variable(index - rule_slots::VARIABLES, fuel),
        }
    }
}

fn object<'a>(value: Option<&'a canonical::Value<'a>>) -> Value<'a> {
    value.map_or(Value::Null, Value::from)
}

/// Evaluates a condition, on a limit of its own.
pub(super) fn boolean<'a>(
    program: &'a Program,
    scope: &dyn Activation<'a>,
    fuel: &mut Fuel,
) -> Result<bool, EvaluationError> {
    let value = fuel.apart(|fuel| program.evaluate(scope, fuel))?;
    // INVARIANT: conditions are compiled to yield bool, and evaluation checks it.
    value.as_bool().ok_or_else(|| EvaluationErrorKind::Internal("a condition is not a bool").into())
}

/// Evaluates a message, on a limit of its own.
pub(super) fn string<'a>(
    program: &'a Program,
    scope: &dyn Activation<'a>,
    fuel: &mut Fuel,
) -> Result<String, EvaluationError> {
    let value = fuel.apart(|fuel| program.evaluate(scope, fuel))?;
    value.as_str().map(str::to_owned).ok_or_else(|| EvaluationErrorKind::Internal("a message is not a string").into())
}

/// The content of an optional; `None` for `optional.none()`. Any other value is its own content.
pub(super) fn unwrap_optional(value: Value<'_>) -> Option<Value<'_>> {
    match &value {
        Value::Optional(_) => value.as_present().cloned(),
        _ => Some(value),
    }
}

/// The value as one of a declared type; `None` where it is of another.
pub(super) fn signal_value(value: &Value<'_>, declared: SignalType) -> Option<SignalValue> {
    let string = |value: &Value<'_>| value.as_str().map(str::to_owned);
    Some(match (declared, value) {
        (SignalType::Boolean, Value::Bool(value)) => SignalValue::Boolean(*value),
        (SignalType::Integer, Value::Int(value)) => SignalValue::Integer(*value),
        (SignalType::String, Value::String(text)) => SignalValue::String(text.to_string()),
        (SignalType::StringList, Value::List(list)) => {
            SignalValue::StringList(list.iter().map(|item| string(&item)).collect::<Option<_>>()?)
        }
        (SignalType::StringMap, Value::Map(map)) => {
            let entries = map.iter().map(|(key, value)| Some((string(&key)?, string(&value)?)));
            SignalValue::StringMap(entries.collect::<Option<_>>()?)
        }
        (SignalType::Timestamp, Value::Timestamp(time)) => {
            SignalValue::Timestamp(jiff::Timestamp::new(time.seconds(), i32::try_from(time.nanos()).ok()?).ok()?)
        }
        (SignalType::Quantity, value) => SignalValue::Quantity(value.as_opaque::<Quantity>()?.stable()?),
        _ => return None,
    })
}

/// A parameter as its type; it was checked when the binding was compiled.
fn typed<'a>(value: &'a canonical::Value<'a>, declared: SignalType) -> Value<'a> {
    match (declared, value.as_str()) {
        (SignalType::Timestamp, Some(text)) => text.parse().map_or_else(|_| Value::from(value), |time| timestamp(time)),
        (SignalType::Quantity, Some(text)) => quantity(text),
        _ => Value::from(value),
    }
}

/// A quantity by a text that was read as one before.
fn quantity(text: &str) -> Value<'static> {
    Quantity::parse(text).map_or(Value::Null, Value::opaque)
}

fn timestamp(time: jiff::Timestamp) -> Value<'static> {
    let nanos = u32::try_from(time.subsec_nanosecond().rem_euclid(1_000_000_000)).unwrap_or_default();
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    Timestamp::new(seconds, nanos).map_or(Value::Null, Value::Timestamp)
}

/// A map with the given fields.
pub(super) fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    let entries = fields.into_iter().map(|(name, value)| (Key::String(Text::Borrowed(name)), value)).collect();
    // INVARIANT: names are unique, and nothing here nests deep.
    Map::new(entries).map_or(Value::Null, Value::Map)
}

/// A list of the given items.
pub(super) fn items<'a>(items: impl IntoIterator<Item = Value<'a>>) -> Value<'a> {
    Value::list(items.into_iter().collect()).unwrap_or_default()
}

fn text(text: &str) -> Value<'static> {
    Value::String(Text::Owned(text.into()))
}

/// A signal as a value of its own.
fn owned(value: &SignalValue) -> Value<'static> {
    match value {
        SignalValue::Boolean(value) => Value::Bool(*value),
        SignalValue::Integer(value) => Value::Int(*value),
        SignalValue::String(value) => text(value),
        SignalValue::StringList(list) => items(list.iter().map(|item| text(item))),
        SignalValue::StringMap(map) => owned_record(map),
        SignalValue::Timestamp(time) => timestamp(*time),
        SignalValue::Quantity(text) => quantity(text),
    }
}

fn owned_record(map: &BTreeMap<String, String>) -> Value<'static> {
    let entries = map.iter().map(|(key, item)| (Key::String(Text::Owned(key.as_str().into())), text(item))).collect();
    Map::new(entries).map_or(Value::Null, Value::Map)
}
