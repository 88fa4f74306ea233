//! Resources as the contracts name and list them: ids, request ids, field masks, times.

use prost_types::{FieldMask, Timestamp};
use uuid::Uuid;

use crate::{Call, Violations};

/// Longest display name, in bytes.
const NAME_BYTES: usize = 256;
/// Most characters of an id.
const ID_CHARACTERS: usize = 63;

/// The id in a resource name `{collection}/{id}`; `None` when it is no such name.
#[must_use]
pub fn id_of(collection: &str, name: &str) -> Option<String> {
    let id = name.strip_prefix(collection)?.strip_prefix('/')?;
    is_id(id).then(|| id.to_owned())
}

/// Whether `id` is 1 to 63 of `a-z`, `0-9` and hyphen.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=ID_CHARACTERS).contains(&id.len()) && id.bytes().all(allowed)
}

/// Reads a request id: empty, or a UUID, in its one canonical spelling.
pub fn read_request_id(request_id: &str, violations: &mut Violations) -> Option<String> {
    if request_id.is_empty() {
        return None;
    }
    let id = Uuid::try_parse(request_id).ok();
    if id.is_none() {
        violations.add("request_id", "empty or a UUID");
    }
    id.map(|id| id.to_string())
}

/// Reads the id of a resource that is to be made at `field`; `None` when it is left to the service.
pub fn read_new_id(field: &str, id: &str, violations: &mut Violations) -> Option<String> {
    if id.is_empty() {
        return None;
    }
    if !is_id(id) || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        violations.add(field, "1 to 63 of a-z, 0-9 and hyphen, starting with a letter");
    }
    Some(id.to_owned())
}

/// What stands at the end of the ids that a call gives to resources of `brand`: nothing for who may see every brand. Ids are unique in the tenant; without this, a refusal would tell somebody else that another brand has the id.
#[must_use]
pub fn id_ending(call: &Call, brand: &str) -> String {
    if call.sees_all() {
        return String::new();
    }
    format!("-{:010x}", xxhash_rust::xxh3::xxh3_64(brand.as_bytes()) >> 24)
}

/// Reads the id of a resource of `brand` that is to be made at `field`, as [`read_new_id`] does, and gives it its
/// [ending](id_ending).
pub fn read_new_id_of(
    call: &Call,
    brand: &str,
    field: &str,
    id: &str,
    violations: &mut Violations,
) -> Option<String> {
    let (id, ending) = (read_new_id(field, id, violations)?, id_ending(call, brand));
    let most = ID_CHARACTERS - ending.len();
    if is_id(&id) && id.len() > most {
        let message =
            format!("at most {most} characters: the token is not for every brand, and {ending} follows");
        violations.add(field, message);
    }
    Some(id + &ending)
}

/// Reads a name for people at `field`.
pub fn read_display_name(field: &str, name: &str, violations: &mut Violations) -> String {
    if name.len() > NAME_BYTES {
        violations.add(field, format!("at most {NAME_BYTES} bytes"));
    }
    check_line(field, name, violations);
    name.to_owned()
}

/// Adds a violation where a text for people is not one line that is seen as it is: where it has control characters, or such
/// as are not seen or turn the direction of writing, by which it could pass for another.
pub fn check_line(field: &str, text: &str, violations: &mut Violations) {
    if let Some(character) = text.chars().find(|&character| is_misleading(character)) {
        let code = u32::from(character);
        violations.add(
            field,
            format!("without U+{code:04X}: no control characters, none that are not seen or turn the direction of writing"),
        );
    }
}

/// Whether a character is not seen, turns the direction of writing, or controls something. What joins emoji is none.
#[must_use]
pub fn is_misleading(character: char) -> bool {
    match character {
        '\u{61c}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => character.is_control(),
    }
}

/// An etag, if one was sent.
#[must_use]
pub fn etag(etag: &str) -> Option<&str> {
    (!etag.is_empty()).then_some(etag)
}

