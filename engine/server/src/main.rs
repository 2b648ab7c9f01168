//! `arcane`: the server's one executable. See `arcane --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: server::allocator::Counting = server::allocator::Counting;

fn main() -> ExitCode {
    server::cli::main()
}
