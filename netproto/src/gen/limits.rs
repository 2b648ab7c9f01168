//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Versions and limits that every decoder knows.

/// Places in a client's view: one mask word.
pub const SLOTS: usize = 64;

/// The longest snapshot: fits a QUIC datagram at the smallest MTU, with room for WebTransport.
///
/// - Units: bytes.
pub const FRAME_BYTES_MAX: usize = 1_100;

/// The longest input datagram.
///
/// - Units: bytes.
pub const INPUT_BYTES_MAX: usize = 64;

/// Snapshot numbers that a server remembers per client; older ones are lost.
pub const RING: usize = 16;

/// Commands in one input datagram, newest first.
pub const COMMANDS_MAX: usize = 4;

/// Introductions in one snapshot, nearest first.
pub const INTRODUCTIONS_MAX: usize = 24;

/// Room for timed events in one snapshot.
///
/// - Units: bytes.
pub const TIMED_BYTES_MAX: usize = 160;

/// Timed events that wait for a client.
pub const TIMED_PENDING_MAX: usize = 16;

/// Waypoints in one path reply.
pub const WAYPOINTS_MAX: usize = 16;

/// The longest tagged record from the server; the length prefix is a u16.
///
/// - Units: bytes.
pub const RECORD_BYTES_MAX: usize = 65_535;

/// The longest tagged record that a server accepts from a client.
///
/// - Units: bytes.
pub const CLIENT_RECORD_BYTES_MAX: usize = 1_024;

/// Step of a segment's position.
///
/// - Units: mm.
pub const POSITION_STEP_MM: i32 = 16;

/// A segment's position is known modulo this and resolved against the own position of the same frame.
///
/// - Units: mm.
pub const POSITION_WRAP_MM: i32 = 131_072;

/// An older segment is anchored anew before it is sent: its tick travels in four bits.
///
/// - Units: ticks.
pub const SEGMENT_AGE_TICKS_MAX: u32 = 12;

/// Part of the ALPN and the WebSocket subprotocol: a mismatch dies before any byte of ours.
pub const WIRE_MAJOR: u16 = 1;

/// Wire epoch that this build speaks.
pub const EPOCH: u16 = 1;

/// Layout of the frozen hello.
pub const HELLO_VERSION: u16 = 1;

/// Movement kernel: a client with another one does not predict.
pub const KERNEL_VERSION: u16 = 1;

/// Name of the protocol, as in the ALPN.
pub const PROTOCOL: &str = "arcane";

/// Low 64 bits of the SHA-256 of the projection's realtime facts: names the wire epoch.
pub const FINGERPRINT: u64 = 0x4929_666c_265a_a7a5;

/// Groups that a slot has.
pub const N_GROUPS: usize = 4;

