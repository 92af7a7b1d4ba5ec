//! Macros, each with one variable or two.

use super::Generator;
use crate::cel::Type;

/// What a macro runs over.
struct Range {
    text: String,
    /// Types of the variables of the form with two: index or key, and element or value.
    pair: (Type, Type),
    is_map: bool,
}

impl Generator<'_> {
    pub(super) fn by_macro(&mut self, of: &Type, depth: usize) -> Option<String> {
        match of {
            Type::Bool if self.random.chance(8) => self.has(depth),
            Type::Bool => {
                let name = *self.random.pick(&["all", "exists", "exists_one", "existsOne"]);
                let pair = name == "existsOne" || self.random.chance(40);
                self.over(name, pair, None, &[Type::Bool], depth)
            }
            Type::List(element) => self.list_by_macro(element, depth),
            Type::Map(key, value) if **key == Type::String => self.map_by_macro(value, depth),
            Type::Optional(inner) => {
                let from = self.some_type();
                let target = self.of(&Type::optional(from.clone()), depth - 1)?;
                let (name, of) = if self.random.chance(50) {
                    ("optMap", inner.as_ref().clone())
                } else {
                    ("optFlatMap", Type::optional(inner.as_ref().clone()))
                };
                let body = self.within(&[("o", from)], |own| own.of(&of, depth - 1))?;
                Some(format!("{target}.{name}(o, {body})"))
            }
            _ => None,
        }
    }

    fn has(&mut self, depth: usize) -> Option<String> {
        let of = self.some_type();
        let depth = if self.random.chance(80) { 0 } else { depth - 1 };
        let map = self.of(&Type::map(Type::String, of), depth)?;
        let field = *self.random.pick(&["k", "absent", "app"]);
        Some(format!("has({map}.{field})"))
    }

    fn list_by_macro(&mut self, element: &Type, depth: usize) -> Option<String> {
        match self.random.below(5) {
            0 => self.over("filter", false, Some(element), &[Type::Bool], depth),
            1 => self.over("sortBy", false, Some(element), &[Type::Int], depth),
            2 => {
                let bodies =
                    if self.random.chance(40) { vec![Type::Bool, element.clone()] } else { vec![element.clone()] };
                self.over("transformList", true, None, &bodies, depth)
            }
            3 => self.over("map", false, None, &[Type::Bool, element.clone()], depth),
            _ => self.over("map", false, None, std::slice::from_ref(element), depth),
        }
    }

    fn map_by_macro(&mut self, value: &Type, depth: usize) -> Option<String> {
        let filtered = self.random.chance(40);
        let bodies = |last: Type| if filtered { vec![Type::Bool, last] } else { vec![last] };
        if self.random.chance(40) {
            return self.over("transformMapEntry", true, None, &bodies(Type::map(Type::String, value.clone())), depth);
        }
        let range = self.range(None, depth, true)?;
        self.applied(&range, "transformMap", true, &bodies(value.clone()), depth)
    }

    fn over(
        &mut self,
        name: &str,
        pair: bool,
        element: Option<&Type>,
        bodies: &[Type],
        depth: usize,
    ) -> Option<String> {
        let range = self.range(element, depth, false)?;
        self.applied(&range, name, pair, bodies, depth)
    }

    fn range(&mut self, element: Option<&Type>, depth: usize, only_map: bool) -> Option<Range> {
        let of = element.cloned().unwrap_or_else(|| self.some_type());
        if only_map || (element.is_none() && self.random.chance(25)) {
            let text = self.of(&Type::map(Type::String, of.clone()), depth - 1)?;
            return Some(Range { text, pair: (Type::String, of), is_map: true });
        }
        let text = self.of(&Type::list(of.clone()), depth - 1)?;
        Some(Range { text, pair: (Type::Int, of), is_map: false })
    }

    fn applied(&mut self, range: &Range, name: &str, pair: bool, bodies: &[Type], depth: usize) -> Option<String> {
        let (first, second) = *self.random.pick(&[("x", "y"), ("k", "v"), ("i", "e"), ("x", "y")]);
        let (key, value) = range.pair.clone();
        let variables = match (pair, range.is_map) {
            (true, _) => vec![(first, key), (second, value)],
            (false, true) => vec![(first, key)],
            (false, false) => vec![(first, value)],
        };
        let names: Vec<String> = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
        let bodies: Option<Vec<String>> =
            self.within(&variables, |own| bodies.iter().map(|of| own.of(of, depth - 1)).collect());
        let arguments: Vec<String> = names.into_iter().chain(bodies?).collect();
        Some(format!("{}.{name}({})", range.text, arguments.join(", ")))
    }

    fn within<T>(&mut self, variables: &[(&str, Type)], body: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.scope.len();
        self.scope.extend(variables.iter().map(|(name, of)| ((*name).to_owned(), of.clone())));
        let made = body(self);
        self.scope.truncate(outside);
        made
    }
}
