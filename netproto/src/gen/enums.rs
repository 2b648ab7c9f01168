//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Enumerations: append-only, a value keeps its meaning for ever.

use crate::DecodeError;

/// What an entity is; the client picks a shape and the content tables pick the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A person, or a bot in a person's place.
    #[default]
    Player = 0,
    /// Wanders and flees.
    Deer = 1,
    /// Wanders, and fights back when it is hit.
    Boar = 2,
    /// Hunts players that come near.
    Wolf = 3,
}

impl Kind {
    /// Width on the wire.
    pub const BITS: u32 = 5;

    /// Every value, in order.
    pub const ALL: [Self; 4] = [Self::Player, Self::Deer, Self::Boar, Self::Wolf];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::Player,
                1 => Self::Deer,
                2 => Self::Boar,
                3 => Self::Wolf,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Kind",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Player => "Player",
            Self::Deer => "Deer",
            Self::Boar => "Boar",
            Self::Wolf => "Wolf",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Player => "A person, or a bot in a person's place.",
            Self::Deer => "Wanders and flees.",
            Self::Boar => "Wanders, and fights back when it is hit.",
            Self::Wolf => "Hunts players that come near.",
        }
    }
}

/// What a body does besides walking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// Nothing that shows.
    #[default]
    None = 0,
    /// A melee arc was swung in the last few ticks.
    Swing = 1,
    /// A dash is under way.
    Dash = 2,
    /// A creature's bite or slam is announced.
    Windup = 3,
    /// An area is announced.
    Cast = 4,
    /// A shot is announced.
    Draw = 5,
}

impl Action {
    /// Width on the wire.
    pub const BITS: u32 = 3;

    /// Every value, in order.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Swing,
        Self::Dash,
        Self::Windup,
        Self::Cast,
        Self::Draw,
    ];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::None,
                1 => Self::Swing,
                2 => Self::Dash,
                3 => Self::Windup,
                4 => Self::Cast,
                5 => Self::Draw,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Action",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Swing => "Swing",
            Self::Dash => "Dash",
            Self::Windup => "Windup",
            Self::Cast => "Cast",
            Self::Draw => "Draw",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::None => "Nothing that shows.",
            Self::Swing => "A melee arc was swung in the last few ticks.",
            Self::Dash => "A dash is under way.",
            Self::Windup => "A creature's bite or slam is announced.",
            Self::Cast => "An area is announced.",
            Self::Draw => "A shot is announced.",
        }
    }
}

/// How the own body moves, as both movement kernels see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MoveState {
    /// No movement asked for.
    #[default]
    Stand = 0,
    /// Direct control: angle and speed.
    Steer = 1,
    /// Straight towards a clicked point; the path is not known yet.
    Goal = 2,
    /// Along the waypoints of the last path reply.
    Path = 3,
    /// A dash carries the body.
    Forced = 4,
    /// Waits to come back.
    Dead = 5,
}

impl MoveState {
    /// Width on the wire.
    pub const BITS: u32 = 3;

    /// Every value, in order.
    pub const ALL: [Self; 6] = [
        Self::Stand,
        Self::Steer,
        Self::Goal,
        Self::Path,
        Self::Forced,
        Self::Dead,
    ];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::Stand,
                1 => Self::Steer,
                2 => Self::Goal,
                3 => Self::Path,
                4 => Self::Forced,
                5 => Self::Dead,
                _ => {
                    return Err(DecodeError::Range {
                        field: "MoveState",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stand => "Stand",
            Self::Steer => "Steer",
            Self::Goal => "Goal",
            Self::Path => "Path",
            Self::Forced => "Forced",
            Self::Dead => "Dead",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Stand => "No movement asked for.",
            Self::Steer => "Direct control: angle and speed.",
            Self::Goal => "Straight towards a clicked point; the path is not known yet.",
            Self::Path => "Along the waypoints of the last path reply.",
            Self::Forced => "A dash carries the body.",
            Self::Dead => "Waits to come back.",
        }
    }
}

/// Why a peer was turned away or closed. One table for hello refusals, close codes and command rejections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Not refused.
    #[default]
    None = 0,
    /// The peer speaks another wire major.
    WireMajor = 1,
    /// No wire epoch in common; the text shows the difference.
    Epoch = 2,
    /// The hello does not decode.
    BadHello = 3,
    /// A hello came twice.
    SecondHello = 4,
    /// No room in this zone.
    Full = 5,
    /// The zone is shutting down.
    Draining = 6,
    /// The ticket is missing, old, used or forged.
    Ticket = 7,
    /// The same player came back on another connection.
    ResumedElsewhere = 8,
    /// A record does not decode, or is not the client's to send.
    BadRecord = 9,
    /// Too many input datagrams that do not decode.
    BadInput = 10,
    /// Facts were not read in time.
    Slow = 11,
    /// No input for too long.
    Silent = 12,
    /// More datagrams than a client can mean.
    Flood = 13,
    /// Our fault; it is logged.
    ServerError = 14,
    /// What the player owns is being put away: try again in a moment.
    Saving = 15,
    /// An operator ended the connection; the text says why.
    Kicked = 16,
}

