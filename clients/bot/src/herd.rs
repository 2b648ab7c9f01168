//! All bots together: minds, connections, and what is learnt from their sessions.

use crate::brain::{Brain, Style};
use crate::tally::Tally;
use crate::trader::Trader;
use client_core::connect::Player;
use client_core::session::{Event, Session};
use netproto::{Command, Outcome, Record};
use std::io::Write as _;
use transport::{CloseReason, Link};

/// Samples of the view are taken every so many commands.
const SAMPLE_EVERY: u32 = 20;

/// One bot beside its session.
#[derive(Clone, Debug)]
struct Bot {
    brain: Brain,
    trader: Option<Trader>,
    link: Link,
    is_playing: bool,
    looks: bool,
    until_sample: u32,
}

/// The player behind every session of the crowd.
#[derive(Debug)]
pub struct Herd {
    bots: Vec<Bot>,
    n_playing: usize,
    /// Counted while measuring.
    pub tally: Tally,
    /// Whether anything is counted.
    pub is_measuring: bool,
    /// Snapshots applied since the owner looked.
    pub n_snapshots_recent: u64,
    /// Newest reason why somebody was refused or closed.
    pub trouble: Option<String>,
    /// A session has become ready since the owner looked.
    pub has_news: bool,
    /// A line for each order that was answered, if anybody wants it.
    pub orders_log: Option<OrdersLog>,
}

impl Herd {
    /// Bots by link; half of each kind use keys and half click. `looks` says which ones decode all they get; of these
    /// all trade, if any shall.
    #[must_use]
    pub fn new(links: &[Link], looks: impl Fn(usize) -> bool, trades: bool, seed: u64) -> Self {
        let bot = |(at, link): (usize, &Link)| {
            // Pairs: with both links in turn, each has keys and clicks.
            let style = if at / 2 % 2 == 0 { Style::Keys } else { Style::Clicks };
            let brain = Brain::new(style, seed.wrapping_add(at as u64));
            let until_sample = at as u32 % SAMPLE_EVERY;
            // Who does not look sees nobody to trade with, and nothing to take.
            let trader = (trades && looks(at)).then(|| Trader::new(seed.wrapping_add(at as u64)));
            Bot { brain, trader, link: *link, is_playing: false, looks: looks(at), until_sample }
        };
        Self {
            bots: links.iter().enumerate().map(bot).collect(),
            n_playing: 0,
            tally: Tally::default(),
            is_measuring: false,
            n_snapshots_recent: 0,
            trouble: None,
            has_news: false,
            orders_log: None,
        }
    }

    /// Bots that play.
    #[must_use]
    pub fn n_playing(&self) -> usize {
        self.n_playing
    }

    /// Begins to count, from nothing.
    pub fn open_window(&mut self) {
        self.tally = Tally::default();
        self.is_measuring = true;
    }

    fn set_playing(&mut self, at: usize, is_playing: bool) {
        if self.bots[at].is_playing != is_playing {
            self.bots[at].is_playing = is_playing;
            self.n_playing = if is_playing { self.n_playing + 1 } else { self.n_playing - 1 };
        }
    }

    fn sample(&mut self, at: usize, session: &Session) {
        let bot = &mut self.bots[at];
        if bot.until_sample > 0 {
            bot.until_sample -= 1;
            return;
        }
        bot.until_sample = SAMPLE_EVERY - 1;
        if bot.looks {
            self.tally.visible_sum += u64::from(session.view().occupied().count_ones());
            self.tally.n_visible += 1;
        }
    }
}

/// Where answers are written down, one line each: the player's durable id in hex, the request, what became of it, and what
/// was asked.
pub type OrdersLog = std::io::BufWriter<std::fs::File>;

impl Herd {
    fn log(&mut self, session: &Session, request: u32, outcome: Outcome, order: &Record) {
        let (Some(log), Some(welcome)) = (&mut self.orders_log, session.welcome()) else { return };
        let (high, low) = (welcome.durable_high, welcome.durable_low);
        if let Err(error) =
            writeln!(log, "{high:08x}{low:08x} {request} {} {}", outcome.name(), name_of(order))
        {
            self.trouble = Some(format!("the log of orders cannot be written: {error}"));
        }
    }
}

fn name_of(order: &Record) -> &'static str {
    match order {
        Record::PickUp(_) => "pick-up",
        Record::PutDown(_) => "put-down",
        Record::Give(_) => "give",
        Record::Offer(_) => "offer",
        Record::Reply(reply) if reply.accepts => "accept",
        Record::Reply(_) => "decline",
        Record::Capture(_) => "capture",
        _ => "set-free",
    }
}

impl Player for Herd {
    fn command(&mut self, at: usize, session: &Session) -> Option<Command> {
        if self.is_measuring {
            self.sample(at, session);
        }
        self.bots[at].brain.decide(session)
    }

    fn order(&mut self, at: usize, session: &Session) -> Option<Record> {
        let order = self.bots[at].trader.as_mut()?.decide(session)?;
        self.tally.orders.asked += u64::from(self.is_measuring);
        Some(order)
    }

    fn sent(&mut self, _at: usize, late_ns: u64) {
        if self.is_measuring {
            self.tally.sent(late_ns);
        }
    }

    fn received(&mut self, _at: usize, n_bytes: usize) {
        self.tally.n_bytes += n_bytes as u64;
    }

    fn event(&mut self, at: usize, session: &Session, event: Event) {
        match event {
            Event::Applied(applied) => {
                self.n_snapshots_recent += 1;
                if self.is_measuring {
                    self.tally.applied(self.bots[at].link, &applied);
                }
            }
            Event::InputAcked { ns } if self.is_measuring => self.tally.input_ack.record_ns(ns),
            Event::Answered { request, outcome, order: Some(order) } => {
                if self.is_measuring {
                    self.tally.orders.answered(outcome);
                }
                self.log(session, request, outcome, &order);
            }
            Event::Offered(offered) => {
                if let Some(trader) = &mut self.bots[at].trader {
                    trader.handle_offered(offered.offer);
                }
            }
            Event::Timed(timed) if self.is_measuring => self.tally.timed(&timed.body),
            Event::Ready => {
                self.has_news = true;
                self.set_playing(at, true);
            }
            Event::Lost => {
                self.set_playing(at, false);
                self.tally.n_lost += u64::from(self.is_measuring);
            }
            Event::Refused { reason, text } => {
                self.set_playing(at, false);
                self.trouble = Some(format!("bot {at} was refused ({reason:?}): {text}"));
            }
            Event::NoWalls(error) => self.trouble = Some(format!("bot {at} does not predict: {error}")),
            Event::Notice(text) => self.trouble = Some(format!("the zone says: {text}")),
            _ => {}
        }
    }

    fn closed(&mut self, at: usize, reason: &CloseReason) {
        self.trouble = Some(format!("bot {at} lost its connection: {reason}"));
    }

    fn no_socket(&mut self, at: usize, error: &std::io::Error) {
        self.trouble =
            Some(format!("bot {at} gets no socket: {error}; does `ulimit -n` allow one per WebSocket?"));
    }
}
