//! Motion: whose segment no longer leads to where it is.

use super::SLACK_MM;
use crate::columns::BLOCK;
use crate::segments::{STALE_TICKS, aged, packed};
use jobs::mask::{mask, ones};
use netproto::quantise::{STEP_MM_MAX, Segment};

/// How rows move, and how clients were told that they do: the columns of `Segments`.
pub(super) struct Motions<'a> {
    pub(super) x_mm: &'a [[i32; BLOCK]],
    pub(super) y_mm: &'a [[i32; BLOCK]],
    pub(super) vx: &'a [[i16; BLOCK]],
    pub(super) vy: &'a [[i16; BLOCK]],
    pub(super) told_x_mm: &'a mut [[i32; BLOCK]],
    pub(super) told_y_mm: &'a mut [[i32; BLOCK]],
    pub(super) told_vx: &'a mut [[i16; BLOCK]],
    pub(super) told_vy: &'a mut [[i16; BLOCK]],
    pub(super) told_tick: &'a mut [[u32; BLOCK]],
    pub(super) run: &'a mut [[u64; BLOCK]],
}

impl Motions<'_> {
    #[inline(always)]
    pub(super) fn is_of(&self, n_blocks: usize) -> bool {
        let is_true_of = self.x_mm.len() == n_blocks
            && self.y_mm.len() == n_blocks
            && self.vx.len() == n_blocks
            && self.vy.len() == n_blocks;
        let is_told_of = self.told_x_mm.len() == n_blocks
            && self.told_y_mm.len() == n_blocks
            && self.told_vx.len() == n_blocks
            && self.told_vy.len() == n_blocks
            && self.told_tick.len() == n_blocks
            && self.run.len() == n_blocks;
        is_true_of && is_told_of
    }

    /// Which rows of a block are no longer where clients see them.
    #[inline(always)]
    pub(super) fn missed(&self, block: usize, tick: u32) -> u64 {
        let (x_mm, y_mm) = (&self.x_mm[block], &self.y_mm[block]);
        let (told_x_mm, told_y_mm) = (&self.told_x_mm[block], &self.told_y_mm[block]);
        let (vx, vy, since) = (&self.told_vx[block], &self.told_vy[block], &self.told_tick[block]);
        mask(|at| {
            // As `Segment::at`.
            let age = tick.wrapping_sub(since[at]) as i32;
            let to_x = told_x_mm[at].wrapping_add(i32::from(vx[at]).wrapping_mul(age));
            let to_y = told_y_mm[at].wrapping_add(i32::from(vy[at]).wrapping_mul(age));
            let off_x = x_mm[at].wrapping_sub(to_x).wrapping_abs();
            let off_y = y_mm[at].wrapping_sub(to_y).wrapping_abs();
            off_x.max(off_y) > SLACK_MM
        })
    }

    /// Tells anew how some rows move; returns those that are too far from where they were said to be for a step.
    #[inline(always)]
    pub(super) fn anchor(&mut self, block: usize, rows: u64, tick: u32) -> u64 {
        let (x_mm, y_mm) = (&self.x_mm[block], &self.y_mm[block]);
        let (vx, vy) = (&self.vx[block], &self.vy[block]);
        let (told_x_mm, told_y_mm) = (&mut self.told_x_mm[block], &mut self.told_y_mm[block]);
        let (told_vx, told_vy) = (&mut self.told_vx[block], &mut self.told_vy[block]);
        let (told_tick, run) = (&mut self.told_tick[block], &mut self.run[block]);
        let mut leapt = 0;
        for at in ones(rows) {
            let old = Segment {
                x_mm: told_x_mm[at],
                y_mm: told_y_mm[at],
                vx: told_vx[at],
                vy: told_vy[at],
                tick: told_tick[at],
            };
            let to = old.at(tick);
            let off =
                x_mm[at].wrapping_sub(to.0).wrapping_abs().max(y_mm[at].wrapping_sub(to.1).wrapping_abs());
            leapt |= u64::from(off > STEP_MM_MAX) << at;
            let segment = Segment::anchored(x_mm[at], y_mm[at], vx[at].into(), vy[at].into(), tick);
            (told_x_mm[at], told_y_mm[at]) = (segment.x_mm, segment.y_mm);
            (told_vx[at], told_vy[at]) = (segment.vx, segment.vy);
            (told_tick[at], run[at]) = (segment.tick, packed(&segment));
        }
        leapt
    }

    /// Forgets runs of which the tick's low bits would soon come round.
    #[inline(always)]
    pub(super) fn forget(&mut self, block: usize, tick: u32) {
        if tick.is_multiple_of(STALE_TICKS) {
            self.run[block].iter_mut().for_each(|run| *run = aged(*run, tick));
        }
    }
}
