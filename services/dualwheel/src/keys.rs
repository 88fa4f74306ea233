//! Files with one consumer key a line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    path::Path,
};

use anyhow::Context;

/// Keys of a file, one after another.
pub type Keys = Box<dyn Iterator<Item = anyhow::Result<String>> + Send>;

/// The keys of a file, `-` being standard input. Empty lines are left out.
///
/// # Errors
/// When the file cannot be opened; a line that cannot be read is an error in its place.
pub fn keys(path: &Path) -> anyhow::Result<Keys> {
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("{} cannot be read", path.display()))?)
    };
    let numbered = (1..).zip(BufReader::new(input).lines());
    Ok(Box::new(numbered.filter_map(|(number, line)| {
        let line = line.with_context(|| format!("line {number} cannot be read as UTF-8"));
        let key = line.map(|line| line.trim_end_matches('\r').to_owned());
        (!key.as_ref().is_ok_and(String::is_empty)).then_some(key)
    })))
}
