//! Phases 7 and 8: each client once. Acknowledgements, losses, slots, one snapshot.

use crate::bins::Bins;
use crate::columns::{Columns, REPLACED};
use crate::ids::{EntityId, Handles, Row};
use crate::interest::{self, Scene};
use crate::notices::{HEAR_MM, NEAR_MM, Notice, Notices};
use crate::outbox::Arena;
use crate::players::{Client, HIT_KEY, Player, TimedCounts, Timeds};
use crate::publish::SLACK_MM;
use crate::step::LANE_ROWS;
use crate::step::casts::Cast;
use crate::step::combat::THREAT_SECONDS;
use crate::world::Setting;
use jobs::scratch::PerThread;
use netproto::peer::Plan;
use netproto::snapshot::{self, Parts, Slots, ones};
use netproto::{
    Header, INTRODUCTIONS_MAX, Introduction, Look, Motion, N_GROUPS, Own, OwnState, Side, Status,
    TIMED_PENDING_MAX, Timed, Vitals,
};
use netproto::{POSITION_WRAP_MM, SEGMENT_AGE_TICKS_MAX};
use rayon::prelude::*;

/// An empty snapshot goes out all the same when the last one is this old.
pub const QUIET_TICKS_MAX: u32 = 4;
/// Motion is not sent for an entity that has gone this far per axis within a turn of interest: it leaves the view.
const REACH_MM: i32 = 58_000;
// A client finds the segment's anchor within half the wrap, also when it is as old as may be and at full speed.
const _: () = assert!(REACH_MM + 512 * SEGMENT_AGE_TICKS_MAX as i32 + SLACK_MM < POSITION_WRAP_MM / 2);
const ALL_GROUPS: u8 = (1 << N_GROUPS) - 1;

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
}

impl Desk {
    /// A desk that will not allocate in an ordinary tick.
    #[must_use]
    pub fn warm() -> Self {
        let arena = Arena::with_room(LANE_ROWS);
        Self { arena, n_visible: 0, n_clients: 0, timed: TimedCounts::default() }
    }
}

/// What serving clients reads.
pub struct Hall<'a> {
    /// All columns, published.
    pub columns: &'a Columns,
    /// The index of this tick.
    pub bins: &'a Bins,
    /// Finds threats.
    pub handles: &'a Handles,
    /// What everybody near must be told.
    pub notices: &'a Notices,
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
            let mut search = searches.mine();
            desk.arena.clear();
            (desk.n_visible, desk.n_clients, desk.timed) = (0, 0, TimedCounts::default());
            for at in 0..players.len() {
                if clients[at].is_attached {
                    let own = Row((chunk * n + at) as u32);
                    let mut visit = Visit { hall, own, player: &mut players[at], client: &mut clients[at] };
                    visit.serve(&mut timeds[at], desk, &mut search);
                }
            }
        });
}

/// One client's turn.
struct Visit<'a> {
    hall: &'a Hall<'a>,
    own: Row,
    player: &'a mut Player,
    client: &'a mut Client,
}

