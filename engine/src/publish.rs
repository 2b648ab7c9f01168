//! Phase 5: what clients are told about each entity, and which of it changed in this tick.
//!
//! [`motions`] finds who is not where clients see it, [`figures`] who looks different.

mod figures;
mod motions;

pub use figures::Shown;

use crate::columns::{BLOCK, Columns, LEAPT, REPLACED};
use figures::Figures;
use jobs::cpu;
use jobs::mask::ones;
use motions::Motions;
use netproto::Motion;
use rayon::prelude::*;

/// A published position may differ from the true one by this much per axis before a new segment goes out.
pub const SLACK_MM: i32 = 64;

/// Blocks of rows of one job.
const JOB_BLOCKS: usize = 8;

/// Publishes every row at `tick`; returns of how many the motion was published.
///
/// - Cost: one pass over the columns in blocks of [`BLOCK`] rows, no allocation. A block costs a few vector
///   instructions per column; only rows of which something changed are looked at one by one.
/// - Source: docs/ARCHITECTURE.md "Publish".
pub fn publish(columns: &mut Columns, tick: u32) -> u64 {
    let n = JOB_BLOCKS;
    let Columns { segments, drawn, .. } = columns;
    (
        (
            blocks(&columns.x_mm).par_chunks(n),
            blocks(&columns.y_mm).par_chunks(n),
            blocks(&columns.vx).par_chunks(n),
            blocks(&columns.vy).par_chunks(n),
            blocks_mut(&mut segments.x_mm).par_chunks_mut(n),
            blocks_mut(&mut segments.y_mm).par_chunks_mut(n),
            blocks_mut(&mut segments.vx).par_chunks_mut(n),
            blocks_mut(&mut segments.vy).par_chunks_mut(n),
            blocks_mut(&mut segments.tick).par_chunks_mut(n),
            blocks_mut(&mut segments.run).par_chunks_mut(n),
        ),
        (
            blocks(&columns.health).par_chunks(n),
            blocks(&columns.health_max).par_chunks(n),
            blocks_mut(&mut columns.action).par_chunks_mut(n),
            blocks(&columns.action_until).par_chunks(n),
            blocks(&columns.facing).par_chunks(n),
            blocks(&columns.look).par_chunks(n),
            blocks_mut(&mut drawn.health).par_chunks_mut(n),
            blocks_mut(&mut drawn.action).par_chunks_mut(n),
            blocks_mut(&mut drawn.facing).par_chunks_mut(n),
            blocks_mut(&mut columns.shown).par_chunks_mut(n),
        ),
        (
            columns.replaced.par_chunks_mut(n),
            blocks_mut(&mut columns.changed).par_chunks_mut(n),
            columns.any_changed.par_chunks_mut(n),
        ),
    )
        .into_par_iter()
        .map(|(motions, figures, (replaced, changed, any_changed))| {
            let (x_mm, y_mm, vx, vy, told_x_mm, told_y_mm, told_vx, told_vy, told_tick, run) = motions;
            let motions =
                Motions { x_mm, y_mm, vx, vy, told_x_mm, told_y_mm, told_vx, told_vy, told_tick, run };
            let (health, health_max, action, until, facing, look, ..) = figures;
            let (.., drawn_health, drawn_action, drawn_facing, shown) = figures;
            let figures = Figures {
                health,
                health_max,
                action,
                until,
                facing,
                look,
                drawn_health,
                drawn_action,
                drawn_facing,
                shown,
            };
            cpu::widest(Publish { motions, figures, replaced, changed, any_changed, tick })
        })
        .sum()
}

fn blocks<T>(column: &[T]) -> &[[T; BLOCK]] {
    column.as_chunks().0
}

fn blocks_mut<T>(column: &mut [T]) -> &mut [[T; BLOCK]] {
    column.as_chunks_mut().0
}

/// One job: some blocks of all columns.
struct Publish<'a> {
    motions: Motions<'a>,
    figures: Figures<'a>,
    replaced: &'a mut [u64],
    changed: &'a mut [[u8; BLOCK]],
    any_changed: &'a mut [u64],
    tick: u32,
}

