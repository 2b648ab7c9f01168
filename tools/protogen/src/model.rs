//! The schema as data: what the TOML files say, sorted by id, before anybody asks what it means.

/// Everything that the schema files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Names and versions.
    pub protocol: Protocol,
    /// Limits that every decoder knows, in file order.
    pub constants: Vec<Constant>,
    /// Enumerations, in file order.
    pub enums: Vec<Enum>,
    /// Runs of bit fields, groups among them, in file order.
    pub blocks: Vec<Block>,
    /// Tagged choices between blocks, in file order.
    pub unions: Vec<Union>,
    /// Tagged records of the reliable stream, by opcode.
    pub records: Vec<Record>,
    /// Byte-aligned layouts that never change.
    pub frozen: Vec<Frozen>,
    /// Facts that are gone and whose ids stay taken.
    pub retired: Vec<Retired>,
}

/// The `[protocol]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protocol {
    /// First part of the ALPN.
    pub name: String,
    /// Second part of the ALPN: a mismatch dies before any byte of ours.
    pub wire_major: u32,
    /// Wire epoch: one epoch, one fingerprint.
    pub epoch: u32,
    /// Layout of the frozen hello.
    pub hello_version: u32,
    /// Movement kernel.
    pub kernel_version: u32,
}

/// A named limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constant {
    /// Name as in the code.
    pub name: String,
    /// Its value.
    pub value: u32,
    /// `mm` and `ticks` choose the Rust type.
    pub unit: Option<String>,
    /// One sentence.
    pub doc: String,
}

/// An append-only enumeration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enum {
    /// Name as in the code.
    pub name: String,
    /// Width on the wire.
    pub bits: u32,
    /// One sentence.
    pub doc: String,
    /// By value.
    pub values: Vec<EnumValue>,
}

/// One value of an [`Enum`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnumValue {
    /// Number on the wire.
    pub value: u32,
    /// Name as in the code.
    pub name: String,
    /// One sentence.
    pub doc: String,
}

/// A run of bit fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Name as in the code.
    pub name: String,
    /// `state`, `timed` or nothing.
    pub class: Option<String>,
    /// Set for a block that belongs to a slot.
    pub group: Option<Group>,
    /// One sentence.
    pub doc: String,
    /// By id, which is the order on the wire.
    pub fields: Vec<Field>,
}

/// What makes a block a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Place in the order of the groups.
    pub id: u32,
    /// Lower goes first when bytes are short.
    pub priority: u32,
}

/// One field of a [`Block`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Place in the order of the fields.
    pub id: u32,
    /// Name as in the code.
    pub name: String,
    /// Layout and bounds.
    pub kind: FieldKind,
    /// What a step of one means.
    pub unit: Option<String>,
    /// One sentence.
    pub doc: String,
}

/// Layout of a [`Field`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// `0..=max` in `bits` bits.
    Uint {
        /// Width.
        bits: u32,
        /// Largest value that decodes.
        max: u32,
    },
    /// `min..=max`, sent as the distance from `min`.
    Int {
        /// Smallest value.
        min: i32,
        /// Largest value.
        max: i32,
    },
    /// Any u32, sent as two pieces of 16 bits.
    Wide32,
    /// One bit.
    Bool,
    /// A value of the named enum.
    Enum(String),
    /// The named block, always there.
    Block(String),
    /// One bit, then the named block if it is set.
    Option(String),
    /// A tag and the block that it names.
    Union(String),
}

/// A tag and one of several blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Union {
    /// Name as in the code.
    pub name: String,
    /// Width of the tag.
    pub tag_bits: u32,
    /// `timed` or nothing.
    pub class: Option<String>,
    /// One sentence.
    pub doc: String,
    /// By tag.
    pub variants: Vec<Variant>,
}

/// One choice of a [`Union`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Number on the wire.
    pub tag: u32,
    /// Name as in the code.
    pub name: String,
    /// The block that follows the tag.
    pub block: String,
    /// One sentence.
    pub doc: String,
}

/// A tagged record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// First byte.
    pub opcode: u32,
    /// Name as in the code.
    pub name: String,
    /// Who sends it: `server` or `client`.
    pub direction: String,
    /// `fact` or nothing.
    pub class: Option<String>,
    /// One sentence.
    pub doc: String,
    /// By id, which is the order on the wire.
    pub fields: Vec<RecordField>,
}

/// One field of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordField {
    /// Key on the wire, 1 to 63.
    pub id: u32,
    /// Name as in the code.
    pub name: String,
    /// Type and bound.
    pub kind: RecordKind,
    /// What a step of one means.
    pub unit: Option<String>,
    /// Never shown: generated code leaves it out of what is printed.
    pub is_secret: bool,
    /// One sentence.
    pub doc: String,
}

/// Type of a [`RecordField`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Varint up to 32 bits.
    U32,
    /// Varint up to 64 bits.
    U64,
    /// Varint, 0 or 1.
    Bool,
    /// Bytes, at most so many.
    Bytes(u32),
    /// UTF-8, at most so many bytes.
    Text(u32),
    /// Varints up to 32 bits, at most so many.
    ListU32(u32),
}

/// A byte-aligned layout that never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Name as in the code.
    pub name: String,
    /// One sentence.
    pub doc: String,
    /// By id, which is the order on the wire.
    pub fields: Vec<FrozenField>,
}

/// One field of a [`Frozen`] layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenField {
    /// Place in the order of the fields.
    pub id: u32,
    /// Name as in the code.
    pub name: String,
    /// Type and bound.
    pub kind: FrozenKind,
    /// Never shown: generated code leaves it out of what is printed.
    pub is_secret: bool,
    /// One sentence.
    pub doc: String,
}

/// Type of a [`FrozenField`]; all numbers are little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrozenKind {
    /// These letters.
    Magic(String),
    /// A number.
    Scalar(Scalar),
    /// A count in one byte, then as many items.
    List {
        /// Largest count.
        max: u32,
        /// Fields of an item, in order.
        items: Vec<(String, Scalar)>,
    },
    /// So many bytes.
    Array(u32),
    /// A length in one byte, then UTF-8 of at most so many bytes.
    Text(u32),
}

/// Width of a number in a [`Frozen`] layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
    /// Eight bytes.
    U64,
}

impl Scalar {
    /// Name in Rust, which is the name in the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }

    /// Width in bytes.
    #[must_use]
    pub fn n_bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }
}

/// A fact that is gone on purpose; its id stays taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// The key of the fact in `schema.lock`, such as `block Motion.5`.
    pub fact: String,
    /// Why it is gone.
    pub doc: String,
}

impl Schema {
    /// The enum of that name.
    #[must_use]
    pub fn find_enum(&self, name: &str) -> Option<&Enum> {
        self.enums.iter().find(|item| item.name == name)
    }

    /// The block or group of that name.
    #[must_use]
    pub fn find_block(&self, name: &str) -> Option<&Block> {
        self.blocks.iter().find(|item| item.name == name)
    }

    /// The union of that name.
    #[must_use]
    pub fn find_union(&self, name: &str) -> Option<&Union> {
        self.unions.iter().find(|item| item.name == name)
    }

    /// Blocks that belong to a slot, by group id.
    #[must_use]
    pub fn groups(&self) -> Vec<&Block> {
        let mut groups: Vec<&Block> = self.blocks.iter().filter(|block| block.group.is_some()).collect();
        groups.sort_by_key(|block| block.group.map(|group| group.id));
        groups
    }
}
