//! A whole zone in virtual time: no sockets, no clock, one seed.
#[path = "sim/alone.rs"]
mod alone;
#[path = "sim/budget.rs"]
mod budget;
#[path = "sim/economy.rs"]
mod economy;
#[path = "sim/fixtures.rs"]
mod fixtures;
#[path = "sim/late.rs"]
mod late;
#[path = "sim/life.rs"]
mod life;
#[path = "sim/news.rs"]
mod news;
#[path = "sim/oracle.rs"]
mod oracle;
#[path = "sim/plain.rs"]
mod plain;
#[path = "sim/processors.rs"]
mod processors;
#[path = "sim/sameness.rs"]
mod sameness;
#[path = "sim/shed.rs"]
mod shed;
#[path = "sim/telegraph.rs"]
mod telegraph;
#[path = "sim/w1.rs"]
mod w1;
