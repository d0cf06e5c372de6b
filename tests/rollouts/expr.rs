//! The part of expr-lang (github.com/expr-lang/expr 1.17) that conditions of Argo
//! Rollouts need: fields, places of a list, comparisons, truth values, `?.`, `??`,
//! and the functions that utils/evaluate/evaluate.go adds.
//!
//! What is an error there is one here: a comparison of sizes with nil or of
//! different types, a field of nil, a place that a list does not have. Two types
//! that are known before anything runs and can't be equal are an error, too, while
//! values out of JSON are then merely not equal.

use serde_json::Value as Json;

/// A value, as Go holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Floats(Vec<f64>),
    List(Vec<Json>),
    Map(serde_json::Map<String, Json>),
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(is) => Self::Bool(is),
            // encoding/json has only one kind of number.
            Json::Number(number) => Self::Float(number.as_f64().unwrap()),
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::List(items),
            Json::Object(fields) => Self::Map(fields),
        }
    }
}

/// What an error begins with that is found before anything runs.
const BEFORE: &str = "types: ";

/// A value, and whether its type is known before anything runs.
type Typed = (Value, bool);
type Evaluated<T> = Result<T, String>;

/// Whether a condition holds for a result.
pub(crate) fn holds(condition: &str, result: &Value) -> Evaluated<bool> {
    let tokens = tokens(condition)?;
    let mut parser = Parser { tokens: &tokens, at: 0, result };
    let (value, _) = parser.binary(0)?;
    if parser.at < tokens.len() {
        return Err(format!("{:?} is left over", tokens[parser.at]));
    }
    truth(&value)
}

fn truth(value: &Value) -> Evaluated<bool> {
    match value {
        Value::Bool(is) => Ok(*is),
        other => Err(format!("{other:?} is no truth value")),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 20] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "<", ">", "!", "(", ")", "[", "]", ".", ",", "-", "?",
    ":",
];

fn tokens(text: &str) -> Evaluated<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let length = if first.is_ascii_digit() {
            let length = taken(|c| c.is_ascii_digit() || c == '.' || c == 'e');
            found.push(Token::Number(rest[..length].to_owned()));
            length
        } else if first.is_alphabetic() || first == '_' {
            let length = taken(|c| c.is_alphanumeric() || c == '_');
            found.push(Token::Name(rest[..length].to_owned()));
            length
        } else if first == '"' || first == '\'' {
            let length = rest[1..].find(first).ok_or("a text without an end")? + 2;
            found.push(Token::Text(rest[1..length - 1].to_owned()));
            length
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign)).ok_or(format!("{rest:?}?"))?;
            found.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// Reads and evaluates at once. Both sides of `&&` and `||` are read, and the right
/// one counts only where Go would look at it.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    result: &'a Value,
}

