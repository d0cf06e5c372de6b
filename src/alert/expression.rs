//! Conditions that a single comparison can't say, in Google's Common Expression
//! Language.

use std::{collections::BTreeSet, fmt, sync::Arc};

use cel::{Context, ExecutionError, Program};

use crate::result::schema::{Row, Value};

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    program: Arc<Program>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Says where what is wrong.
    pub fn new(source: &str) -> Result<Self, String> {
        let program = Program::compile(source).map_err(|error| error.to_string().trim().to_owned())?;
        Ok(Self { source: source.to_owned(), program: Arc::new(program) })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names that it asks for.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<String> {
        self.program.references().variables().into_iter().map(ToOwned::to_owned).collect()
    }

    /// Whether it holds of a row, whose tags and fields are its variables; `None`
    /// when a value that it needs is absent, or it gives no truth value.
    #[must_use]
    pub fn holds(&self, row: &Row<'_>) -> Option<bool> {
        match self.program.execute(&context(row)) {
            Ok(cel::Value::Bool(holds)) => Some(holds),
            _ => None,
        }
    }

    /// Why it can't hold of any row with values of the kinds that this one has:
    /// an unknown function, a comparison of a word with a number, no truth value.
    #[must_use]
    pub fn problem(&self, row: &Row<'_>) -> Option<String> {
        match self.program.execute(&context(row)) {
            Ok(cel::Value::Bool(_)) => None,
            Ok(_) => Some("it gives no truth value".to_owned()),
            Err(ExecutionError::UndeclaredReference(name)) => Some(format!("there is no {name:?}")),
            Err(
                error @ (ExecutionError::NoSuchOverload(_)
                | ExecutionError::ValuesNotComparable(..)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::InvalidArgumentCount { .. }
                | ExecutionError::NotSupportedAsMethod { .. }
                | ExecutionError::UnexpectedType { .. }),
            ) => Some(error.to_string()),
            // Others may be due to the values.
            Err(_) => None,
        }
    }
}

/// The tags and fields of a row as variables.
fn context(row: &Row<'_>) -> Context<'static, 'static> {
    let mut context = Context::default();
    for (name, value) in row.tags {
        context.add_variable_from_value(*name, (*value).to_owned());
    }
    for (name, value) in row.fields() {
        // What is absent is an unknown name, and makes what needs it fail.
        let Some(value) = value else { continue };
        match value {
            Value::Float(number) => context.add_variable_from_value(name, number),
            Value::Integer(count) => {
                #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur")]
                // All numbers are doubles, so that `events > 100` and `psi > 0.1` read alike.
                context.add_variable_from_value(name, count as f64);
            }
            Value::Text(text) => context.add_variable_from_value(name, text.into_owned()),
        }
    }
    context
}
