//! Phase 4b: hits hurt. Sorted by their targets they are applied run by run of rows; what came of them is sorted by
//! whoever is told of it, and told run by run.

use super::combat::THREAT_SECONDS;
use super::creatures::{Mind, provoke};
use super::parts::{Parts, Pile, Piles, Read, Runs, share_out};
use super::players::RESPAWN_SECONDS;
use super::{Hit, LANE_ROWS, Lane};
use crate::columns::{BLOCK, Columns};
use crate::ids::{EntityId, Handles, Row};
use crate::players::{Client, HIT_KEY, Pending, Player, Timeds};
use crate::rng::{Purpose, draw, within};
use crate::world::Setting;
use netproto::{Action, Kind, MoveState, TimedBody};

/// A hit that was not shown by then is not worth showing.
const HIT_SHOWN_MS: u32 = 1_000;
/// How long a dead creature lies.
const CORPSE_MS: u32 = 1_500;

/// A hit, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Blow {
    hit: Hit,
    /// The attacker's row, if it is still there.
    source_row: Option<Row>,
    amount: u16,
    critical: bool,
    fatal: bool,
    /// An earlier hit of this tick was not fatal.
    is_felt: bool,
}

impl Blow {
    /// A hit that nothing has come of yet.
    #[must_use]
    pub fn new(hit: Hit) -> Self {
        Self { hit, source_row: None, amount: 0, critical: false, fatal: false, is_felt: false }
    }

    /// The order of hits: the first to kill is the same whoever found it first.
    fn rank(&self) -> (EntityId, EntityId, crate::content::Power, bool) {
        (self.hit.target, self.hit.source, self.hit.power, self.fatal)
    }

    /// Takes health if there is some left; says whether it did.
    fn lands(&mut self, health: &mut u16, handles: &Handles, setting: &Setting) -> bool {
        if *health == 0 {
            return false; // an earlier hit of this tick was fatal
        }
        (self.amount, self.critical) = roll(&self.hit, setting);
        *health = health.saturating_sub(self.amount);
        (self.fatal, self.is_felt) = (*health == 0, true);
        self.source_row = handles.row_of(self.hit.source);
        true
    }
}

/// Somebody is told of a blow.
#[derive(Clone, Copy, Debug)]
pub struct Tell {
    row: Row,
    /// Which, among the sorted.
    blow: u32,
}

/// Hits and tellings of one tick, sorted by the runs of rows that they concern. Reused every tick.
#[derive(Debug)]
pub struct Blows {
    n_players: usize,
    by_target: Piles<Blow>,
    by_receiver: Piles<Tell>,
}

impl Blows {
    /// Room for so many hits in a tick without an allocation.
    #[must_use]
    pub fn warm(n_players: usize, n_creatures: usize, n_max: usize) -> Self {
        let n_blocks = (n_players + n_creatures).div_ceil(BLOCK);
        let n_lanes = n_players.div_ceil(LANE_ROWS);
        Self {
            n_players,
            by_target: Piles::warm(n_blocks, n_max),
            by_receiver: Piles::warm(n_lanes, 2 * n_max),
        }
    }