/// Which fields of a resource a change is about: those of a mask, or all where there is none.
#[derive(Clone, Debug)]
pub struct Mask(Option<Vec<String>>);

impl Mask {
    /// Reads a mask; only `changeable` fields may be in it.
    pub fn read(mask: Option<FieldMask>, changeable: &[&str], violations: &mut Violations) -> Self {
        let paths = mask.map(|mask| mask.paths);
        let fixed = paths.iter().flatten();
        for path in fixed.filter(|path| !changeable.contains(&path.as_str())) {
            let message = format!("{path} cannot be changed; {} can", changeable.join(", "));
            violations.add("update_mask", message);
        }
        Self(paths)
    }

    /// Whether a field is to be changed.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        let is_named = |paths: &Vec<String>| paths.iter().any(|path| path == field);
        self.0.as_ref().is_none_or(is_named)
    }

    /// Whether there is a mask.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

/// Microseconds since 1970 UTC as the contracts write instants.
pub fn time_to_proto(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos,
    }
}

/// Reads a time, in microseconds since 1970 UTC; `None` when there is none.
pub fn read_time(field: &str, time: Option<&Timestamp>, violations: &mut Violations) -> Option<i64> {
    let time = time?;
    let nanos = u32::try_from(time.nanos).ok();
    let read = nanos.and_then(|nanos| chrono::DateTime::from_timestamp(time.seconds, nanos));
    if read.is_none() {
        violations.add(field, "a time, with 0 to 999 999 999 nanoseconds");
    }
    read.map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, access::Brands, failure::violations_of};

    #[test]
    fn ids_of_different_brands_never_meet() {
        let read = |call: &Call, brand: &str, id: &str| {
            let mut violations = Violations::new();
            let read = read_new_id_of(call, brand, "id", id, &mut violations);
            violations.finish(Reason::InvalidResource).map(|()| read)
        };
        let longest = "a".repeat(63);
        let whole = Call::background("t");
        assert_eq!(read(&whole, "ours", "spring").unwrap().unwrap(), "spring");
        assert_eq!(read(&whole, "ours", &longest).unwrap().unwrap(), longest);
        let one = whole.seeing(&Brands::Some(["ours".to_owned()].into()));
        let read = |brand: &str, id: &str| read(&one, brand, id);
        let ours = read("ours", "spring").unwrap().unwrap();
        assert!(is_id(&ours) && ours.starts_with("spring-"), "{ours}");
        assert_eq!(ours, read("ours", "spring").unwrap().unwrap());
        assert_ne!(ours, read("theirs", "spring").unwrap().unwrap());
        assert_eq!(read("ours", "").unwrap(), None, "made up");
        assert!(is_id(&read("ours", &longest[..52]).unwrap().unwrap()));
        for wrong in [&longest[..53], "9", "A"] {
            let refused = read("ours", wrong).unwrap_err();
            assert_eq!(violations_of(&refused).len(), 1, "{wrong}: {refused:?}");
        }
    }

    #[test]
    fn names_for_people_are_a_line_that_is_seen() {
        let read = |name: &str| {
            let mut violations = Violations::new();
            read_display_name("display_name", name, &mut violations);
            violations.finish(Reason::InvalidResource)
        };
        for good in ["", "Acme & Söhne", "种草 👩\u{200d}🔬", "שלום"] {
            read(good).unwrap();
        }
        for (wrong, code) in [
            ("a\nb", "U+000A"),
            ("a\0", "U+0000"),
            ("Acme \u{202e}dts", "U+202E"),
            ("A\u{200b}cme", "U+200B"),
            ("\u{2067}x", "U+2067"),
            ("\u{85}", "U+0085"),
        ] {
            let violations = violations_of(&read(wrong).unwrap_err());
            assert_eq!(violations.len(), 1);
            assert!(
                violations[0].0 == "display_name" && violations[0].1.contains(code),
                "{violations:?}"
            );
        }
    }
}
