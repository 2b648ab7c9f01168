//! Phases 7 and 8: each client once. Acknowledgements, losses, slots, one snapshot.

use crate::bins::Bins;
use crate::columns::{Columns, REPLACED};
use crate::ids::{EntityId, Handles, Row};
use crate::interest::{self, Scene};
use crate::outbox::Arena;
use crate::players::{Client, Player, Timeds};
use crate::publish::SLACK_MM;
use crate::step::LANE_ROWS;
use crate::world::Setting;
use jobs::scratch::PerThread;
use netproto::peer::Plan;
use netproto::snapshot::{self, Parts, Slots, ones};
use netproto::{
    Header, INTRODUCTIONS_MAX, Introduction, Look, Motion, N_GROUPS, Own, OwnState, RING, Status,
    TIMED_BYTES_MAX, TIMED_PENDING_MAX, Timed, Vitals,
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
}

impl Desk {
    /// A desk that will not allocate in an ordinary tick.
    #[must_use]
    pub fn warm() -> Self {
        let arena = Arena::with_room(LANE_ROWS);
        Self { arena, n_visible: 0, n_clients: 0 }
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
            (desk.n_visible, desk.n_clients) = (0, 0);
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
            timeds.settle(settled, tick);
        }
        self.mark_changes();
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
            self.send(timeds, &mut desk.arena);
        }
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

    fn send(&mut self, timeds: &mut Timeds, arena: &mut Arena) {
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
        let n_timed = take_timed(timeds, plan.number, tick, &mut timed);
        let parts = Parts {
            header: self.header(plan.number, consumed),
            own: self.own_block(plan.own),
            news,
            introduced,
            groups: plan.groups,
            timed: &timed[..n_timed],
        };
        let source = Seats { columns: self.hall.columns, client: self.client, tick };
        arena.push(self.player.durable, |buffer| snapshot::encode(&parts, &source, buffer));
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
            }
        });
        Own { x_mm: columns.x_mm[at] as u32, y_mm: columns.y_mm[at] as u32, state }
    }
}

/// Takes what fits of the waiting events, oldest first.
fn take_timed(timeds: &mut Timeds, number: u16, tick: u32, out: &mut [Timed; TIMED_PENDING_MAX]) -> usize {
    let place = 1u16 << (usize::from(number) % RING);
    timeds.forget(place);
    let fits = (TIMED_BYTES_MAX * 8) / Timed::BITS_MAX as usize;
    let n = timeds.n.min(fits);
    for (event, timed) in timeds.events[..n].iter_mut().zip(out) {
        event.sent |= place;
        let age = tick.wrapping_sub(event.tick).min(63);
        *timed = Timed { sequence: u32::from(event.sequence), age, body: event.body };
    }
    n
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
            motion: columns.segment[row].fresh(self.tick).to_motion(),
            vitals: Vitals::unpack(run(Vitals::GROUP)).expect(bounded),
            status: Status::unpack(run(Status::GROUP)).expect(bounded),
            look: Look::unpack(run(Look::GROUP)).expect(bounded),
        }
    }

    #[inline]
    fn run(&self, group: usize, slot: u32) -> u64 {
        let row = self.client.row(slot).at();
        if group == Motion::GROUP {
            self.columns.segment[row].fresh(self.tick).to_motion().pack()
        } else {
            self.columns.shown[row].run(group)
        }
    }
}