    /// Sorts all hits of the tick by their targets.
    ///
    /// - Cost: two passes over the hits.
    pub fn sort<'a>(&mut self, hits: impl Iterator<Item = &'a Hit> + Clone) {
        self.by_target.fill(hits.map(|hit| Blow::new(*hit)), |blow| blow.hit.target_row.at() / BLOCK);
    }

    /// Creatures that were killed, in no order.
    pub fn fallen(&self) -> impl Iterator<Item = Fallen> {
        let fatal = self.by_target.items().iter().filter(|blow| blow.fatal);
        let of_creatures = fatal.filter(|blow| blow.hit.target_row.at() >= self.n_players);
        of_creatures.map(|blow| Fallen {
            creature: blow.hit.target,
            row: blow.hit.target_row,
            by: blow.source_row,
        })
    }

    /// Sorts what came of them by those who dealt or took it.
    ///
    /// - Cost: two passes over the hits.
    pub fn sort_tellings(&mut self) -> Toll {
        let mut toll = Toll::default();
        let n_players = self.n_players;
        let blows = self.by_target.items();
        for blow in blows.iter().filter(|blow| blow.is_felt) {
            let is_player = blow.hit.target_row.at() < n_players;
            toll.n_hits += 1;
            toll.n_deaths += u64::from(blow.fatal && is_player);
            toll.n_kills += u64::from(blow.fatal && !is_player);
        }
        let felt = blows.iter().enumerate().filter(|(_, blow)| blow.is_felt);
        let tells = felt.flat_map(|(at, blow)| {
            let both = [blow.source_row, Some(blow.hit.target_row)].into_iter().flatten();
            both.map(move |row| Tell { row, blow: at as u32 })
        });
        let tells = tells.filter(|tell| tell.row.at() < n_players);
        self.by_receiver.fill(tells, |tell| tell.row.at() / LANE_ROWS);
        toll
    }
}

/// A creature that was killed in this tick.
#[derive(Clone, Copy, Debug)]
pub struct Fallen {
    /// Which.
    pub creature: EntityId,
    /// Its row.
    pub row: Row,
    /// The row of whoever did it, if that one is still there.
    pub by: Option<Row>,
}

/// What came of the hits of one tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    /// Hits that hurt.
    pub n_hits: u64,
    /// Creatures killed.
    pub n_kills: u64,
    /// Players killed.
    pub n_deaths: u64,
}

/// What applying hits may touch.
pub struct Wounds<'a> {
    /// All columns.
    pub columns: &'a mut Columns,
    /// By player row.
    pub players: &'a mut [Player],
    /// By creature row.
    pub minds: &'a mut [Mind],
    /// When each of them has something to do, likewise.
    pub wakes: &'a mut [u32],
    /// Finds the attackers' rows.
    pub handles: &'a Handles,
}

/// Applies sorted hits: of one target in the order of (source, power).
///
/// - Shapes: damage is rolled from the tick and both ids, so hits alike in all three do alike.
/// - Cost: runs of rows in parallel, those without a hit apart.
pub fn apply(blows: &mut Blows, wounds: Wounds<'_>, setting: &Setting) {
    let Wounds { columns, players, minds, wakes, handles } = wounds;
    let first = columns.n_players_max();
    let Columns { health, vx, vy, action, action_until, facing, kind, .. } = columns;
    let (health, vx, vy) = (health.split_at_mut(first), vx.split_at_mut(first), vy.split_at_mut(first));
    let (on_players, on_creatures) = blows.by_target.piles().cut(first / BLOCK);
    let n = BLOCK;
    let of_players = (on_players, Runs(players, n), Runs(health.0, n), Runs(vx.0, n), Runs(vy.0, n));
    share_out(of_players, |chunk, (pile, players, health, vx, vy)| {
        for blow in in_order(pile) {
            let at = blow.hit.target_row.at() - chunk * n;
            if blow.lands(&mut health.0[at], handles, setting) {
                wound_player(&mut players.0[at], blow, setting);
                if blow.fatal {
                    (vx.0[at], vy.0[at]) = (0, 0);
                }
            }
        }
    });
    let of_creatures = (
        on_creatures,
        Runs(minds, n),
        Runs(wakes, n),
        Runs(health.1, n),
        Runs(vx.1, n),
        Runs(vy.1, n),
        Runs(&mut action[first..], n),
        (Runs(&mut action_until[first..], n), Runs(&mut facing[first..], n)),
        Read(&kind[first..], n),
    );
    share_out(of_creatures, |chunk, (pile, minds, wakes, health, vx, vy, action, (until, facing), kind)| {
        for blow in in_order(pile) {
            let at = blow.hit.target_row.at() - first - chunk * n;
            if !blow.lands(&mut health.0[at], handles, setting) {
                continue;
            }
            let mind = &mut minds.0[at];
            wound_creature(mind, kind.0[at], blow, first, setting);
            wakes.0[at] = mind.wakes(setting.now);
            if blow.fatal {
                (vx.0[at], vy.0[at]) = (0, 0);
                (action.0[at], facing.0[at], until.0[at]) = (Action::None, 0, 0);
            }
        }
    });
}

