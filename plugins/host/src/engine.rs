//! Compiles and checks components, and holds what all plugins share.

use std::{fmt, hash::Hash, sync::Arc};

use blake3::Hasher;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, types::ComponentItem};

use crate::{
    CONTRACT,
    cache::Cache,
    call::Compiled,
    compiler::{Compiler, Made},
    error::Error,
    inspect::{Shape, require_component},
    limits::Limits,
    plugin::Plugin,
    policy::Policy,
    runtime::{Runtime, unable},
    sealed,
    state::{self, State},
    text::tidy,
    wire::{Given, GivenDescription, Sent},
    world::World,
};

/// Bytes of a message that are passed on.
const MESSAGE: usize = 500;
/// The function by which a model says what it is.
const DESCRIBE: &str = "describe";

/// Compiles and checks components, and holds what all plugins share. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Arc<Runtime>,
    linker: Linker<State>,
    compiler: Compiler,
    cache: Option<Cache>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("limits", self.limits())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine whose plugins may use so much and are compiled by `compiler`; what they are compiled to is kept in `cache`, or in
    /// memory only.
    ///
    /// # Errors
    /// When a limit is out of bounds, or the system does not give what the pool of instances needs.
    pub fn new(limits: Limits, compiler: Compiler, cache: Option<Cache>) -> Result<Self, Error> {
        let runtime = Runtime::new(limits)?;
        let mut linker = Linker::new(runtime.wasmtime());
        state::link(&mut linker).map_err(|error| unable(&error))?;
        let inner = Inner {
            runtime: Arc::new(runtime),
            linker,
            compiler,
            cache,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What a plugin may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.inner.runtime.limits()
    }

    /// Checks a component of `world` and compiles it, unless that was done before. Nothing of it runs yet.
    ///
    /// # Errors
    /// When it is no component, is damaged, too large or too complex, was built for another version of the contract or another
    /// world, or imports what `policy` does not offer.
    pub fn load(&self, bytes: &[u8], world: World, policy: Policy) -> Result<Plugin, Error> {
        self.load_followed(bytes, Some(world), policy, &|| {})
    }

    /// The same of whichever world the component implements.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_any(&self, bytes: &[u8], policy: Policy) -> Result<Plugin, Error> {
        self.load_followed(bytes, None, policy, &|| {})
    }

    /// The same of one world or whichever it is, telling when there is nothing against the component and it is being compiled.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_followed(
        &self,
        bytes: &[u8],
        wanted: Option<World>,
        policy: Policy,
        inspected: &dyn Fn(),
    ) -> Result<Plugin, Error> {
        let limits = self.limits();
        let (given, most) = (bytes.len(), limits.component_bytes);
        if u64::try_from(given).unwrap_or(u64::MAX) > most {
            let reason = format!("its file has {given} bytes; at most {most} are admitted");
            return Err(Error::TooLarge { reason });
        }
        require_component(bytes)?;
        let (shape, component) = self.compiled(bytes, |shape| {
            shape.check(wanted, policy, limits)?;
            inspected();
            Ok(())
        })?;
        let world = shape.check(wanted, policy, limits)?;
        let linked = self
            .linked(&component, shape.needs())
            .map_err(|error| lacking(&error))?;
        let digest = Sha256::digest(bytes);
        let compiled = Compiled {
            describe: function::<(), (GivenDescription,)>(&linked, world, DESCRIBE)?,
            answer: function::<Sent<'_>, Given>(&linked, world, world.function())?,
            linked,
            random: sealed::random(&digest),
        };
        Ok(Plugin::guest(
            self.inner.runtime.clone(),
            world,
            shape.needs(),
            hexadecimal(&digest),
            compiled,
        ))
    }

    /// Gives a component what it imports.
    fn linked(&self, component: &Component, needs: Policy) -> wasmtime::Result<InstancePre<State>> {
        match needs {
            Policy::Pure => self.inner.linker.instantiate_pre(component),
            Policy::SealedWasi => {
                let mut linker = self.inner.linker.clone();
                sealed::link(&mut linker, component)?;
                linker.instantiate_pre(component)
            }
        }
    }

    /// Whether machine code of a component is kept, so that loading it takes no compiling.
    #[must_use]
    pub fn has_compiled(&self, bytes: &[u8]) -> bool {
        let cache = self.inner.cache.as_ref();
        cache.is_some_and(|cache| cache.has(&self.id(bytes)))
    }

    /// What a component is made of and its machine code, from the cache or the compiler, which begins when `check` has nothing
    /// against it.
    fn compiled(
        &self,
        bytes: &[u8],
        check: impl Fn(&Shape) -> Result<(), Error>,
    ) -> Result<(Shape, Component), Error> {
        let (cache, runtime) = (self.inner.cache.as_ref(), &self.inner.runtime);
        let (engine, limits) = (runtime.wasmtime(), runtime.limits());
        let id = self.id(bytes);
        let kept = cache.and_then(|cache| cache.read(&id, limits.compiled_bytes));
        let kept = kept.as_deref().and_then(unpacked);
        if let Some((shape, code)) = kept
            && let Ok(component) = run_as_found(engine, code)
        {
            return Ok((shape, component));
        }
        let Made { shape, code } = self.inner.compiler.compile(engine, bytes, limits, check)?;
        // What was just compiled can only be refused for what it would take of the pool.
        let component = run_as_found(engine, &code).map_err(|error| Error::TooLarge {
            reason: tidy(&format!("{error:#}"), MESSAGE),
        })?;
        if let Some((cache, packed)) = cache.zip(packed(&shape, &code)) {
            cache.write(&id, &packed);
        }
        Ok((shape, component))
    }

    /// What machine code depends on: the component, the compiler and its settings.
    fn id(&self, bytes: &[u8]) -> blake3::Hash {
        let mut settings = Settings(Hasher::new_derive_key("dualwheel plugin machine code 2"));
        let engine = self.inner.runtime.wasmtime();
        engine.precompile_compatibility_hash().hash(&mut settings);
        settings.0.update(blake3::hash(bytes).as_bytes());
        settings.0.finalize()
    }
}

