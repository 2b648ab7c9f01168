//! mimalloc, with a count of what the calling thread has asked for: a tick that allocates is worth knowing. And with a
//! sum of what is in use, all threads together: a zone that grows should show in its metrics before it is out of memory.
//! Source: `GlobalAlloc` of the standard library, whose contract is passed on unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

use mimalloc::MiMalloc;

/// See the module.
#[derive(Debug)]
pub struct Counting;

/// Memory asked for, since the start of the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// How often.
    pub n: u64,
    /// Bytes together.
    pub bytes: u64,
}

impl Allocations {
    /// Adds what the calling thread has asked for since an earlier look at it.
    pub fn add_since(&mut self, earlier: Self) {
        let now = here();
        self.n += now.n - earlier.n;
        self.bytes += now.bytes - earlier.bytes;
    }
}

/// A thread tells of what it took and gave back when that is as much as this: one shared counter, seldom touched.
const TOLD_BYTES: i64 = 16 * 1024;

/// What threads have told.
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

thread_local! {
    // Without a destructor and made without code: good to use before and after everything else of a thread.
    static HERE: Cell<Allocations> = const { Cell::new(Allocations { n: 0, bytes: 0 }) };
    /// Taken less given back, and not told yet.
    static UNTOLD: Cell<i64> = const { Cell::new(0) };
}

/// Bytes in use by the whole program, to within 16 KiB per thread. Zero unless [`Counting`] is its allocator.
#[must_use]
pub fn live_bytes() -> u64 {
    u64::try_from(LIVE_BYTES.load(Ordering::Relaxed)).unwrap_or(0)
}

fn take(n_bytes: i64) {
    UNTOLD.with(|untold| {
        let sum = untold.get() + n_bytes;
        if sum.abs() < TOLD_BYTES {
            return untold.set(sum);
        }
        untold.set(0);
        LIVE_BYTES.fetch_add(sum, Ordering::Relaxed);
    });
}

/// What the calling thread has asked for so far. Zeros unless [`Counting`] is the program's allocator.
#[must_use]
pub fn here() -> Allocations {
    HERE.with(Cell::get)
}

fn count(n_bytes: usize) {
    HERE.with(|here| {
        let Allocations { n, bytes } = here.get();
        here.set(Allocations { n: n + 1, bytes: bytes + n_bytes as u64 });
    });
    take(n_bytes as i64);
}

// SAFETY: every call is passed on to mimalloc with the arguments it came with; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        take(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`; the block is mimalloc's, as all of them are.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        count(n_bytes);
        take(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `realloc`; the block is mimalloc's, as all of them are.
        unsafe { MiMalloc.realloc(at, layout, n_bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_counted_on_the_thread_that_asks() {
        let layout = Layout::from_size_align(100, 8).unwrap();
        let before = here();
        // SAFETY: the layout is not empty, the block is given back with the layout it has at that time.
        unsafe {
            let at = Counting.alloc_zeroed(layout);
            assert_eq!(*at.add(99), 0);
            let at = Counting.realloc(at, layout, 300);
            Counting.dealloc(at, Layout::from_size_align(300, 8).unwrap());
        }
        let after = here();
        assert_eq!((after.n - before.n, after.bytes - before.bytes), (2, 400));
        assert_eq!(UNTOLD.with(Cell::get) + live_bytes() as i64, 0, "all was given back");
        take(TOLD_BYTES + 5);
        take(-3);
        assert_eq!((live_bytes() as i64, UNTOLD.with(Cell::get)), (TOLD_BYTES + 5, -3));
        assert_eq!(std::thread::spawn(here).join().unwrap(), Allocations::default());
    }
}
