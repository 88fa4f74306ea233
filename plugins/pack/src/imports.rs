//! What a component asks of its host, and what it offers.

use wasmparser::{
    BinaryReaderError, ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds,
};

use crate::Error;

/// Names of the interfaces and functions that a component imports, in its order. Interfaces of types only are among them;
/// further names of their types, for which nothing need be there, are not.
///
/// # Errors
/// The bytes are no component.
pub fn imports(component: &[u8]) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    outline(component, |payload| {
        if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                let import = import?;
                if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                    names.push(import.name.name.to_owned());
                }
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// Names of the interfaces and functions that a component exports, in its order.
///
/// # Errors
/// The bytes are no component.
pub fn exports(component: &[u8]) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    outline(component, |payload| {
        if let Payload::ComponentExportSection(section) = payload {
            for export in section {
                let export = export?;
                if !matches!(export.kind, ComponentExternalKind::Type) {
                    names.push(export.name.name.to_owned());
                }
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// Shows every section of a component but those of modules and components within it, which have imports and exports of
/// their own, and satisfy them themselves.
fn outline<'a>(
    component: &'a [u8],
    mut look: impl FnMut(Payload<'a>) -> Result<(), BinaryReaderError>,
) -> Result<(), Error> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(Error::IsModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload if depth == 0 => look(payload)?,
            _ => {}
        }
    }
    Ok(())
}
