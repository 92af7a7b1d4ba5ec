//! Expressions of a wanted type, made of what the registry declares: a new library is covered without a word here,
//! but for the texts that its functions understand (`seeds`).

use std::collections::BTreeMap;

use super::{
    data::{LISTS, MAPS, PATHS, VARIABLES},
    random::Random,
    seeds::{literals, texts},
};
use crate::cel::{
    Type,
    library::{Function, Overload, functions},
    tests::render::parse_type,
};

/// Types that expressions are wanted of, the usual ones more often.
const WANTED: &[&str] = &[
    "bool",
    "bool",
    "bool",
    "bool",
    "int",
    "int",
    "uint",
    "double",
    "string",
    "string",
    "timestamp",
    "duration",
    "list(int)",
    "list(string)",
    "list(double)",
    "list(bool)",
    "map(string,int)",
    "map(string,string)",
];

pub(super) struct Generator<'r> {
    random: &'r mut Random,
    /// The variables of macros around, innermost last.
    scope: Vec<(String, Type)>,
    overloads: Vec<(&'static Function, &'static Overload)>,
    /// How many mistakes in a thousand choices.
    mistakes: usize,
    pub(super) called: BTreeMap<&'static str, usize>,
}

type Bound = BTreeMap<u32, Type>;

impl<'r> Generator<'r> {
    pub(super) fn new(random: &'r mut Random) -> Self {
        let all = functions().flat_map(|function| function.overloads.iter().map(move |overload| (function, overload)));
        let overloads = all.filter(|(function, _)| !function.name.starts_with("@sort")).collect();
        Self { random, scope: Vec::new(), overloads, mistakes: 0, called: BTreeMap::new() }
    }

    /// An expression of any type; about one in eight has a mistake in it.
    pub(super) fn expression(&mut self) -> String {
        self.mistakes = *self.random.pick(&[0, 0, 0, 0, 0, 5, 40]);
        let depth = 1 + self.random.below(5);
        // Every overload gets its turn, however rare its types are.
        let made = if self.random.chance(50) {
            let (function, overload) = *self.random.pick(&self.overloads);
            self.call(function, overload, Bound::new(), depth)
        } else {
            let wanted = self.some_type();
            self.of(&wanted, depth)
        };
        let made = made.unwrap_or_else(|| "object".to_owned());
        if self.random.chance(4) { self.broken(&made) } else { made }
    }

    fn some_type(&mut self) -> Type {
        let wanted = *self.random.pick(WANTED);
        parse_type(wanted)
    }

    /// An expression with a piece of its text taken away, doubled or put in.
    fn broken(&mut self, text: &str) -> String {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = *self.random.pick(&places);
        let (before, after) = text.split_at(at);
        let end = after.chars().next().map_or(0, char::len_utf8);
        let pieces = [
            "(", ")", "[", "]", "{", "}", "'", "\"", ",", ".", "?", ":", " ", "\n", "&&", "!", "-", "1", "x", "\\",
            "in", ".?", "é",
        ];
        match self.random.below(3) {
            0 => format!("{before}{}", &after[end..]),
            1 => format!("{before}{after}{before}"),
            _ => format!("{before}{}{after}", self.random.pick(&pieces)),
        }
    }

    /// An expression of type `of`; nothing, where nothing makes such a value.
    fn of(&mut self, of: &Type, depth: usize) -> Option<String> {
        if self.random.below(1_000) < self.mistakes {
            return self.mistake(depth);
        }
        if depth == 0 || self.random.chance(12) {
            return self.leaf(of).or_else(|| self.made(of, depth));
        }
        match self.random.below(20) {
            0 => self.conditional(of, depth),
            1 => self.indexed(of, depth),
            2 => self.unwrapped(of, depth),
            3..=6 => self.by_macro(of, depth).or_else(|| self.made(of, depth)),
            7 => self.logic(of, depth).or_else(|| self.made(of, depth)),
            // A part of type dyn that is optional makes the API server's validator panic.
            8 if !matches!(of, Type::Optional(_)) => self.of(of, depth - 1).map(|inner| format!("dyn({inner})")),
            9 | 10 => self.leaf(of).or_else(|| self.made(of, depth)),
            11 => self.literal(of, depth).or_else(|| self.made(of, depth)),
            _ => self.made(of, depth).or_else(|| self.leaf(of)),
        }
    }

    fn mistake(&mut self, depth: usize) -> Option<String> {
        let wrong = self.some_type();
        Some(match self.random.below(6) {
            0 => "nope".to_owned(),
            1 => format!("{}.nope(1)", self.of(&wrong, depth.saturating_sub(1))?),
            2 => "object.none.x".to_owned(),
            3 => "(1 / 0)".to_owned(),
            4 => format!("dyn({})", self.of(&wrong, depth.saturating_sub(1))?),
            _ => self.of(&wrong, depth.saturating_sub(1))?,
        })
    }

