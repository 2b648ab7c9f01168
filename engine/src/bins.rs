//! Phase 6: who is where. A counting sort of all entities by bins of 8 m by 16 m.
//!
//! Bins are numbered row by row over the whole square, so that those of one row within a circle are one run of
//! positions. What a search needs lies in columns in that order. [`cells`] names squares and not positions: those are
//! counted tile by tile, half a bin each.
//! Source: docs/decisions/0007-index-row-by-row.md.

use crate::columns::{BLOCK, Columns};
use crate::ids::{EntityId, Row};
use jobs::cpu::{Task, widest};
use kernel::walls::{TILE_MM, tiles_for};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

mod cells;
mod search;

pub use cells::{CELL_ENTITIES_MAX, CELL_PLAYERS_MAX, Cell};
pub use search::{NOBODY, Reach, Runs};

/// Log2 of a bin's side from west to east in mm: 8.192 m.
pub const BIN_X_SHIFT: u32 = 13;
/// Log2 of a bin's side from north to south in mm: 16.384 m. A search pays for each row of bins.
pub const BIN_Y_SHIFT: u32 = 14;
/// Log2 of a step of the index's positions in mm: a zone's side has 65,536 of them.
pub const STEP_SHIFT: u32 = 6;
/// Columns in index order are longer by this: loads of whole vectors may run over the end.
pub const SPARE: usize = 32;
/// What the squared distance of a player counts, in 65,536ths; of a creature, all of it.
pub const WEIGHT_PLAYER: u16 = 39_977;
/// As [`WEIGHT_PLAYER`].
pub const WEIGHT_CREATURE: u16 = u16::MAX;
/// Jobs of one rebuild at most.
const BANDS_MAX: usize = 16;
const HOLE: u32 = u32::MAX;

/// The index of one tick.
#[derive(Debug)]
pub struct Bins {
    n_across: u32,
    n_down: u32,
    /// Position of each bin's first entity; the last one ends the last bin.
    start: Vec<u32>,
    /// By row: its bin, its place in steps, east in the lower half, and who it was when the index was made.
    bin_of: Vec<u32>,
    steps_of: Vec<u32>,
    id_of: Vec<EntityId>,
    /// By block of rows: lowest bin, and the one after the highest.
    extents: Vec<(u32, u32)>,
    /// Living entities.
    n: usize,
    /// By position: row, place in steps, and what comes of both: east, south, weight.
    rows: Vec<u32>,
    steps: Vec<u32>,
    x: Vec<u16>,
    y: Vec<u16>,
    weight: Vec<u16>,
    /// By row; of a hole, any position.
    position_of: Vec<AtomicU32>,
    n_players_max: u32,
}

impl Bins {
    /// An empty index of a square zone.
    #[must_use]
    pub fn new(side_mm: i32, columns: &Columns) -> Self {
        let along = |shift| tiles_for(side_mm) * (TILE_MM >> shift) as u32;
        let (n_across, n_down) = (along(BIN_X_SHIFT), along(BIN_Y_SHIFT));
        let (n_rows, n) = (columns.n_rows(), columns.n_rows() + SPARE);
        Self {
            n_across,
            n_down,
            start: vec![0; (n_across * n_down) as usize + 1],
            bin_of: vec![HOLE; n_rows],
            steps_of: vec![0; n_rows],
            id_of: vec![EntityId::NONE; n_rows],
            extents: vec![(HOLE, 0); n_rows / BLOCK],
            n: 0,
            x: vec![0; n],
            y: vec![0; n],
            weight: vec![WEIGHT_CREATURE; n],
            rows: vec![0; n],
            steps: vec![0; n],
            position_of: (0..n_rows).map(|_| AtomicU32::new(0)).collect(),
            n_players_max: columns.n_players_max() as u32,
        }
    }

