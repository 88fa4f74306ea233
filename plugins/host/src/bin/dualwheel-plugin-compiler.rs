//! Compiles one component, as the `dualwheel` program does for its server; for tests of this crate, whose own programs are
//! those of the test harness.

use std::process::ExitCode;

fn main() -> ExitCode {
    dualwheel_plugin_host::run_if_asked().unwrap_or(ExitCode::FAILURE)
}
