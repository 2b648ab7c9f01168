//! What is answered under which path.

use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::board::Health;
use super::easel::{ANSWER_MAX, LOOK_EVERY, Painted, Wish};
use super::guard::{self, Token};
use super::{Desk, drops, metrics, orders, page, spectate};
use crate::planted;

/// A document of its own when it is opened by itself: its styles are inside.
const SVG_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

const HELP: &str = "\
GET /                      the page for people
GET /healthz               200 while the zone ticks, 503 when it drains or is stuck
GET /metrics               Prometheus text
GET /status.json           the same for programs, with a measuring window
GET /history.json          the last ten minutes, second by second
GET /clients.json          connections by transport: how many, round trips, losses, rates
GET /bytes.json            where the bytes of snapshots go
GET /drops.json            what was dropped, by class
GET /map.json              players and creatures per tile, cells; once a second
GET /walls.bin             the wall bitmap, 512 bytes per tile
GET /spectate?x=&y=&w=&h=  entities in a rectangle in metres, five times a second, as server-sent events
GET /plot/percentiles.svg  durations of tick and stages as a percentile curve; ?since=window or total
GET /plot/timeline.svg     the last ten minutes of ticks
POST /order                gives, takes, kicks, tells everybody: JSON as `arcanectl admin` sends it; needs the token
POST /window               begins a new measuring window; needs the token of DATA_DIR/admin.token
";

pub(super) fn router(desk: Desk, token: Token) -> Router {
    Router::new()
        .route("/", get(|| async { page::file("index.html") }))
        .route("/page/{name}", get(|Path(name): Path<String>| async move { page::file(&name) }))
        .route("/help", get(|| async { HELP }))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics_page))
        .route("/status.json", get(status))
        .route("/history.json", get(history))
        .route("/clients.json", get(clients))
        .route("/bytes.json", get(bytes))
        .route("/drops.json", get(drops_page))
        .route("/map.json", get(map))
        .route("/walls.bin", get(walls))
        .route("/spectate", get(spectate::spectate))
        .route("/plot/percentiles.svg", get(percentiles))
        .route("/plot/timeline.svg", get(timeline))
        .route("/window", post(window))
        .route("/order", post(orders::order).layer(DefaultBodyLimit::max(orders::BODY_BYTES_MAX)))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "there is no such page; GET /help lists what there is\n")
        })
        .with_state(desk)
        .layer(from_fn_with_state(token, guard::check))
}

async fn healthz(State(desk): State<Desk>) -> impl IntoResponse {
    let (health, age) = desk.board().health(Instant::now());
    let (status, word) = match health {
        Health::Ok => (StatusCode::OK, "ok"),
        Health::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Health::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Health::Stuck => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
    };
    (status, format!("{word}, last tick {} ms ago\n", age.as_millis()))
}

async fn metrics_page(State(desk): State<Desk>) -> impl IntoResponse {
    let n_reports_lost = desk.n_reports_lost();
    let page = metrics::metrics(&desk.board(), &desk.looks(), n_reports_lost, Instant::now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

async fn status(State(desk): State<Desk>) -> impl IntoResponse {
    let mut status = desk.board().status(Instant::now());
    status["spectators"] = desk.cameras.n_taken().into();
    status["pictures"] = desk.looks().pictures_json();
    axum::Json(status)
}

async fn history(State(desk): State<Desk>) -> impl IntoResponse {
    axum::Json(desk.board().history())
}

async fn clients(State(desk): State<Desk>) -> impl IntoResponse {
    axum::Json(desk.looks().clients.json())
}

async fn bytes(State(desk): State<Desk>) -> impl IntoResponse {
    axum::Json(desk.looks().bytes.json())
}

async fn drops_page(State(desk): State<Desk>) -> impl IntoResponse {
    let n_reports_lost = desk.n_reports_lost();
    axum::Json(drops::drops(&desk.board().numbers, n_reports_lost))
}

async fn map(State(desk): State<Desk>) -> Response {
    let Some(land) = desk.land.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the world is not there yet\n").into_response();
    };
    let stale = desk.looks().take_spare(Instant::now(), land);
    // Whoever comes while the very first overview is made gets that one too.
    let mut until = Instant::now() + ANSWER_MAX;
    if let Some(overview) = stale {
        if let Some(Painted { wish: Wish::Overview(overview), took }) =
            desk.gallery.ask(Wish::Overview(overview)).await
        {
            desk.handle_picture(took);
            desk.looks().handle_overview(overview);
        }
        until = Instant::now();
    }
    loop {
        let map = desk.looks().map(land);
        match map {
            Some(map) => return axum::Json(map).into_response(),
            None if Instant::now() >= until => break,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the zone has no time for a picture\n").into_response()
}

async fn walls(State(desk): State<Desk>) -> Response {
    match desk.land.get() {
        Some(land) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], land.walls.clone()).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "the world is not there yet\n").into_response(),
    }
}

async fn percentiles(State(desk): State<Desk>, uri: Uri) -> Response {
    let board = desk.board();
    match uri.query() {
        None | Some("since=window") => svg(board.percentiles_of_window()),
        Some("since=total") => svg(board.percentiles_of_total()),
        Some(_) => {
            let text = "since is to be window or total: /plot/percentiles.svg?since=total\n";
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}

async fn timeline(State(desk): State<Desk>) -> Response {
    svg(desk.board().timeline())
}

fn svg(image: String) -> Response {
    let kind = HeaderValue::from_static("image/svg+xml");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, SVG_POLICY)], image).into_response()
}

async fn window(State(desk): State<Desk>) -> StatusCode {
    planted::end_at_window();
    desk.board().handle_window(Instant::now());
    StatusCode::NO_CONTENT
}
