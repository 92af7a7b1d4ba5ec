use std::{fmt, sync::Arc};

use super::{
    check::{self, Issue},
    code::Code,
    environment::{Activation, Environment},
    error::{CompileError, CompileErrors, EvaluationError, EvaluationErrorKind, Position},
    estimate,
    fuel::Fuel,
    library::conforms,
    lower, machine, syntax,
    types::Type,
    value::Value,
};

/// A compiled expression: immutable, and fit to be shared between threads.
#[derive(Clone, Debug)]
pub struct Program(Arc<Compiled>);

/// Behind a pointer: most places for a program hold none.
#[derive(Debug)]
struct Compiled {
    source: Box<str>,
    code: Code,
    output: Type,
    expected: Option<Type>,
    references: Box<[Path]>,
    worst_cost: u64,
}

/// Compiles an expression against the variables of `env`. With `expected` the result must be of that type; where the
/// checker cannot know, evaluation checks it.
///
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn compile(source: &str, env: &Environment, expected: Option<Type>) -> Result<Program, CompileErrors> {
    let failed = |issues: Vec<Issue>| {
        let place = |(offset, kind)| CompileError { position: Position::of(source, offset), kind };
        CompileErrors::new(issues.into_iter().map(place).collect())
    };
    let ast = syntax::parse(source).map_err(|issue| failed(vec![issue]))?;
    let checked = check::check(ast, env, expected.as_ref()).map_err(failed)?;
    let (code, references) = lower::lower(&checked, env).map_err(|issue| failed(vec![issue]))?;
    let worst_cost = estimate::worst_cost(&code, env);
    let output = checked.output().clone();
    let compiled = Compiled { source: source.into(), code, output, expected, references, worst_cost };
    Ok(Program(Arc::new(compiled)))
}

impl Program {
    /// The source text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The type of the result, as far as the checker knows it.
    #[must_use]
    pub fn output(&self) -> &Type {
        &self.0.output
    }

    /// The most that an evaluation costs, in the API server's units, while its variables are no larger than the
    /// environment's [`super::Sizes`] and what it reads from them lazily is free; [`u64::MAX`] stands for more than
    /// can be counted.
    #[must_use]
    pub fn worst_case_cost(&self) -> u64 {
        self.0.worst_cost
    }

    /// What the expression reads: each variable with the constant path that is followed from it. A path stands for
    /// everything below it, because a step that is computed ends it. In order, each once.
    #[must_use]
    pub fn references(&self) -> &[Path] {
        &self.0.references
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// The error of the expression; or that the fuel is used up; or that the result is not of the expected type.
    pub fn evaluate<'a>(
        &'a self,
        activation: &dyn Activation<'a>,
        fuel: &mut Fuel,
    ) -> Result<Value<'a>, EvaluationError> {
        let Compiled { source, code, expected, .. } = &*self.0;
        let placed = |mut error: EvaluationError| {
            error.position = Position::of(source, error.position.offset);
            error
        };
        let value = machine::run(code, activation, fuel).map_err(placed)?;
        match expected {
            Some(expected) if !conforms(fuel, expected, &value).map_err(|kind| placed(kind.into()))? => {
                let kind = EvaluationErrorKind::WrongType { expected: expected.clone(), found: value.type_name() };
                Err(placed(kind.into()))
            }
            _ => Ok(value),
        }
    }
}

/// A variable and the steps from it, for example `object.metadata.uid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Box<[Arc<str>]>);

impl Path {
    pub(in crate::cel) fn new(steps: Box<[Arc<str>]>) -> Self {
        Self(steps)
    }

    /// The variable, then each step; an index of a list is its number.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether reading this path reads something that `other` reads too: one is the start of the other.
    #[must_use]
    pub fn overlaps<S: AsRef<str>>(&self, other: &[S]) -> bool {
        self.0.iter().zip(other).all(|(own, other)| own.as_ref() == other.as_ref())
    }
}

/// With dots between the steps.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
