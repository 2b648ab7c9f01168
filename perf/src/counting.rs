//! An allocator that counts, around the one the processes use.
#![allow(unsafe_code)] // an allocator cannot be had without; every call is handed on unchanged

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// mimalloc with a counter.
pub(crate) struct Counting;

static N_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Without a destructor and made without code: good to use before and after everything else of a thread.
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Allocations of the whole process so far.
pub(crate) fn n_allocations() -> u64 {
    N_ALLOCATIONS.load(Ordering::Relaxed)
}

/// Bytes that the calling thread has asked for and not given back; less than nothing when it gives back what others
/// asked for.
pub(crate) fn live_bytes() -> i64 {
    LIVE_BYTES.with(Cell::get)
}

fn count(n_bytes: i64) {
    LIVE_BYTES.with(|live| live.set(live.get() + n_bytes));
}

// SAFETY: every call goes to mimalloc as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        count(n_bytes as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { MiMalloc.realloc(at, layout, n_bytes) }
    }
}
