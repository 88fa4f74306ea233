//! A sealed WASI 0.2 for languages whose runtime cannot live without one. Nothing of the world outside is in it: the
//! clocks stand still, random numbers come from a seed, there are no files, no environment and no input, and what is
//! written goes to the log. So the same rows still give the same answer.

use blake3::OutputReader;
use wasmtime::{
    StoreContextMut,
    component::{
        Component, ComponentType, Lift, Linker, Lower, Resource, ResourceType, types::ComponentItem,
    },
};

use crate::state::{State, charge};

/// Version of WASI that is offered; the linker takes it for every 0.2.
const VERSION: &str = "0.2.0";
/// Start of the names of the file system's interfaces.
const FILES: &str = "wasi:filesystem/";
/// The time, in seconds since 1970: the beginning of 2020.
const FROZEN: u64 = 1_577_836_800;
/// Bytes that a stream says it would take at once.
const WRITABLE: u64 = 65_536;
/// A guest asked for what is not in a sealed WASI.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the model {0}")]
pub(crate) struct Sealed(&'static str);

struct Input;
struct Output;
struct Pollable;
struct IoError;
struct Descriptor;
struct Entries;
struct Terminal;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "nothing here can fail, but the type has it")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Store<'a> = StoreContextMut<'a, State>;
type Linked = wasmtime::Result<()>;

/// Random numbers that are the same in every call of the component of this hash.
pub(crate) fn random(sha256: &[u8]) -> OutputReader {
    let mut seed = blake3::Hasher::new_derive_key("dualwheel plugin random numbers 1");
    seed.update(sha256);
    seed.finalize_xof()
}

/// Offers a component a sealed WASI.
pub(crate) fn link(linker: &mut Linker<State>, component: &Component) -> Linked {
    link_io(linker)?;
    link_streams(linker)?;
    link_stdio(linker)?;
    link_terminals(linker)?;
    link_clocks(linker)?;
    link_random(linker)?;
    link_process(linker)?;
    link_files(linker, component)
}

fn interface(name: &str) -> String {
    format!("wasi:{name}@{VERSION}")
}

/// A resource without anything to clean up: the number that stands for one is all that there is of it.
fn resource<T: 'static>(linker: &mut Linker<State>, of: &str, name: &str) -> Linked {
    linker
        .instance(&interface(of))?
        .resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

fn link_io(linker: &mut Linker<State>) -> Linked {
    resource::<IoError>(linker, "io/error", "error")?;
    linker.instance(&interface("io/error"))?.func_wrap(
        "[method]error.to-debug-string",
        |_: Store<'_>, (_,): (Resource<IoError>,)| Ok((String::new(),)),
    )?;
    resource::<Pollable>(linker, "io/poll", "pollable")?;
    let mut poll = linker.instance(&interface("io/poll"))?;
    // Nothing is ever waited for.
    poll.func_wrap(
        "[method]pollable.ready",
        |_: Store<'_>, (_,): (Resource<Pollable>,)| Ok((true,)),
    )?;
    poll.func_wrap(
        "[method]pollable.block",
        |_: Store<'_>, (_,): (Resource<Pollable>,)| Ok(()),
    )?;
    poll.func_wrap("poll", |_: Store<'_>, (waiting,): (Vec<Resource<Pollable>>,)| {
        Ok(((0..).zip(&waiting).map(|(index, _)| index).collect::<Vec<u32>>(),))
    })
}

fn ready<T: 'static>(_: Store<'_>, (_,): (Resource<T>,)) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((Resource::new_own(0),))
}

fn link_streams(linker: &mut Linker<State>) -> Linked {
    resource::<Input>(linker, "io/streams", "input-stream")?;
    resource::<Output>(linker, "io/streams", "output-stream")?;
    let mut streams = linker.instance(&interface("io/streams"))?;
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        streams.func_wrap(&name, |_: Store<'_>, (_, _): (Resource<Input>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        let name = format!("[method]input-stream.{name}");
        streams.func_wrap(&name, |_: Store<'_>, (_, _): (Resource<Input>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    streams.func_wrap("[method]input-stream.subscribe", ready::<Input>)?;
    streams.func_wrap("[method]output-stream.subscribe", ready::<Output>)?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |_: Store<'_>, (_,): (Resource<Output>,)| Ok((Ok::<_, StreamError>(WRITABLE),)),
    )?;
    for name in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(&format!("[method]output-stream.{name}"), write)?;
    }
    for name in ["flush", "blocking-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |_: Store<'_>, (_,): (Resource<Output>,)| {
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    // Nobody logs zeros.
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |_: Store<'_>, (_, _): (Resource<Output>, u64)| {
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    for name in ["splice", "blocking-splice"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(
            &name,
            |_: Store<'_>, (_, _, _): (Resource<Output>, Resource<Input>, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            },
        )?;
    }
    Ok(())
}

/// Writes into the log, line by line.
fn write(
    mut store: Store<'_>,
    (stream, bytes): (Resource<Output>, Vec<u8>),
) -> wasmtime::Result<(Result<(), StreamError>,)> {
    charge(&mut store, bytes.len())?;
    let state = store.data_mut();
    for line in state.written.write(stream.rep(), &bytes) {
        state.log.write(&line);
    }
    Ok((Ok(()),))
}

fn link_stdio(linker: &mut Linker<State>) -> Linked {
    let mut stdin = linker.instance(&interface("cli/stdin"))?;
    stdin.func_wrap("get-stdin", |_: Store<'_>, (): ()| {
        Ok((Resource::<Input>::new_own(0),))
    })?;
    for (name, stream) in [("stdout", 0), ("stderr", 1)] {
        linker
            .instance(&interface(&format!("cli/{name}")))?
            .func_wrap(&format!("get-{name}"), move |_: Store<'_>, (): ()| {
                Ok((Resource::<Output>::new_own(stream),))
            })?;
    }
    Ok(())
}