impl Parser<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is);
        is
    }

    fn wants(&mut self, sign: &str) -> Evaluated<()> {
        if self.takes(sign) { Ok(()) } else { Err(format!("{sign} is missing")) }
    }

    /// The operator here with its strength (parser/operator/operator.go).
    fn operator(&self) -> Option<(&'static str, u16)> {
        match self.tokens.get(self.at)? {
            Token::Sign("||") => Some(("||", 10)),
            Token::Sign("&&") => Some(("&&", 15)),
            Token::Sign("??") => Some(("??", 500)),
            Token::Sign(sign) if ["==", "!=", "<", ">", "<=", ">="].contains(sign) => Some((sign, 20)),
            Token::Name(name) if name == "or" => Some(("||", 10)),
            Token::Name(name) if name == "and" => Some(("&&", 15)),
            _ => None,
        }
    }

    fn binary(&mut self, least: u16) -> Evaluated<Typed> {
        let mut left = self.unary();
        let mut last = "";
        while let Some((sign, strength)) = self.operator().filter(|(_, strength)| *strength >= least) {
            if last == "??" && sign != "??" {
                return Err("?? beside another operator needs brackets".to_owned());
            }
            last = sign;
            self.at += 1;
            let right = self.binary(strength + 1);
            left = match (sign, left?) {
                ("??", (Value::Nil, _)) => right,
                ("??", left) => Ok(left),
                // Types that can't fit are found before anything runs.
                _ if right.as_ref().is_err_and(|error| error.starts_with(BEFORE)) => right,
                ("&&", (Value::Bool(false), _)) => Ok((Value::Bool(false), true)),
                ("||", (Value::Bool(true), _)) => Ok((Value::Bool(true), true)),
                ("&&" | "||", (left, _)) => {
                    truth(&left)?;
                    truth(&right?.0).map(|is| (Value::Bool(is), true))
                }
                (sign, left) => compare(sign, &left, &right?).map(|is| (Value::Bool(is), true)),
            };
        }
        left
    }

    fn unary(&mut self) -> Evaluated<Typed> {
        let is_not = matches!(self.tokens.get(self.at), Some(Token::Name(name)) if name == "not");
        if is_not || self.takes("!") {
            self.at += usize::from(is_not);
            let (value, _) = self.binary(50)?;
            return Ok((Value::Bool(!truth(&value)?), true));
        }
        if self.takes("-") {
            return match self.binary(90)? {
                (Value::Int(number), known) => Ok((Value::Int(-number), known)),
                (Value::Float(number), known) => Ok((Value::Float(-number), known)),
                (other, _) => Err(format!("-{other:?}")),
            };
        }
        let first = self.primary()?;
        self.postfix(first)
    }

    fn primary(&mut self) -> Evaluated<Typed> {
        let token = self.tokens.get(self.at).cloned().ok_or("something is missing")?;
        self.at += 1;
        let known = |value| Ok((value, true));
        match token {
            Token::Number(text) => match text.parse() {
                Ok(number) => known(Value::Int(number)),
                Err(_) => known(Value::Float(text.parse().map_err(|_| format!("{text}?"))?)),
            },
            Token::Text(text) => known(Value::Text(text)),
            Token::Sign("(") => {
                let inner = self.binary(0)?;
                self.wants(")")?;
                Ok(inner)
            }
            Token::Name(name) => match name.as_str() {
                "true" | "false" => known(Value::Bool(name == "true")),
                "nil" => known(Value::Nil),
                "result" => known(self.result.clone()),
                _ => self.call(&name),
            },
            Token::Sign(sign) => Err(format!("{sign} is not expected")),
        }
    }

    /// `.field`, `["field"]`, `[place]` and what follows them.
    fn postfix(&mut self, first: Typed) -> Evaluated<Typed> {
        let mut value = first;
        // What follows `?.` of nil is nil, too.
        let mut is_over = false;
        loop {
            let optional = self.takes("?.");
            let next = if optional || self.takes(".") {
                match self.tokens.get(self.at) {
                    Some(Token::Name(name)) => {
                        self.at += 1;
                        Value::Text(name.clone())
                    }
                    other => return Err(format!("{other:?} is no field")),
                }
            } else if self.takes("[") {
                let (key, _) = self.binary(0)?;
                self.wants("]")?;
                key
            } else {
                return Ok(value);
            };
            is_over |= optional && value.0 == Value::Nil;
            value = if is_over { (Value::Nil, false) } else { part(&value.0, &next)? };
        }
    }

    /// The functions that evaluate.go adds.
    fn call(&mut self, name: &str) -> Evaluated<Typed> {
        self.wants("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.binary(0)?.0);
            self.takes(",");
        }
        match (name, arguments.as_slice()) {
            ("asFloat", [Value::Float(number)]) => Ok((Value::Float(*number), true)),
            #[expect(clippy::cast_precision_loss, reason = "as there")]
            ("asFloat", [Value::Int(number)]) => Ok((Value::Float(*number as f64), true)),
            ("asFloat", [Value::Text(text)]) => {
                text.parse().map(|number| (Value::Float(number), true)).map_err(|_| format!("{text}?"))
            }
            #[expect(clippy::cast_possible_truncation, reason = "as there")]
            ("asInt", [Value::Float(number)]) => Ok((Value::Int(*number as i64), true)),
            ("asInt", [Value::Int(number)]) => Ok((Value::Int(*number), true)),
            ("asInt", [Value::Text(text)]) => {
                text.parse().map(|number| (Value::Int(number), true)).map_err(|_| format!("{text}?"))
            }
            ("isNaN", [Value::Float(number)]) => Ok((Value::Bool(number.is_nan()), true)),
            ("isInf", [Value::Float(number)]) => Ok((Value::Bool(number.is_infinite()), true)),
            // Both look at the whole result, whatever they are given.
            ("isNil", [_]) => Ok((Value::Bool(*self.result == Value::Nil), true)),
            ("default", [_, instead]) if *self.result == Value::Nil => Ok((instead.clone(), false)),
            ("default", [_, _]) => Ok((self.result.clone(), false)),
            (_, arguments) => Err(format!("{name}({arguments:?})")),
        }
    }
}

fn part(of: &Value, key: &Value) -> Evaluated<Typed> {
    let place = match key {
        Value::Int(place) => usize::try_from(*place).ok(),
        _ => None,
    };
    match (of, key, place) {
        (Value::Map(fields), Value::Text(name), _) => {
            Ok((fields.get(name).cloned().unwrap_or(Json::Null).into(), false))
        }
        (Value::Floats(numbers), _, Some(place)) => {
            numbers.get(place).map(|number| (Value::Float(*number), true)).ok_or("out of range".to_owned())
        }
        (Value::List(items), _, Some(place)) => {
            items.get(place).map(|item| (item.clone().into(), false)).ok_or("out of range".to_owned())
        }
        (of, key, _) => Err(format!("{key:?} of {of:?}")),
    }
}

fn compare(sign: &str, (left, left_known): &Typed, (right, right_known): &Typed) -> Evaluated<bool> {
    use Value::{Bool, Float, Int, Nil, Text};
    #[expect(clippy::cast_precision_loss, reason = "as there")]
    let number = |value: &Value| match value {
        Int(number) => Some(*number as f64),
        Float(number) => Some(*number),
        _ => None,
    };
    let order = match (left, right) {
        (Text(left), Text(right)) => left.partial_cmp(right),
        _ => number(left).zip(number(right)).and_then(|(left, right)| left.partial_cmp(&right)),
    };
    let comparable =
        matches!((left, right), (Text(_), Text(_))) || (number(left).and(number(right))).is_some();
    let equal = match (left, right) {
        _ if comparable => order.is_some_and(std::cmp::Ordering::is_eq),
        (Bool(left), Bool(right)) => left == right,
        (Nil, Nil) => true,
        (Nil, _) | (_, Nil) => false,
        (left, right) if *left_known && *right_known => {
            return Err(format!("{BEFORE}{left:?} {sign} {right:?}"));
        }
        (left, right) => left == right,
    };
    match sign {
        "==" => Ok(equal),
        "!=" => Ok(!equal),
        _ if !comparable && *left_known && *right_known => Err(format!("{BEFORE}{left:?} {sign} {right:?}")),
        _ if !comparable => Err(format!("{left:?} {sign} {right:?}")),
        "<" => Ok(order.is_some_and(std::cmp::Ordering::is_lt)),
        ">" => Ok(order.is_some_and(std::cmp::Ordering::is_gt)),
        "<=" => Ok(order.is_some_and(std::cmp::Ordering::is_le)),
        ">=" => Ok(order.is_some_and(std::cmp::Ordering::is_ge)),
        other => Err(format!("{other}?")),
    }
}
