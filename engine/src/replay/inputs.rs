//! Inputs as bytes: everything that can happen to a world, in the order in which it happened.
//!
//! A player is written as the difference to the one before, a packet as it came over the wire.

use super::bytes::{Bytes, Malformed, put, put_signed};
use crate::checkpoint::Pack;
use crate::drill::Drill;
use crate::economy::Order;
use crate::ids::DurableId;
use crate::input::{Budget, Input, REASON_BYTES_MAX};
use crate::shed::LEVEL_MAX;
use kernel::walls::SIDE_MM_MAX;
use netproto::bits::GUARD_BYTES;
use netproto::input::InputPacket;
use netproto::{Acks, FRAME_BYTES_MAX, INPUT_BYTES_MAX, RING};

const JOIN: u8 = 0;
const JOIN_AT: u8 = 1;
const DETACH: u8 = 2;
const LEAVE: u8 = 3;
const PACKET: u8 = 4;
const SHED: u8 = 5;
const BUDGET: u8 = 6;
const ORDER: u8 = 7;
const DECREE: u8 = 8;
const DRILL: u8 = 16;
const NAMES: u8 = 17;
const READ_ONLY: u8 = 18;
/// What a drill counts in.
const PERMILLE_MAX: u64 = 1000;

/// Appends the inputs of one tick.
///
/// - Cost: two bytes per input and what a packet has; no allocation but for `out`.
pub fn write(out: &mut Vec<u8>, inputs: &[Input]) {
    put(out, inputs.len() as u64);
    let mut before = DurableId::default();
    for input in inputs {
        write_one(out, &mut before, input);
    }
}

/// As [`write`], without what the future of the world does not depend on: acknowledgements, budgets, and when packets
/// came. A log that a zone is lived again from has no use for them.
///
/// - Cost: as [`write`], and a pass over the inputs.
pub fn write_lived(out: &mut Vec<u8>, inputs: &[Input]) {
    let counts = |input: &&Input| match input {
        Input::Budget { .. } => false,
        Input::Packet { packet, .. } => packet.n_commands > 0,
        _ => true,
    };
    put(out, inputs.iter().filter(counts).count() as u64);
    let mut before = DurableId::default();
    for input in inputs.iter().filter(counts) {
        match input {
            Input::Packet { player, packet, .. } => {
                let packet = InputPacket { acks: Acks::default(), ..*packet };
                write_one(out, &mut before, &Input::Packet { player: *player, margin_2ms: 0, packet });
            }
            other => write_one(out, &mut before, other),
        }
    }
}

/// Reads the inputs of one tick from untrusted bytes: a world takes whatever this gives.
///
/// # Errors
/// [`Malformed`].
pub fn read(bytes: &mut Bytes<'_>) -> Result<Vec<Input>, Malformed> {
    let n = bytes.count("the number of inputs")?;
    let mut before = DurableId::default();
    (0..n).map(|_| read_one(bytes, &mut before)).collect()
}

/// Appends a player, as the difference to the one before.
pub(super) fn write_player(out: &mut Vec<u8>, before: &mut DurableId, player: DurableId) {
    put_signed(out, i64::from(player.low) - i64::from(before.low));
    put_signed(out, i64::from(player.high) - i64::from(before.high));
    *before = player;
}

/// Reads what [`write_player`] wrote.
pub(super) fn read_player(bytes: &mut Bytes<'_>, before: &mut DurableId) -> Result<DurableId, Malformed> {
    let mut half = |base: u32| {
        let sum = bytes.signed("a player")?.checked_add(i64::from(base));
        sum.and_then(|sum| u32::try_from(sum).ok()).ok_or(Malformed::Bounds("a player"))
    };
    *before = DurableId { low: half(before.low)?, high: half(before.high)? };
    Ok(*before)
}

