//! What is left out of a module, so that the same source gives the same bytes.

use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{Encoding, KnownCustom, Name, NameSectionReader, Parser, Payload};

use crate::Error;

/// Whether a custom section of that name describes a world, as `wit-bindgen` writes them.
pub(crate) fn describes_world(name: &str) -> bool {
    name.starts_with("component-type")
}

/// `core_module` without custom sections (debug information with paths of the machine, the compiler's name and flags),
/// except for the description of its world and the names of its functions, with which the traces of traps are written, as the
/// source has them.
///
/// # Errors
/// The bytes are no core module.
pub fn strip(core_module: &[u8]) -> Result<Vec<u8>, Error> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(core_module) {
        let payload = payload?;
        match &payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => return Err(Error::IsComponent),
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => {
                    module.section(&function_names(names)?);
                    continue;
                }
                _ if describes_world(section.name()) => {}
                _ => continue,
            },
            _ => {}
        }
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let data = core_module.get(range).unwrap_or_default();
        module.section(&RawSection { id, data });
    }
    Ok(module.finish())
}

fn function_names(names: NameSectionReader<'_>) -> Result<NameSection, Error> {
    let mut kept = NameSection::new();
    for name in names {
        if let Name::Function(functions) = name? {
            let mut map = NameMap::new();
            for function in functions {
                let function = function?;
                map.append(function.index, &readable(function.name));
            }
            kept.functions(&map);
        }
    }
    Ok(kept)
}

/// A function's name as its source has it, without the hash by which compilers tell equal names apart: it depends on the
/// folder of the source. What is not mangled stays as it is.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn names_are_those_of_the_source() {
        for (mangled, name) in [
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            (
                "_RNvNtCsa8wSWbKPDPi_3std9panicking15panic_with_hook",
                "std::panicking::panic_with_hook",
            ),
            (
                "_RNvNtCs1_3std9panicking15panic_with_hook",
                "std::panicking::panic_with_hook",
            ),
            ("cabi_realloc", "cabi_realloc"),
            ("[constructor]thing", "[constructor]thing"),
        ] {
            assert_eq!(readable(mangled), name);
        }
    }
}