fn link_terminals(linker: &mut Linker<State>) -> Linked {
    resource::<Terminal>(linker, "cli/terminal-input", "terminal-input")?;
    resource::<Terminal>(linker, "cli/terminal-output", "terminal-output")?;
    for name in ["terminal-stdin", "terminal-stdout", "terminal-stderr"] {
        linker
            .instance(&interface(&format!("cli/{name}")))?
            .func_wrap(&format!("get-{name}"), |_: Store<'_>, (): ()| {
                Ok((None::<Resource<Terminal>>,))
            })?;
    }
    Ok(())
}

fn link_clocks(linker: &mut Linker<State>) -> Linked {
    let mut wall = linker.instance(&interface("clocks/wall-clock"))?;
    let frozen = Datetime {
        seconds: FROZEN,
        nanoseconds: 0,
    };
    wall.func_wrap("now", move |_: Store<'_>, (): ()| Ok((frozen,)))?;
    let step = Datetime {
        seconds: 0,
        nanoseconds: 1,
    };
    wall.func_wrap("resolution", move |_: Store<'_>, (): ()| Ok((step,)))?;
    let mut monotonic = linker.instance(&interface("clocks/monotonic-clock"))?;
    monotonic.func_wrap("now", |_: Store<'_>, (): ()| Ok((0_u64,)))?;
    monotonic.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((1_u64,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        monotonic.func_wrap(name, |_: Store<'_>, (_,): (u64,)| {
            Ok((Resource::<Pollable>::new_own(0),))
        })?;
    }
    Ok(())
}

fn bytes(mut store: Store<'_>, (count,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    let most = store.hostcall_fuel();
    let count = usize::try_from(count).ok().filter(|count| *count <= most);
    let count = count.ok_or(Sealed("asked for more random numbers than admitted"))?;
    charge(&mut store, count)?;
    let mut bytes = vec![0; count];
    store.data_mut().random.fill(&mut bytes);
    Ok((bytes,))
}

fn number(mut store: Store<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    let mut bytes = [0; 8];
    store.data_mut().random.fill(&mut bytes);
    Ok((u64::from_le_bytes(bytes),))
}

fn link_random(linker: &mut Linker<State>) -> Linked {
    let mut random = linker.instance(&interface("random/random"))?;
    random.func_wrap("get-random-bytes", bytes)?;
    random.func_wrap("get-random-u64", number)?;
    let mut insecure = linker.instance(&interface("random/insecure"))?;
    insecure.func_wrap("get-insecure-random-bytes", bytes)?;
    insecure.func_wrap("get-insecure-random-u64", number)?;
    let mut seed = linker.instance(&interface("random/insecure-seed"))?;
    seed.func_wrap("insecure-seed", |_: Store<'_>, (): ()| Ok(((0_u64, 0_u64),)))
}

fn link_process(linker: &mut Linker<State>) -> Linked {
    let mut environment = linker.instance(&interface("cli/environment"))?;
    environment.func_wrap("get-environment", |_: Store<'_>, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |_: Store<'_>, (): ()| {
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))?;
    let mut exit = linker.instance(&interface("cli/exit"))?;
    exit.func_wrap("exit", |_: Store<'_>, (_,): (Result<(), ()>,)| -> Linked {
        Err(Sealed("ended its own process").into())
    })?;
    exit.func_wrap("exit-with-code", |_: Store<'_>, (_,): (u8,)| -> Linked {
        Err(Sealed("ended its own process").into())
    })
}

/// An empty file system: no folder is open, so that there is nothing on which its functions could be called.
fn link_files(linker: &mut Linker<State>, component: &Component) -> Linked {
    let engine = component.engine();
    for (name, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(types) = item.ty else {
            continue;
        };
        if !name.starts_with(FILES) {
            continue;
        }
        let mut files = linker.instance(name)?;
        for (name, item) in types.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) if name == "descriptor" => {
                    files.resource(name, ResourceType::host::<Descriptor>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) if name == "get-directories" => {
                    files.func_wrap(name, |_: Store<'_>, (): ()| {
                        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
                    })?;
                }
                ComponentItem::ComponentFunc(_) => {
                    files.func_new(name, |_, _, _, _| Err(Sealed("asked for a file").into()))?;
                }
                ComponentItem::Resource(_) if name == "directory-entry-stream" => {
                    files.resource(name, ResourceType::host::<Entries>(), |_, _| Ok(()))?;
                }
                // Other resources are those of the streams under another name.
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::random;

    #[test]
    fn random_numbers_are_the_components_own() {
        let draw = |seed: &[u8]| {
            let mut bytes = [0; 16];
            random(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(b"one"), draw(b"one"));
        assert_ne!(draw(b"one"), draw(b"other"));
    }
}