    fn leaf(&mut self, of: &Type) -> Option<String> {
        let locals: Vec<String> = self
            .scope
            .iter()
            .filter(|(_, known)| known == of || known.is_dyn())
            .map(|(name, _)| name.clone())
            .collect();
        if !locals.is_empty() && self.random.chance(60) {
            return Some(self.random.pick(&locals).clone());
        }
        if self.random.chance(50) {
            let variables: Vec<&str> =
                VARIABLES.iter().filter(|(_, known)| parse_type(known) == *of).map(|(name, _)| *name).collect();
            if !variables.is_empty() {
                return Some((*self.random.pick(&variables)).to_owned());
            }
        }
        if self.random.chance(40) {
            let paths: Vec<&str> = PATHS.iter().filter(|(_, found)| found == of).map(|(path, _)| *path).collect();
            if !paths.is_empty() {
                let path = *self.random.pick(&paths);
                return Some(path.to_owned());
            }
        }
        match of {
            Type::Dyn => {
                Some((*self.random.pick(&["object", "dyn(1)", "object.spec", "dyn('a')", "dyn(null)"])).to_owned())
            }
            Type::List(_) if self.random.chance(20) => Some((*self.random.pick(LISTS)).to_owned()),
            Type::Map(..) if self.random.chance(20) => Some((*self.random.pick(MAPS)).to_owned()),
            Type::List(_) | Type::Map(..) | Type::Optional(_) => self.literal(of, 0),
            _ => {
                let known = literals(of);
                if known.is_empty() { None } else { Some((*self.random.pick(known)).to_owned()) }
            }
        }
    }

    /// A literal of a type with parts.
    fn literal(&mut self, of: &Type, depth: usize) -> Option<String> {
        let depth = depth.saturating_sub(1);
        match of {
            Type::List(element) => {
                let count = self.random.below(4);
                let parts: Option<Vec<String>> = (0..count).map(|_| self.part(element, depth)).collect();
                Some(format!("[{}]", parts?.join(", ")))
            }
            Type::Map(key, value) => {
                let count = if self.random.chance(80) { 1 } else { self.random.below(3) };
                let entries: Option<Vec<String>> = (0..count)
                    .map(|_| {
                        let optional = self.random.chance(3);
                        let (key, value) = (
                            self.of(key, 0)?,
                            if optional { Type::optional(value.as_ref().clone()) } else { value.as_ref().clone() },
                        );
                        let value = self.of(&value, depth)?;
                        Some(format!("{}{key}: {value}", if optional { "?" } else { "" }))
                    })
                    .collect();
                Some(format!("{{{}}}", entries?.join(", ")))
            }
            Type::Optional(_) if self.random.chance(30) => Some("optional.none()".to_owned()),
            Type::Optional(inner) => Some(format!("optional.of({})", self.of(inner, depth)?)),
            _ => None,
        }
    }

    fn part(&mut self, of: &Type, depth: usize) -> Option<String> {
        if self.random.chance(3) {
            return Some(format!("?{}", self.of(&Type::optional(of.clone()), depth)?));
        }
        self.of(of, depth)
    }

    fn conditional(&mut self, of: &Type, depth: usize) -> Option<String> {
        let (condition, truthy, falsy) =
            (self.of(&Type::Bool, depth - 1)?, self.of(of, depth - 1)?, self.of(of, depth - 1)?);
        Some(format!("({condition} ? {truthy} : {falsy})"))
    }

    fn logic(&mut self, of: &Type, depth: usize) -> Option<String> {
        if *of != Type::Bool {
            return None;
        }
        let operator = *self.random.pick(&["&&", "||"]);
        Some(format!("({} {operator} {})", self.of(of, depth - 1)?, self.of(of, depth - 1)?))
    }

    fn indexed(&mut self, of: &Type, depth: usize) -> Option<String> {
        let (list, map) = (Type::list(of.clone()), Type::map(Type::String, of.clone()));
        if self.random.chance(50) {
            let list = self.of(&list, depth - 1)?;
            let index =
                if self.random.chance(80) { "0".to_owned() } else { self.of(&Type::Int, depth.saturating_sub(2))? };
            return Some(format!("{list}[{index}]"));
        }
        let map = self.of(&map, depth - 1)?;
        Some(match self.random.below(3) {
            0 => format!("{map}.k"),
            1 => format!("{map}['k']"),
            _ => format!("{map}[{}]", self.of(&Type::String, depth.saturating_sub(2))?),
        })
    }

