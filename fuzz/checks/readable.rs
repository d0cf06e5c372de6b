//! What is left of a text on its way through line protocol.

use driftline::sink::RESERVED;

/// What a name or tag value is read back as: what the protocol can't express
/// is replaced, as the encoder's documentation says.
pub(crate) fn readable(text: &str) -> String {
    let characters: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let swallows = |index: usize| characters.get(index).is_none_or(|next| ",= \\".contains(*next));
    let keep = |(index, &c): (usize, &char)| if c == '\\' && swallows(index + 1) { '/' } else { c };
    characters.iter().enumerate().map(keep).collect()
}

/// The same of a name, which gets an underscore when a server would take it for
/// its own.
pub(crate) fn readable_name(text: &str) -> String {
    if RESERVED.contains(&text) { format!("{text}_") } else { readable(text) }
}
