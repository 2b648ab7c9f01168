//! `arcane` with a stall planted in one stage of the tick: what the tools for histograms must find.
//! Built on request only, with the feature `planted`; the stall is described in the module `zone::planted`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: server::allocator::Counting = server::allocator::Counting;

fn main() -> ExitCode {
    server::cli::main()
}
