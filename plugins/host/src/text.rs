//! Texts that come from a guest, made fit for logs and messages.

use dualwheel_plugin_sdk::misleading;

/// The first `most` bytes of `text`, at a character's border; control characters become spaces, for a line must not pass
/// for several, and so do those by which a text can pass for another.
pub(crate) fn tidy(text: &str, most: usize) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        let character = match character.is_control() || is_misleading(character) {
            true => ' ',
            false => character,
        };
        if kept.len() + character.len_utf8() > most {
            break;
        }
        kept.push(character);
    }
    kept
}

fn is_misleading(character: char) -> bool {
    misleading(character.encode_utf8(&mut [0; 4])).is_some()
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn cuts_between_characters_and_blanks_controls() {
        assert_eq!(tidy("a\nb\u{1b}[31mc", 100), "a b [31mc");
        assert_eq!(tidy("a\u{202e}b\u{200b}c", 100), "a b c");
        // 种 has three bytes
        assert_eq!(tidy("种草", 5), "种");
        assert_eq!(tidy("种草", 6), "种草");
        assert_eq!(tidy("abc", 0), "");
    }
}
