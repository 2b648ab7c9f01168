//! Phases 7 and 8: each client once. Acknowledgements, losses, slots, one snapshot.

mod fit;
mod news;

pub use news::{Ages, HOLD_MS, Waiting};

use crate::bins::Bins;
use crate::columns::{BLOCK, Columns, LEAPT, REPLACED};
use crate::ids::{EntityId, Handles, Row};
use crate::interest::alarms::Alarms;
use crate::interest::{self, Scene, near};
use crate::notices::{HEAR_MM, NEAR_MM, Notice, Notices};
use crate::outbox::Arena;
use crate::players::{Client, HIT_KEY, Player, TimedCounts, Timeds};
use crate::publish::SLACK_MM;
use crate::shed::{self, Rung, Shed, Spared};
use crate::step::LANE_ROWS;
use crate::step::casts::Cast;
use crate::step::combat::THREAT_SECONDS;
use crate::world::{CREATURES_MAX, PLAYERS_MAX, Sending, Setting};
use jobs::cpu;
use jobs::mask::{LANES, tops};
use jobs::scratch::PerThread;
use netproto::peer::Plan;
use netproto::snapshot::{self, Parts, Slots, ones};
use netproto::{
    FRAME_BYTES_MAX, Header, INTRODUCTIONS_MAX, Kind, Look, Motion, N_GROUPS, Own, OwnState, SLOTS, Side,
    Status, TIMED_PENDING_MAX, Timed,
};
use netproto::{POSITION_WRAP_MM, SEGMENT_AGE_TICKS_MAX};
use rayon::prelude::*;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An empty snapshot goes out all the same when the last one is this old.
pub const QUIET_TICKS_MAX: u32 = 4;
/// Motion is not sent for an entity that has gone this far per axis within a turn of interest: it leaves the view.
const REACH_MM: i32 = 58_000;
// A client finds the segment's anchor within half the wrap, also when it is as old as may be and at full speed.
const _: () = assert!(REACH_MM + 512 * SEGMENT_AGE_TICKS_MAX as i32 + SLACK_MM < POSITION_WRAP_MM / 2);

const _: () = assert!(SLOTS.is_multiple_of(LANES));

/// One job's output and memory.
#[derive(Debug)]
pub struct Desk {
    /// Snapshots of this tick.
    pub arena: Arena,
    /// Sum of occupied slots over the clients served.
    pub n_visible: u64,
    /// Clients served.
    pub n_clients: u64,
    /// What became of their timed events.
    pub timed: TimedCounts,
    /// How long news has waited.
    pub ages: Ages,
    /// What was left out.
    pub spared: Spared,
    /// Clients whose visit panicked: they have no frame, and their state is not to be used.
    pub failed: Vec<Row>,
}

impl Desk {
    /// A desk that will not allocate in an ordinary tick.
    #[must_use]
    pub fn warm() -> Self {
        let arena = Arena::with_room(LANE_ROWS);
        let (timed, ages, spared) = (TimedCounts::default(), Ages::default(), Spared::default());
        Self { arena, n_visible: 0, n_clients: 0, timed, ages, spared, failed: Vec::new() }
    }

    fn clear(&mut self) {
        self.arena.clear();
        (self.n_visible, self.n_clients, self.timed) = (0, 0, TimedCounts::default());
        (self.ages, self.spared) = (Ages::default(), Spared::default());
        self.failed.clear();
    }
}

/// What has changed in this tick, by row: a copy of [`Columns::changed`] of one length for every zone, so that the loop
/// over a client's slots needs no check and no branch.
#[derive(Debug)]
pub struct Board(Box<[u8; BOARD_ROWS]>);

/// A power of two, and no fewer than the rows of the largest zone.
const BOARD_ROWS: usize = 1 << 18;
const _: () = assert!((PLAYERS_MAX + CREATURES_MAX) as usize + 2 * BLOCK <= BOARD_ROWS);

