//! Work in parts that different threads may take: columns cut into runs of rows, and what concerns each run.
//!
//! [`Piles`] are a stable counting sort by run: what many jobs found is sorted by whom it concerns, so that one job
//! per run can apply it without a lock. [`share_out`] gives every run to a job, whatever columns it consists of.
//! Source: docs/ARCHITECTURE.md "The tick".

use rayon::join;

/// Pieces of work for each thread at most: enough that a thread that comes late still finds some.
const PIECES_PER_THREAD: usize = 4;

/// Something that falls into parts that different threads may have.
pub trait Parts: Sized + Send {
    /// How many.
    fn n(&self) -> usize;
    /// The first `at` parts, and the others.
    fn cut(self, at: usize) -> (Self, Self);
    /// Nothing is to be done in any of them.
    fn is_idle(&self) -> bool {
        false
    }
}

/// A column cut into runs of so many rows.
#[derive(Debug)]
pub struct Runs<'a, T>(pub &'a mut [T], pub usize);

/// A column that is only read, likewise.
#[derive(Debug)]
pub struct Read<'a, T>(pub &'a [T], pub usize);

impl<T: Send> Parts for Runs<'_, T> {
    #[inline]
    fn n(&self) -> usize {
        self.0.len().div_ceil(self.1)
    }
    #[inline]
    fn cut(self, at: usize) -> (Self, Self) {
        let rows = (at * self.1).min(self.0.len());
        let (head, tail) = self.0.split_at_mut(rows);
        (Self(head, self.1), Self(tail, self.1))
    }
}

impl<T: Sync> Parts for Read<'_, T> {
    #[inline]
    fn n(&self) -> usize {
        self.0.len().div_ceil(self.1)
    }
    #[inline]
    fn cut(self, at: usize) -> (Self, Self) {
        let (head, tail) = self.0.split_at((at * self.1).min(self.0.len()));
        (Self(head, self.1), Self(tail, self.1))
    }
}

/// The first of several says how many parts there are, and whether there is work in them.
macro_rules! several {
    ($first:ident $($other:ident)*) => {
        impl<$first: Parts, $($other: Parts),*> Parts for ($first, $($other),*) {
            #[inline]
            fn n(&self) -> usize {
                self.0.n()
            }
            #[inline]
            #[allow(non_snake_case)]
            fn cut(self, at: usize) -> (Self, Self) {
                let ($first, $($other),*) = self;
                let ($first, $($other),*) = ($first.cut(at), $($other.cut(at)),*);
                (($first.0, $($other.0),*), ($first.1, $($other.1),*))
            }
            #[inline]
            fn is_idle(&self) -> bool {
                self.0.is_idle()
            }
        }
    };
}

several!(A B);
several!(A B C);
several!(A B C D);
several!(A B C D E);
several!(A B C D E F G H I);
several!(A B C D E F G H I J K L M);

/// Calls `each` with every part that is not idle, and its number; threads that have nothing to do take their share.
///
/// - Cost: a cut per part, and a few joins per thread.
pub fn share_out<P: Parts>(parts: P, each: impl Fn(usize, P) + Sync) {
    let grain = parts.n().div_ceil(PIECES_PER_THREAD * rayon::current_num_threads());
    halve(parts, 0, grain, &each);
}

fn halve<P: Parts>(mut parts: P, mut first: usize, grain: usize, each: &(impl Fn(usize, P) + Sync)) {
    if parts.is_idle() {
        return;
    }
    let n = parts.n();
    if n > grain {
        let (head, tail) = parts.cut(n / 2);
        join(|| halve(head, first, grain, each), || halve(tail, first + n / 2, grain, each));
        return;
    }
    for _ in 0..n {
        let (head, tail) = parts.cut(1);
        if !head.is_idle() {
            each(first, head);
        }
        first += 1;
        parts = tail;
    }
}

/// Things sorted into piles, in each pile in the order in which they came. The memory is used again.
#[derive(Debug)]
pub struct Piles<T> {
    /// Sorted; behind `n` lies what was left of fuller ticks.
    items: Vec<T>,
    n: usize,
    /// Pile p begins at `starts[p]`; two more than there are piles.
    starts: Vec<u32>,
}