    /// Sorts all living rows into bins; within a bin rows ascend, so players come first.
    ///
    /// - Cost: two passes over the rows and one over the bins, shared among the threads of the pool; the order does
    ///   not depend on their number. No allocation.
    pub fn rebuild(&mut self, columns: &Columns) {
        let n_jobs = rayon::current_num_threads().min(BANDS_MAX);
        self.number(columns, n_jobs);
        let (mut borders, mut ends) = ([0; BANDS_MAX], [0; BANDS_MAX]);
        self.cut(&mut borders[..n_jobs], &mut ends[..n_jobs]);
        self.n = ends[n_jobs - 1];
        let source = Source {
            bin_of: &self.bin_of,
            steps_of: &self.steps_of,
            extents: &self.extents,
            position_of: &self.position_of,
            n_players_max: self.n_players_max,
        };
        let mut rest = Band {
            first_bin: 0,
            base: 0,
            start: &mut self.start[1..],
            x: &mut self.x,
            y: &mut self.y,
            weight: &mut self.weight,
            rows: &mut self.rows,
            steps: &mut self.steps,
        };
        let mut bands: [Option<Band<'_>>; BANDS_MAX] = Default::default();
        for (band, (border, end)) in bands.iter_mut().zip(borders.into_iter().zip(ends)).take(n_jobs) {
            *band = Some(rest.split_off(border, end));
        }
        bands[..n_jobs].par_iter_mut().flatten().for_each(|band| widest(Fill { band, source: &source }));
    }

    /// Finds the bin and the place in steps of each row, and keeps who it is.
    fn number(&mut self, columns: &Columns, n_jobs: usize) {
        let n_rows = self.bin_of.len().div_ceil(n_jobs).next_multiple_of(BLOCK).max(BLOCK);
        let sides = (self.n_across, self.n_down);
        let ids = columns.id.par_chunks(n_rows);
        let places = (columns.x_mm.par_chunks(n_rows), columns.y_mm.par_chunks(n_rows));
        let bins = (self.bin_of.par_chunks_mut(n_rows), self.extents.par_chunks_mut(n_rows / BLOCK));
        let by_row = (self.steps_of.par_chunks_mut(n_rows), self.id_of.par_chunks_mut(n_rows));
        (ids, places.0, places.1, bins.0, bins.1, by_row.0, by_row.1).into_par_iter().for_each(
            |(ids, x_mm, y_mm, bins, extents, steps, id_of)| {
                id_of.copy_from_slice(ids);
                widest(Number { sides, ids, x_mm, y_mm, bins, steps, extents });
            },
        );
    }

    /// Cuts the bins into as many bands as there are jobs, much alike in entities if these lie as in the last tick:
    /// for each the bin behind it, and how many entities lie before that.
    fn cut(&self, borders: &mut [u32], ends: &mut [usize]) {
        let n_bands = borders.len();
        for (band, (border, end)) in borders.iter_mut().zip(ends).enumerate() {
            let wanted = (self.n * (band + 1) / n_bands) as u32;
            let is_last = band + 1 == n_bands;
            let n_bins = self.start.len() - 1;
            *border =
                if is_last { n_bins } else { self.start[..n_bins].partition_point(|at| *at < wanted) } as u32;
            *end = self.bin_of.iter().map(|bin| u32::from(*bin < *border)).sum::<u32>() as usize;
        }
    }

    /// Memory that the index takes, its table of bins included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let table = size_of_val(&*self.start) + size_of_val(&*self.extents);
        let by_row = size_of_val(&*self.bin_of) + size_of_val(&*self.position_of);
        let lanes = size_of_val(&*self.x) + size_of_val(&*self.y) + size_of_val(&*self.weight);
        let copies = size_of_val(&*self.steps_of) + size_of_val(&*self.id_of);
        table + by_row + copies + lanes + size_of_val(&*self.rows) + size_of_val(&*self.steps)
    }

    /// Living entities.
    #[must_use]
    pub fn n_entities(&self) -> usize {
        self.n
    }

    /// Rows in index order.
    #[must_use]
    #[inline]
    pub fn rows(&self) -> &[u32] {
        &self.rows[..self.n]
    }

    /// Occupants by row when the index was made; they tell whether a row still has the one it had.
    #[must_use]
    #[inline]
    pub fn ids(&self) -> &[EntityId] {
        &self.id_of
    }

    /// Places by row, in steps of 64 mm: east in the lower half, south in the upper one.
    #[must_use]
    #[inline(always)]
    pub(crate) fn steps_by_row(&self) -> &[u32] {
        &self.steps_of
    }

