//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! The wire's layouts, in the order of the documentation's chapters.

#[rustfmt::skip]
pub mod limits;
#[rustfmt::skip]
pub mod enums;
#[rustfmt::skip]
pub mod blocks;
#[rustfmt::skip]
pub mod groups;
#[rustfmt::skip]
pub mod unions;
#[rustfmt::skip]
pub mod records;
#[rustfmt::skip]
mod tagged;
#[rustfmt::skip]
pub mod hello;
#[rustfmt::skip]
pub mod by_name;
