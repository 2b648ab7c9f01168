//! What compilers do not check: arrows, documents, dead files, promises of the README.
//!
//! Every check is a function from texts to complaints. Each has two tests: one runs it over the tree, one feeds
//! it something wrong, so that a check that has gone blind does not pass in silence.
#![forbid(unsafe_code)]

#[path = "tidy/tree.rs"]
mod tree;

#[path = "tidy/rust.rs"]
mod rust;

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/audit.rs"]
mod audit;
#[path = "tidy/commands.rs"]
mod commands;
#[path = "tidy/comments.rs"]
mod comments;
#[path = "tidy/dead.rs"]
mod dead;
#[path = "tidy/decoders.rs"]
mod decoders;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/peers.rs"]
mod peers;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/strangers.rs"]
mod strangers;
#[path = "tidy/unsafety.rs"]
mod unsafety;