fn in_order<'a>(pile: Pile<'a, Blow>) -> impl Iterator<Item = &'a mut Blow> {
    pile.items.sort_unstable_by_key(Blow::rank);
    pile.items.iter_mut()
}

fn wound_player(player: &mut Player, blow: &Blow, setting: &Setting) {
    player.own_changed = true;
    player.threaten(blow.hit.source, setting.now + THREAT_SECONDS * setting.ticks_per_second);
    if blow.fatal {
        player.walker.state = MoveState::Dead;
        player.walker.forced_ticks = 0;
        player.respawn_at = setting.now + RESPAWN_SECONDS * setting.ticks_per_second;
    }
}

fn wound_creature(mind: &mut Mind, kind: Kind, blow: &Blow, n_players: usize, setting: &Setting) {
    if blow.fatal {
        mind.die(setting.now + setting.ticks(CORPSE_MS));
    } else if blow.source_row.is_some_and(|row| row.at() < n_players) {
        provoke(mind, setting.content.creatures[kind as usize].temper, blow.hit.source, setting);
    }
}

/// Queues what came of the hits for the clients of those who dealt or took them, for each in the order of the hits.
///
/// - Cost: runs of players in parallel, those without news apart.
pub fn tell(
    blows: &mut Blows,
    clients: &[Client],
    timeds: &mut [Timeds],
    lanes: &mut [Lane],
    setting: &Setting,
) {
    let sorted = blows.by_target.items();
    let expires = setting.now + setting.ticks(HIT_SHOWN_MS);
    let n = LANE_ROWS;
    let parts = (blows.by_receiver.piles(), Read(clients, n), Runs(timeds, n), Runs(lanes, 1));
    share_out(parts, |chunk, (pile, clients, timeds, lane)| {
        pile.items.sort_unstable_by_key(|tell| sorted[tell.blow as usize].rank());
        for tell in pile.items.iter() {
            let at = tell.row.at() - chunk * n;
            if clients.0[at].is_attached {
                let Blow { hit, amount, critical, fatal, .. } = sorted[tell.blow as usize];
                let (source, target, amount) = (hit.source.0, hit.target.0, u32::from(amount));
                let body = TimedBody::Hit(netproto::Hit { source, target, amount, critical, fatal });
                let event = Pending::new(body, setting.now, expires, None);
                lane.0[0].n_untold += timeds.0[at].offer(HIT_KEY, event);
            }
        }
    });
}

