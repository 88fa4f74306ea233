//! Packs guests, and lists what components import. For `plugins/build`.
//!
//!     pack MODULE COMPONENT      the component of a core module
//!     pack --imports COMPONENT   what it imports, a name a line

use std::{env, error::Error, fs, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--imports", component] => list(component).map_err(|error| format!("{component}: {error}")),
        [module, component] => pack(module, component).map_err(|error| format!("{module}: {error}")),
        _ => Err("usage: pack MODULE COMPONENT | pack --imports COMPONENT".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(module: &str, component: &str) -> Result<(), Box<dyn Error>> {
    fs::write(component, dualwheel_plugin_pack::pack(&fs::read(module)?)?)?;
    Ok(())
}

fn list(component: &str) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for name in dualwheel_plugin_pack::imports(&fs::read(component)?)? {
        writeln!(out, "{name}")?;
    }
    Ok(())
}
