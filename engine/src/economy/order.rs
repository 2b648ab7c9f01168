//! What a player asks for, and how it comes in.

use super::purse::{Bundle, Goods};
use crate::checkpoint::Pack;
use crate::ids::{DurableId, EntityId};
use crate::replay::bytes::{Bytes, Malformed};

/// What a player asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take something up.
    PickUp {
        /// What lies there.
        drop: DurableId,
    },
    /// Lay something down.
    PutDown {
        /// What.
        goods: Goods,
    },
    /// Hand something over.
    Give {
        /// To whom.
        to: EntityId,
        /// What.
        goods: Goods,
    },
    /// Offer a trade.
    Offer {
        /// To whom.
        to: EntityId,
        /// What is given.
        given: Bundle,
        /// What is wanted for it.
        wanted: Bundle,
    },
    /// Answer an offer.
    Reply {
        /// Its number.
        offer: u32,
        /// Trade, or forget it.
        accepts: bool,
    },
    /// Capture a weakened creature.
    Capture {
        /// Which.
        target: EntityId,
    },
    /// Let a captured creature go.
    SetFree {
        /// Which.
        beast: DurableId,
    },
}

/// A trade that somebody offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number.
    pub number: u32,
    /// Who offers.
    pub from: DurableId,
    /// To whom.
    pub to: DurableId,
    /// What is given.
    pub given: Bundle,
    /// What is wanted for it.
    pub wanted: Bundle,
    /// It ends before this tick.
    pub until: u32,
}

impl Pack for Order {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::PickUp { drop } => {
                out.push(1);
                drop.pack(out);
            }
            Self::PutDown { goods } => {
                out.push(2);
                goods.pack(out);
            }
            Self::Give { to, goods } => {
                out.push(3);
                (*to, *goods).pack(out);
            }
            Self::Offer { to, given, wanted } => {
                out.push(4);
                (*to, (*given, *wanted)).pack(out);
            }
            Self::Reply { offer, accepts } => {
                out.push(5);
                (*offer, *accepts).pack(out);
            }
            Self::Capture { target } => {
                out.push(6);
                target.pack(out);
            }
            Self::SetFree { beast } => {
                out.push(7);
                beast.pack(out);
            }
        }
    }

    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(match bytes.byte("an order")? {
            1 => Self::PickUp { drop: Pack::unpack(bytes)? },
            2 => Self::PutDown { goods: Pack::unpack(bytes)? },
            3 => Self::Give { to: Pack::unpack(bytes)?, goods: Pack::unpack(bytes)? },
            4 => Self::Offer {
                to: Pack::unpack(bytes)?,
                given: Pack::unpack(bytes)?,
                wanted: Pack::unpack(bytes)?,
            },
            5 => Self::Reply { offer: Pack::unpack(bytes)?, accepts: Pack::unpack(bytes)? },
            6 => Self::Capture { target: Pack::unpack(bytes)? },
            7 => Self::SetFree { beast: Pack::unpack(bytes)? },
            _ => return Err(Malformed::Bounds("the kind of an order")),
        })
    }
}
