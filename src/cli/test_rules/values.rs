//! A series as it is written: `0.01x3 0.3 _ ? drifted`.

/// Windows that one item can stand for.
const MOST_REPEATS: usize = 10_000;

/// What one window has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A number.
    Number(f64),
    /// A verdict, or another word.
    Word(String),
    /// Nothing at all: `_`.
    NoData,
    /// Too little to tell: `?`.
    Insufficient,
}

/// The items of a series, one per window.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for word in text.split_whitespace() {
        let (word, repeats) = repeated(word)?;
        let item = match word {
            "_" => Item::NoData,
            "?" => Item::Insufficient,
            _ => match word.parse::<f64>() {
                Ok(number) if number.is_finite() => Item::Number(number),
                Ok(_) => return Err(format!("{word:?} is no number that a window can have")),
                Err(_) => Item::Word(word.to_owned()),
            },
        };
        items.extend(std::iter::repeat_n(item, repeats));
    }
    if items.is_empty() { Err("has no values".to_owned()) } else { Ok(items) }
}

/// `0.3x4` is `0.3` four times.
fn repeated(word: &str) -> Result<(&str, usize), String> {
    let Some((item, repeats)) = word.rsplit_once('x') else { return Ok((word, 1)) };
    if item.is_empty() || repeats.is_empty() || !repeats.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok((word, 1));
    }
    match repeats.parse() {
        Ok(repeats) if (1..=MOST_REPEATS).contains(&repeats) => Ok((item, repeats)),
        _ => Err(format!("{word:?} repeats a value 0 or more than {MOST_REPEATS} times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_numbers_words_and_gaps() {
        let items = parse("0.01x2 -1e3 _ ?x2 drifted index").unwrap_or_default();
        let word = |text: &str| Item::Word(text.to_owned());
        let number = Item::Number;
        let expected = [
            number(0.01),
            number(0.01),
            number(-1e3),
            Item::NoData,
            Item::Insufficient,
            Item::Insufficient,
            word("drifted"),
            word("index"),
        ];
        assert_eq!(items, expected);
        for text in ["", "  ", "1x0", "1x10001", "nan", "inf"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