    fn unwrapped(&mut self, of: &Type, depth: usize) -> Option<String> {
        let inner = if self.random.chance(50) {
            self.of(&Type::optional(of.clone()), depth - 1)?
        } else {
            let map = self.of(&Type::map(Type::String, of.clone()), depth - 1)?;
            let step = *self.random.pick(&[".?k", "[?'k']", ".?absent"]);
            format!("{map}{step}")
        };
        Some(if self.random.chance(95) {
            format!("{inner}.orValue({})", self.of(of, depth - 1)?)
        } else {
            format!("{inner}.value()")
        })
    }

    /// A call of a random overload that yields `of`.
    fn made(&mut self, of: &Type, depth: usize) -> Option<String> {
        let fitting: Vec<_> = self
            .overloads
            .iter()
            .filter_map(|(function, overload)| {
                let mut bound = Bound::new();
                fits(&overload.result, of, &mut bound).then_some((*function, *overload, bound))
            })
            .collect();
        if fitting.is_empty() {
            return None;
        }
        for _ in 0..3 {
            let (function, overload, bound) = self.random.pick(&fitting).clone();
            if depth > 0 || overload.parameters.iter().all(|of| !literals(of).is_empty()) {
                return self.call(function, overload, bound, depth);
            }
        }
        None
    }

    fn call(
        &mut self,
        function: &'static Function,
        overload: &Overload,
        mut bound: Bound,
        depth: usize,
    ) -> Option<String> {
        let mut arguments = Vec::new();
        for (index, parameter) in overload.parameters.iter().enumerate() {
            let known = texts(function.name, index);
            if *parameter == Type::String && !known.is_empty() && self.random.chance(85) {
                // The first ones of a table are those that fit.
                let known = if self.random.chance(80) { &known[..known.len().div_ceil(3)] } else { known };
                arguments.push(format!("'{}'", self.random.pick(known)));
                continue;
            }
            if *parameter == Type::Int && index > 0 && self.random.chance(70) {
                arguments.push(format!("{}", self.random.below(3)));
                continue;
            }
            let of = self.filled(parameter, &mut bound);
            arguments.push(self.of(&of, depth.saturating_sub(1))?);
        }
        *self.called.entry(function.name).or_default() += 1;
        Some(written(function.name, overload.member, &arguments))
    }

    /// A declared type with each of its parameters replaced by what it is bound to.
    fn filled(&mut self, of: &Type, bound: &mut Bound) -> Type {
        match of {
            Type::Parameter(id) => {
                if let Some(known) = bound.get(id) {
                    return known.clone();
                }
                let wanted = *self.random.pick(&["int", "string", "bool", "double", "int", "string", "list(int)"]);
                let chosen = parse_type(wanted);
                bound.insert(*id, chosen.clone());
                chosen
            }
            Type::List(element) => Type::list(self.filled(element, bound)),
            // Keys are texts, mostly.
            Type::Map(key, value) => {
                let key = self.filled(key, bound);
                let key = if matches!(key, Type::List(_) | Type::Double) { Type::String } else { key };
                Type::map(key, self.filled(value, bound))
            }
            Type::Optional(inner) => Type::optional(self.filled(inner, bound)),
            Type::Type(inner) => Type::type_of(self.filled(inner, bound)),
            other => other.clone(),
        }
    }
}

mod macros;

/// Whether a declared result can be `wanted`; binds the parameters that make it so.
fn fits(declared: &Type, wanted: &Type, bound: &mut Bound) -> bool {
    match (declared, wanted) {
        (Type::Parameter(id), _) => match bound.get(id) {
            Some(known) => known == wanted,
            None => {
                bound.insert(*id, wanted.clone());
                true
            }
        },
        (Type::List(declared), Type::List(wanted))
        | (Type::Optional(declared), Type::Optional(wanted))
        | (Type::Type(declared), Type::Type(wanted)) => fits(declared, wanted, bound),
        (Type::Map(key, value), Type::Map(wanted_key, wanted)) => {
            fits(key, wanted_key, bound) && fits(value, wanted, bound)
        }
        _ => declared == wanted,
    }
}

/// A call as an expression writes it: operators stand between their operands.
fn written(name: &str, member: bool, arguments: &[String]) -> String {
    match (name, arguments) {
        ("_?_:_", [condition, truthy, falsy]) => format!("({condition} ? {truthy} : {falsy})"),
        ("_[_]", [target, index]) => format!("{target}[{index}]"),
        ("_[?_]", [target, index]) => format!("{target}[?{index}]"),
        ("@in", [item, list]) => format!("({item} in {list})"),
        ("!_", [operand]) => format!("!({operand})"),
        ("-_", [operand]) => format!("-({operand})"),
        (name, [left, right]) if name.starts_with('_') => format!("({left} {} {right})", name.trim_matches('_')),
        (name, [target, rest @ ..]) if member => format!("{target}.{name}({})", rest.join(", ")),
        _ => format!("{name}({})", arguments.join(", ")),
    }
}