impl Board {
    /// An empty board; the system gives it memory as far as rows are posted.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![0; BOARD_ROWS].into_boxed_slice().try_into().expect("the length is the same"))
    }

    /// Takes a tick's changes.
    pub fn post(&mut self, changed: &[u8]) {
        self.0[..changed.len()].copy_from_slice(changed);
    }

    /// A mask over the slots for each flag of [`Columns::changed`].
    ///
    /// - Cost: one load per slot without a branch. Sixteen bytes at a time are gathered and asked flag by flag, so that
    ///   they need not leave their register.
    #[inline(always)]
    fn changes(&self, rows: &[u32; SLOTS]) -> [u64; u8::BITS as usize] {
        let mut masks = [0; u8::BITS as usize];
        for (lane, rows) in rows.as_chunks::<LANES>().0.iter().enumerate() {
            let mut flags = rows.map(|row| self.0[row as usize % BOARD_ROWS]);
            for mask in masks.iter_mut().rev() {
                *mask |= u64::from(tops(&flags)) << (LANES * lane);
                flags = flags.map(|flags| flags.wrapping_add(flags));
            }
        }
        masks
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

/// What serving clients reads.
pub struct Hall<'a> {
    /// All columns, published.
    pub columns: &'a Columns,
    /// The same changes as `columns` has.
    pub board: &'a Board,
    /// The index of this tick.
    pub bins: &'a Bins,
    /// Finds threats.
    pub handles: &'a Handles,
    /// What everybody near must be told.
    pub notices: &'a Notices,
    /// Whoever is near one of these looks again at once.
    pub alarms: &'a Alarms,
    /// All that is announced, for those who have just come.
    pub casts: &'a [Cast],
    /// The zone's numbers.
    pub setting: &'a Setting<'a>,
}

/// Serves all clients; snapshots end up in the desks, one desk per [`LANE_ROWS`] player rows.
///
/// - Cost: one visit per client, in row order, which is spatial order.
pub fn serve(
    hall: &Hall<'_>,
    players: &mut [Player],
    clients: &mut [Client],
    timeds: &mut [Timeds],
    desks: &mut [Desk],
    searches: &PerThread<interest::Search>,
) {
    let n = LANE_ROWS;
    (players.par_chunks_mut(n), clients.par_chunks_mut(n), timeds.par_chunks_mut(n), desks.par_iter_mut())
        .into_par_iter()
        .enumerate()
        .for_each(|(chunk, (players, clients, timeds, desk))| {
            desk.clear();
            let mut search = searches.mine();
            let first = chunk * n;
            let mut begin = 0;
            while let Err(failed) =
                attempt(Shift { hall, first, begin, players, clients, timeds, desk, search: &mut search })
            {
                // What the panic left half done: nothing of it may reach the next client.
                *search = interest::Search::warm(hall.columns.n_rows());
                desk.failed.push(Row((first + failed) as u32));
                begin = failed + 1;
            }
        });
}

/// Serves the clients of a shift. A panic while one of them is served ends neither the tick nor the others: the error is
/// its place in the shift, and whatever it has half written is overwritten by the next.
///
/// - Cost: one landing place per shift, and one store per client.
fn attempt(shift: Shift<'_>) -> Result<(), usize> {
    let under_way = Cell::new(shift.begin);
    // Around the choice of the build, not inside: a closure does not inherit the features of what it stands in.
    let served = catch_unwind(AssertUnwindSafe(|| cpu::widest(Watched { shift, under_way: &under_way })));
    served.map_err(|_| under_way.get())
}

/// The clients of one desk.
struct Shift<'a> {
    hall: &'a Hall<'a>,
    /// Row of the first of them.
    first: usize,
    /// Those before this place have had their turn.
    begin: usize,
    players: &'a mut [Player],
    clients: &'a mut [Client],
    timeds: &'a mut [Timeds],
    desk: &'a mut Desk,
    search: &'a mut interest::Search,
}

/// A shift, and whose turn it is.
struct Watched<'a, 'b> {
    shift: Shift<'a>,
    under_way: &'b Cell<usize>,
}

