//! Names of resources, as requests give them.

use dualwheel_kit::{
    Reason, Violations,
    question::check_brand,
    resource::{id_of, is_id},
};
use dualwheel_plugin_host::World;
use tonic::Status;

use crate::worlds;

fn read<T>(field: &str, expected: &str, read: Option<T>) -> Result<T, Status> {
    let mut violations = Violations::new();
    if read.is_none() {
        violations.add(field, expected);
    }
    violations.finish(Reason::InvalidResource)?;
    read.ok_or_else(|| Status::internal("a name passed its checks"))
}

/// The id in `publishers/{id}`.
pub(super) fn publisher(field: &str, name: &str) -> Result<String, Status> {
    read(field, "publishers/ID", id_of("publishers", name))
}

/// Publisher and SHA-256 in `publishers/{id}/publications/{sha256}`.
pub(super) fn publication(field: &str, name: &str) -> Result<(String, String), Status> {
    let parts = name
        .strip_prefix("publishers/")
        .and_then(|name| name.split_once("/publications/"))
        .filter(|(publisher, sha256)| is_id(publisher) && is_sha256(sha256))
        .map(|(publisher, sha256)| (publisher.to_owned(), sha256.to_owned()));
    read(field, "publishers/ID/publications/SHA256", parts)
}

/// Whether it is a hash in lower-case hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(is_digit)
}

/// The id in `pluginRuns/{id}`.
pub(super) fn run(field: &str, name: &str) -> Result<String, Status> {
    read(field, "pluginRuns/ID", id_of("pluginRuns", name))
}

/// Id and version in `plugins/{id}/versions/{version}`.
pub(super) fn plugin(field: &str, name: &str) -> Result<(String, String), Status> {
    read(field, "plugins/ID/versions/VERSION", parts(name))
}

fn parts(name: &str) -> Option<(String, String)> {
    let (id, version) = name.strip_prefix("plugins/")?.split_once("/versions/")?;
    let is_version = version.len() <= 63
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && !version.is_empty();
    (is_id(id) && is_version).then(|| (id.to_owned(), version.to_owned()))
}

/// Checks brand and world of a question about activations or runs.
pub(super) fn brand_and_world(brand: &str, world: i32) -> Result<World, Status> {
    let mut violations = Violations::new();
    check_brand("brand", brand, &mut violations);
    let world = worlds::read("world", world, &mut violations);
    violations.finish(Reason::InvalidResource)?;
    world.ok_or_else(|| Status::internal("a world passed its checks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_plugins() {
        let (id, version) = ("koc-affinity".to_owned(), "1.20.3".to_owned());
        assert_eq!(parts("plugins/koc-affinity/versions/1.20.3"), Some((id, version)));
        for wrong in [
            "",
            "plugins/a",
            "plugins//versions/1.0.0",
            "plugins/a/versions/",
            "plugins/a/versions/../x",
            "plugins/A/versions/1.0.0",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