/// Damage of a hit, and whether it is critical.
fn roll(hit: &Hit, setting: &Setting) -> (u16, bool) {
    let key = hit.source.0 ^ hit.target.0.rotate_left(16);
    let chance = |purpose| draw(setting.seed, setting.now, key, purpose);
    let power = hit.power;
    let critical = within(chance(Purpose::Critical), 0, 99) < i32::from(power.critical_percent);
    let (low, high) = (i32::from(power.damage_min), i32::from(power.damage_max));
    (within(chance(Purpose::Damage), low, high) as u16 * if critical { 2 } else { 1 }, critical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::players::TimedCounts;
    use crate::step::creatures::State;
    use kernel::walls::Walls;
    use netproto::{TIMED_PENDING_MAX, Timed};

    const FIRST: usize = BLOCK;

    fn hit(target: EntityId, target_row: usize, source: EntityId) -> Hit {
        let power = crate::content::Power { damage_min: 4, damage_max: 4, critical_percent: 0 };
        Hit { target, source, power, target_row: Row(target_row as u32) }
    }

    fn setting<'a>(content: &'a crate::Content, walls: &'a Walls, shed: &'a crate::Shed) -> Setting<'a> {
        Setting {
            seed: 1,
            now: 10,
            ticks_per_second: 20,
            side_mm: 60_000,
            spawn_radius_mm: 0,
            content,
            rules: kernel::walker::Rules::at(20),
            walls,
            shed,
            drill: None,
            sending: crate::Sending::EveryTick,
        }
    }

    #[test]
    fn what_is_told_of_hits_comes_in_an_order_that_knows_no_rows() {
        let (content, walls) = (crate::Content::standard(20), Walls::open(1));
        let shed = crate::Shed::none(60_000, 20);
        let setting = setting(&content, &walls, &shed);
        let (mut columns, mut handles) = (Columns::new(BLOCK, 2 * BLOCK), Handles::new(3 * BLOCK));
        let mut spawn = |row: usize, kind| columns.spawn(&mut handles, Row(row as u32), kind, (0, 0), 10);
        let hero = spawn(5, Kind::Player);
        // Later ids in earlier rows, and in two blocks.
        let prey: Vec<(EntityId, usize)> =
            (0..4).map(|at| FIRST + 100 - 30 * at).map(|row| (spawn(row, Kind::Deer), row)).collect();
        let mut hits: Vec<Hit> = prey.iter().map(|(id, row)| hit(*id, *row, hero)).collect();
        hits.extend_from_within(..);
        hits.push(hit(hero, 5, prey[3].0));
        let mut players = vec![Player::new(crate::DurableId::default(), (0, 0), &setting.rules); BLOCK];
        let (mut minds, mut wakes) = (vec![Mind::default(); 2 * BLOCK], vec![0; 2 * BLOCK]);
        let mut clients = vec![Client::new(); BLOCK];
        clients[5].is_attached = true;
        let (mut timeds, mut lanes) = (vec![Timeds::default(); BLOCK], [Lane::of_players()]);
        let mut blows = Blows::warm(BLOCK, 2 * BLOCK, 0);
        blows.sort(hits.iter());
        let (players, minds, wakes) = (&mut players, &mut minds, &mut wakes);
        apply(
            &mut blows,
            Wounds { columns: &mut columns, players, minds, wakes, handles: &handles },
            &setting,
        );
        let toll = blows.sort_tellings();
        assert_eq!((toll.n_hits, toll.n_kills, toll.n_deaths), (9, 0, 0));
        tell(&mut blows, &clients, &mut timeds, &mut lanes, &setting);
        let mut out = [Timed::default(); TIMED_PENDING_MAX];
        let n = timeds[5].take((0, 10, (0, 0)), &mut 0, &mut TimedCounts::default(), &mut out);
        let told: Vec<EntityId> = out[..n]
            .iter()
            .filter_map(|timed| match timed.body {
                TimedBody::Hit(hit) => Some(EntityId(hit.target)),
                _ => None,
            })
            .collect();
        let mut expected: Vec<EntityId> = hits.iter().map(|hit| hit.target).collect();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert!(
            prey.iter().all(|(_, row)| columns.health[*row] == 2 && minds[row - FIRST].state == State::Flee)
        );
    }

    #[test]
    fn a_hit_after_a_fatal_one_is_neither_felt_nor_told() {
        let (content, walls) = (crate::Content::standard(20), Walls::open(1));
        let shed = crate::Shed::none(60_000, 20);
        let setting = setting(&content, &walls, &shed);
        let (mut handles, mut health) = (Handles::new(4), 6);
        let (source, target) = (handles.take(Row(0)), handles.take(Row(64)));
        let mut blows = [Blow::new(hit(target, 64, source)); 3];
        let felt = blows.each_mut().map(|blow| blow.lands(&mut health, &handles, &setting));
        assert_eq!((felt, health), ([true, true, false], 0));
        assert_eq!(
            blows.map(|blow| (blow.is_felt, blow.fatal)),
            [(true, false), (true, true), (false, false)]
        );
    }
}
