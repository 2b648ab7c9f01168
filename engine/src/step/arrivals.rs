//! Phase 2, its first half: inputs come in. Joins and farewells one by one, packets sorted by the runs of players
//! that they are for.

use super::parts::{Pile, Piles, Runs, share_out};
use super::{LANE_ROWS, Lane};
use crate::economy::Asker;
use crate::economy::settle::Decree;
use crate::ids::{ByDurable, DurableId, EntityId, Handles, Row};
use crate::input::{CommandQueue, Input};
use crate::outbox::{Fact, FactBody};
use crate::players::{Client, Player, Timeds};
use crate::world::{World, spawn_place};
use netproto::input::InputPacket;
use netproto::peer::View;
use netproto::{Kind, Refusal};
use rayon::prelude::*;

/// How long a body waits for its player.
pub const DETACHED_SECONDS: u32 = 30;
/// Packets whose players are looked up by one job.
const JOB_PACKETS: usize = 256;
/// A packet for a player without a body.
const STRAY: u32 = u32::MAX;

/// A packet that has found its player.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    row: u32,
    /// Which of the packets.
    at: u32,
}

/// Memory for packets of one tick. Reused every tick.
#[derive(Debug)]
pub struct Mail {
    rows: Vec<u32>,
    piles: Piles<Arrival>,
}

impl Mail {
    /// Room for so many packets per player without an allocation.
    #[must_use]
    pub fn warm(n_players: usize, n_each: usize) -> Self {
        let n_max = n_players * n_each;
        let piles = Piles::warm(n_players.div_ceil(LANE_ROWS), n_max);
        Self { rows: Vec::with_capacity(n_max), piles }
    }

    /// Packets by runs of players, each with the number of its packet in order.
    pub fn piles(&mut self) -> Pile<'_, Arrival> {
        self.piles.piles()
    }

    /// Finds the players of packets; returns how many have no body.
    ///
    /// - Cost: the look-ups in parallel, then two passes over the packets.
    fn sort(
        &mut self,
        packets: &[Input],
        by_durable: &ByDurable<EntityId>,
        handles: &Handles,
        mut part: impl FnMut(bool),
    ) -> u64 {
        let row_of = |input: &Input| match input {
            Input::Packet { player, .. } => by_durable.get(player).and_then(|id| handles.row_of(*id)),
            _ => None,
        };
        self.rows.resize(packets.len(), STRAY);
        part(false);
        (self.rows.par_chunks_mut(JOB_PACKETS), packets.par_chunks(JOB_PACKETS)).into_par_iter().for_each(
            |(rows, packets)| {
                for (row, packet) in rows.iter_mut().zip(packets) {
                    *row = row_of(packet).map_or(STRAY, |row| row.0);
                }
            },
        );
        part(true);
        let rows = self.rows.iter().enumerate().map(|(at, row)| Arrival { row: *row, at: at as u32 });
        let found = rows.filter(|arrival| arrival.row != STRAY);
        self.piles.fill(found, |arrival| arrival.row as usize / LANE_ROWS);
        (packets.len() - self.piles.items().len()) as u64
    }
}

/// Takes the packets of one run of players, each player's in the order in which they came.
pub fn take_packets(
    (packets, now): (&[Input], u32),
    (first, arrivals): (usize, &[Arrival]),
    players: &mut [Player],
    clients: &mut [Client],
    lane: &mut Lane,
) {
    for arrival in arrivals {
        let at = arrival.row as usize - first;
        if let Input::Packet { margin_2ms, packet, .. } = &packets[arrival.at as usize] {
            take_acks(&mut clients[at], *margin_2ms, packet);
            // The command for the tick that is being stepped came in time.
            let (n_new, n_refused) = players[at].queue.take(now - 1, packet);
            lane.n_received += u64::from(n_new);
            lane.n_refused += u64::from(n_refused);
        }
    }
}

fn take_acks(client: &mut Client, margin_2ms: i8, packet: &InputPacket) {
    client.margin_2ms = margin_2ms;
    // The newer acknowledgement says all that the older one said.
    let is_newer = (packet.acks.newest as u16).wrapping_sub(client.acks.newest as u16) < 1 << 15;
    if packet.acks.seen && (is_newer || !client.acks.seen) {
        client.acks = packet.acks;
    }
}

