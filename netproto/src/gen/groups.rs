//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Tables over the groups, by group id.

use super::limits::N_GROUPS;

/// Width of a group's value.
pub const GROUP_BITS: [u32; N_GROUPS] = [50, 7, 13, 10];

/// Names, for people.
pub const GROUP_NAMES: [&str; N_GROUPS] = ["Motion", "Vitals", "Status", "Look"];

/// Lower goes first when bytes are short.
pub const GROUP_PRIORITY: [u32; N_GROUPS] = [0, 1, 2, 3];
