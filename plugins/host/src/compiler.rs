//! From a component to machine code.
//!
//! A stranger's file is read and compiled in a process of its own: a few kilobytes can make a parser overflow its stack and a
//! compiler take gigabytes. Such a process has bounded memory and processor time, can open neither file nor socket, and takes
//! nobody with it when it ends. What it answers is machine code, which is run as it is found: the process keeps off what a
//! component does to a compiler's appetite, not faults of the compiler that let a component write the code.

mod apart;
mod child;

use std::thread;

use serde::{Deserialize, Serialize};

pub use self::{apart::Apart, child::run_if_asked};
use crate::{
    error::Error,
    inspect::{Shape, require_component},
    limits::Limits,
    structure::{Bound, Fault},
    text::tidy,
};

/// Bytes of a message from a parser or a compiler that are passed on.
const MESSAGE: usize = 500;
/// Bytes of stack of the thread that reads. Types nest, and are read by recursion before anyone can know how deep.
const STACK: usize = 64 << 20;

/// Who compiles.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// This process: for components that one made oneself.
    Here,
    /// A process of its own: for strangers' components.
    Apart(Apart),
}

/// A component that may run.
pub(crate) struct Made {
    /// What it is made of.
    pub(crate) shape: Shape,
    /// Its machine code.
    pub(crate) code: Vec<u8>,
}

/// Why there is no machine code, as a process reports it to another.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Refusal {
    /// The file is damaged, or uses what is not admitted.
    Malformed(String),
    /// There is more of something than admitted.
    Beyond(Bound, u64),
    /// A component is passed on as a value.
    PassedOn,
    /// Bytes of machine code, more than admitted.
    TooLarge(usize),
    /// The compiler got no more memory.
    Memory,
}

impl Refusal {
    fn malformed(error: &dyn std::fmt::Display) -> Self {
        Self::Malformed(tidy(&error.to_string(), MESSAGE))
    }

    /// The error of it, where so many bytes of machine code are admitted.
    pub(crate) fn into_error(self, most: u64) -> Error {
        match self {
            Self::Malformed(reason) => Error::Malformed { reason },
            Self::Beyond(bound, found) => Error::TooComplex {
                limit: bound.name(),
                reason: format!("there are {found}; at most {} are admitted", bound.most()),
            },
            Self::PassedOn => Error::TooComplex {
                limit: Bound::Instances.name(),
                reason: "a component is imported or taken from an instance, so that they cannot be counted"
                    .to_owned(),
            },
            Self::TooLarge(bytes) => Error::TooLarge {
                reason: format!("it compiles to {bytes} bytes; at most {most} are admitted"),
            },
            Self::Memory => Error::TooComplex {
                limit: "memory",
                reason: "compiling it takes more than admitted".to_owned(),
            },
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Binary(error) => Self::malformed(&error),
            Fault::Beyond(bound, found) => Self::Beyond(bound, found),
            Fault::PassedOn => Self::PassedOn,
        }
    }
}

impl Compiler {
    /// Reads a component, has `check` look at it, and compiles it for `engine`.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        bytes: &[u8],
        limits: &Limits,
        check: impl Fn(&Shape) -> Result<(), Error>,
    ) -> Result<Made, Error> {
        let most = limits.compiled_bytes;
        match self {
            Self::Apart(apart) => apart.compile(bytes, most, check),
            Self::Here => {
                let refused = |refusal: Refusal| refusal.into_error(most);
                let shape = read(bytes).map_err(refused)?;
                check(&shape)?;
                let code = compile(engine, bytes, most).map_err(refused)?;
                Ok(Made { shape, code })
            }
        }
    }
}

/// Reads a component and counts what it is made of, in this process and without compiling it.
///
/// # Errors
/// When it is no component, is damaged or too complex.
pub fn inspect(bytes: &[u8]) -> Result<(), Error> {
    require_component(bytes)?;
    read(bytes).map(drop).map_err(|refusal| refusal.into_error(0))
}

/// What a component is made of, read on a thread with much stack.
fn read(bytes: &[u8]) -> Result<Shape, Refusal> {
    thread::scope(|scope| {
        let reading = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || Shape::read(bytes).map_err(Refusal::from));
        // Without memory for the stack there is none for anything else.
        let Ok(reading) = reading else {
            return Err(Refusal::Memory);
        };
        let broken = |_| Refusal::Malformed("the parser broke down on it".to_owned());
        reading.join().map_err(broken)?
    })
}

/// A component's machine code, of at most so many bytes.
fn compile(engine: &wasmtime::Engine, bytes: &[u8], most: u64) -> Result<Vec<u8>, Refusal> {
    let code = engine
        .precompile_component(bytes)
        .map_err(|error| Refusal::malformed(&format!("{error:#}")))?;
    if u64::try_from(code.len()).unwrap_or(u64::MAX) > most {
        return Err(Refusal::TooLarge(code.len()));
    }
    Ok(code)
}
