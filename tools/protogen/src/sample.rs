//! Frames and input datagrams composed from filled blocks: for golden vectors and the docs page.
//!
//! The composition is written down a second time here, on purpose: `netproto::snapshot` must agree.

use crate::model::Schema;
use crate::pack::{Bits, Fill, filled, filled_union};
use crate::value::Value;

/// What a sample frame holds.
#[derive(Clone, Debug)]
pub struct FrameSample {
    /// Name of the case.
    pub case: &'static str,
    /// Header block.
    pub header: Value,
    /// Own block.
    pub own: Value,
    /// SlotNews blocks, ascending by slot.
    pub news: Vec<Value>,
    /// Introduction blocks, ascending by slot.
    pub introductions: Vec<Value>,
    /// Slots with Step blocks, ascending by slot.
    pub steps: Vec<(u32, Value)>,
    /// For each group: slots with values, ascending by slot.
    pub groups: Vec<Vec<(u32, Value)>>,
    /// Timed blocks.
    pub timed: Vec<Value>,
}

impl FrameSample {
    fn empty(schema: &Schema) -> Self {
        Self {
            case: "empty",
            header: filled(schema, "Header", Fill::Min),
            own: filled(schema, "Own", Fill::Min),
            news: Vec::new(),
            introductions: Vec::new(),
            steps: Vec::new(),
            groups: vec![Vec::new(); schema.groups().len()],
            timed: Vec::new(),
        }
    }

    /// The frame as it travels.
    #[must_use]
    pub fn encode(&self, schema: &Schema) -> Bits {
        let mut bits = Bits::default();
        bits.put_block(schema, "Header", &self.header);
        bits.put_block(schema, "Own", &self.own);
        bits.put(self.presence(), 4 + self.groups.len() as u32);
        put_count(&mut bits, self.news.len(), 6);
        self.news.iter().for_each(|news| bits.put_block(schema, "SlotNews", news));
        put_count(&mut bits, self.introductions.len(), 5);
        self.introductions.iter().for_each(|one| bits.put_block(schema, "Introduction", one));
        put_slots(&mut bits, &self.steps);
        self.steps.iter().for_each(|(_, step)| bits.put_block(schema, "Step", step));
        for (group, slots) in schema.groups().into_iter().zip(&self.groups) {
            put_slots(&mut bits, slots);
            slots.iter().for_each(|(_, value)| put_value(&mut bits, schema, &group.name, value));
        }
        put_count(&mut bits, self.timed.len(), 4);
        self.timed.iter().for_each(|timed| bits.put_block(schema, "Timed", timed));
        bits
    }

    /// Which parts there are, in the order in which they follow, lowest bit first.
    fn presence(&self) -> u64 {
        let head = [!self.news.is_empty(), !self.introductions.is_empty(), !self.steps.is_empty()];
        let groups = self.groups.iter().map(|slots| !slots.is_empty());
        let all = head.into_iter().chain(groups).chain([!self.timed.is_empty()]);
        all.enumerate().fold(0, |bits, (at, is_there)| bits | u64::from(is_there) << at)
    }
}

/// A count of a part that is there: less one.
fn put_count(bits: &mut Bits, n: usize, n_bits: u32) {
    if n > 0 {
        bits.put(n as u64 - 1, n_bits);
    }
}

/// A value of a group; for a status one bit says whether anything is not zero.
fn put_value(bits: &mut Bits, schema: &Schema, group: &str, value: &Value) {
    let mut run = Bits::default();
    run.put_block(schema, group, value);
    let is_zero = run.bytes.iter().all(|byte| *byte == 0);
    if group == "Status" {
        bits.put(u64::from(!is_zero), 1);
    }
    if group != "Status" || !is_zero {
        bits.put_block(schema, group, value);
    }
}

/// A constant that the composition rests on.
///
/// # Panics
/// If the schema lacks it.
#[must_use]
pub fn limit(schema: &Schema, name: &str) -> u32 {
    let constant = schema.constants.iter().find(|constant| constant.name == name);
    constant.unwrap_or_else(|| panic!("the composition needs the constant {name}")).value
}

fn put_slots(bits: &mut Bits, slots: &[(u32, Value)]) {
    let slots: Vec<u32> = slots.iter().map(|(slot, _)| *slot).collect();
    match slots.len() {
        0 => {}
        n if n <= 8 => {
            bits.put(n as u64, 4);
            slots.iter().for_each(|slot| bits.put(u64::from(*slot), 6));
        }
        _ => {
            bits.put(15, 4);
            let mask = slots.iter().fold(0_u64, |mask, slot| mask | 1 << slot);
            (0..4).for_each(|piece| bits.put(mask >> (16 * piece) & 0xffff, 16));
        }
    }
}

fn number(value: impl Into<i64>) -> Value {
    Value::Number(value.into())
}

