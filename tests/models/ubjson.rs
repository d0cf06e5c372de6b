//! A writer of UBJ that uses every form of numbers and containers, by chance.

use serde_json::Value;

use crate::rows::mix;

/// The value in forms that the seed chooses.
pub(crate) fn written(value: &Value, seed: u64) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), seed, choices: 0 };
    writer.value(value);
    writer.out
}

struct Writer {
    out: Vec<u8>,
    seed: u64,
    choices: u64,
}

impl Writer {
    /// A number below `below`.
    fn choice(&mut self, below: u64) -> u64 {
        self.choices += 1;
        mix(self.seed << 40 | self.choices) % below
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push(b'Z'),
            Value::Bool(flag) => self.out.push(if *flag { b'T' } else { b'F' }),
            Value::Number(number) => match number.as_i64() {
                Some(number) => self.integer(number),
                None => self.typed(b'D', number.as_f64().unwrap()),
            },
            Value::String(text) => {
                self.out.push(b'S');
                self.text(text);
            }
            Value::Array(list) => self.array(list),
            Value::Object(fields) => {
                self.out.push(b'{');
                let is_counted = self.counted(fields.len());
                for (key, value) in fields {
                    self.text(key);
                    self.value(value);
                }
                if !is_counted {
                    self.out.push(b'}');
                }
            }
        }
    }

    fn counted(&mut self, count: usize) -> bool {
        let is_counted = self.choice(2) == 0;
        if is_counted {
            self.out.push(b'#');
            self.integer(i64::try_from(count).unwrap());
        }
        is_counted
    }

    fn array(&mut self, list: &[Value]) {
        self.out.push(b'[');
        let integers: Option<Vec<i64>> = list.iter().map(Value::as_i64).collect();
        let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
        if let Some(numbers) = numbers.filter(|_| self.choice(2) == 0) {
            let fits = |least: i64, most: i64| {
                integers
                    .as_ref()
                    .is_some_and(|list| list.iter().all(|number| (least..=most).contains(number)))
            };
            let kinds: Vec<u8> =
                [(b'i', -128, 127), (b'U', 0, 255), (b'I', -32_768, 32_767), (b'L', i64::MIN, i64::MAX)]
                    .into_iter()
                    .filter_map(|(kind, least, most)| fits(least, most).then_some(kind))
                    .chain([b'D'])
                    .collect();
            let kind = kinds[self.choice(kinds.len() as u64) as usize];
            self.out.extend([b'$', kind, b'#']);
            self.integer(i64::try_from(list.len()).unwrap());
            for number in numbers {
                self.bare(kind, number);
            }
            return;
        }
        let is_counted = self.counted(list.len());
        for value in list {
            self.value(value);
        }
        if !is_counted {
            self.out.push(b']');
        }
    }

    fn text(&mut self, text: &str) {
        self.integer(i64::try_from(text.len()).unwrap());
        self.out.extend(text.as_bytes());
    }

    /// A whole number in a kind that is wide enough.
    fn integer(&mut self, number: i64) {
        let kind = match (number, self.choice(2)) {
            (-128..=127, 0) => b'i',
            (0..=255, _) => b'U',
            (-32_768..=32_767, _) => b'I',
            (-2_147_483_648..=2_147_483_647, 0) => b'l',
            _ => b'L',
        };
        self.typed(kind, number as f64);
    }

    fn typed(&mut self, kind: u8, number: f64) {
        self.out.push(kind);
        self.bare(kind, number);
    }

    fn bare(&mut self, kind: u8, number: f64) {
        match kind {
            b'i' => self.out.extend((number as i8).to_be_bytes()),
            b'U' => self.out.push(number as u8),
            b'I' => self.out.extend((number as i16).to_be_bytes()),
            b'l' => self.out.extend((number as i32).to_be_bytes()),
            b'L' => self.out.extend((number as i64).to_be_bytes()),
            _ => self.out.extend(number.to_be_bytes()),
        }
    }
}
