//! Promises on a disk that takes its time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use engine::economy::{Receipt, ReceiptBody};
use engine::{Content, DurableId, EntityId, Fact, FactBody, Input, World, lived_hash, tick};
use netproto::Outcome;
use storage::crash_disk::CrashDisk;
use storage::{Disk, DiskFile};

use super::{Held, Keeper, open};
use crate::zone::fixtures;

/// Whether syncs return.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Whether there is room for more.
type Room = Arc<AtomicBool>;

fn grows(room: &Room) -> io::Result<()> {
    if room.load(Ordering::Relaxed) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

/// A disk whose syncs wait until somebody lets them through, and that may be full.
struct SlowDisk(CrashDisk, Gate, Room);

struct SlowFile(Box<dyn DiskFile>, Gate, Room);

impl Disk for SlowDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(self.0.open(name)?, Arc::clone(&self.1), Arc::clone(&self.2))))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        grows(&self.2)?;
        Ok(Box::new(SlowFile(self.0.create(name)?, Arc::clone(&self.1), Arc::clone(&self.2))))
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
        if at + bytes.len() as u64 > self.0.n_bytes()? {
            grows(&self.2)?;
        }
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
    let disk: Arc<dyn Disk> =
        Arc::new(SlowDisk(CrashDisk::default(), Arc::clone(&gate), Arc::new(true.into())));
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

/// One tick of a zone, as [`crate::zone::Zone::tick`] has it; what its record holds beside.
fn step(keeper: &mut Keeper, world: &mut World, beside: &[Input]) {
    keeper.handle_begin(world);
    let mut inputs = Vec::new();
    if keeper.is_read_only() != world.market().economy().is_read_only() {
        inputs.push(Input::ReadOnly(keeper.is_read_only()));
    }
    inputs.extend_from_slice(beside);
    tick(world, &inputs);
    keeper.handle_settled(world, &inputs).unwrap();
    keeper.handle_end(world, std::iter::empty());
}

#[test]
fn a_full_disk_stops_the_market_and_not_the_zone_and_room_starts_it_again() {
    let (disk, room): (CrashDisk, Room) = (CrashDisk::default(), Arc::new(true.into()));
    let gate: Gate = Arc::new((Mutex::new(true), Condvar::new()));
    let slow: Arc<dyn Disk> = Arc::new(SlowDisk(disk.clone(), gate, Arc::clone(&room)));
    let config = *fixtures::world(4, 4).config();
    let opened = open::open_on(slow, "a test".as_ref(), &config, Content::standard(20), 0).unwrap();
    let (mut keeper, mut world) = (opened.keeper, opened.world);
    room.store(false, Ordering::Relaxed);
    // A megabyte of farewells of nobody fills what files there are.
    let player = |low| DurableId { low, high: low * 7_919 };
    let much: Vec<Input> = (0..90_000).map(|low| Input::Leave { player: player(low) }).collect();
    let until = Instant::now() + Duration::from_secs(60);
    while keeper.kept().n_waiting < 5 {
        assert!(Instant::now() < until, "the disk never fills: {:?}", keeper.kept());
        step(&mut keeper, &mut world, &much);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(keeper.is_read_only() && !keeper.kept().is_adrift, "{:?}", keeper.kept());
    assert!(keeper.handle_receipt(world.now(), &answer(3, Outcome::Done)).is_none());
    (0..3 * super::FULL_TICKS_MAX).for_each(|_| step(&mut keeper, &mut world, &[]));
    assert!(keeper.kept().is_adrift && world.market().economy().is_read_only(), "{:?}", keeper.kept());
    assert!(keeper.poll_held().is_none(), "it was never kept");
    room.store(true, Ordering::Relaxed);
    let mut held = Vec::new();
    while held.is_empty() || world.market().economy().is_read_only() {
        assert!(Instant::now() < until, "the log does not come back: {:?}", keeper.kept());
        step(&mut keeper, &mut world, &[]);
        held.extend(keeper.poll_held());
        std::thread::sleep(Duration::from_millis(1));
    }
    // As fast as this the log needs a moment; ticks have one.
    while world.now() % 50 > 0 || keeper.kept().n_waiting > 0 {
        step(&mut keeper, &mut world, &[]);
        std::thread::sleep(Duration::from_millis(2));
    }
    keeper.seal();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let back = open::open_on(disk, "a test".as_ref(), &config, Content::standard(20), 0).unwrap();
    assert_eq!((back.world.now(), lived_hash(&back.world)), (world.now(), lived_hash(&world)));
}