impl cpu::Task for Watched<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Shift { hall, first, begin, players, clients, timeds, desk, search } = self.shift;
        let rows = players.iter_mut().zip(clients).zip(timeds).enumerate().skip(begin);
        for (at, ((player, client), timeds)) in rows {
            if client.is_attached {
                self.under_way.set(at);
                let own = Row((first + at) as u32);
                let place = hall.columns.place(own);
                Visit { hall, own, place, player, client, timeds }.serve(desk, search);
            }
        }
    }
}

/// One client's turn.
struct Visit<'a> {
    hall: &'a Hall<'a>,
    own: Row,
    /// Where the own body is.
    place: (i32, i32),
    player: &'a mut Player,
    client: &'a mut Client,
    timeds: &'a mut Timeds,
}

impl Visit<'_> {
    #[inline(always)]
    fn serve(&mut self, desk: &mut Desk, search: &mut interest::Search) {
        let tick = self.hall.setting.now;
        let acks = std::mem::take(&mut self.client.acks);
        let fates = self.client.view.handle_acks(&acks);
        if self.timeds.n > 0 {
            desk.timed.expired += self.timeds.settle(fates, tick);
        }
        let (stepped, is_bereft) = self.mark_changes();
        if self.player.is_new_here || !self.hall.notices.is_empty() {
            self.hear(&mut desk.timed);
        }
        let shed = self.hall.setting.shed;
        let turn = Shed::turn(self.hall.columns.id[self.own.at()], tick);
        self.client.is_due |= self.hall.alarms.is_near(self.place);
        let is_turn = turn.is_multiple_of(interest::EVERY_TICKS);
        // When searches are too dear, jumps near by must not ask for more of them than there would be without.
        let waits = shed.has(Rung::Interest) && !is_turn && self.client.view.occupied != 0;
        if !waits && (self.client.is_due || is_turn) {
            self.choose(turn, desk, search);
        }
        if self.player.own_changed {
            self.player.own_changed = false;
            self.client.view.mark_own();
        }
        desk.n_visible += u64::from(self.client.view.occupied.count_ones());
        desk.n_clients += 1;
        let is_seldom = shed.has(Rung::SendTen) || self.client.budget.send_every > 1;
        let regular = if is_seldom { self.regular(turn, is_bereft, &mut desk.spared) } else { Some(turn) };
        let goes = regular.is_some_and(|regular| self.client.view.may_send(regular));
        if goes && self.is_time(turn, is_bereft, fates.lost != 0) {
            self.send(turn, stepped, desk);
        } else {
            self.wait(desk);
        }
    }

    /// Which of its regular snapshots is due when there are few. In between a client hears of what cannot wait: its own
    /// body, what hits, and who is no more.
    #[cold]
    #[inline(never)]
    fn regular(&self, turn: u32, is_bereft: bool, spared: &mut Spared) -> Option<u32> {
        let shed = self.hall.setting.shed;
        let every = self.send_every();
        let is_urgent = is_bereft || self.client.view.owes_own() || self.timeds.is_urgent();
        if is_urgent || turn.is_multiple_of(every) {
            return Some(turn / every);
        }
        // What the client's own path cannot bear is not for the zone's ladder to count.
        if !turn.is_multiple_of(shed.send_every()) {
            let rung = if shed.has(Rung::SendFive) { Rung::SendFive } else { Rung::SendTen };
            spared[rung as usize] += 1;
        }
        None
    }

    /// Ticks between its regular snapshots: what the zone can do or its path bears, whichever is less.
    #[inline(always)]
    fn send_every(&self) -> u32 {
        self.hall.setting.shed.send_every().max(u32::from(self.client.budget.send_every))
    }

    /// Chooses the slots anew, unless it is a turn that can be left out.
    #[inline(always)]
    fn choose(&mut self, turn: u32, desk: &mut Desk, search: &mut interest::Search) {
        let Hall { columns, bins, handles, setting, .. } = *self.hall;
        if setting.shed.has(Rung::Interest)
            && !self.client.is_due
            && !turn.is_multiple_of(setting.shed.interest_every())
        {
            desk.spared[Rung::Interest as usize] += 1;
            return;
        }
        self.client.is_due = false;
        let (tick, slots) = (setting.now, setting.shed.slots().min(usize::from(self.client.budget.slots)));
        let scene = Scene { columns, bins, handles, tick, slots };
        search.choose(self.client, self.player, self.own, &scene);
        if setting.sending == Sending::News {
            self.client.near = near::near(self.client, self.player, self.own, &scene);
        }
        if setting.shed.has(Rung::Slots) {
            let n = self.client.view.occupied.count_ones() + interest::EMPTY_MAX;
            desk.spared[Rung::Slots as usize] += u64::from(n as usize >= slots);
        }
    }

    /// Queues what is announced near this client in this tick; for a body that has just appeared, all of it.
    #[inline(never)]
    fn hear(&mut self, counts: &mut TimedCounts) {
        let (hall, place) = (self.hall, self.place);
        if self.player.is_new_here {
            self.player.is_new_here = false;
            let is_near = |cast: &&Cast| interest::distance2(place, cast.at) <= interest::steps2(HEAR_MM);
            for cast in hall.casts.iter().filter(is_near) {
                self.weigh(&cast.notice(), counts);
            }
        } else {
            hall.notices.near(place, HEAR_MM, |notice| self.weigh(notice, counts));
        }
    }

    /// What hurts the client where it stands, or nearly so, comes first; then its hits, then the nearest.
    fn weigh(&mut self, notice: &Notice, counts: &mut TimedCounts) {
        let d2 = interest::distance2(self.place, notice.middle);
        if d2 > interest::steps2(HEAR_MM) {
            return;
        }
        let hurts = notice.hurts == Side::Players && d2 <= interest::steps2(notice.radius_mm + NEAR_MM);
        if hurts {
            let until = notice.event.expires + THREAT_SECONDS * self.hall.setting.ticks_per_second;
            self.player.threaten(notice.owner, until);
            self.client.is_due = true;
        }
        counts.dropped += self.timeds.offer(if hurts { d2 } else { HIT_KEY + 1 + d2 }, notice.event);
    }

    /// Turns this tick's changes of the occupants into dirty bits. Returns the slots whose new motion is a small step
    /// from the last one that was sent, and whether an occupant is no more.
    ///
    /// - Cost: one load per slot without a branch; more for the few that have changed.
    #[inline(always)]
    fn mark_changes(&mut self) -> (u64, bool) {
        let client = &mut *self.client;
        // Empty slots hold the row of who sat there last: they are looked at as well, and left out by the view.
        let changes = self.hall.board.changes(&client.rows);
        let flagged = |flag: u8| changes[flag.trailing_zeros() as usize];
        let moved = changes[Motion::GROUP] & client.view.occupied;
        let mut gone = flagged(REPLACED) & client.view.occupied;
        let is_bereft = gone != 0;
        let columns = self.hall.columns;
        let (x_mm, y_mm) = (&columns.x_mm[..], &columns.y_mm[..columns.x_mm.len()]);
        for slot in ones(moved) {
            let row = client.rows[slot as usize % SLOTS] as usize;
            let off = (x_mm[row] - self.place.0).abs().max((y_mm[row] - self.place.1).abs());
            gone |= u64::from(off >= REACH_MM) << slot;
        }
        if gone != 0 {
            client.view.remove_all(gone);
        }
        for (group, &changed) in changes.iter().enumerate().take(N_GROUPS).skip(Motion::GROUP + 1) {
            client.view.mark(group, changed);
        }
        (client.view.mark(Motion::GROUP, moved) & !flagged(LEAPT), is_bereft)
    }

    /// Takes out of a snapshot what may wait for a later one: it stays dirty, and motion then goes whole. Motion of what
    /// has gone out of reach waits as well, and its introduction: it leaves the view at the next turn of interest, which
    /// may be as late as that.
    #[cold]
    #[inline(never)]
    fn hold_back(&self, turn: u32, holds_cosmetic: bool, mut plan: Plan, spared: &mut Spared) -> Plan {
        let Setting { shed, .. } = *self.hall.setting;
        let (columns, own) = (self.hall.columns, self.place);
        let beyond = |slots: u64, is_beyond: &dyn Fn((i32, i32)) -> bool| {
            let is_out = |slot: &u32| is_beyond(columns.place(self.client.row(*slot)));
            ones(slots).filter(is_out).fold(0u64, |mask, slot| mask | 1 << slot)
        };
        let out_of = |radius_mm| move |at| interest::distance2(own, at) > interest::steps2(radius_mm);
        let is_stray = |at: (i32, i32)| (at.0 - own.0).abs().max((at.1 - own.1).abs()) >= REACH_MM;
        plan.unknown &= !beyond(plan.unknown, &is_stray);
        let motion = &mut plan.groups[Motion::GROUP];
        if shed.holds_far(turn, self.send_every()) {
            let far = beyond(*motion, &out_of(shed::FAR_MM));
            spared[Rung::Far as usize] += u64::from(far.count_ones());
            *motion &= !far;
        } else {
            *motion &= !beyond(*motion, &is_stray);
        }
        if holds_cosmetic {
            let [status, look] = [plan.groups[Status::GROUP], plan.groups[Look::GROUP]];
            let aside = beyond(status | look, &out_of(shed::NEAR_MM));
            let n = (status & aside).count_ones() + (look & aside).count_ones();
            spared[Rung::Cosmetic as usize] += u64::from(n);
            plan.groups[Status::GROUP] &= !aside;
            plan.groups[Look::GROUP] &= !aside;
        }
        plan
    }

    #[inline(always)]
    fn send(&mut self, turn: u32, stepped: u64, desk: &mut Desk) {
        let tick = self.hall.setting.now;
        let mut plan = self.client.view.open();
        let holds_cosmetic = self.holds_cosmetic(turn);
        if self.hall.setting.shed.level() > 0 {
            plan = self.hold_back(turn, holds_cosmetic, plan, &mut desk.spared);
        }
        // What should go now, and finds no room.
        let mut left = 0;
        if usize::from(self.client.budget.frame_bytes) < FRAME_BYTES_MAX {
            let wanted = plan;
            plan = self.fit(plan);
            let groups = wanted.groups.iter().zip(&plan.groups);
            left = groups.fold(wanted.unknown & !plan.unknown, |left, (wanted, kept)| left | wanted & !kept);
        }
        let consumed = self.player.queue.newest_consumed;
        let is_quiet = plan.is_empty() && !self.timeds.is_due() && consumed == self.client.echoed;
        if is_quiet && tick.wrapping_sub(self.client.sent_at) < QUIET_TICKS_MAX {
            self.wait(desk);
            return;
        }
        (self.client.sent_at, self.client.echoed) = (tick, consumed);
        self.client.cosmetic_at = if holds_cosmetic { self.client.cosmetic_at } else { tick };
        let introduced = self.introduced(&plan);
        let news = self.client.view.commit(&plan, introduced);
        self.note_told(plan.dirty() | plan.emptied | introduced, left | plan.unknown & !introduced, desk);
        let mut room;
        let timed = if self.timeds.n == 0 {
            &[][..]
        } else {
            room = [Timed::default(); TIMED_PENDING_MAX];
            let departure = (plan.number, tick, self.place);
            let n = self.timeds.take(departure, &mut self.client.next_timed, &mut desk.timed, &mut room);
            &room[..n]
        };
        let mut groups = plan.groups;
        let steps = groups[Motion::GROUP] & stepped & plan.exact;
        groups[Motion::GROUP] &= !steps;
        let parts = Parts {
            header: self.header(plan.number, consumed),
            own: self.own_block(plan.own),
            news,
            introduced,
            steps,
            groups,
            timed,
        };
        let source = Seats { columns: self.hall.columns, client: self.client, number: plan.number, tick };
        let n_bytes = snapshot::encode(&parts, &source, desk.arena.room());
        desk.arena.seal(self.player.durable, n_bytes);
    }

    /// The unknown slots that go out now: all, or the nearest ones.
    #[inline(always)]
    fn introduced(&self, plan: &Plan) -> u64 {
        let is_room = plan.unknown.count_ones() as usize <= INTRODUCTIONS_MAX;
        if is_room { plan.unknown } else { self.nearest(plan.unknown, INTRODUCTIONS_MAX) }
    }

    /// So many of some slots, those whose occupants are nearest.
    #[cold]
    fn nearest(&self, slots: u64, n: usize) -> u64 {
        let own = self.place;
        let mut ranked = [(i64::MAX, 0u32); SLOTS];
        for slot in ones(slots) {
            let place = self.hall.columns.place(self.client.row(slot));
            let (dx, dy) = (i64::from(place.0 - own.0), i64::from(place.1 - own.1));
            ranked[slot as usize] = (dx * dx + dy * dy, slot);
        }
        ranked.select_nth_unstable(n - 1);
        ranked[..n].iter().fold(0, |mask, (_, slot)| mask | 1 << slot)
    }

    #[inline(always)]
    fn header(&self, number: u16, consumed: u32) -> Header {
        let tick = self.hall.setting.now;
        let below = if consumed == 0 { 255 } else { tick.wrapping_sub(consumed).min(255) };
        let margin_2ms = i32::from(self.client.margin_2ms);
        Header { number: u32::from(number), tick, consumed_below: below, margin_2ms }
    }

    #[inline(always)]
    fn own_block(&self, with_state: bool) -> Own {
        let state = with_state.then(|| self.own_state());
        Own { x_mm: self.place.0 as u32, y_mm: self.place.1 as u32, state }
    }

    #[inline(never)]
    fn own_state(&self) -> OwnState {
        let (columns, at) = (self.hall.columns, self.own.at());
        let (walker, setting) = (&self.player.walker, self.hall.setting);
        OwnState {
            move_state: walker.shown_state(),
            speed_mm_per_tick: setting.rules.speed_mm_per_tick as u32,
            forced_ticks: u32::from(walker.forced_ticks),
            forced_vx_mm_per_tick: walker.forced.0,
            forced_vy_mm_per_tick: walker.forced.1,
            health: u32::from(columns.health[at]),
            health_max: u32::from(columns.health_max[at]),
            resource: u32::from(walker.resource),
            swing_wait_ticks: self.player.swing_ready.saturating_sub(setting.now).min(255),
            dash_wait_ticks: u32::from(walker.dash_wait_ticks),
            area_wait_ticks: self.player.area_ready.saturating_sub(setting.now).min(255),
            shot_wait_ticks: self.player.shot_ready.saturating_sub(setting.now).min(255),
        }
    }
}

/// The occupants of a client's slots, as a frame wants them.
pub(crate) struct Seats<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) client: &'a Client,
    pub(crate) number: u16,
    pub(crate) tick: u32,
}

impl Slots for Seats<'_> {
    #[inline(always)]
    fn occupant(&self, slot: u32) -> (u32, Kind) {
        let row = self.client.row(slot).at();
        debug_assert_ne!(self.columns.id[row], EntityId::NONE, "a hole sits in slot {slot}");
        (self.columns.id[row].0, self.columns.kind[row])
    }

    #[inline(always)]
    fn news_age(&self, slot: u32) -> u32 {
        self.client.view.news_age(self.number, slot)
    }

    #[inline(always)]
    fn run(&self, group: usize, slot: u32) -> u64 {
        let row = self.client.row(slot);
        if group == Motion::GROUP {
            self.columns.motion_run(row, self.tick)
        } else {
            self.columns.shown[row.at()].run(group)
        }
    }
}

#[cfg(test)]
mod failed_tests;
