//! Promises on a disk that takes its time.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use engine::economy::{Receipt, ReceiptBody};
use engine::{Content, DurableId, EntityId, Fact, FactBody, tick};
use netproto::Outcome;
use storage::crash_disk::CrashDisk;
use storage::{Disk, DiskFile};

use super::{Held, Keeper, open};
use crate::zone::fixtures;

/// Whether syncs return.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// A disk whose syncs wait until somebody lets them through.
struct SlowDisk(CrashDisk, Gate);

struct SlowFile(Box<dyn DiskFile>, Gate);

impl Disk for SlowDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.0.create(name)?, Arc::clone(&self.1))))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}

impl DiskFile for SlowFile {
    fn n_bytes(&self) -> io::Result<u64> {
        self.0.n_bytes()
    }
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(at, bytes)
    }
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(at, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        let (is_open, changed) = &*self.1;
        let _open = changed.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap();
        self.0.sync()
    }
}

fn set(gate: &Gate, is_open: bool) {
    *gate.0.lock().unwrap() = is_open;
    gate.1.notify_all();
}

fn player() -> DurableId {
    DurableId { low: 1, high: 1 }
}

fn answer(request: u32, outcome: Outcome) -> Receipt {
    Receipt { player: player(), body: ReceiptBody::Answer { request, outcome } }
}

/// What may be told within a while.
fn told(keeper: &mut Keeper, at_least: usize, wait: Duration) -> Vec<Held> {
    let (until, mut told) = (Instant::now() + wait, Vec::new());
    while told.len() < at_least && Instant::now() < until {
        told.extend(keeper.poll_held().map(|(_, held)| held));
        std::thread::sleep(Duration::from_millis(1));
    }
    told
}

#[test]
fn nothing_is_promised_before_the_disk_holds_it() {
    let gate: Gate = Arc::new((Mutex::new(true), Condvar::new()));
    let disk: Arc<dyn Disk> = Arc::new(SlowDisk(CrashDisk::default(), Arc::clone(&gate)));
    let config = *fixtures::world(4, 4).config();
    let opened = open::open_on(disk, "a test".as_ref(), &config, Content::standard(20), 0).unwrap();
    let (mut keeper, mut world) = (opened.keeper, opened.world);
    let fact = Fact { player: player(), body: FactBody::Joined { entity: EntityId(1), resumed: false } };
    for is_open in [true, false] {
        set(&gate, is_open);
        keeper.handle_begin(&world);
        tick(&mut world, &[]);
        keeper.handle_settled(&world, &[]).unwrap();
        let now = world.now();
        assert!(keeper.handle_fact(now, &fact).is_none());
        assert!(keeper.handle_receipt(now, &answer(1, Outcome::Done)).is_none());
        let no = keeper.handle_receipt(now, &answer(2, Outcome::ReadOnly));
        assert!(no.is_some(), "a no for want of room waits for nothing");
        let wait = Duration::from_millis(if is_open { 10_000 } else { 150 });
        let held = told(&mut keeper, 2, wait);
        if !is_open {
            assert!(held.is_empty(), "{held:?} was told while the disk did not hold it");
            set(&gate, true);
        }
        let held = if is_open { held } else { told(&mut keeper, 2, Duration::from_secs(10)) };
        assert!(matches!(held[..], [Held::Fact(_), Held::Receipt(_)]), "in order: {held:?}");
    }
    keeper.seal();
}
