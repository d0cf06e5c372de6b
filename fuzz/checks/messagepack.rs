//! `MessagePack` as a tree, so that a valid checkpoint can be changed at one
//! place and stay well-formed: what reads it then gets past the syntax.

/// A value, with what is no container left as bytes.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(Vec<u8>),
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    /// Which node, in the order in which they are written; keys of maps that
    /// are no numbers are not counted.
    pub(crate) place: usize,
    /// What is done with it.
    pub(crate) kind: u8,
    /// The number that is put there.
    pub(crate) value: u64,
}

impl Node {
    /// Reads one value off `bytes`; `None` for what checkpoints don't have.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let whole = *bytes;
        let first = number(bytes, 1)? as u8;
        let (fixed, length) = match first {
            0x80..=0x8f => return Self::map(bytes, usize::from(first & 0x0f)),
            0x90..=0x9f => return Self::array(bytes, usize::from(first & 0x0f)),
            0xdc => return number(bytes, 2).and_then(|length| Self::array(bytes, length)),
            0xdd => return number(bytes, 4).and_then(|length| Self::array(bytes, length)),
            0xde => return number(bytes, 2).and_then(|length| Self::map(bytes, length)),
            0xdf => return number(bytes, 4).and_then(|length| Self::map(bytes, length)),
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0),
            0xa0..=0xbf => (0, usize::from(first & 0x1f)),
            0xcc | 0xd0 => (0, 1),
            0xcd | 0xd1 => (0, 2),
            0xca | 0xce | 0xd2 => (0, 4),
            0xcb | 0xcf | 0xd3 => (0, 8),
            0xc4 | 0xd9 => (1, number(bytes, 1)?),
            0xc5 | 0xda => (2, number(bytes, 2)?),
            0xc6 | 0xdb => (4, number(bytes, 4)?),
            _ => return None,
        };
        let _content = take(bytes, length)?;
        whole.get(..1 + fixed + length).map(|leaf| Self::Leaf(leaf.to_vec()))
    }

    fn array(bytes: &mut &[u8], length: usize) -> Option<Self> {
        (0..length).map(|_| Self::read(bytes)).collect::<Option<_>>().map(Self::Array)
    }

    fn map(bytes: &mut &[u8], length: usize) -> Option<Self> {
        let pairs = (0..length).map(|_| Some((Self::read(bytes)?, Self::read(bytes)?)));
        pairs.collect::<Option<_>>().map(Self::Map)
    }

    /// Appends its bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut header = |kind: u8, length: usize| {
            out.push(kind);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        };
        match self {
            Self::Leaf(bytes) => out.extend(bytes),
            Self::Array(elements) => {
                header(0xdd, elements.len());
                for element in elements {
                    element.write(out);
                }
            }
            Self::Map(pairs) => {
                header(0xdf, pairs.len());
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
            }
        }
    }

    /// Number of places for an [`Edit`].
    pub(crate) fn places(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Array(elements) => 1 + elements.iter().map(Self::places).sum::<usize>(),
            Self::Map(pairs) => {
                let keys = pairs.iter().filter(|(key, _)| !key.is_text()).count();
                1 + keys + pairs.iter().map(|(_, value)| value.places()).sum::<usize>()
            }
        }
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Leaf(bytes) if matches!(bytes.first(), Some(0xa0..=0xbf | 0xd9..=0xdb)))
    }

    /// Changes the node at the edit's place; counts `place` down on the way.
    pub(crate) fn edit(&mut self, edit: &mut Edit) -> bool {
        if edit.place == 0 {
            self.change(*edit);
            return true;
        }
        edit.place -= 1;
        match self {
            Self::Leaf(_) => false,
            Self::Array(elements) => elements.iter_mut().any(|element| element.edit(edit)),
            Self::Map(pairs) => pairs.iter_mut().any(|(key, value)| {
                let is_done = !key.is_text() && key.edit(edit);
                is_done || value.edit(edit)
            }),
        }
    }

    fn change(&mut self, Edit { kind, value, .. }: Edit) {
        let picked = |length: usize| usize::try_from(value).unwrap_or(0).checked_rem(length);
        match self {
            Self::Leaf(bytes) => *bytes = leaf(kind, value, self_number(bytes)),
            Self::Array(elements) => match (kind % 4, picked(elements.len())) {
                (0, Some(index)) => elements.push(elements[index].clone()),
                (1, Some(index)) => drop(elements.remove(index)),
                (2, Some(index)) => elements.rotate_left(index),
                _ => elements.clear(),
            },
            Self::Map(pairs) => match (kind % 4, picked(pairs.len())) {
                (0, Some(index)) => pairs.push(pairs[index].clone()),
                (1, Some(index)) => drop(pairs.remove(index)),
                (2, Some(index)) => pairs.rotate_left(index),
                _ => pairs.clear(),
            },
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn number(bytes: &mut &[u8], length: usize) -> Option<usize> {
    Some(take(bytes, length)?.iter().fold(0, |number, &byte| (number << 8) | usize::from(byte)))
}

/// The number that a leaf is, if it is a whole one.
fn self_number(bytes: &[u8]) -> u64 {
    match bytes {
        [small @ 0..=0x7f] => u64::from(*small),
        [0xcc..=0xcf, rest @ ..] => rest.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)),
        _ => 0,
    }
}

/// Another leaf in place of one that was `before`.
fn leaf(kind: u8, value: u64, before: u64) -> Vec<u8> {
    let tagged = |tag: u8, bits: u64| [&[tag][..], &bits.to_be_bytes()].concat();
    let text = |text: &str| [&[0xd9, u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
    match kind % 14 {
        0 => vec![0xc0],
        1 => tagged(0xcf, value),
        2 => tagged(0xd3, value),
        3 => tagged(0xcb, value),
        4 => vec![(value % 128) as u8],
        5 => tagged(0xcf, u64::MAX >> (value % 64)),
        6 => tagged(0xd3, i64::MIN.cast_unsigned()),
        7 => tagged(0xcf, before.wrapping_add(value % 16)),
        8 => tagged(0xcf, before.wrapping_sub(value % 16)),
        9 => tagged(0xcb, (value as f64).to_bits()),
        10 => text(&value.to_string()),
        11 => text(&(i128::MAX >> (value % 128)).to_string()),
        12 => text(&(i128::MIN >> (value % 128)).to_string()),
        _ => text(&(u128::MAX >> (value % 128)).to_string()),
    }
}