impl<T: Copy> Piles<T> {
    /// So many empty piles, with room for so many things.
    #[must_use]
    pub fn warm(n_piles: usize, n_max: usize) -> Self {
        Self { items: Vec::with_capacity(n_max), n: 0, starts: vec![0; n_piles + 2] }
    }

    /// Sorts all that `items` gives; what was there before is gone.
    ///
    /// - Shapes: `items` is walked through twice and gives the same each time.
    /// - Cost: two passes; no allocation unless there are more things than ever.
    pub fn fill(&mut self, items: impl Iterator<Item = T> + Clone, pile_of: impl Fn(&T) -> usize) {
        self.n = 0;
        self.starts.fill(0);
        let starts = self.starts.as_mut_slice();
        let Some(filler) = items.clone().next() else { return };
        items.clone().for_each(|item| starts[pile_of(&item) + 2] += 1);
        let mut sum = 0;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        self.n = sum as usize;
        if self.items.len() < self.n {
            self.items.resize(self.n, filler);
        }
        let sorted = &mut self.items[..self.n];
        items.for_each(|item| {
            // The end of a pile while it fills is the start of the next one in the end.
            let end = &mut starts[pile_of(&item) + 1];
            sorted[*end as usize] = item;
            *end += 1;
        });
    }

    /// All things, pile by pile.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items[..self.n]
    }

    /// The piles, to be shared out.
    pub fn piles(&mut self) -> Pile<'_, T> {
        let last = self.starts.len() - 1;
        Pile { items: &mut self.items[..self.n], starts: &self.starts[..last] }
    }
}

/// A run of piles: of one pile when it has been shared out.
#[derive(Debug)]
pub struct Pile<'a, T> {
    /// What lies in them.
    pub items: &'a mut [T],
    starts: &'a [u32],
}

impl<T: Send> Parts for Pile<'_, T> {
    #[inline]
    fn n(&self) -> usize {
        self.starts.len() - 1
    }
    #[inline]
    fn cut(self, at: usize) -> (Self, Self) {
        let n_items = (self.starts[at] - self.starts[0]) as usize;
        let (head, tail) = self.items.split_at_mut(n_items);
        (Self { items: head, starts: &self.starts[..=at] }, Self { items: tail, starts: &self.starts[at..] })
    }
    #[inline]
    fn is_idle(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_pile_holds_its_things_in_the_order_in_which_they_came() {
        let mut piles = Piles::warm(5, 0);
        for n in [0u32, 1, 7, 1_000, 3] {
            piles.fill((0..n).map(|at| (at * 7 % 5, at)), |(pile, _)| *pile as usize);
            let seen = Mutex::new(Vec::new());
            share_out(piles.piles(), |number, pile| {
                seen.lock().expect("nobody panicked").push((number as u32, pile.items.to_vec()));
            });
            let mut seen = seen.into_inner().expect("nobody panicked");
            seen.sort_unstable();
            let expected: Vec<(u32, Vec<(u32, u32)>)> = (0..5u32)
                .map(|pile| (pile, (0..n).map(|at| (at * 7 % 5, at)).filter(|item| item.0 == pile).collect()))
                .filter(|(_, items): &(u32, Vec<(u32, u32)>)| !items.is_empty())
                .collect();
            assert_eq!(seen, expected, "{n} things");
        }
    }

    #[test]
    fn every_row_is_shared_out_once_beside_the_rows_of_the_other_columns() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a small pool starts");
        for n in [0, 1, 63, 64, 65, 1_000] {
            let (mut a, b) = (vec![0u32; n], (0..n as u32).collect::<Vec<u32>>());
            pool.install(|| {
                share_out((Runs(&mut a, 64), Read(&b, 64)), |number, (a, b)| {
                    assert_eq!(b.0[0] as usize, number * 64);
                    a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b + 1);
                });
            });
            assert!(a.iter().zip(&b).all(|(a, b)| *a == b + 1), "{n} rows");
        }
    }
}
