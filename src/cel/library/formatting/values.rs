//! Values as the clauses write them.

use super::{
    super::{
        super::{
            error::EvaluationErrorKind,
            fuel::Fuel,
            value::{List, Map, Value},
        },
        conversions::shortest,
        go_quote::quote,
    },
    clause::{Clause, Verb},
    numbers,
};

type Result<T = ()> = std::result::Result<T, EvaluationErrorKind>;

fn refused<T>(reason: &'static str) -> Result<T> {
    Err(EvaluationErrorKind::InvalidArgument { function: "format", reason })
}

/// The work of writing a value, however short its text is.
const WRITTEN: u64 = 8;

/// The work of each digit of a double.
const DIGIT: u64 = 8;

/// A text that is paid for as it grows.
pub(super) struct Writer<'f> {
    fuel: &'f mut Fuel,
    out: String,
}

impl<'f> Writer<'f> {
    pub(super) fn new(fuel: &'f mut Fuel) -> Self {
        Self { fuel, out: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn text(&mut self, text: &str) -> Result {
        self.fuel.copy(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    pub(super) fn clause(&mut self, clause: Clause, value: &Value<'_>) -> Result {
        self.fuel.toil(WRITTEN)?;
        match clause.verb {
            Verb::Text => self.plain(value),
            Verb::Decimal => match value {
                Value::Int(value) => self.text(&value.to_string()),
                Value::Uint(value) => self.text(&value.to_string()),
                _ => refused("%d writes integers only"),
            },
            Verb::Fixed => self.double(&numbers::fixed(double(value)?, clause.precision)),
            Verb::Scientific => {
                let value = double(value)?;
                // Padding is paid for before it is made.
                self.fuel.copy(numbers::width(clause.precision))?;
                self.double(&numbers::scientific(value, clause.precision))
            }
            Verb::Binary => match value {
                Value::Int(value) => self.integer(*value, &format!("{:b}", value.unsigned_abs())),
                Value::Uint(value) => self.text(&format!("{value:b}")),
                Value::Bool(value) => self.text(if *value { "1" } else { "0" }),
                _ => refused("%b writes integers and booleans only"),
            },
            Verb::Octal => match value {
                Value::Int(value) => self.integer(*value, &format!("{:o}", value.unsigned_abs())),
                Value::Uint(value) => self.text(&format!("{value:o}")),
                _ => refused("%o writes integers only"),
            },
            Verb::Hex => self.hex(value, false),
            Verb::UpperHex => self.hex(value, true),
        }
    }

    /// The text of a double: finding its digits is slow.
    fn double(&mut self, text: &str) -> Result {
        self.fuel.toil(DIGIT.saturating_mul(text.len() as u64))?;
        self.text(text)
    }

    /// The digits of an integer without its sign, and that before them.
    fn integer(&mut self, value: i64, digits: &str) -> Result {
        if value < 0 {
            self.text("-")?;
        }
        self.text(digits)
    }

    fn hex(&mut self, value: &Value<'_>, upper: bool) -> Result {
        let number = |value: u64| if upper { format!("{value:X}") } else { format!("{value:x}") };
        let bytes = match value {
            Value::Int(value) => return self.integer(*value, &number(value.unsigned_abs())),
            Value::Uint(value) => return self.text(&number(*value)),
            Value::String(text) => text.as_bytes(),
            Value::Bytes(bytes) => bytes,
            _ => return refused("%x writes integers, bytes and strings only"),
        };
        self.fuel.copy(bytes.len().saturating_mul(2))?;
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or_default();
                self.out.push(if upper { digit.to_ascii_uppercase() } else { digit });
            }
        }
        Ok(())
    }

    /// A value of `%s`.
    fn plain(&mut self, value: &Value<'_>) -> Result {
        match value {
            Value::String(text) => self.text(text),
            Value::Bytes(bytes) => {
                let text = self.utf8(bytes)?;
                self.text(text)
            }
            Value::Double(value) => self.double(&shortest(*value)),
            Value::Timestamp(value) => self.text(&value.to_string()),
            Value::Duration(value) => self.text(&value.to_string()),
            other => self.nested(other),
        }
    }

    fn utf8<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b str> {
        self.fuel.scan(bytes.len())?;
        std::str::from_utf8(bytes).or_else(|_| refused("the bytes are no UTF-8"))
    }

    /// A value within a list or a map, in the notation of CEL. Recurses with the depth of the value, which is bounded.
    fn nested(&mut self, value: &Value<'_>) -> Result {
        self.fuel.toil(WRITTEN)?;
        match value {
            Value::Null => self.text("null"),
            Value::Bool(value) => self.text(if *value { "true" } else { "false" }),
            Value::Int(value) => self.text(&value.to_string()),
            Value::Uint(value) => self.text(&value.to_string()),
            Value::Double(value) => self.double(&numbers::nested(*value)),
            Value::String(text) => self.quoted(text),
            Value::Bytes(bytes) => {
                let text = self.utf8(bytes)?;
                self.text("b")?;
                self.quoted(text)
            }
            Value::Timestamp(value) => self.text(&format!("timestamp(\"{value}\")")),
            Value::Duration(value) => self.text(&format!("duration(\"{value}\")")),
            Value::Type(name) => self.text(name),
            Value::List(list) => self.list(list),
            Value::Map(map) => self.map(map),
            Value::Opaque(_) | Value::Optional(_) => {
                refused("%s does not write optionals or values of a library's type")
            }
        }
    }

    fn quoted(&mut self, text: &str) -> Result {
        // A byte becomes four at most; what is escaped is paid for a second time.
        self.fuel.copy(text.len())?;
        let quoted = quote(text.as_bytes());
        self.text(&quoted)
    }

    fn list(&mut self, list: &List<'_>) -> Result {
        self.text("[")?;
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                self.text(", ")?;
            }
            self.nested(&item)?;
        }
        self.text("]")
    }

    /// The entries in the order of their written keys.
    fn map(&mut self, map: &Map<'_>) -> Result {
        let before = std::mem::take(&mut self.out);
        let mut entries = Vec::with_capacity(map.len());
        self.fuel.elements(map.len())?;
        for (key, value) in map.iter() {
            if !matches!(key, Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_)) {
                return refused("%s does not write a map with such keys");
            }
            self.nested(&key)?;
            let key = std::mem::take(&mut self.out);
            self.nested(&value)?;
            entries.push((key, std::mem::take(&mut self.out)));
        }
        entries.sort();
        self.out = before;
        let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        self.text(&format!("{{{}}}", entries.join(", ")))
    }
}

/// The double of `%f` and `%e`: also one of the names that JSON has no number for.
fn double(value: &Value<'_>) -> Result<f64> {
    match value {
        Value::Double(value) => Ok(*value),
        Value::String(text) => match &**text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => refused("%f and %e write doubles only"),
        },
        _ => refused("%f and %e write doubles only"),
    }
}