    /// Positions by row; of a hole, any.
    #[must_use]
    #[inline(always)]
    pub(crate) fn positions_by_row(&self) -> &[AtomicU32] {
        &self.position_of
    }

    /// Places in index order, in steps of 64 mm, and weights; [`SPARE`] entries longer than [`Bins::rows`] at least,
    /// and as long as [`Bins::n_positions`].
    #[must_use]
    #[inline(always)]
    pub(crate) fn lanes(&self) -> (&[u16], &[u16], &[u16]) {
        (&self.x, &self.y, &self.weight)
    }

    /// Rows of the zone and spare ones.
    #[must_use]
    pub(crate) fn n_positions(&self) -> usize {
        self.x.len()
    }

    /// Where a living row lies in the index.
    #[must_use]
    #[inline(always)]
    pub fn position(&self, row: Row) -> usize {
        self.position_of[row.at()].load(Ordering::Relaxed) as usize
    }

    /// Positions of all entities in a bin.
    fn bin(&self, x: u32, y: u32) -> Range<usize> {
        let bin = (y * self.n_across + x) as usize;
        self.start[bin] as usize..self.start[bin + 1] as usize
    }
}

/// A place in steps of the index; places outside count to the border.
#[must_use]
#[inline(always)]
pub(crate) fn to_steps(place: (i32, i32)) -> (u16, u16) {
    let step = |mm: i32| (mm >> STEP_SHIFT).clamp(0, i32::from(u16::MAX)) as u16;
    (step(place.0), step(place.1))
}

/// A place as one word: east in the lower half.
#[inline(always)]
fn packed((x_mm, y_mm): (i32, i32)) -> u32 {
    let step = |mm: i32| (mm >> STEP_SHIFT) as u32 & 0xffff;
    step(x_mm) | step(y_mm) << 16
}

/// The halves of places.
#[inline(always)]
pub(crate) fn unpack<const N: usize>(steps: &[u32; N], x: &mut [u16; N], y: &mut [u16; N]) {
    for at in 0..N {
        (x[at], y[at]) = (steps[at] as u16, (steps[at] >> 16) as u16);
    }
}

/// The bins of a run of rows.
struct Number<'a> {
    sides: (u32, u32),
    ids: &'a [EntityId],
    x_mm: &'a [i32],
    y_mm: &'a [i32],
    bins: &'a mut [u32],
    steps: &'a mut [u32],
    extents: &'a mut [(u32, u32)],
}

impl Task for Number<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (n_across, n_down) = self.sides;
        let (x_last, y_last) = (n_across as i32 - 1, n_down as i32 - 1);
        let rows = self.ids.as_chunks::<BLOCK>().0.iter().zip(self.bins.as_chunks_mut::<BLOCK>().0);
        let places = self.x_mm.as_chunks::<BLOCK>().0.iter().zip(self.y_mm.as_chunks::<BLOCK>().0);
        let steps = self.steps.as_chunks_mut::<BLOCK>().0;
        for ((((ids, bins), (x_mm, y_mm)), steps), extent) in rows.zip(places).zip(steps).zip(self.extents) {
            let (mut low, mut end) = (HOLE, 0);
            for at in 0..BLOCK {
                let x = (x_mm[at] >> BIN_X_SHIFT).max(0).min(x_last) as u32;
                let y = (y_mm[at] >> BIN_Y_SHIFT).max(0).min(y_last) as u32;
                let bin = if ids[at] == EntityId::NONE { HOLE } else { y * n_across + x };
                debug_assert!(
                    bin == HOLE || (x_mm[at] | y_mm[at]) >> (STEP_SHIFT + 16) == 0,
                    "{}, {} mm is outside",
                    x_mm[at],
                    y_mm[at]
                );
                bins[at] = bin;
                steps[at] = packed((x_mm[at], y_mm[at]));
                low = low.min(bin);
                end = end.max(bin.wrapping_add(1));
            }
            *extent = (low, end);
        }
    }
}

/// What all bands read.
struct Source<'a> {
    bin_of: &'a [u32],
    steps_of: &'a [u32],
    extents: &'a [(u32, u32)],
    /// Every living row is written once, by the band that holds it.
    position_of: &'a [AtomicU32],
    n_players_max: u32,
}