/// The frame that the docs page takes apart: one of everything that is common.
///
/// # Panics
/// If a block that the composition names is gone or lacks the field.
#[must_use]
pub fn typical_frame(schema: &Schema) -> FrameSample {
    let mut frame = FrameSample::empty(schema);
    frame.case = "typical";
    frame.header = frame.header.with(&["number"], number(517)).with(&["tick"], number(12_000));
    frame.header = frame.header.with(&["consumed_below"], number(2)).with(&["margin_2ms"], number(9));
    frame.own = frame.own.with(&["x_mm"], number(256_000)).with(&["y_mm"], number(131_500));
    frame.news = vec![
        filled(schema, "SlotNews", Fill::Min).with(&["slot"], number(3)),
        filled(schema, "SlotNews", Fill::Min).with(&["slot"], number(9)).with(&["age"], number(2)),
    ];
    let introduction = filled(schema, "Introduction", Fill::Min)
        .with(&["slot"], number(4))
        .with(&["entity"], number(0x0010_0007))
        .with(&["motion", "x_16mm"], number(7_950))
        .with(&["motion", "vx_mm_per_tick"], number(-120))
        .with(&["motion", "vy_mm_per_tick"], number(0))
        .with(&["vitals", "health_128th"], number(127));
    frame.introductions = vec![introduction];
    let motion = filled(schema, "Motion", Fill::Min).with(&["vx_mm_per_tick"], number(180));
    let motion = motion.with(&["vy_mm_per_tick"], number(0)).with(&["tick_low"], number(15));
    frame.groups[0] = vec![(17, motion.with(&["x_16mm"], number(4_000)))];
    let walking = filled(schema, "Step", Fill::MinPresent).with(&["course", "vx_mm_per_tick"], number(180));
    let walking = walking.with(&["course", "vy_mm_per_tick"], number(0)).with(&["x_16mm"], number(96));
    frame.steps = vec![(0, walking), (21, filled(schema, "Step", Fill::Min))];
    frame.groups[2] = vec![(0, filled(schema, "Status", Fill::Min))];
    frame.groups[1] = vec![(17, filled(schema, "Vitals", Fill::Min).with(&["health_128th"], number(64)))];
    let circle = filled_union(schema, "TimedBody", 1, Fill::Min);
    let timed = filled(schema, "Timed", Fill::Min).with(&["sequence"], number(7)).with(&["age"], number(1));
    frame.timed = vec![timed.with(&["body"], circle)];
    frame
}

/// One timed event of every kind, each at both ends of its fields.
fn all_timed(schema: &Schema) -> Vec<Value> {
    let union = schema.find_union("TimedBody").expect("the composition needs the union TimedBody");
    let event = |tag: u32, fill: Fill| {
        filled(schema, "Timed", fill).with(&["body"], filled_union(schema, "TimedBody", tag, fill))
    };
    let tags = union.variants.iter().map(|variant| variant.tag);
    tags.flat_map(|tag| [event(tag, Fill::Min), event(tag, Fill::Max)]).collect()
}

/// Frames for golden vectors: empty, typical, both kinds of slot list at their border, events of all kinds, full.
///
/// # Panics
/// As [`typical_frame`].
#[must_use]
pub fn frames(schema: &Schema) -> Vec<FrameSample> {
    let all = |fill: Fill, slots: std::ops::Range<u32>| -> Vec<Vec<(u32, Value)>> {
        let groups = schema.groups();
        groups
            .iter()
            .map(|group| slots.clone().map(|slot| (slot, filled(schema, &group.name, fill))).collect())
            .collect()
    };
    let empty = FrameSample::empty(schema);
    let indices = FrameSample { case: "eight indices", groups: all(Fill::Max, 56..64), ..empty.clone() };
    let mask = FrameSample { case: "mask of nine", groups: all(Fill::Min, 0..9), ..empty.clone() };
    let introduced = limit(schema, "INTRODUCTIONS_MAX");
    let in_slot = |name: &str, slot: u32| filled(schema, name, Fill::Max).with(&["slot"], number(slot));
    let full = FrameSample {
        case: "full",
        header: filled(schema, "Header", Fill::Max),
        own: filled(schema, "Own", Fill::Max),
        news: (introduced..limit(schema, "SLOTS")).map(|slot| in_slot("SlotNews", slot)).collect(),
        introductions: (0..introduced).map(|slot| in_slot("Introduction", slot)).collect(),
        steps: Vec::new(),
        groups: all(Fill::Max, introduced..limit(schema, "SLOTS")),
        timed: vec![filled(schema, "Timed", Fill::Max); 8],
    };
    let steps = (0..9).map(|slot| (slot, filled(schema, "Step", Fill::Max))).collect();
    let steps = FrameSample { case: "steps", steps, ..empty.clone() };
    let timed = FrameSample { case: "timed events", timed: all_timed(schema), ..empty.clone() };
    vec![empty, typical_frame(schema), indices, mask, steps, timed, full]
}

/// Input datagrams for golden vectors: name, acks, head and commands.
///
/// # Panics
/// If a block that the composition names is gone or lacks the field.
#[must_use]
pub fn inputs(schema: &Schema) -> Vec<(&'static str, Bits)> {
    let input = |acks: Fill, n: u32, commands: &[Value]| {
        let mut bits = Bits::default();
        bits.put_block(schema, "Acks", &filled(schema, "Acks", acks));
        let head = filled(schema, "CommandsHead", acks).with(&["n_commands"], number(n));
        bits.put_block(schema, "CommandsHead", &head);
        commands.iter().for_each(|command| bits.put_block(schema, "Command", command));
        bits
    };
    let goal =
        filled(schema, "Command", Fill::Min).with(&["movement"], filled_union(schema, "Move", 1, Fill::Max));
    let (standing, busy) =
        (filled(schema, "Command", Fill::Min), filled(schema, "Command", Fill::MinPresent));
    let all = [goal, filled(schema, "Command", Fill::Max), busy, standing.clone()];
    vec![
        ("nothing seen, nothing wanted", input(Fill::Min, 0, &[])),
        ("standing", input(Fill::Max, 1, &[standing])),
        ("four commands", input(Fill::Max, 4, &all)),
    ]
}
