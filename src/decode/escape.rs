//! The escapes of JSON strings.

/// The text of a string with its escapes resolved. Lone surrogates, which
/// UTF-8 can't hold, become U+FFFD.
pub(crate) fn unescape(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&kind, tail)) = rest.split_first() else { break };
        rest = tail;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, tail) = unicode_escape(rest);
                rest = tail;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads the digits after `\u`, with the second half of a surrogate pair.
fn unicode_escape(rest: &[u8]) -> (char, &[u8]) {
    let (first, rest) = hex4(rest);
    if (0xd800..0xdc00).contains(&first)
        && let Some(after) = rest.strip_prefix(b"\\u")
    {
        let (second, tail) = hex4(after);
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), tail);
        }
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

fn hex4(rest: &[u8]) -> (u32, &[u8]) {
    let (digits, tail) = rest.split_at(rest.len().min(4));
    let value = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    (value.unwrap_or(u32::from(char::REPLACEMENT_CHARACTER)), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(
            unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x"#),
            "a\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}x"
        );
    }
}
