//! Looks at a component before anything is compiled: what it is, what it asks for, what it offers.

use serde::{Deserialize, Serialize};
use wasmparser::{ComponentTypeRef, Parser, Payload, TypeBounds};

use crate::{
    GENERATIONS,
    error::{Age, Error, Guest},
    limits::Limits,
    policy::Policy,
    structure::{Fault, Structure},
    text::tidy,
    world::World,
};

/// Start of the names of the contract's interfaces.
const CONTRACT: &str = "dualwheel:plugin/";
/// Interfaces that the contract has.
const INTERFACES: [&str; 2] = ["host", "types"];
/// Packages of WASI that a sealed one has; what is not among them, such as sockets and HTTP, no policy offers.
const SEALED: [&str; 5] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
];
/// Version of WASI that a sealed one has.
const SEALED_VERSION: &str = "@0.2.";
/// Bytes of a message from outside that are passed on.
const MESSAGE: usize = 500;

/// What a component is made of, as far as that shows without compiling it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Shape {
    imports: Vec<String>,
    exports: Vec<String>,
    /// Bytes that its largest memory starts with.
    memory_bytes: u64,
    /// Elements that its largest table starts with.
    table_elements: u64,
}

/// Refuses what is no component, by its first bytes.
pub(crate) fn require_component(bytes: &[u8]) -> Result<(), Error> {
    let found = match bytes {
        _ if Parser::is_component(bytes) => return Ok(()),
        _ if Parser::is_core_wasm(bytes) => "a core module",
        _ => "no WebAssembly",
    };
    Err(Error::NotAComponent { found })
}

