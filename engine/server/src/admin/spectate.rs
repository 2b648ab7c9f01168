//! A spectator: a rectangle of the zone, five times a second, as server-sent events.
//! Source: HTML Standard, section 9.2 "Server-sent events".

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use engine::picture::{DOTS_MAX, Dots, Lens};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Desk;
use super::easel::{Painted, Wish};
use super::looks::room;

/// Cameras that may look at once.
const CAMERAS_MAX: usize = 8;
/// At most five pictures a second.
const PICTURE_EVERY: Duration = Duration::from_millis(200);
/// A seat is given up after this. Pages take another one; who has gone to sleep does not keep it.
const SEAT_MAX: Duration = Duration::from_secs(300);
/// A rectangle may begin and end so far outside of the zone, m.
const REACH_M: f64 = 10_000.0;

/// The seats for spectators.
#[derive(Clone)]
pub(super) struct Cameras(Arc<Semaphore>);

impl Cameras {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CAMERAS_MAX)))
    }

    /// Seats taken.
    pub(super) fn n_taken(&self) -> usize {
        CAMERAS_MAX - self.0.available_permits()
    }
}

/// `GET /spectate?x=&y=&w=&h=`: west border, north border, width and height in metres.
pub(super) async fn spectate(State(desk): State<Desk>, uri: Uri) -> Response {
    let lens = match lens(uri.query().unwrap_or("")) {
        Ok(lens) => lens,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    let Ok(seat) = Arc::clone(&desk.cameras.0).try_acquire_owned() else {
        let text = format!("{CAMERAS_MAX} spectators look already: close another page\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let mut every = interval(PICTURE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let camera =
        Camera { desk, lens, every, dots: Box::default(), until: Instant::now() + SEAT_MAX, _seat: seat };
    // The next picture is asked for when the last one has left: who reads slowly gets fewer.
    let events = futures_util::stream::unfold(camera, |mut camera| async move {
        if Instant::now() >= camera.until {
            return None;
        }
        let event = camera.next().await;
        Some((Ok::<_, std::convert::Infallible>(event), camera))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

struct Camera {
    desk: Desk,
    lens: Lens,
    every: Interval,
    dots: Box<Dots>,
    until: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Camera {
    async fn next(&mut self) -> String {
        self.every.tick().await;
        let mut dots = std::mem::take(&mut self.dots);
        // The tick thread fills it, and is not to take memory.
        room(&mut dots.dots, DOTS_MAX);
        let wish = Wish::Dots(self.lens, dots);
        let Some(Painted { wish: Wish::Dots(_, dots), took }) = self.desk.gallery.ask(wish).await else {
            // A comment keeps the connection alive and says nothing.
            return ": the zone has no time for a picture\n\n".to_owned();
        };
        self.desk.handle_picture(took);
        let event = event(&dots);
        self.dots = dots;
        event
    }
}

/// One picture: `[id, x mm, y mm, kind, facing, health, action]` for each entity.
fn event(dots: &Dots) -> String {
    let mut text = String::with_capacity(64 + dots.dots.len() * 40);
    let write = |text: &mut String, part: std::fmt::Arguments<'_>| {
        text.write_fmt(part).expect("a String takes every text");
    };
    write(
        &mut text,
        format_args!("data: {{\"tick\":{},\"left_out\":{},\"dots\":[", dots.tick, dots.n_left_out),
    );
    for (at, dot) in dots.dots.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let (kind, action) = (dot.kind as u32, dot.action as u32);
        write(
            &mut text,
            format_args!(
                "{comma}[{},{},{},{kind},{},{},{action}]",
                dot.id.0, dot.x_mm, dot.y_mm, dot.facing, dot.health
            ),
        );
    }
    text.push_str("]}\n\n");
    text
}

/// Reads a rectangle.
pub(super) fn lens(query: &str) -> Result<Lens, String> {
    let number = |name: &str| -> Result<f64, String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut given = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let (Some(text), None) = (given.next(), given.next()) else {
            return Err(format!("{name} is to be given once: /spectate?x=0&y=0&w=100&h=100, in metres\n"));
        };
        let value = f64::from_str(text).ok().filter(|value| value.abs() <= REACH_M);
        value.ok_or_else(|| format!("{name} is to be a number of metres from -{REACH_M} to {REACH_M}\n"))
    };
    let (x, y, w, h) = (number("x")?, number("y")?, number("w")?, number("h")?);
    if w <= 0.0 || h <= 0.0 {
        return Err("w and h are to be above zero\n".to_owned());
    }
    let mm = |m: f64| (m * 1000.0) as i32;
    Ok(Lens { west_mm: mm(x), north_mm: mm(y), east_mm: mm(x + w), south_mm: mm(y + h) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::EntityId;
    use engine::picture::Dot;
    use netproto::{Action, Kind};

    #[test]
    fn a_rectangle_is_read_from_metres() {
        let lens = lens("x=-5&y=10.5&w=100&h=20").unwrap();
        let expected = Lens { west_mm: -5_000, north_mm: 10_500, east_mm: 95_000, south_mm: 30_500 };
        assert_eq!(lens, expected);
    }

    #[test]
    fn a_wrong_rectangle_is_answered_with_what_is_wrong() {
        for (query, word) in [
            ("", "x is to be given once"),
            ("x=1&y=2&w=3", "h is to be given once"),
            ("x=1&x=1&y=2&w=3&h=1", "x is to be given once"),
            ("x=1&y=zwei&w=3&h=1", "y is to be a number"),
            ("x=1&y=NaN&w=3&h=1", "y is to be a number"),
            ("x=1&y=1e300&w=3&h=1", "y is to be a number"),
            ("x=1&y=inf&w=3&h=1", "y is to be a number"),
            ("x=1&y=2&w=0&h=1", "above zero"),
            ("x=1&y=2&w=1&h=-4", "above zero"),
        ] {
            let text = lens(query).unwrap_err();
            assert!(text.contains(word), "{query}: {text}");
        }
    }

    #[test]
    fn a_picture_is_one_event_of_plain_json() {
        let dot = Dot {
            id: EntityId(77),
            x_mm: 1234,
            y_mm: 9,
            kind: Kind::Wolf,
            action: Action::Windup,
            facing: 64,
            health: 128,
        };
        let text = event(&Dots { tick: 5, dots: vec![dot, dot], n_left_out: 3 });
        let json = text.strip_prefix("data: ").and_then(|text| text.strip_suffix("\n\n")).unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!((&json["tick"], &json["left_out"]), (&5.into(), &3.into()));
        assert_eq!(json["dots"][1], serde_json::json!([77, 1234, 9, 3, 64, 128, 3]));
    }
}