impl cpu::Task for Publish<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let Self { mut motions, mut figures, replaced, changed, any_changed, tick } = self;
        let n = any_changed.len();
        // What is known to be of one length is indexed without a check.
        assert!(replaced.len() == n && changed.len() == n && motions.is_of(n) && figures.is_of(n));
        let mut n_missed = 0;
        for block in 0..n {
            let replaced = std::mem::take(&mut replaced[block]);
            let missed = motions.missed(block, tick);
            let leapt = motions.anchor(block, missed | replaced, tick);
            motions.forget(block, tick);
            let changed = &mut changed[block];
            changed.fill(0);
            for at in ones(missed | replaced) {
                let is_in = |mask: u64| (mask >> at & 1) as u8;
                changed[at] =
                    (is_in(missed) << Motion::GROUP) | (is_in(leapt) * LEAPT) | (is_in(replaced) * REPLACED);
            }
            let doubtful = figures.doubtful(block, tick) | replaced;
            any_changed[block] = missed | replaced | figures.draw(block, doubtful, changed, tick);
            n_missed += u64::from(missed.count_ones());
        }
        n_missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{bit, set_bit};
    use crate::ids::{EntityId, Handles, Row};
    use crate::segments::STALE_TICKS;
    use kernel::mix;
    use netproto::quantise::STEP_MM_MAX;
    use netproto::quantise::Segment;
    use netproto::{Action, Kind};

    #[test]
    fn steady_motion_publishes_once_and_a_turn_again() {
        let (mut columns, mut handles) = (Columns::new(64, 64), Handles::new(128));
        columns.spawn(&mut handles, Row(0), Kind::Player, (10_000, 10_000), 100);
        publish(&mut columns, 1);
        assert_ne!(columns.changed[0] & REPLACED, 0);
        let mut published = Vec::new();
        for tick in 2..40 {
            let velocity = if tick < 20 { (300, 0) } else { (0, 300) };
            (columns.vx[0], columns.vy[0]) = velocity;
            columns.x_mm[0] += i32::from(velocity.0);
            columns.y_mm[0] += i32::from(velocity.1);
            publish(&mut columns, tick);
            if columns.changed[0] & 1 == 1 {
                published.push(tick);
            }
            let told = columns.segments.get(Row(0)).at(tick);
            assert!((told.0 - columns.x_mm[0]).abs() <= SLACK_MM + 8, "tick {tick}");
        }
        assert_eq!(published, [2, 20]);
    }

    /// The same, row by row: what the blocks must come to.
    fn publish_one_by_one(columns: &mut Columns, tick: u32) -> u64 {
        let mut n_missed = 0;
        for at in 0..columns.n_rows() {
            let told = columns.segments.get(Row(at as u32));
            let (to, (x, y)) = (told.at(tick), (columns.x_mm[at], columns.y_mm[at]));
            let off = (x - to.0).abs().max((y - to.1).abs());
            let misses = off > SLACK_MM;
            let replaced = bit(&columns.replaced, at);
            if misses || replaced {
                let new = Segment::anchored(x, y, columns.vx[at].into(), columns.vy[at].into(), tick);
                columns.segments.set(Row(at as u32), new);
            }
            if columns.action_until[at] <= tick {
                columns.action[at] = Action::None;
            }
            let new = Shown::of(columns, at);
            let changed = u8::from(misses) << Motion::GROUP
                | if off > STEP_MM_MAX { LEAPT } else { 0 }
                | if replaced { REPLACED } else { 0 }
                | new.difference(columns.shown[at]);
            columns.shown[at] = new;
            columns.changed[at] = changed;
            set_bit(&mut columns.any_changed, at, changed != 0);
            set_bit(&mut columns.replaced, at, false);
            n_missed += u64::from(misses);
        }
        n_missed
    }

    /// Something happens to some of the rows, in whatever way it may.
    fn disturb(columns: &mut Columns, handles: &mut Handles, tick: u32) {
        for at in 0..columns.n_rows() {
            let draw = mix(u64::from(tick) << 32 | at as u64);
            let part = |shift: u32, n: u64| (draw >> shift) % n;
            if columns.id[at] == EntityId::NONE {
                if part(0, 16) == 0 {
                    let kind = if at < columns.n_players_max() { Kind::Player } else { Kind::Boar };
                    let place = (part(4, 4_000_000) as i32, part(8, 4_000_000) as i32);
                    columns.spawn(handles, Row(at as u32), kind, place, part(12, 900) as u16);
                    columns.look[at] = part(16, 900) as u16;
                }
                continue;
            }
            columns.x_mm[at] += i32::from(columns.vx[at]) + part(20, 20) as i32 - 10;
            columns.y_mm[at] += i32::from(columns.vy[at]);
            match part(24, 60) {
                0..3 => columns.vx[at] = part(28, 1200) as i16 - 600,
                3..6 => columns.vy[at] = part(28, 1200) as i16 - 600,
                6 => (columns.vx[at], columns.vy[at]) = (0, 0),
                7..9 => columns.health[at] = part(28, u64::from(columns.health_max[at]) + 1) as u16,
                9..12 => {
                    let action = Action::ALL[part(28, Action::ALL.len() as u64) as usize];
                    columns.act(Row(at as u32), action, part(32, 256) as u8, tick + part(40, 6) as u32);
                }
                12 => columns.facing[at] = part(28, 256) as u8,
                13 if part(28, 4) == 0 => columns.despawn(handles, Row(at as u32)),
                14 => {
                    let first = if at < columns.n_players_max() { 0 } else { columns.n_players_max() };
                    columns.swap(handles, at, first + part(28, 64) as usize);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn blocks_publish_what_rows_do_one_by_one_on_old_and_new_processors() {
        for lanes in [cpu::Lanes::Narrow, cpu::Lanes::Wide] {
            let mut handles = Handles::new(64 + 1024);
            let mut columns = Columns::new(64, 1024);
            let (mut n_published, mut n_drawn) = (0, 0);
            for tick in (1..300).chain(STALE_TICKS - 20..STALE_TICKS + 20) {
                disturb(&mut columns, &mut handles, tick);
                let mut expected = columns.clone();
                let n = publish_one_by_one(&mut expected, tick);
                cpu::choose(lanes);
                assert_eq!(publish(&mut columns, tick), n, "tick {tick}");
                for at in 0..columns.n_rows() {
                    let row = Row(at as u32);
                    let of = |columns: &Columns| {
                        let told =
                            (columns.segments.get(row), columns.shown[at], columns.motion_run(row, tick));
                        (
                            told,
                            columns.changed[at],
                            columns.changes(row),
                            columns.action[at],
                            columns.replaced[at / BLOCK],
                        )
                    };
                    assert_eq!(of(&columns), of(&expected), "row {at} in tick {tick}");
                    n_drawn += u32::from(columns.changed[at] & !1 != 0);
                }
                columns.check(&handles);
                n_published += n;
            }
            assert!(n_published > 10_000 && n_drawn > 10_000, "{n_published} published, {n_drawn} drawn");
        }
        cpu::choose(cpu::Lanes::Wide);
    }

    #[test]
    fn whoever_stands_for_hours_never_travels_with_a_tick_that_came_round() {
        let (mut columns, mut handles) = (Columns::new(64, 64), Handles::new(128));
        columns.spawn(&mut handles, Row(64), Kind::Deer, (10_000, 10_000), 100);
        for tick in 1..STALE_TICKS * 6 {
            publish(&mut columns, tick);
            let told = columns.segments.get(Row(64));
            assert_eq!(told.tick, 1, "it moved in tick {tick}");
            assert_eq!(columns.motion_run(Row(64), tick), told.fresh(tick).to_motion().pack(), "tick {tick}");
        }
    }

    #[test]
    fn a_jump_is_told_from_a_turn() {
        let (mut columns, mut handles) = (Columns::new(64, 64), Handles::new(128));
        columns.spawn(&mut handles, Row(0), Kind::Player, (10_000, 10_000), 100);
        publish(&mut columns, 1);
        for (tick, (dx, is_leap)) in (2..).zip([(STEP_MM_MAX, false), (STEP_MM_MAX + 1, true), (65, false)]) {
            let told = columns.segments.get(Row(0)).at(tick);
            (columns.x_mm[0], columns.vx[0]) = (told.0 + dx, 0);
            publish(&mut columns, tick);
            assert_eq!(columns.changed[0] & 1, 1);
            assert_eq!(columns.changed[0] & LEAPT != 0, is_leap, "{dx} mm");
        }
    }
}