impl Refusal {
    /// Width on the wire.
    pub const BITS: u32 = 8;

    /// Every value, in order.
    pub const ALL: [Self; 17] = [
        Self::None,
        Self::WireMajor,
        Self::Epoch,
        Self::BadHello,
        Self::SecondHello,
        Self::Full,
        Self::Draining,
        Self::Ticket,
        Self::ResumedElsewhere,
        Self::BadRecord,
        Self::BadInput,
        Self::Slow,
        Self::Silent,
        Self::Flood,
        Self::ServerError,
        Self::Saving,
        Self::Kicked,
    ];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::None,
                1 => Self::WireMajor,
                2 => Self::Epoch,
                3 => Self::BadHello,
                4 => Self::SecondHello,
                5 => Self::Full,
                6 => Self::Draining,
                7 => Self::Ticket,
                8 => Self::ResumedElsewhere,
                9 => Self::BadRecord,
                10 => Self::BadInput,
                11 => Self::Slow,
                12 => Self::Silent,
                13 => Self::Flood,
                14 => Self::ServerError,
                15 => Self::Saving,
                16 => Self::Kicked,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Refusal",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::WireMajor => "WireMajor",
            Self::Epoch => "Epoch",
            Self::BadHello => "BadHello",
            Self::SecondHello => "SecondHello",
            Self::Full => "Full",
            Self::Draining => "Draining",
            Self::Ticket => "Ticket",
            Self::ResumedElsewhere => "ResumedElsewhere",
            Self::BadRecord => "BadRecord",
            Self::BadInput => "BadInput",
            Self::Slow => "Slow",
            Self::Silent => "Silent",
            Self::Flood => "Flood",
            Self::ServerError => "ServerError",
            Self::Saving => "Saving",
            Self::Kicked => "Kicked",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::None => "Not refused.",
            Self::WireMajor => "The peer speaks another wire major.",
            Self::Epoch => "No wire epoch in common; the text shows the difference.",
            Self::BadHello => "The hello does not decode.",
            Self::SecondHello => "A hello came twice.",
            Self::Full => "No room in this zone.",
            Self::Draining => "The zone is shutting down.",
            Self::Ticket => "The ticket is missing, old, used or forged.",
            Self::ResumedElsewhere => "The same player came back on another connection.",
            Self::BadRecord => {
                "A record does not decode, or is not the client's to send."
            }
            Self::BadInput => "Too many input datagrams that do not decode.",
            Self::Slow => "Facts were not read in time.",
            Self::Silent => "No input for too long.",
            Self::Flood => "More datagrams than a client can mean.",
            Self::ServerError => "Our fault; it is logged.",
            Self::Saving => {
                "What the player owns is being put away: try again in a moment."
            }
            Self::Kicked => "An operator ended the connection; the text says why.",
        }
    }
}

/// What was cast; the client picks colours and sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Skill {
    /// A player's circle at a distance.
    #[default]
    Area = 0,
    /// A player's projectile.
    Shot = 1,
    /// A creature's circle.
    Slam = 2,
}

impl Skill {
    /// Width on the wire.
    pub const BITS: u32 = 3;

