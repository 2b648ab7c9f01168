//! 32 bits per entity: everything about it that its future depends on, and what clients were told of it.
//!
//! What a client's view holds is not in it: recordings compare the packets that come of it.

use super::bits::{Bits, Digest, Named};
use crate::columns::{Columns, bit, set_bit};
use crate::ids::{EntityId, Row};
use crate::order::add_cast;
use crate::players::Player;
use crate::publish::Shown;
use crate::step::creatures::Mind;
use crate::world::World;
use netproto::quantise::Segment;

/// Why no bit was turned over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlipError {
    /// Nobody has this id now.
    #[error("entity {0} does not live in this tick")]
    Entity(u32),
    /// There is no such column.
    #[error("no column {name:?}; there are {}", known.join(", "))]
    Column {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The column has not so many bits, or the value would be none.
    #[error(
        "bit {bit} of {name} cannot be turned over: it has {n_bits} bits, and what comes of it must be a value"
    )]
    Bit {
        /// Which column.
        name: String,
        /// Which bit.
        bit: u32,
        /// Bits of the column.
        n_bits: u32,
    },
}

macro_rules! columns {
    ($($column:ident),*; $($told:ident: $get:ident, $set:ident;)*) => {
        const COLUMNS: &[&str] = &[$(stringify!($column),)* $(stringify!($told)),*];

        /// Adds the columns of a row that the future depends on, whatever clients were told.
        #[inline]
        fn feed_lived(columns: &Columns, at: usize, digest: &mut Digest) {
            $(columns.$column[at].feed(digest);)*
        }

        /// Adds all columns of a row.
        #[inline]
        fn feed(columns: &Columns, at: usize, digest: &mut Digest) {
            // What is not a plain column is read by hand below. `drawn` is a cache, and `any_changed` says nothing that
            // `changed` does not.
            let _nothing_is_left_out = |Columns {
                $($column: _,)* segments: _, shown: _, drawn: _, changed: _, any_changed: _, replaced: _,
                n_players_max: _
            }: &Columns| ();
            $(columns.$column[at].feed(digest);)*
            $($get(columns, at).feed(digest);)*
        }

        fn n_bits_of(columns: &Columns, at: usize, name: &str) -> u32 {
            match name {
                $(stringify!($column) => columns.$column[at].n_bits(),)*
                $(stringify!($told) => $get(columns, at).n_bits(),)*
                _ => 0,
            }
        }

        fn flip_in(columns: &mut Columns, at: usize, name: &str, bit: u32) -> bool {
            match name {
                $(stringify!($column) => columns.$column[at].flip(bit),)*
                $(stringify!($told) => {
                    let mut value = $get(columns, at);
                    let is_flipped = value.flip(bit);
                    $set(columns, at, value);
                    is_flipped
                })*
                _ => false,
            }
        }

        fn show_all(columns: &Columns, at: usize) -> Vec<(&'static str, String)> {
            vec![
                $((stringify!($column), format!("{:?}", columns.$column[at])),)*
                $((stringify!($told), format!("{:?}", $get(columns, at)))),*
            ]
        }
    };
}

columns! {
    id, x_mm, y_mm, vx, vy, health, health_max, kind, action, action_until, facing, look, authority;
    segment: segment, set_segment;
    shown: shown, set_shown;
    changed: changed, set_changed;
    replaced: replaced, set_replaced;
}

fn segment(columns: &Columns, at: usize) -> Segment {
    columns.segments.get(Row(at as u32))
}

fn set_segment(columns: &mut Columns, at: usize, value: Segment) {
    columns.segments.set(Row(at as u32), value);
}

fn shown(columns: &Columns, at: usize) -> Shown {
    columns.shown[at]
}

fn set_shown(columns: &mut Columns, at: usize, value: Shown) {
    columns.shown[at] = value;
}

fn changed(columns: &Columns, at: usize) -> u8 {
    columns.changes(Row(at as u32))
}

fn set_changed(columns: &mut Columns, at: usize, value: u8) {
    columns.changed[at] = value;
    set_bit(&mut columns.any_changed, at, value != 0);
}

fn replaced(columns: &Columns, at: usize) -> bool {
    bit(&columns.replaced, at)
}

fn set_replaced(columns: &mut Columns, at: usize, value: bool) {
    set_bit(&mut columns.replaced, at, value);
}

/// The digest of a row: the same wherever the row lies.
///
/// - Cost: about 30 words for a creature, 90 for a player; no allocation.
#[must_use]
pub(crate) fn of_row(world: &World, at: usize) -> u32 {
    let mut digest = Digest::default();
    feed(&world.columns, at, &mut digest);
    match world.players.get(at) {
        Some(player) => player.feed_all(&mut digest),
        None => world.minds[at - world.players.len()].feed_all(&mut digest),
    }
    digest.word()
}

