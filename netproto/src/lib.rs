//! The wire, and nothing but the wire: bits, frames, messages, versions.
//!
//! Read it in the order the bytes are built: [`bits`] packs fields, [`generated`] holds every layout (made
//! from `netproto/schema/*.toml`), [`quantise`] turns millimetres into wire steps, [`snapshot`] composes and
//! takes apart a frame, [`input`] an input datagram, [`peer`] is the server's memory of one client's view,
//! [`version`] says whether two builds understand each other.
//!
//! Not here: sockets, clocks, threads, worlds.
#![forbid(unsafe_code)]

pub mod bits;
#[path = "gen/mod.rs"]
pub mod generated;
pub mod input;
pub mod peer;
pub mod quantise;
pub mod snapshot;
pub mod version;

pub use generated::blocks::{
    Acks, Circle, Command, CommandsHead, Course, Deed, Follow, Goal, Header, Hit, Introduction, Look, Motion,
    Own, OwnState, Shot, ShotEnd, SlotNews, Status, Steer, Step, Timed, Vitals,
};
pub use generated::enums::{Action, Kind, MoveState, Outcome, Refusal, Side, Skill};
pub use generated::groups::{GROUP_BITS, GROUP_NAMES};
pub use generated::hello::{Hello, HelloEpochs};
pub use generated::limits::{
    CLIENT_RECORD_BYTES_MAX, COMMANDS_MAX, EPOCH, FINGERPRINT, FRAME_BYTES_MAX, HELLO_VERSION,
    INPUT_BYTES_MAX, INTRODUCTIONS_MAX, KERNEL_VERSION, N_GROUPS, POSITION_STEP_MM, POSITION_WRAP_MM,
    RECORD_BYTES_MAX, RING, SEGMENT_AGE_TICKS_MAX, SLOTS, TIMED_BYTES_MAX, TIMED_PENDING_MAX, WAYPOINTS_MAX,
    WIRE_MAJOR,
};
pub use generated::records;
pub use generated::records::{Goodbye, Notice, Pace, Path, Record, Refused as RefusedRecord, Walls, Welcome};
pub use generated::unions::{Move, TimedBody};

/// Why bytes from a peer could not be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("bytes end at bit {at_bit} inside a field of {n_bits} bits")]
    Short {
        /// Where the field begins.
        at_bit: u32,
        /// Its width.
        n_bits: u32,
    },
    /// Something is left behind the last field.
    #[error("bits are left over from bit {at_bit}")]
    Trailing {
        /// First bit that nobody asked for.
        at_bit: u32,
    },
    /// A value outside its bounds. It is never clamped.
    #[error("{field} is out of range: {value}")]
    Range {
        /// Block and field.
        field: &'static str,
        /// The raw value.
        value: u32,
    },
    /// A union's tag that this build does not know.
    #[error("{union} has no variant {tag}")]
    Tag {
        /// The union.
        union: &'static str,
        /// The tag.
        tag: u32,
    },
    /// A tagged record that breaks the record rules.
    #[error("record {opcode}: {reason}")]
    Record {
        /// First byte of the record.
        opcode: u8,
        /// Which rule.
        reason: &'static str,
    },
    /// A hello that breaks the frozen layout.
    #[error("hello: {reason}")]
    Hello {
        /// Which rule.
        reason: &'static str,
    },
    /// Slots or numbers that must ascend do not.
    #[error("{what} is not in ascending order")]
    Order {
        /// Which list.
        what: &'static str,
    },
    /// More bytes or entries than the layout allows.
    #[error("{what} is too long: {n} of at most {max}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long.
        n: u32,
        /// Its bound.
        max: u32,
    },
}
