//! Frames composed and taken apart again, at their borders and beyond.

use super::*;

struct Same;
impl Slots for Same {
    fn occupant(&self, slot: u32) -> (u32, Kind) {
        (0xfeed_0000 | slot, Kind::Boar)
    }
    fn run(&self, group: usize, slot: u32) -> u64 {
        match group {
            Motion::GROUP => Motion { x_16mm: slot, tick_low: 7, ..Motion::default() }.pack(),
            Status::GROUP => u64::from(slot & 3),
            _ => u64::from(slot),
        }
    }
    fn news_age(&self, _: u32) -> u32 {
        15
    }
}

fn longest() -> Parts<'static> {
    let introduced = (1 << INTRODUCTIONS_MAX) - 1;
    let own = Own { state: Some(OwnState::default()), ..Own::default() };
    Parts {
        header: Header::default(),
        own,
        news: !introduced,
        introduced,
        steps: 0,
        groups: [!introduced; N_GROUPS],
        timed: &[],
    }
}

#[test]
fn the_longest_frame_fits_and_reads_back() {
    let mut buffer = [0xaa; FRAME_BUFFER_BYTES];
    let n_bytes = encode(&longest(), &Same, &mut buffer);
    assert!(n_bytes <= FRAME_BYTES_MAX - TIMED_BYTES_MAX);
    let mut frame = Frame::default();
    decode(&buffer[..n_bytes], &mut frame).unwrap();
    assert_eq!((frame.n_news, frame.n_introductions), (SLOTS - INTRODUCTIONS_MAX, INTRODUCTIONS_MAX));
    assert_eq!(frame.groups, longest().groups);
    assert_eq!(frame.motion[63].x_16mm, 63);
    let (entity, kind, motion) =
        (0xfeed_0003, Kind::Boar, Motion { x_16mm: 3, tick_low: 7, ..Motion::default() });
    let (vitals, status) = (Vitals { health_128th: 3 }, Status::unpack(3).unwrap());
    let look = Look::unpack(3).unwrap();
    let introduced = Introduction { slot: 3, entity, kind, motion, vitals, status, look };
    assert_eq!(frame.introductions[3], introduced);
}

#[test]
fn a_step_is_what_its_block_says() {
    for (vx, vy) in [(0, 0), (-512, 511), (0, 1), (300, -1)] {
        let motion =
            Motion { x_16mm: 8_191 - 5, y_16mm: 700, vx_mm_per_tick: vx, vy_mm_per_tick: vy, tick_low: 9 };
        let (run, n_bits) = step_run(motion.pack());
        let course = Course { vx_mm_per_tick: vx, vy_mm_per_tick: vy };
        let step =
            Step { x_16mm: 122, y_16mm: 700 % 128, course: (course != Course::default()).then_some(course) };
        let (mut ours, mut theirs) = ([0; 16], [0; 16]);
        let mut writer = BitWriter::new(&mut ours);
        writer.put_run(run, n_bits);
        assert_eq!(writer.finish(), (n_bits as usize).div_ceil(8));
        step.write(&mut BitWriter::new(&mut theirs));
        assert_eq!(ours[..8], theirs[..8], "velocity {vx}, {vy}");
    }
}

#[test]
fn a_status_of_zeros_is_one_bit_and_every_other_reads_back() {
    for run in [0, 1, 0x1fff, 0x1000] {
        let (sent, n_bits) = value_run(Status::GROUP, run);
        assert_eq!((sent & 1 == 1, n_bits), (run != 0, if run == 0 { 1 } else { Status::BITS + 1 }));
        assert_eq!(sent >> 1, run);
    }
    assert_eq!(value_run(Vitals::GROUP, 0), (0, Vitals::BITS), "the dead are told in full");
}

#[test]
fn timed_events_are_as_long_as_said() {
    for body in [
        TimedBody::Hit(Hit::default()),
        TimedBody::Circle(Circle { radius_64mm: 1, windup_ticks: 1, ..Circle::default() }),
        TimedBody::Shot(Shot { draw_ticks: 1, flight_ticks: 1, ..Shot::default() }),
        TimedBody::ShotEnd(ShotEnd::default()),
    ] {
        let mut bytes = [0; 256];
        let mut writer = BitWriter::new(&mut bytes);
        let timed = Timed { body, ..Timed::default() };
        (0..8).for_each(|_| timed.write(&mut writer));
        assert_eq!(writer.finish() as u32, timed_bits(&body), "eight of them in bytes: {body:?}");
    }
}

#[test]
fn slot_lists_of_every_length_read_back() {
    for n in 1..=64u32 {
        let mask = if n == 64 { u64::MAX } else { ((1 << n) - 1) << (64 - n).min(3) };
        let mut bytes = [0; 32];
        let mut writer = BitWriter::new(&mut bytes);
        write_slots(mask, &mut writer);
        let n_bytes = writer.finish();
        assert_eq!(read_slots(&mut BitReader::new(&bytes, n_bytes)).unwrap(), mask);
    }
}

#[test]
fn selectors_0_and_9_to_14_and_unordered_indices_are_errors() {
    for selector in [0, 9, 10, 11, 12, 13, 14] {
        let mut bytes = [0; 24];
        bytes[0] = selector;
        assert!(read_slots(&mut BitReader::new(&bytes, 16)).is_err(), "selector {selector}");
    }
    let mut bytes = [0; 24];
    let mut writer = BitWriter::new(&mut bytes);
    writer.put(2, SELECTOR_BITS);
    writer.put(5, SLOT_BITS);
    writer.put(5, SLOT_BITS);
    let n_bytes = writer.finish();
    let read = read_slots(&mut BitReader::new(&bytes, n_bytes));
    assert_eq!(read, Err(DecodeError::Order { what: "slot list" }));
}

#[test]
fn every_truncation_of_a_frame_is_refused() {
    let mut buffer = [0; FRAME_BUFFER_BYTES];
    let n_bytes = encode(&longest(), &Same, &mut buffer);
    let mut frame = Frame::default();
    for n in 0..n_bytes {
        assert!(decode(&buffer[..n], &mut frame).is_err(), "{n} of {n_bytes} bytes passed");
    }
}