/// A run of bins and the positions of their entities: written by one thread.
#[derive(Default)]
struct Band<'a> {
    first_bin: u32,
    /// Position of its first entity.
    base: u32,
    /// Behind each of its bins.
    start: &'a mut [u32],
    x: &'a mut [u16],
    y: &'a mut [u16],
    weight: &'a mut [u16],
    rows: &'a mut [u32],
    steps: &'a mut [u32],
}

impl<'a> Band<'a> {
    /// Takes the part off that ends before a bin and a position.
    fn split_off(&mut self, border: u32, end: usize) -> Band<'a> {
        fn cut<'a, T>(rest: &mut &'a mut [T], n: usize) -> &'a mut [T] {
            rest.split_off_mut(..n).expect("bands end within the index")
        }
        let (n_bins, n) = ((border - self.first_bin) as usize, end - self.base as usize);
        let (first_bin, base) = (self.first_bin, self.base);
        (self.first_bin, self.base) = (border, end as u32);
        Band {
            first_bin,
            base,
            start: cut(&mut self.start, n_bins),
            x: cut(&mut self.x, n),
            y: cut(&mut self.y, n),
            weight: cut(&mut self.weight, n),
            rows: cut(&mut self.rows, n),
            steps: cut(&mut self.steps, n),
        }
    }
}

/// Counts a band's bins, then puts every entity into its place.
struct Fill<'a, 'b> {
    band: &'a mut Band<'b>,
    source: &'a Source<'a>,
}

impl Task for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (Band { first_bin, base, start, .. }, source) = (&mut *self.band, self.source);
        let (first_bin, base, end_bin) = (*first_bin, *base, *first_bin + start.len() as u32);
        let blocks = source.extents.iter().zip(source.bin_of.as_chunks::<BLOCK>().0).enumerate();
        let touched =
            |(_, (extent, _)): &(usize, (&(u32, u32), _))| extent.0 < end_bin && first_bin < extent.1;
        start.fill(0);
        for (_, (_, bins)) in blocks.clone().filter(touched) {
            for bin in bins {
                // Neither holes nor other bands' rows have a count here.
                if let Some(n) = start.get_mut(bin.wrapping_sub(first_bin) as usize) {
                    *n += 1;
                }
            }
        }
        let mut sum = base;
        for start in start.iter_mut() {
            sum += std::mem::replace(start, sum);
        }
        // Each bin's next position, which is its end when all are placed: the start of the next one.
        for (block, (_, bins)) in blocks.filter(touched) {
            place(self.band, source, block * BLOCK, bins);
        }
        split_lanes(self.band, source.n_players_max);
    }
}

/// Puts one block of rows into its places.
#[inline(always)]
fn place(band: &mut Band<'_>, source: &Source<'_>, first: usize, bins: &[u32; BLOCK]) {
    let (first_bin, base, start) = (band.first_bin, band.base, &mut *band.start);
    // One length for both: one check below.
    let n = band.rows.len();
    let (rows, steps) = (&mut band.rows[..n], &mut band.steps[..n]);
    let steps_of = source.steps_of[first..].first_chunk::<BLOCK>().expect("rows come in blocks");
    let position_of = source.position_of[first..].first_chunk::<BLOCK>().expect("rows come in blocks");
    for at in 0..BLOCK {
        let Some(next) = start.get_mut(bins[at].wrapping_sub(first_bin) as usize) else { continue };
        let position = *next;
        *next = position + 1;
        let to = (position - base) as usize;
        rows[to] = (first + at) as u32;
        steps[to] = steps_of[at];
        position_of[at].store(position, Ordering::Relaxed);
    }
}

/// Makes the lanes that searches compare of rows and places.
#[inline(always)]
fn split_lanes(band: &mut Band<'_>, n_players_max: u32) {
    let n = band.rows.len();
    let (rows, steps) = (&band.rows[..n], &band.steps[..n]);
    let (x, y, weight) = (&mut band.x[..n], &mut band.y[..n], &mut band.weight[..n]);
    for at in 0..n {
        (x[at], y[at]) = (steps[at] as u16, (steps[at] >> 16) as u16);
        weight[at] = if rows[at] < n_players_max { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
    }
}

#[cfg(test)]
mod tests;
