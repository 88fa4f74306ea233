//! The process that compiles one component: bytes in, [`Answer`]s and machine code out.

use std::{
    env,
    io::{self, Read, Write},
    process::{self, ExitCode},
    thread,
};

use serde::{Deserialize, Serialize};

use super::{Refusal, compile, read};
use crate::{inspect::Shape, settings};

/// First argument of a program that is to compile a component.
pub(super) const COMMAND: &str = "compile-plugin";

/// What the process reports, a line of JSON each.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Answer {
    /// What the component is made of. It is being compiled now.
    Shape(Shape),
    /// Bytes of machine code, which follow.
    Code(usize),
    /// It is not compiled.
    Refused(Refusal),
}

/// What the process is given, and what it may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of the component.
    pub(super) component_bytes: usize,
    /// Bytes of memory, in addresses.
    pub(super) memory_bytes: u64,
    /// Seconds of processor time.
    pub(super) cpu_seconds: u64,
    /// Bytes of machine code.
    pub(super) compiled_bytes: u64,
}

impl Bounds {
    pub(super) fn arguments(self) -> [String; 4] {
        [
            self.component_bytes.to_string(),
            self.memory_bytes.to_string(),
            self.cpu_seconds.to_string(),
            self.compiled_bytes.to_string(),
        ]
    }

    fn read(arguments: &[String]) -> Option<Self> {
        let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
        Some(Self {
            component_bytes: usize::try_from(number(0)?).ok()?,
            memory_bytes: number(1)?,
            cpu_seconds: number(2)?,
            compiled_bytes: number(3)?,
        })
    }
}

/// Compiles a component if this process was begun for that; otherwise does nothing. A program that names itself to
/// [`Apart`](super::Apart) calls it before anything else.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    let arguments: Vec<String> = arguments.collect();
    let done = Bounds::read(&arguments).map(|bounds| {
        confine(bounds)?;
        run(bounds)
    });
    Some(match done {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("the server begins this command by itself");
            ExitCode::FAILURE
        }
    })
}

fn run(bounds: Bounds) -> io::Result<()> {
    let mut bytes = vec![0; bounds.component_bytes];
    io::stdin().lock().read_exact(&mut bytes)?;
    thread::Builder::new().spawn(end_with_who_asked)?;
    let mut out = io::stdout().lock();
    let shape = match read(&bytes) {
        Ok(shape) => shape,
        Err(refusal) => return tell(&mut out, &Answer::Refused(refusal)),
    };
    tell(&mut out, &Answer::Shape(shape))?;
    let engine = wasmtime::Engine::new(&settings::compiling()).map_err(io::Error::other)?;
    match compile(&engine, &bytes, bounds.compiled_bytes) {
        Ok(code) => {
            tell(&mut out, &Answer::Code(code.len()))?;
            out.write_all(&code)?;
            out.flush()
        }
        Err(refusal) => tell(&mut out, &Answer::Refused(refusal)),
    }
}

/// Whoever asked holds the other end of the input for as long as it waits.
fn end_with_who_asked() {
    let _end = io::stdin().lock().read(&mut [0]);
    process::exit(1);
}

fn tell(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Takes from this process what it does not need: more memory and time than admitted, and, since it may open no further
/// descriptor, files and sockets. Input and output are open already.
fn confine(bounds: Bounds) -> io::Result<()> {
    use rlimit::{Resource, setrlimit};

    #[cfg(target_os = "linux")]
    setrlimit(Resource::AS, bounds.memory_bytes, bounds.memory_bytes)?;
    let seconds = bounds.cpu_seconds;
    setrlimit(Resource::CPU, seconds, seconds.saturating_add(1))?;
    for none in [Resource::CORE, Resource::FSIZE, Resource::NOFILE] {
        setrlimit(none, 0, 0)?;
    }
    Ok(())
}
