//! The whole crate over real loopback sockets, server and clients on one thread, every wait bounded.
#[path = "transport/rig.rs"]
mod rig;

#[path = "transport/back_pressure.rs"]
mod back_pressure;
#[path = "transport/echo.rs"]
mod echo;
#[path = "transport/floods.rs"]
mod floods;
#[path = "transport/hostile.rs"]
mod hostile;
#[path = "transport/identity.rs"]
mod identity;
#[path = "transport/quiet.rs"]
mod quiet;
#[path = "transport/survey.rs"]
mod survey;