impl World {
    /// Takes all inputs in their order, the packets at their end apart: these are sorted only, and returned, for the
    /// jobs that step their players.
    ///
    /// - Cost: packets in parallel; every join and farewell between them parts them into two such passes.
    pub(crate) fn arrive<'a>(&mut self, inputs: &'a [Input], mut part: impl FnMut(bool)) -> &'a [Input] {
        let mut rest = inputs;
        loop {
            let is_packet = |input: &Input| matches!(input, Input::Packet { .. });
            let n = rest.iter().position(|input| !is_packet(input)).unwrap_or(rest.len());
            let (packets, later) = rest.split_at(n);
            if n > 0 || later.is_empty() {
                let mail = &mut self.scratch.mail;
                self.counts.packets_stray += mail.sort(packets, &self.by_durable, &self.handles, &mut part);
            }
            let Some((other, behind)) = later.split_first() else { return packets };
            if n > 0 {
                part(false);
                self.take_mail(packets);
                part(true);
            }
            self.admit(other);
            rest = behind;
        }
    }

    fn take_mail(&mut self, packets: &[Input]) {
        let (n, now) = (LANE_ROWS, self.now);
        let lanes = &mut self.scratch.player_lanes;
        let piles = self.scratch.mail.piles();
        let parts = (piles, Runs(&mut self.players, n), Runs(&mut self.clients, n), Runs(lanes, 1));
        share_out(parts, |chunk, (pile, players, clients, lane)| {
            let arrivals = (chunk * n, &*pile.items);
            take_packets((packets, now), arrivals, players.0, clients.0, &mut lane.0[0]);
        });
        self.count_commands();
    }

    /// Adds up what the lanes have counted of commands, once.
    pub(crate) fn count_commands(&mut self) {
        for lane in &mut self.scratch.player_lanes {
            self.counts.commands_received += std::mem::take(&mut lane.n_received);
            self.counts.commands_refused += std::mem::take(&mut lane.n_refused);
        }
    }

    /// Whatever is not a packet.
    fn admit(&mut self, input: &Input) {
        match input {
            Input::Join { player, in_flight_max, place } => self.join(*player, *in_flight_max, *place),
            Input::Detach { player } => self.detach(*player),
            Input::Leave { player } => self.leave(*player),
            Input::Shed(level) => self.shed.set_level(*level, self.now),
            Input::Drill(drill) => self.drill = Some(*drill),
            Input::Names(high) => self.market.rename(*high),
            Input::ReadOnly(is_read_only) => self.market.set_read_only(*is_read_only),
            Input::Decree { player, goods, is_gift, ticket, .. } => {
                let (player, goods, is_gift, ticket) = (*player, *goods, *is_gift, *ticket);
                self.scratch.table.decrees.push(Decree { player, goods, is_gift, ticket });
            }
            Input::Order { player, request, order } => {
                let by = Asker { player: *player, request: *request };
                self.scratch.table.orders.push((by, *order));
            }
            Input::Budget { player, budget } => {
                if let Some(row) = self.body(*player) {
                    self.clients[row.at()].budget = *budget;
                }
            }
            Input::Packet { .. } => {}
        }
    }

    fn body(&self, player: DurableId) -> Option<Row> {
        self.by_durable.get(&player).and_then(|id| self.handles.row_of(*id))
    }

    fn join(&mut self, player: DurableId, in_flight_max: u8, place: Option<(i32, i32)>) {
        let old = self.body(player);
        let Some(row) = old.or_else(|| self.enter(player, place)) else {
            self.scratch.facts.push(Fact { player, body: FactBody::Refused(Refusal::Full) });
            return;
        };
        let at = row.at();
        self.players[at].detached_at = 0;
        // A new connection counts its own commands: what the old one left behind is not for it to wait out.
        self.players[at].queue = CommandQueue::default();
        self.players[at].own_changed = true;
        self.players[at].is_new_here = true;
        self.timeds[at] = Timeds::default();
        self.clients[at] = Client { view: View::new(in_flight_max), is_attached: true, ..Client::new() };
        self.market.enter(player);
        self.scratch.table.welcome(player);
        let body = FactBody::Joined { entity: self.columns.id[at], resumed: old.is_some() };
        self.scratch.facts.push(Fact { player, body });
    }

    /// Gives a new player a body.
    fn enter(&mut self, player: DurableId, place: Option<(i32, i32)>) -> Option<Row> {
        let row = self.free_player_rows.pop()?;
        let place = match place {
            Some((x_mm, y_mm)) => {
                let last = self.config.side_mm - 1; // a stored place may be of a larger zone
                self.walls.free_near(x_mm.clamp(0, last), y_mm.clamp(0, last))
            }
            None => spawn_place(&crate::tick::setting!(self), player),
        };
        let health = self.content.class.health;
        let id = self.columns.spawn(&mut self.handles, row, Kind::Player, place, health);
        self.columns.look[row.at()] = (player.low % 16) as u16 | 1 << 4;
        self.players[row.at()] = Player::new(player, place, &self.rules);
        self.by_durable.insert(player, id);
        self.scratch.alarms.push(place);
        Some(row)
    }

    fn detach(&mut self, player: DurableId) {
        if let Some(row) = self.body(player) {
            self.clients[row.at()].is_attached = false;
            self.players[row.at()].detached_at = self.now;
        }
    }

    fn leave(&mut self, player: DurableId) {
        let Some(row) = self.body(player) else { return };
        self.scratch.alarms.push(self.columns.place(row));
        self.columns.despawn(&mut self.handles, row);
        self.clients[row.at()].is_attached = false;
        self.by_durable.remove(&player);
        let owns = self.market.close_purse(player);
        self.scratch.table.farewell(player);
        self.free_player_rows.push(row);
        self.scratch.facts.push(Fact { player, body: FactBody::Left { owns } });
    }

    /// Bodies whose players stayed away leave; looked for once a second.
    pub(crate) fn release_bodies(&mut self) {
        if !self.now.is_multiple_of(self.config.ticks_per_second) {
            return;
        }
        let wait = DETACHED_SECONDS * self.config.ticks_per_second;
        let (players, ids) = (&self.players, &self.columns.id);
        let is_over = |at: &usize| {
            let since = players[*at].detached_at;
            ids[*at] != EntityId::NONE && since != 0 && since + wait <= self.now
        };
        // In the order of ids: handles are given back in it, and later ids must not depend on rows.
        let mut over: Vec<DurableId> =
            (0..players.len()).filter(is_over).map(|at| players[at].durable).collect();
        over.sort_unstable();
        for player in over {
            self.leave(player);
        }
    }
}