/// The digest of a row without what clients were told of it, or told about others: the same whoever listened.
///
/// - Cost: as [`of_row`].
#[must_use]
pub(crate) fn of_lived(world: &World, at: usize) -> u32 {
    let mut digest = Digest::default();
    feed_lived(&world.columns, at, &mut digest);
    match world.players.get(at) {
        Some(player) => player.feed_lived(&mut digest),
        None => world.minds[at - world.players.len()].feed_all(&mut digest),
    }
    digest.word()
}

/// What will happen without anybody doing more about it: casts, what is left out from now on, and with `all` also
/// births and the ids they get.
#[must_use]
pub(crate) fn of_pending(world: &World, all: bool) -> u64 {
    let mut digest = Digest::default();
    if world.shed.level() > 0 {
        digest.add(world.shed.level().into());
    }
    if let Some(since) = world.shed.easing(world.now) {
        digest.add(1 << 32 | u64::from(since));
    }
    world.casts().iter().for_each(|cast| add_cast(cast, &mut |word| digest.add(word)));
    if all {
        world.market.feed(&mut digest);
        digest.add(of_bodiless(world));
        world.handles.line().for_each(|(handle, last)| digest.add(u64::from(last) << 32 | u64::from(handle)));
    }
    digest.long()
}

/// The sum over the creatures that wait for their next life: they have no id, and their rows say nothing.
fn of_bodiless(world: &World) -> u64 {
    let ids = &world.columns.id[world.players.len()..];
    let bodiless = world.minds.iter().zip(ids).filter(|(_, id)| **id == EntityId::NONE);
    bodiless.fold(0, |sum, (mind, _)| {
        let mut digest = Digest::default();
        mind.feed_all(&mut digest);
        sum.wrapping_add(digest.long())
    })
}

/// Names of the columns of a player's row, or of a creature's.
#[must_use]
pub fn names(of_player: bool) -> Vec<&'static str> {
    [COLUMNS, if of_player { Player::NAMES } else { Mind::NAMES }].concat()
}

/// Everything about an entity, for people; nothing if it does not live.
#[must_use]
pub fn show(world: &World, entity: EntityId) -> Option<Vec<(&'static str, String)>> {
    let at = world.row_of(entity)?.at();
    let mut shown = show_all(&world.columns, at);
    shown.extend(match world.players.get(at) {
        Some(player) => player.show_all(),
        None => world.minds[at - world.players.len()].show_all(),
    });
    Some(shown)
}

/// Turns one bit of one column over: for whoever wants to see that a comparison would notice.
///
/// - Shapes: `column` as [`names`] has it.
///
/// # Errors
/// [`FlipError`]; nothing has changed then.
pub fn flip(world: &mut World, entity: EntityId, column: &str, bit: u32) -> Result<(), FlipError> {
    let at = world.row_of(entity).ok_or(FlipError::Entity(entity.0))?.at();
    let is_player = at < world.players.len();
    if !names(is_player).contains(&column) {
        return Err(FlipError::Column { name: column.to_owned(), known: names(is_player) });
    }
    let n_bits = n_bits_at(world, at, column);
    if bit < n_bits && flip_at(world, at, column, bit) {
        return Ok(());
    }
    Err(FlipError::Bit { name: column.to_owned(), bit, n_bits })
}

/// The column and bit that alone make the difference between an entity and its recorded digest, if one does.
///
/// - Cost: one digest for every bit of the entity.
#[must_use]
pub fn one_bit_from(world: &mut World, entity: EntityId, recorded: u32) -> Option<(&'static str, u32)> {
    let at = world.row_of(entity)?.at();
    for name in names(at < world.players.len()) {
        for bit in 0..n_bits_at(world, at, name) {
            if flip_at(world, at, name, bit) {
                let is_it = of_row(world, at) == recorded;
                flip_at(world, at, name, bit);
                if is_it {
                    return Some((name, bit));
                }
            }
        }
    }
    None
}

fn n_bits_at(world: &World, at: usize, name: &str) -> u32 {
    let besides = match world.players.get(at) {
        Some(player) => player.n_bits_of(name),
        None => world.minds[at - world.players.len()].n_bits_of(name),
    };
    besides + n_bits_of(&world.columns, at, name)
}

fn flip_at(world: &mut World, at: usize, name: &str, bit: u32) -> bool {
    let n_players = world.players.len();
    let besides = match world.players.get_mut(at) {
        Some(player) => player.flip_in(name, bit),
        None => {
            let mind = &mut world.minds[at - n_players];
            let is_flipped = mind.flip_in(name, bit);
            world.wakes[at - n_players] = mind.wakes(world.now);
            is_flipped
        }
    };
    besides || flip_in(&mut world.columns, at, name, bit)
}
