//! From a guest's core module to the component that partners publish.
//!
//! [`pack`] takes what `cargo build --target wasm32-unknown-unknown` wrote. The same source gives the same component,
//! byte for byte, when it is built again: what compilers note about machine and build is left out, see [`strip`()].

mod imports;
mod strip;

use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

pub use imports::{exports, imports};
pub use strip::strip;

/// What can go wrong while packing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not WebAssembly, or damaged.
    #[error("not a sound WebAssembly file ({reason}): build the guest again for wasm32-unknown-unknown")]
    Malformed {
        /// What the parser says, with the offset in bytes.
        reason: String,
    },
    /// A component where a module is needed.
    #[error("this is a component already: publish it as it is")]
    IsComponent,
    /// A module where a component is needed.
    #[error("this is a core module, not a component: pack it first")]
    IsModule,
    /// The module names no world.
    #[error(
        "the module does not say which world it implements: call export_koc_model! or export_style_trend_model! in the \
         guest, and depend on dualwheel-plugin-sdk with the feature `guest`"
    )]
    NoWorld,
    /// The module does not fit the world that it names.
    #[error("the module does not fit its world: {reason}")]
    Unfit {
        /// What is missing or too much.
        reason: String,
    },
}

impl From<wasmparser::BinaryReaderError> for Error {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed {
            reason: error.to_string(),
        }
    }
}

/// The component of a core module that was compiled for wasm32-unknown-unknown with the contract's bindings.
///
/// # Errors
/// The bytes are no core module, or one that does not fit a world of the contract.
pub fn pack(core_module: &[u8]) -> Result<Vec<u8>, Error> {
    if !names_world(core_module)? {
        return Err(Error::NoWorld);
    }
    let unfit = |error: &dyn std::fmt::Display| Error::Unfit {
        reason: format!("{error:#}"),
    };
    ComponentEncoder::default()
        .validate(true)
        .module(&strip(core_module)?)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| unfit(&error))
}

/// Whether a core module carries the description of a world.
fn names_world(core_module: &[u8]) -> Result<bool, Error> {
    for payload in Parser::new(0).parse_all(core_module) {
        match payload? {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => return Err(Error::IsComponent),
            Payload::CustomSection(section) if strip::describes_world(section.name()) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
