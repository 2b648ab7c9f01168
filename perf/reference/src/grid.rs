//! Who is near: a hash map of squares, each with a vector of who stands in it.

use crate::bodies::Body;
use engine::EntityId;
use netproto::Kind;
use rustc_hash::FxHashMap;

/// Log2 of a square's side in mm: 49 squares hold a circle of 48 m.
const SQUARE_SHIFT: u32 = 14;

/// One body as a query wants it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// Its place in the vector of bodies.
    pub at: u32,
    /// Who.
    pub id: EntityId,
    /// What.
    pub kind: Kind,
}

/// The index of one tick.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    squares: FxHashMap<(i32, i32), Vec<Entry>>,
}

impl Grid {
    /// Puts every body where it belongs now; squares keep their memory.
    pub fn fill(&mut self, bodies: &[Body]) {
        self.squares.values_mut().for_each(Vec::clear);
        for (at, body) in bodies.iter().enumerate().filter(|(_, body)| body.id != EntityId::NONE) {
            let Body { x_mm, y_mm, id, kind, .. } = *body;
            let square = self.squares.entry((x_mm >> SQUARE_SHIFT, y_mm >> SQUARE_SHIFT)).or_default();
            square.push(Entry { x_mm, y_mm, at: at as u32, id, kind });
        }
    }

    /// Calls `each` for everybody in the squares that the box around a circle touches.
    #[inline]
    pub fn around(&self, (x_mm, y_mm): (i32, i32), radius_mm: i32, mut each: impl FnMut(&Entry)) {
        let square = |mm: i32| mm >> SQUARE_SHIFT;
        for y in square(y_mm - radius_mm)..=square(y_mm + radius_mm) {
            for x in square(x_mm - radius_mm)..=square(x_mm + radius_mm) {
                if let Some(entries) = self.squares.get(&(x, y)) {
                    entries.iter().for_each(&mut each);
                }
            }
        }
    }
}

/// Squared distance in mm.
#[must_use]
#[inline]
pub fn distance2(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    dx * dx + dy * dy
}

/// A length squared.
#[must_use]
pub const fn square(mm: i32) -> i64 {
    mm as i64 * mm as i64
}