/// What is kept of a component: a line with its shape, and its machine code.
fn packed(shape: &Shape, code: &[u8]) -> Option<Vec<u8>> {
    let mut packed = serde_json::to_vec(shape).ok()?;
    packed.push(b'\n');
    packed.extend_from_slice(code);
    Some(packed)
}

fn unpacked(packed: &[u8]) -> Option<(Shape, &[u8])> {
    let end = packed.iter().position(|byte| *byte == b'\n')?;
    let (shape, code) = packed.split_at_checked(end)?;
    Some((serde_json::from_slice(shape).ok()?, code.get(1..)?))
}

/// SHA-256 in lower-case hexadecimal, by which a component is known.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes in the engine's settings, which can only be had as something to hash.
struct Settings(Hasher);

impl std::hash::Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Never asked for: [`Engine::id`] takes the whole hash.
    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes()
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// An interface that is offered, but not with what the component expects of it.
fn lacking(error: &wasmtime::Error) -> Error {
    let reason = tidy(&format!("{error:#}"), MESSAGE);
    // The linker quotes the name of the import first.
    let import = reason.split('`').nth(1).unwrap_or_default().to_owned();
    Error::ImportRefused { import, reason }
}

/// Loads machine code that the engine made.
#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; see below why it need not"
)]
fn run_as_found(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `precompile_component` returned: either a moment ago, or in a file whose tag only the
    // holder of the cache's key can make, over just this code for just this component and these settings.
    unsafe { Component::deserialize(engine, code) }
}

/// A function of the contract's type that the component exports.
fn function<P, R>(
    linked: &InstancePre<State>,
    wanted: World,
    name: &'static str,
) -> Result<ComponentExportIndex, Error>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    let other = |found: String| Error::WrongWorld { wanted, found };
    let (item, index) = linked
        .component()
        .get_export(None, name)
        .ok_or_else(|| other(format!("without `{name}`")))?;
    let ComponentItem::ComponentFunc(function) = item else {
        return Err(other(format!("with a `{name}` that is no function")));
    };
    let differs = |error: wasmtime::Error| tidy(&format!("{error:#}"), MESSAGE);
    let typed = function.typecheck::<P, R>(&linked.instance_type());
    typed.map_err(|error| match name {
        DESCRIBE => Error::BadDescription {
            reason: format!(
                "`{name}` has another type than `func() -> description` of {CONTRACT} ({}); build it with that \
                 contract's plugin.wit",
                differs(error)
            ),
        },
        _ => other(format!(
            "with a `{name}` of another type than the contract's, which is `func(batch: feature-batch, parameters: \
             list<parameter>) -> result<list<column>, string>`: {}",
            differs(error)
        )),
    })?;
    Ok(index)
}