/// The canonical projection: what moves bytes, one fact a line. Peers that differ show each other the difference.
pub const PROJECTION: &str = r##"projection 1
[realtime]
wire_major 1
constant CLIENT_RECORD_BYTES_MAX 1024 "bytes"
constant COMMANDS_MAX 4
constant FRAME_BYTES_MAX 1100 "bytes"
constant INPUT_BYTES_MAX 64 "bytes"
constant INTRODUCTIONS_MAX 24
constant POSITION_STEP_MM 16 "mm"
constant POSITION_WRAP_MM 131072 "mm"
constant RECORD_BYTES_MAX 65535 "bytes"
constant RING 16
constant SEGMENT_AGE_TICKS_MAX 12 "ticks"
constant SLOTS 64
constant TIMED_BYTES_MAX 160 "bytes"
constant TIMED_PENDING_MAX 16
constant WAYPOINTS_MAX 16
enum Action bits 3
enum Action.0 # None
enum Action.1 # Swing
enum Action.2 # Dash
enum Action.3 # Windup
enum Action.4 # Cast
enum Action.5 # Draw
enum Kind bits 5
enum Kind.0 # Player
enum Kind.1 # Deer
enum Kind.2 # Boar
enum Kind.3 # Wolf
enum MoveState bits 3
enum MoveState.0 # Stand
enum MoveState.1 # Steer
enum MoveState.2 # Goal
enum MoveState.3 # Path
enum MoveState.4 # Forced
enum MoveState.5 # Dead
enum Side bits 1
enum Side.0 # Creatures
enum Side.1 # Players
enum Skill bits 3
enum Skill.0 # Area
enum Skill.1 # Shot
enum Skill.2 # Slam
block Acks
block Acks.1 bool # seen
block Acks.2 uint 16 max 65535 # newest
block Acks.3 uint 15 max 32767 # before
block Circle
block Circle.1 wide32 # owner
block Circle.2 uint 13 max 8191 "16 mm" # x_16mm
block Circle.3 uint 13 max 8191 "16 mm" # y_16mm
block Circle.4 int 7 min 1 max 127 "64 mm" # radius_64mm
block Circle.5 int 6 min 1 max 63 "ticks" # windup_ticks
block Circle.6 enum Skill # skill
block Circle.7 enum Side # hurts
block Command
block Command.1 union Move # movement
block Command.2 option Deed # deed
block CommandsHead
block CommandsHead.1 uint 3 max 4 # n_commands
block CommandsHead.2 wide32 "ticks" # tick
block Course
block Course.1 int 10 min -512 max 511 "mm per tick" # vx_mm_per_tick
block Course.2 int 10 min -512 max 511 "mm per tick" # vy_mm_per_tick
block Deed
block Deed.1 bool # swing
block Deed.2 bool # dash
block Deed.3 uint 8 max 255 "1/256 turn" # aim
block Deed.4 bool # area
block Deed.5 bool # shot
block Deed.6 uint 8 max 255 "64 mm" # reach_64mm
block Follow
block Goal
block Goal.1 uint 22 max 4194303 "mm" # x_mm
block Goal.2 uint 22 max 4194303 "mm" # y_mm
block Header
block Header.1 uint 16 max 65535 # number
block Header.2 wide32 "ticks" # tick
block Header.3 uint 8 max 255 "ticks" # consumed_below
block Header.4 int 8 min -128 max 127 "2 ms" # margin_2ms
block Hit
block Hit.1 wide32 # source
block Hit.2 wide32 # target
block Hit.3 uint 12 max 4095 # amount
block Hit.4 bool # critical
block Hit.5 bool # fatal
block Introduction
block Introduction.1 uint 6 max 63 # slot
block Introduction.2 wide32 # entity
block Introduction.3 enum Kind # kind
block Introduction.4 block Motion # motion
block Introduction.5 block Vitals # vitals
block Introduction.6 block Status # status
block Introduction.7 block Look # look
block Look group 3
block Look.1 uint 4 max 15 # variant
block Look.2 uint 6 max 60 # level
block Motion group 0
block Motion.1 uint 13 max 8191 "16 mm" # x_16mm
block Motion.2 uint 13 max 8191 "16 mm" # y_16mm
block Motion.3 int 10 min -512 max 511 "mm per tick" # vx_mm_per_tick
block Motion.4 int 10 min -512 max 511 "mm per tick" # vy_mm_per_tick
block Motion.5 uint 4 max 15 "ticks" # tick_low
block Own
block Own.1 uint 22 max 4194303 "mm" # x_mm
block Own.2 uint 22 max 4194303 "mm" # y_mm
block Own.3 option OwnState # state
block OwnState
block OwnState.1 enum MoveState # move_state
block OwnState.2 uint 10 max 1023 "mm per tick" # speed_mm_per_tick
block OwnState.3 uint 5 max 31 "ticks" # forced_ticks
block OwnState.4 int 12 min -2048 max 2047 "mm per tick" # forced_vx_mm_per_tick
block OwnState.5 int 12 min -2048 max 2047 "mm per tick" # forced_vy_mm_per_tick
block OwnState.6 uint 12 max 4095 # health
block OwnState.7 uint 12 max 4095 # health_max
block OwnState.8 uint 10 max 1023 # resource
block OwnState.9 uint 8 max 255 "ticks" # swing_wait_ticks
block OwnState.10 uint 8 max 255 "ticks" # dash_wait_ticks
block OwnState.11 uint 8 max 255 "ticks" # area_wait_ticks
block OwnState.12 uint 8 max 255 "ticks" # shot_wait_ticks
block Shot
block Shot.1 wide32 # owner
block Shot.2 uint 13 max 8191 "16 mm" # x_16mm
block Shot.3 uint 13 max 8191 "16 mm" # y_16mm
block Shot.4 int 11 min -1023 max 1023 "mm per tick" # vx_mm_per_tick
block Shot.5 int 11 min -1023 max 1023 "mm per tick" # vy_mm_per_tick
block Shot.6 int 6 min 1 max 63 "ticks" # draw_ticks
block Shot.7 int 6 min 1 max 63 "ticks" # flight_ticks
block Shot.8 enum Skill # skill
block Shot.9 enum Side # hurts
block ShotEnd
block ShotEnd.1 wide32 # owner
block ShotEnd.2 uint 6 max 63 "ticks" # flown_ticks
block SlotNews
block SlotNews.1 uint 6 max 63 # slot
block SlotNews.2 uint 4 max 15 "snapshot numbers" # age
block Status group 2
block Status.1 enum Action # action
block Status.2 uint 6 max 63 "1/64 turn" # facing_64th
block Status.3 uint 4 max 15 # buffs
block Steer
block Steer.1 uint 8 max 255 "1/256 turn" # angle
block Steer.2 uint 2 max 3 # speed
block Step
block Step.1 uint 7 max 127 "16 mm" # x_16mm
block Step.2 uint 7 max 127 "16 mm" # y_16mm
block Step.3 option Course # course
block Timed
block Timed.1 uint 8 max 255 # sequence
block Timed.2 uint 6 max 63 "ticks" # age
block Timed.3 union TimedBody # body
block Vitals group 1
block Vitals.1 uint 7 max 127 "1/127 of the maximum" # health_128th
union Move tag_bits 2
union Move.0 block Steer # Steer
union Move.1 block Goal # Goal
union Move.2 block Follow # Follow
union TimedBody tag_bits 3
union TimedBody.0 block Hit # Hit
union TimedBody.1 block Circle # Circle
union TimedBody.2 block Shot # Shot
union TimedBody.3 block ShotEnd # ShotEnd
[tolerant]
enum Outcome bits 5
enum Outcome.0 # Done
enum Outcome.1 # ReadOnly
enum Outcome.2 # Gone
enum Outcome.3 # TooFar
enum Outcome.4 # NotYours
enum Outcome.5 # TooFew
enum Outcome.6 # NoRoom
enum Outcome.7 # Dead
enum Outcome.8 # TooStrong
enum Outcome.9 # TooFast
enum Outcome.10 # TooOld
enum Outcome.11 # Senseless
enum Refusal bits 8
enum Refusal.0 # None
enum Refusal.1 # WireMajor
enum Refusal.2 # Epoch
enum Refusal.3 # BadHello
enum Refusal.4 # SecondHello
enum Refusal.5 # Full
enum Refusal.6 # Draining
enum Refusal.7 # Ticket
enum Refusal.8 # ResumedElsewhere
enum Refusal.9 # BadRecord
enum Refusal.10 # BadInput
enum Refusal.11 # Slow
enum Refusal.12 # Silent
enum Refusal.13 # Flood
enum Refusal.14 # ServerError
enum Refusal.15 # Saving
enum Refusal.16 # Kicked
record 1 server # Welcome
record 1.1 u32 # Welcome.durable_low
record 1.2 u32 # Welcome.durable_high
record 1.3 u32 # Welcome.entity
record 1.4 u32 "ticks" # Welcome.tick
record 1.5 u32 # Welcome.ticks_per_second
record 1.6 u32 "mm" # Welcome.side_mm
record 1.7 u64 # Welcome.wall_hash
record 1.8 u64 # Welcome.content_hash
record 1.9 bytes max 32 # Welcome.resume_token
record 1.10 bool # Welcome.resumed
record 1.11 u32 # Welcome.kernel_version
record 1.12 u32 # Welcome.epoch
record 2 server # Refused
record 2.1 u32 # Refused.reason
record 2.2 text max 1000 # Refused.text
record 3 server # Walls
record 3.1 u32 # Walls.tiles_per_side
record 3.2 u32 # Walls.first_tile
record 3.3 u32 # Walls.n_tiles
record 3.4 bytes max 65000 # Walls.lz4
record 4 server # Path
record 4.1 u32 "ticks" # Path.goal_tick
record 4.2 u32 "ticks" # Path.effective_tick
record 4.3 list_u32 max 16 "mm" # Path.x_mm
record 4.4 list_u32 max 16 "mm" # Path.y_mm
record 5 server # Notice
record 5.1 u32 "ticks" # Notice.tick
record 5.2 text max 400 # Notice.text
record 6 server # Pace
record 6.1 u32 "ticks" # Pace.tick
record 6.2 u32 "us" # Pace.period_us
record 7 server # Answer
record 7.1 u32 # Answer.request
record 7.2 u32 # Answer.outcome
record 7.3 u32 "ticks" # Answer.tick
record 8 server # Purse
record 8.1 u32 "ticks" # Purse.tick
record 8.2 u32 # Purse.request
record 8.3 list_u32 max 17 # Purse.thing
record 8.4 list_u32 max 17 # Purse.count
record 8.5 list_u32 max 8 # Purse.beast_low
record 8.6 list_u32 max 8 # Purse.beast_high
record 8.7 list_u32 max 8 # Purse.beast_kind
record 9 server # Drops
record 9.1 u32 "ticks" # Drops.tick
record 9.2 list_u32 max 16 # Drops.low
record 9.3 list_u32 max 16 # Drops.high
record 9.4 list_u32 max 16 # Drops.thing
record 9.5 list_u32 max 16 # Drops.count
record 9.6 list_u32 max 16 "mm" # Drops.x_mm
record 9.7 list_u32 max 16 "mm" # Drops.y_mm
record 10 server # Offered
record 10.1 u32 # Offered.offer
record 10.2 u32 # Offered.from
record 10.3 u32 "ticks" # Offered.ends_at
record 10.4 list_u32 max 4 # Offered.give_thing
record 10.5 list_u32 max 4 # Offered.give_count
record 10.6 list_u32 max 4 # Offered.want_thing
record 10.7 list_u32 max 4 # Offered.want_count
record 64 client # Goodbye
record 65 client # PickUp
record 65.1 u32 # PickUp.request
record 65.2 u32 # PickUp.low
record 65.3 u32 # PickUp.high
record 66 client # PutDown
record 66.1 u32 # PutDown.request
record 66.2 u32 # PutDown.thing
record 66.3 u32 # PutDown.count
record 67 client # Give
record 67.1 u32 # Give.request
record 67.2 u32 # Give.to
record 67.3 u32 # Give.thing
record 67.4 u32 # Give.count
record 68 client # Offer
record 68.1 u32 # Offer.request
record 68.2 u32 # Offer.to
record 68.3 list_u32 max 4 # Offer.give_thing
record 68.4 list_u32 max 4 # Offer.give_count
record 68.5 list_u32 max 4 # Offer.want_thing
record 68.6 list_u32 max 4 # Offer.want_count
record 69 client # Reply
record 69.1 u32 # Reply.request
record 69.2 u32 # Reply.offer
record 69.3 bool # Reply.accepts
record 70 client # Capture
record 70.1 u32 # Capture.request
record 70.2 u32 # Capture.target
record 71 client # SetFree
record 71.1 u32 # SetFree.request
record 71.2 u32 # SetFree.low
record 71.3 u32 # SetFree.high
frozen Hello
frozen Hello.1 magic ARCN # magic
frozen Hello.2 u16 # hello_version
frozen Hello.3 u16 # kernel_version
frozen Hello.4 u32 # caps
frozen Hello.5 u64 # content_hash
frozen Hello.6 u64 # wall_hash
frozen Hello.7 list u8 max 8 of u16 u64 # epochs
frozen Hello.8 array 64 # ticket
frozen Hello.9 array 32 # resume_token
frozen Hello.10 text u8 max 64 # build
"##;
