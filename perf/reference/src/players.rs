//! Players: each consumes one command, walks, swings, comes back from death.

use crate::bodies::Player;
use crate::world::World;
use engine::{EntityId, path};
use kernel::walker::Walker;
use netproto::{Action, Command, Move, MoveState};

/// How long a swing shows.
const SWING_SHOWN_MS: u32 = 250;

/// A swing of this tick.
#[derive(Clone, Copy, Debug)]
pub struct Swing {
    /// Whose: the place in the vector of bodies.
    pub at: usize,
    /// Where to.
    pub aim: u8,
}

impl World {
    /// Steps every player.
    pub(crate) fn consume_commands(&mut self) {
        self.swings.clear();
        for at in 0..self.players.len() {
            if self.bodies[at].id != EntityId::NONE {
                self.step_player(at);
            }
        }
    }

    fn step_player(&mut self, at: usize) {
        let now = self.now;
        let (body, player) = (&mut self.bodies[at], &mut self.players[at]);
        if player.respawn_at != 0 && player.respawn_at <= now {
            player.respawn_at = 0;
            player.walker = Walker::rested(&self.rules);
            body.health = body.health_max;
            (body.x_mm, body.y_mm) = player.home;
        }
        let is_alive = player.respawn_at == 0;
        if is_alive && now.is_multiple_of(self.content.class.regain_ticks) && body.health < body.health_max {
            body.health += 1;
        }
        let command = player.queue.consume(now);
        let place = body.place();
        (body.vx, body.vy) = player.walker.step(now, place, &command, &player.path, &self.rules);
        if is_alive {
            self.answer_click(at, &command, place);
            self.swing(at, &command);
        }
    }

    fn answer_click(&mut self, at: usize, command: &Command, place: (i32, i32)) {
        let (player, now) = (&mut self.players[at], self.now);
        if let Move::Goal(goal) = command.movement {
            player.asked = Some((now, (goal.x_mm as i32, goal.y_mm as i32)));
        } else if player.walker.state != MoveState::Goal {
            player.asked = None;
        }
        let Player { asked, path_ready, .. } = player;
        if let Some((tick, goal)) = asked.filter(|_| *path_ready <= now) {
            (*asked, *path_ready) = (None, now + path::EVERY_TICKS);
            player.path = path::find(&mut self.paths, &self.walls, place, goal, (tick, now));
        }
    }

    fn swing(&mut self, at: usize, command: &Command) {
        let (player, now) = (&mut self.players[at], self.now);
        let Some(deed) = command.deed.filter(|deed| deed.swing) else { return };
        if now < player.swing_ready || player.walker.state == MoveState::Dead {
            return;
        }
        player.swing_ready = now + u32::from(self.content.class.swing.wait_ticks);
        let (aim, until) = (deed.aim as u8, now + self.ticks(SWING_SHOWN_MS));
        self.bodies[at].show(Action::Swing, aim, until);
        self.swings.push(Swing { at, aim });
    }
}