fn write_one(out: &mut Vec<u8>, before: &mut DurableId, input: &Input) {
    match input {
        Input::Join { player, in_flight_max, place } => {
            out.push(if place.is_some() { JOIN_AT } else { JOIN });
            write_player(out, before, *player);
            out.push(*in_flight_max);
            if let Some((x_mm, y_mm)) = place {
                put_signed(out, i64::from(*x_mm));
                put_signed(out, i64::from(*y_mm));
            }
        }
        Input::Detach { player } => {
            out.push(DETACH);
            write_player(out, before, *player);
        }
        Input::Leave { player } => {
            out.push(LEAVE);
            write_player(out, before, *player);
        }
        Input::Shed(level) => out.extend([SHED, *level]),
        Input::Names(high) => {
            out.push(NAMES);
            put(out, u64::from(*high));
        }
        Input::ReadOnly(is_read_only) => out.extend([READ_ONLY, u8::from(*is_read_only)]),
        Input::Decree { player, goods, is_gift, ticket, reason } => {
            out.push(DECREE);
            write_player(out, before, *player);
            goods.pack(out);
            is_gift.pack(out);
            put(out, u64::from(*ticket));
            put(out, reason.len() as u64);
            out.extend_from_slice(reason.as_bytes());
        }
        Input::Order { player, request, order } => {
            out.push(ORDER);
            write_player(out, before, *player);
            put(out, u64::from(*request));
            order.pack(out);
        }
        Input::Drill(drill) => {
            out.push(DRILL);
            put(out, u64::from(drill.turn_permille));
            put(out, u64::from(drill.wound_permille));
        }
        Input::Budget { player, budget } => {
            out.push(BUDGET);
            write_player(out, before, *player);
            out.extend([budget.send_every, budget.slots]);
            put(out, u64::from(budget.frame_bytes));
        }
        Input::Packet { player, margin_2ms, packet } => {
            out.push(PACKET);
            write_player(out, before, *player);
            out.push(*margin_2ms as u8);
            let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
            let bytes = packet.encode(&mut buffer);
            put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }
}

fn read_one(bytes: &mut Bytes<'_>, before: &mut DurableId) -> Result<Input, Malformed> {
    let kind = bytes.byte("an input")?;
    if kind == SHED {
        let level = bytes.at_most(u64::from(LEVEL_MAX), "a level of load shedding")?;
        return Ok(Input::Shed(level as u8));
    }
    if kind == DRILL {
        let mut permille = || bytes.at_most(PERMILLE_MAX, "a drill").map(|n| n as u16);
        return Ok(Input::Drill(Drill { turn_permille: permille()?, wound_permille: permille()? }));
    }
    if kind == NAMES {
        return Ok(Input::Names(bytes.at_most(u32::MAX.into(), "the half of a name")? as u32));
    }
    if kind == READ_ONLY {
        return bool::unpack(bytes).map(Input::ReadOnly);
    }
    let player = read_player(bytes, before)?;
    Ok(match kind {
        JOIN | JOIN_AT => {
            let in_flight_max = bytes.byte("a join")?;
            if !(1..=RING as u8).contains(&in_flight_max) {
                return Err(Malformed::Bounds("snapshots in flight"));
            }
            let place = if kind == JOIN_AT { Some((side(bytes)?, side(bytes)?)) } else { None };
            Input::Join { player, in_flight_max, place }
        }
        DETACH => Input::Detach { player },
        LEAVE => Input::Leave { player },
        DECREE => {
            let (goods, is_gift) = Pack::unpack(bytes)?;
            let ticket = bytes.at_most(u32::MAX.into(), "a decree")? as u32;
            let n = bytes.at_most(REASON_BYTES_MAX as u64, "a reason")? as usize;
            let reason = std::str::from_utf8(bytes.take(n, "a reason")?);
            let reason = reason.map_err(|_| Malformed::Bounds("a reason"))?.into();
            Input::Decree { player, goods, is_gift, ticket, reason }
        }
        ORDER => {
            let request = bytes.at_most(u32::MAX.into(), "a request")? as u32;
            Input::Order { player, request, order: Order::unpack(bytes)? }
        }
        BUDGET => {
            let (send_every, slots) = (bytes.byte("a budget")?, bytes.byte("a budget")?);
            let frame_bytes = bytes.at_most(FRAME_BYTES_MAX as u64, "a budget")? as u16;
            let budget = Budget { send_every, slots, frame_bytes };
            if !budget.is_sound() {
                return Err(Malformed::Bounds("a budget"));
            }
            Input::Budget { player, budget }
        }
        PACKET => {
            let margin_2ms = bytes.byte("a packet")? as i8;
            let n = bytes.at_most(INPUT_BYTES_MAX as u64, "a packet")? as usize;
            let packet = InputPacket::decode(bytes.take(n, "a packet")?);
            let packet = packet.map_err(|_| Malformed::Bounds("a packet"))?;
            Input::Packet { player, margin_2ms, packet }
        }
        _ => return Err(Malformed::Bounds("the kind of an input")),
    })
}

/// A coordinate of a place that a world can search from.
fn side(bytes: &mut Bytes<'_>) -> Result<i32, Malformed> {
    let mm = bytes.signed("a place")?;
    if (0..=i64::from(SIDE_MM_MAX)).contains(&mm) { Ok(mm as i32) } else { Err(Malformed::Bounds("a place")) }
}