impl Shape {
    /// Reads a component, and counts what it is made of.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut shape = Self::default();
        let mut structure = Structure::default();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            let outermost = structure.outermost();
            structure.add(&payload)?;
            shape.add(payload, outermost.then_some(&mut structure))?;
        }
        Ok(shape)
    }

    fn add(&mut self, payload: Payload<'_>, outermost: Option<&mut Structure>) -> Result<(), Fault> {
        match (payload, outermost) {
            (Payload::ComponentImportSection(imports), Some(structure)) => {
                for import in imports {
                    let import = import?;
                    structure.name(import.name.name)?;
                    // Another name for a type that is known already asks nothing of the host.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        self.imports.push(import.name.name.to_owned());
                    }
                }
            }
            (Payload::ComponentExportSection(exports), Some(structure)) => {
                for export in exports {
                    let name = export?.name.name;
                    structure.name(name)?;
                    self.exports.push(name.to_owned());
                }
            }
            (Payload::MemorySection(memories), _) => {
                for memory in memories {
                    let memory = memory?;
                    let page = 1_u64
                        .checked_shl(memory.page_size_log2.unwrap_or(16))
                        .unwrap_or(u64::MAX);
                    self.memory_bytes = self.memory_bytes.max(memory.initial.saturating_mul(page));
                }
            }
            (Payload::TableSection(tables), _) => {
                for table in tables {
                    self.table_elements = self.table_elements.max(table?.ty.initial);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses what does not speak the contract, asks for more than the policy offers, or starts larger than the limits admit.
    /// Answers the world that it is of: `wanted`, where one is.
    pub(crate) fn check(
        &self,
        wanted: Option<World>,
        policy: Policy,
        limits: &Limits,
    ) -> Result<World, Error> {
        for import in &self.imports {
            known_generation(import)?;
        }
        for import in &self.imports {
            offered(import, policy)?;
        }
        if !self.imports.iter().any(|import| import.starts_with(CONTRACT)) {
            return Err(Error::ContractVersion {
                found: "it names none".to_owned(),
                age: Age::Unknown,
            });
        }
        self.check_size(limits)?;
        self.check_world(wanted)
    }

    /// The strictest policy that offers all that is asked for.
    pub(crate) fn needs(&self) -> Policy {
        match self.imports.iter().any(|import| is_sealed_wasi(import)) {
            true => Policy::SealedWasi,
            false => Policy::Pure,
        }
    }

    fn check_size(&self, limits: &Limits) -> Result<(), Error> {
        let guest = Box::<Guest>::default;
        if self.memory_bytes > limits.memory_bytes {
            let (asked, most) = (self.memory_bytes, limits.memory_bytes);
            return Err(Error::Memory {
                asked,
                most,
                guest: guest(),
            });
        }
        if self.table_elements > limits.table_elements {
            let (asked, most) = (self.table_elements, limits.table_elements);
            return Err(Error::Table {
                asked,
                most,
                guest: guest(),
            });
        }
        Ok(())
    }

    fn is(&self, world: World) -> bool {
        let has = |name: &str| self.exports.iter().any(|export| export == name);
        has("describe") && has(world.function())
    }

    fn check_world(&self, wanted: Option<World>) -> Result<World, Error> {
        let found = World::ALL.into_iter().find(|world| self.is(*world));
        match (wanted, found) {
            (Some(world), _) | (None, Some(world)) if self.is(world) => {
                self.require_of_its_generation(world)?;
                Ok(world)
            }
            (wanted, found) => {
                let wanted = wanted.unwrap_or(World::KocModel);
                let found = found.map_or_else(|| self.without_world(wanted), |world| format!("a {world}"));
                Err(Error::WrongWorld { wanted, found })
            }
        }
    }

    /// Refuses a world that the generation does not have which the component was built for.
    fn require_of_its_generation(&self, world: World) -> Result<(), Error> {
        let before = self.imports.iter().find(|import| {
            let generation = import
                .strip_prefix(CONTRACT)
                .and_then(|interface| interface.split_once('@'));
            generation.is_some_and(|(_, generation)| !world.is_of(generation))
        });
        match before {
            None => Ok(()),
            Some(import) => Err(Error::ContractVersion {
                found: format!("{}, which has no {world}", tidy(import, MESSAGE)),
                age: Age::Older,
            }),
        }
    }

    fn without_world(&self, wanted: World) -> String {
        let wanted = ["describe", wanted.function()];
        let lacking = wanted
            .into_iter()
            .find(|name| !self.exports.iter().any(|export| export == name));
        format!("without `{}`", lacking.unwrap_or_default())
    }
}

/// Refuses an interface of the contract in a generation that this host does not speak.
fn known_generation(import: &str) -> Result<(), Error> {
    let Some(interface) = import.strip_prefix(CONTRACT) else {
        return Ok(());
    };
    let version = interface.split_once('@').map(|(_, version)| version);
    if version.is_some_and(|version| GENERATIONS.contains(&version)) {
        return Ok(());
    }
    let known = GENERATIONS.into_iter().filter_map(numbers);
    let age = match (version.and_then(numbers), known.clone().min(), known.max()) {
        (Some(found), Some(oldest), _) if found < oldest => Age::Older,
        (Some(found), _, Some(newest)) if found > newest => Age::Newer,
        // Such as `1.0.0-draft`, or one that was never published.
        _ => Age::Unknown,
    };
    Err(Error::ContractVersion {
        found: tidy(import, MESSAGE),
        age,
    })
}

/// The three numbers of a version; what stands behind a hyphen or a plus is not looked at.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let version = version.split(['-', '+']).next()?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Refuses what the policy does not offer.
fn offered(import: &str, policy: Policy) -> Result<(), Error> {
    let name = tidy(import, MESSAGE);
    let refused = |reason: &str| {
        Err(Error::ImportRefused {
            import: name.clone(),
            reason: reason.to_owned(),
        })
    };
    if let Some(interface) = import.strip_prefix(CONTRACT) {
        let interface = interface.split('@').next().unwrap_or_default();
        return match INTERFACES.contains(&interface) {
            true => Ok(()),
            false => refused("the contract has no such interface"),
        };
    }
    if !is_sealed_wasi(import) {
        return refused("the contract has `log` and nothing else; even a sealed WASI has no network");
    }
    match policy {
        Policy::Pure => Err(Error::WasiRefused { import: name }),
        Policy::SealedWasi => Ok(()),
    }
}

fn is_sealed_wasi(import: &str) -> bool {
    SEALED.iter().any(|package| import.starts_with(package)) && import.contains(SEALED_VERSION)
}

#[cfg(test)]
mod tests {
    use super::{known_generation, numbers, offered};
    use crate::{error::Age, error::Error, policy::Policy};

    fn age(import: &str) -> Option<Age> {
        match known_generation(import) {
            Err(Error::ContractVersion { age, .. }) => Some(age),
            _ => None,
        }
    }

    #[test]
    fn versions() {
        for (import, expected) in [
            ("dualwheel:plugin/host@1.0.0", None),
            ("wasi:clocks/wall-clock@0.2.0", None),
            ("dualwheel:plugin/host@0.9.9", Some(Age::Older)),
            ("dualwheel:plugin/host@1.1.0", None),
            ("dualwheel:plugin/host@1.0.1", Some(Age::Unknown)),
            ("dualwheel:plugin/host@1.1.1", Some(Age::Newer)),
            ("dualwheel:plugin/types@1.10.0", Some(Age::Newer)),
            ("dualwheel:plugin/types@2.0.0-rc.1", Some(Age::Newer)),
            ("dualwheel:plugin/types@1.0.0-draft", Some(Age::Unknown)),
            ("dualwheel:plugin/types@1", Some(Age::Unknown)),
            ("dualwheel:plugin/types", Some(Age::Unknown)),
        ] {
            assert_eq!(age(import), expected, "{import}");
        }
        assert_eq!(numbers("1.2.3+build"), Some([1, 2, 3]));
        assert_eq!(numbers("1.2.3.4"), None);
    }

    #[test]
    fn imports() {
        let (refused, wasi) = (Some("PLUGIN_IMPORT_REFUSED"), Some("PLUGIN_WASI_REFUSED"));
        for (import, pure, sealed) in [
            ("dualwheel:plugin/host@1.0.0", None, None),
            ("dualwheel:plugin/types@1.1.0", None, None),
            ("dualwheel:plugin/secrets@1.0.0", refused, refused),
            ("dualwheel:pluginx/host@1.0.0", refused, refused),
            ("wasi:random/random@0.2.10", wasi, None),
            ("wasi:filesystem/types@0.2.0", wasi, None),
            ("wasi:random/random@0.3.0", refused, refused),
            ("wasi:random/random", refused, refused),
            ("wasi:sockets/tcp@0.2.0", refused, refused),
            ("wasi:http/outgoing-handler@0.2.0", refused, refused),
            ("host", refused, refused),
        ] {
            let reason = |policy| offered(import, policy).err().map(|error| error.reason());
            assert_eq!(
                (reason(Policy::Pure), reason(Policy::SealedWasi)),
                (pure, sealed),
                "{import}"
            );
        }
    }
}