impl Visit<'_> {
    fn serve(&mut self, timeds: &mut Timeds, desk: &mut Desk, search: &mut interest::Search) {
        let tick = self.hall.setting.now;
        let acks = std::mem::take(&mut self.client.acks);
        let settled = self.client.view.handle_acks(&acks);
        if timeds.n > 0 {
            desk.timed.expired += timeds.settle(settled, tick);
        }
        self.mark_changes();
        self.hear(timeds, &mut desk.timed);
        if self.client.is_due || interest::is_turn(self.hall.columns.id[self.own.at()], tick) {
            self.client.is_due = false;
            let Hall { columns, bins, handles, .. } = *self.hall;
            search.choose(self.client, self.player, self.own, &Scene { columns, bins, handles, tick });
        }
        if self.player.own_changed {
            self.player.own_changed = false;
            self.client.view.mark_own();
        }
        desk.n_visible += u64::from(self.client.view.occupied.count_ones());
        desk.n_clients += 1;
        if self.client.view.may_send(tick) {
            self.send(timeds, desk);
        }
    }

    /// Queues what is announced near this client in this tick; for a body that has just appeared, all of it.
    fn hear(&mut self, timeds: &mut Timeds, counts: &mut TimedCounts) {
        let hall = self.hall;
        if self.player.is_new_here {
            self.player.is_new_here = false;
            let place = hall.columns.place(self.own);
            let is_near = |cast: &&Cast| interest::distance2(place, cast.at) <= interest::steps2(HEAR_MM);
            for cast in hall.casts.iter().filter(is_near) {
                self.weigh(&cast.notice(), timeds, counts);
            }
        } else if !hall.notices.is_empty() {
            let place = hall.columns.place(self.own);
            hall.notices.near(place, HEAR_MM, |notice| self.weigh(notice, timeds, counts));
        }
    }

    /// What hurts the client where it stands, or nearly so, comes first; then its hits, then the nearest.
    fn weigh(&mut self, notice: &Notice, timeds: &mut Timeds, counts: &mut TimedCounts) {
        let place = self.hall.columns.place(self.own);
        let d2 = interest::distance2(place, notice.middle);
        if d2 > interest::steps2(HEAR_MM) {
            return;
        }
        let hurts = notice.hurts == Side::Players && d2 <= interest::steps2(notice.radius_mm + NEAR_MM);
        if hurts {
            let until = notice.event.expires + THREAT_SECONDS * self.hall.setting.ticks_per_second;
            self.player.threaten(notice.owner, until);
            self.client.is_due = true;
        }
        counts.dropped += timeds.offer(if hurts { d2 } else { HIT_KEY + 1 + d2 }, notice.event);
    }

    /// Turns this tick's changes of the occupants into dirty bits.
    fn mark_changes(&mut self) {
        let columns = self.hall.columns;
        let own = columns.place(self.own);
        let mut marks = [0u64; N_GROUPS];
        for slot in self.client.view.slots() {
            let row = self.client.row(slot);
            let changed = columns.changed[row.at()];
            if changed == 0 {
                continue;
            }
            let at = columns.place(row);
            let is_near = (at.0 - own.0).abs() < REACH_MM && (at.1 - own.1).abs() < REACH_MM;
            if changed & REPLACED != 0 || !is_near {
                self.client.view.remove(slot);
                continue;
            }
            debug_assert_eq!(changed & !ALL_GROUPS, 0);
            for (group, mark) in marks.iter_mut().enumerate() {
                *mark |= u64::from(changed >> group & 1) << slot;
            }
        }
        for (group, mark) in marks.into_iter().enumerate() {
            self.client.view.mark(group, mark);
        }
    }

    fn send(&mut self, timeds: &mut Timeds, desk: &mut Desk) {
        let tick = self.hall.setting.now;
        let plan = self.client.view.open();
        let consumed = self.player.queue.newest_consumed;
        let is_quiet = plan.is_empty() && timeds.n == 0 && consumed == self.client.echoed;
        if is_quiet && tick.wrapping_sub(self.client.sent_at) < QUIET_TICKS_MAX {
            return;
        }
        (self.client.sent_at, self.client.echoed) = (tick, consumed);
        let introduced = self.introduced(&plan);
        let news = self.client.view.commit(&plan, introduced);
        let mut timed = [Timed::default(); TIMED_PENDING_MAX];
        let departure = (plan.number, tick, self.hall.columns.place(self.own));
        let next = &mut self.client.next_timed;
        let n_timed = timeds.take(departure, next, &mut desk.timed, &mut timed);
        let parts = Parts {
            header: self.header(plan.number, consumed),
            own: self.own_block(plan.own),
            news,
            introduced,
            groups: plan.groups,
            timed: &timed[..n_timed],
        };
        let source = Seats { columns: self.hall.columns, client: self.client, tick };
        desk.arena.push(self.player.durable, |buffer| snapshot::encode(&parts, &source, buffer));
    }

    /// The unknown slots that go out now: all, or the nearest ones.
    fn introduced(&self, plan: &Plan) -> u64 {
        if plan.unknown.count_ones() as usize <= INTRODUCTIONS_MAX {
            return plan.unknown;
        }
        let own = self.hall.columns.place(self.own);
        let mut ranked = [(i64::MAX, 0u32); netproto::SLOTS];
        for slot in ones(plan.unknown) {
            let place = self.hall.columns.place(self.client.row(slot));
            let (dx, dy) = (i64::from(place.0 - own.0), i64::from(place.1 - own.1));
            ranked[slot as usize] = (dx * dx + dy * dy, slot);
        }
        ranked.select_nth_unstable(INTRODUCTIONS_MAX - 1);
        ranked[..INTRODUCTIONS_MAX].iter().fold(0, |mask, (_, slot)| mask | 1 << slot)
    }

    fn header(&self, number: u16, consumed: u32) -> Header {
        let tick = self.hall.setting.now;
        let below = if consumed == 0 { 255 } else { tick.wrapping_sub(consumed).min(255) };
        let margin_2ms = i32::from(self.client.margin_2ms);
        Header { number: u32::from(number), tick, consumed_below: below, margin_2ms }
    }

    fn own_block(&self, with_state: bool) -> Own {
        let (columns, at) = (self.hall.columns, self.own.at());
        let state = with_state.then(|| {
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
        });
        Own { x_mm: columns.x_mm[at] as u32, y_mm: columns.y_mm[at] as u32, state }
    }
}

/// The occupants of a client's slots, as a frame wants them.
struct Seats<'a> {
    columns: &'a Columns,
    client: &'a Client,
    tick: u32,
}

impl Slots for Seats<'_> {
    fn introduction(&self, slot: u32) -> Introduction {
        let row = self.client.row(slot).at();
        let columns = self.columns;
        debug_assert_ne!(columns.id[row], EntityId::NONE, "a hole sits in slot {slot}");
        let run = |group| columns.shown[row].run(group);
        let bounded = "published values are in bounds";
        Introduction {
            slot,
            entity: columns.id[row].0,
            kind: columns.kind[row],
            motion: columns.segment_at(Row(row as u32), self.tick).to_motion(),
            vitals: Vitals::unpack(run(Vitals::GROUP)).expect(bounded),
            status: Status::unpack(run(Status::GROUP)).expect(bounded),
            look: Look::unpack(run(Look::GROUP)).expect(bounded),
        }
    }

    #[inline]
    fn run(&self, group: usize, slot: u32) -> u64 {
        let row = self.client.row(slot);
        if group == Motion::GROUP {
            self.columns.motion_run(row, self.tick)
        } else {
            self.columns.shown[row.at()].run(group)
        }
    }
}