    /// Every value, in order.
    pub const ALL: [Self; 3] = [Self::Area, Self::Shot, Self::Slam];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::Area,
                1 => Self::Shot,
                2 => Self::Slam,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Skill",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Area => "Area",
            Self::Shot => "Shot",
            Self::Slam => "Slam",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Area => "A player's circle at a distance.",
            Self::Shot => "A player's projectile.",
            Self::Slam => "A creature's circle.",
        }
    }
}

/// Whom something hurts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Creatures only.
    #[default]
    Creatures = 0,
    /// Players only.
    Players = 1,
}

impl Side {
    /// Width on the wire.
    pub const BITS: u32 = 1;

    /// Every value, in order.
    pub const ALL: [Self; 2] = [Self::Creatures, Self::Players];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::Creatures,
                1 => Self::Players,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Side",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creatures => "Creatures",
            Self::Players => "Players",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Creatures => "Creatures only.",
            Self::Players => "Players only.",
        }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It is done, and survives whatever happens to the zone.
    #[default]
    Done = 0,
    /// Nothing can be kept safely just now: nothing changes hands. Try again later, with the same request.
    ReadOnly = 1,
    /// What it names is not there, or not any more.
    Gone = 2,
    /// Out of reach.
    TooFar = 3,
    /// It is somebody else's, for now or for good.
    NotYours = 4,
    /// Whoever should give it has not so many.
    TooFew = 5,
    /// Whoever should get it has no room, or there is none on the ground.
    NoRoom = 6,
    /// The dead own, but do not act.
    Dead = 7,
    /// The creature has to be weakened first.
    TooStrong = 8,
    /// Too many orders in a second. It may be asked for again, with the same request.
    TooFast = 9,
    /// The zone has forgotten what became of this request: ask with a number above the newest.
    TooOld = 10,
    /// Such an order can never be followed.
    Senseless = 11,
}

impl Outcome {
    /// Width on the wire.
    pub const BITS: u32 = 5;

    /// Every value, in order.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::ReadOnly,
        Self::Gone,
        Self::TooFar,
        Self::NotYours,
        Self::TooFew,
        Self::NoRoom,
        Self::Dead,
        Self::TooStrong,
        Self::TooFast,
        Self::TooOld,
        Self::Senseless,
    ];

    /// The value that travels as `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a number that is not given out.
    #[inline]
    pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {
        Ok(
            match raw {
                0 => Self::Done,
                1 => Self::ReadOnly,
                2 => Self::Gone,
                3 => Self::TooFar,
                4 => Self::NotYours,
                5 => Self::TooFew,
                6 => Self::NoRoom,
                7 => Self::Dead,
                8 => Self::TooStrong,
                9 => Self::TooFast,
                10 => Self::TooOld,
                11 => Self::Senseless,
                _ => {
                    return Err(DecodeError::Range {
                        field: "Outcome",
                        value: raw,
                    });
                }
            },
        )
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::ReadOnly => "ReadOnly",
            Self::Gone => "Gone",
            Self::TooFar => "TooFar",
            Self::NotYours => "NotYours",
            Self::TooFew => "TooFew",
            Self::NoRoom => "NoRoom",
            Self::Dead => "Dead",
            Self::TooStrong => "TooStrong",
            Self::TooFast => "TooFast",
            Self::TooOld => "TooOld",
            Self::Senseless => "Senseless",
        }
    }

    /// Its sentence in the schema.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Done => "It is done, and survives whatever happens to the zone.",
            Self::ReadOnly => {
                "Nothing can be kept safely just now: nothing changes hands. Try again later, with the same request."
            }
            Self::Gone => "What it names is not there, or not any more.",
            Self::TooFar => "Out of reach.",
            Self::NotYours => "It is somebody else's, for now or for good.",
            Self::TooFew => "Whoever should give it has not so many.",
            Self::NoRoom => {
                "Whoever should get it has no room, or there is none on the ground."
            }
            Self::Dead => "The dead own, but do not act.",
            Self::TooStrong => "The creature has to be weakened first.",
            Self::TooFast => {
                "Too many orders in a second. It may be asked for again, with the same request."
            }
            Self::TooOld => {
                "The zone has forgotten what became of this request: ask with a number above the newest."
            }
            Self::Senseless => "Such an order can never be followed.",
        }
    }
}
