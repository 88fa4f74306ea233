//! The `dualwheel` program. All of it is in the library, so that nothing is compiled twice.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives memory back that the C library would keep in the arenas of its threads: twice of what is in use, and more with
/// every append.
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    dualwheel::program::run()
}
