//! What changes hands, one change after the other: the only thing that moves what players own.
//!
//! An effect names every id that it makes and every id that it uses up, so that one that comes twice is refused.

use super::purse::{Beast, Bundle, Goods};
use crate::checkpoint::{Pack, parts};
use crate::ids::{DurableId, EntityId};
use crate::replay::bytes::{Bytes, Malformed};

/// Something that lies on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Its name, for as long as it lies there.
    pub id: DurableId,
    /// What it is.
    pub goods: Goods,
    /// Where, in mm.
    pub place: (i32, i32),
    /// Who alone may take it before [`Drop::free_at`].
    pub owner: Option<DurableId>,
    /// From this tick on anybody may.
    pub free_at: u32,
    /// In this tick it is gone.
    pub ends_at: u32,
}

/// Who asked for it, and by which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub player: DurableId,
    /// The client's number for the order.
    pub request: u32,
}

/// One change. Either all of it happens, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A creature left something behind: this is where things come from.
    Left {
        /// What lies there now.
        drop: Drop,
        /// Of whom.
        creature: EntityId,
    },
    /// A player laid something down.
    PutDown {
        /// Who.
        by: Asker,
        /// What lies there now.
        drop: Drop,
    },
    /// A player took something up.
    PickedUp {
        /// Who.
        by: Asker,
        /// What lay there.
        drop: DurableId,
        /// What it was.
        goods: Goods,
    },
    /// Nobody took it: this is where things end.
    Decayed {
        /// What lay there.
        drop: DurableId,
        /// What it was.
        goods: Goods,
    },
    /// A player handed something over.
    Given {
        /// Who.
        by: Asker,
        /// To whom.
        to: DurableId,
        /// What.
        goods: Goods,
    },
    /// Both halves of a trade.
    Traded {
        /// Who accepted it.
        by: Asker,
        /// Who had offered it.
        other: DurableId,
        /// From whoever offered to whoever accepted.
        given: Bundle,
        /// The other way round.
        wanted: Bundle,
    },
    /// A creature of the wild is a player's from now on.
    Captured {
        /// Who.
        by: Asker,
        /// What it is now.
        beast: Beast,
        /// What it was.
        creature: EntityId,
    },
    /// A captured creature is no more.
    SetFree {
        /// Who.
        by: Asker,
        /// Which.
        beast: Beast,
    },
    /// An operator gave something, or took it away. The log has the reason beside the order.
    Decreed {
        /// Numbers of decrees rise: none happens twice.
        number: u32,
        /// To whom, or from whom.
        player: DurableId,
        /// What.
        goods: Goods,
        /// Given, not taken.
        is_gift: bool,
    },
}

impl Effect {
    /// Its name in ledgers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Left { .. } => "left",
            Self::PutDown { .. } => "put-down",
            Self::PickedUp { .. } => "picked-up",
            Self::Decayed { .. } => "decayed",
            Self::Given { .. } => "given",
            Self::Traded { .. } => "traded",
            Self::Captured { .. } => "captured",
            Self::SetFree { .. } => "set-free",
            Self::Decreed { is_gift: true, .. } => "granted",
            Self::Decreed { is_gift: false, .. } => "taken",
        }
    }

    /// Whose purses it changes.
    pub fn owners(&self) -> impl Iterator<Item = DurableId> {
        let other = match self {
            Self::Given { to, .. } => Some(*to),
            Self::Traded { other, .. } => Some(*other),
            Self::Decreed { player, .. } => Some(*player),
            _ => None,
        };
        self.asker().map(|by| by.player).into_iter().chain(other)
    }

    /// Who asked for it, if somebody did.
    #[must_use]
    pub fn asker(&self) -> Option<Asker> {
        match self {
            Self::Left { .. } | Self::Decayed { .. } | Self::Decreed { .. } => None,
            Self::PutDown { by, .. }
            | Self::PickedUp { by, .. }
            | Self::Given { by, .. }
            | Self::Traded { by, .. }
            | Self::Captured { by, .. }
            | Self::SetFree { by, .. } => Some(*by),
        }
    }
}

parts! {
    Goods { thing, count }
    Beast { id, kind, look }
    Asker { player, request }
    Drop { id, goods, place, owner, free_at, ends_at }
}

impl Pack for Effect {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Left { drop, creature } => {
                out.push(1);
                (*drop, *creature).pack(out);
            }
            Self::PutDown { by, drop } => {
                out.push(2);
                (*by, *drop).pack(out);
            }
            Self::PickedUp { by, drop, goods } => {
                out.push(3);
                (*by, (*drop, *goods)).pack(out);
            }
            Self::Decayed { drop, goods } => {
                out.push(4);
                (*drop, *goods).pack(out);
            }
            Self::Given { by, to, goods } => {
                out.push(5);
                (*by, (*to, *goods)).pack(out);
            }
            Self::Traded { by, other, given, wanted } => {
                out.push(6);
                (*by, *other).pack(out);
                (*given, *wanted).pack(out);
            }
            Self::Captured { by, beast, creature } => {
                out.push(7);
                (*by, (*beast, *creature)).pack(out);
            }
            Self::SetFree { by, beast } => {
                out.push(8);
                (*by, *beast).pack(out);
            }
            Self::Decreed { number, player, goods, is_gift } => {
                out.push(9);
                (*number, *player).pack(out);
                (*goods, *is_gift).pack(out);
            }
        }
    }

    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(match bytes.byte("an effect")? {
            1 => Self::Left { drop: Pack::unpack(bytes)?, creature: Pack::unpack(bytes)? },
            2 => Self::PutDown { by: Pack::unpack(bytes)?, drop: Pack::unpack(bytes)? },
            3 => Self::PickedUp {
                by: Pack::unpack(bytes)?,
                drop: Pack::unpack(bytes)?,
                goods: Pack::unpack(bytes)?,
            },
            4 => Self::Decayed { drop: Pack::unpack(bytes)?, goods: Pack::unpack(bytes)? },
            5 => Self::Given {
                by: Pack::unpack(bytes)?,
                to: Pack::unpack(bytes)?,
                goods: Pack::unpack(bytes)?,
            },
            6 => Self::Traded {
                by: Pack::unpack(bytes)?,
                other: Pack::unpack(bytes)?,
                given: Pack::unpack(bytes)?,
                wanted: Pack::unpack(bytes)?,
            },
            7 => Self::Captured {
                by: Pack::unpack(bytes)?,
                beast: Pack::unpack(bytes)?,
                creature: Pack::unpack(bytes)?,
            },
            8 => Self::SetFree { by: Pack::unpack(bytes)?, beast: Pack::unpack(bytes)? },
            9 => Self::Decreed {
                number: Pack::unpack(bytes)?,
                player: Pack::unpack(bytes)?,
                goods: Pack::unpack(bytes)?,
                is_gift: Pack::unpack(bytes)?,
            },
            _ => return Err(Malformed::Bounds("the kind of an effect")),
        })
    }
}

/// Appends the effects of one tick.
pub fn write(out: &mut Vec<u8>, effects: &[Effect]) {
    effects.iter().for_each(|effect| effect.pack(out));
}

/// Reads effects from untrusted bytes, to their end.
///
/// # Errors
/// [`Malformed`].
pub fn read(bytes: &mut Bytes<'_>) -> Result<Vec<Effect>, Malformed> {
    let mut effects = Vec::new();
    while bytes.n_left() > 0 {
        effects.push(Effect::unpack(bytes)?);
    }
    Ok(effects)
}
