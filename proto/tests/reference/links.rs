//! Where a name is told.

use crate::contracts::Contracts;

/// Reference of the types that come with Protocol Buffers.
const WELL_KNOWN: &str = "https://protobuf.dev/reference/protobuf/google.protobuf/";

/// File name of a package's page.
pub fn page_of(package: &str) -> String {
    format!("{package}.md")
}

/// The anchor that a heading gets.
pub fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A link within a page.
pub fn here(heading: &str) -> String {
    format!("[{heading}](#{})", anchor(heading))
}

/// A link from the page of package `from` to a type by its full name.
pub fn to_type(contracts: &Contracts, from: &str, full: &str) -> String {
    if let Some(name) = full.strip_prefix("google.protobuf.") {
        return format!("[{name}]({WELL_KNOWN}#{})", anchor(&name.replace('.', "-")));
    }
    let of_package = |package: &str| full.strip_prefix(package)?.strip_prefix('.');
    let homes = contracts.packages.iter().map(|package| package.name.as_str());
    let (package, name) = homes
        .filter_map(|package| Some((package, of_package(package)?)))
        .max_by_key(|(package, _)| package.len())
        .unwrap();
    match package == from {
        true => here(name),
        false => format!("[{name}]({}#{})", page_of(package), anchor(name)),
    }
}
