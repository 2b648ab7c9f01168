//! `arcane` with a fault planted in it, such as a stall in one stage of the tick: what tools and supervisors must find.
//! Built on request only, with the feature `planted`; the faults are described in the module `planted`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: server::allocator::Counting = server::allocator::Counting;

fn main() -> ExitCode {
    server::cli::main()
}
