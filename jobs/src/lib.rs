//! The machine room: which cores, which threads, how long things took.
//!
//! Read it from the hardware up: [`cores`] names cores and reads lists such as `0-3,5`, [`sys`] is the small
//! unsafe door to the kernel (affinity, CPU clocks), [`group`] is a pool of pinned and named threads,
//! [`scratch`] is the memory that jobs reuse, [`cpu`] picks the build of a hot loop that the processor can run,
//! [`mask`] asks a block of rows at once,
//! [`frame`] times the stages of a tick, [`strain`] says what the machine took from it, [`hist`] keeps what they
//! cost, [`watch`] does all three for a tick loop and hands the result over once a second. Off the tick, [`dump`]
//! writes and reads logs of histograms and [`plot`] draws them.
//!
//! Not here: players, packets, tables. Nothing in this crate knows what the time was spent on.
#![deny(unsafe_code)]

pub mod cores;
pub mod cpu;
pub mod dump;
pub mod frame;
pub mod group;
pub mod hist;
pub mod mask;
pub mod plot;
pub mod scratch;
pub mod strain;
pub mod sys;
pub mod watch;

pub use cores::{Core, CoreList, CoreListError};
pub use frame::{Lap, STAGES, StageFrame};
pub use group::{CoreGroup, GroupError};
pub use hist::{Durations, Quantiles, TickTimes};
pub use strain::{Counted, Meter, Strain};
pub use watch::{Interval, Level, Timed, Watch};
