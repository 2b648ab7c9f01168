//! The admin page in a real browser, on a desk and on a phone, with bots in the zone.

use std::path::PathBuf;
use std::time::Duration;

use process_tests::browser::{Browser, Screen};
use process_tests::herd::Herd;
use process_tests::wait_for;
use process_tests::zone::Zone;
use serde_json::Value;

const DESK: Screen = Screen { width: 1280, height: 900, is_phone: false };
const PHONE: Screen = Screen { width: 390, height: 844, is_phone: true };
const BOTS: u64 = 16;

/// A zone large enough to have a whole and parts, with bots in its middle.
fn realm() -> (Zone, Herd) {
    let zone = Zone::start_with(&["--side-m", "400", "--creatures", "400", "--players-max", "60"]);
    let herd = Herd::enter(&zone, BOTS as u32);
    zone.wait_number("/attached", BOTS);
    (zone, herd)
}

fn open(zone: &Zone, screen: Screen) -> Browser {
    let mut browser = Browser::open(screen);
    browser.go(&format!("http://{}/", zone.admin));
    browser.wait_true("the page to be live", "document.body.dataset.state === 'live'");
    browser
}

/// Where pictures go, so that people can look at what the tests saw.
fn picture(name: &str) -> PathBuf {
    process_tests::binary::path("arcane").with_file_name("screenshots").join(name)
}

/// What a number on the page says.
fn shown(browser: &mut Browser, figure: &str) -> Option<u64> {
    let text = browser.evaluate(&format!("document.querySelector('[data-figure={figure}]').textContent"));
    text.as_str()?.replace(',', "").parse().ok()
}

/// How many colours a grid of points of the map has, and a sum over them that changes when they do.
const LOOK_AT_MAP: &str = "(() => {
    const map = document.querySelector('#map');
    const pixels = map.getContext('2d').getImageData(0, 0, map.width, map.height).data;
    const colours = new Set();
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 4) {
        const colour = pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2];
        if (at % 404 === 0) colours.add(colour);
        sum = (sum * 31 + colour) % 4294967291;
    }
    return [colours.size, sum];
})()";

fn look_at_map(browser: &mut Browser) -> (u64, u64) {
    let seen = browser.evaluate(LOOK_AT_MAP);
    (seen[0].as_u64().unwrap(), seen[1].as_u64().unwrap())
}

fn check_numbers(zone: &Zone, browser: &mut Browser) {
    for (figure, pointer) in
        [("players", "/players"), ("creatures", "/creatures"), ("overruns", "/total/overruns")]
    {
        // Both sides move: they agree at some moment, or one of them is wrong.
        wait_for(&format!("{figure} to agree"), Duration::from_secs(20), || {
            (shown(browser, figure) == Some(zone.number(pointer))).then_some(())
        });
    }
    let tick = zone.number("/tick");
    let page =
        wait_for("the tick", Duration::from_secs(20), || shown(browser, "tick").filter(|at| *at + 40 > tick));
    assert!(page <= zone.number("/tick"), "the page is ahead of the zone: {page}");
    let rows = "[...document.querySelectorAll('#clients tr')].map((row) => row.innerText.split('\\t'))";
    // Bots come one after the other.
    let table = wait_for("eight clients on each transport", Duration::from_secs(30), || {
        Some(browser.evaluate(rows)).filter(|table| table[0] == serde_json::json!(["connected", "8", "8"]))
    });
    assert!(table[1][1].as_str().unwrap().ends_with("ms") && table[1][2].as_str().unwrap().ends_with("ms"));
}

fn check_map(browser: &mut Browser) {
    browser.wait_true("the whole zone", "document.querySelector('.map').dataset.view === 'far'");
    let (n_colours, far) = look_at_map(browser);
    assert!(n_colours > 8, "the map has {n_colours} colours");
    let pixel = "(() => { const box = document.querySelector('#map').getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2]; })()";
    let middle = browser.evaluate(pixel);
    for _ in 0..4 {
        browser.wheel(middle[0].as_f64().unwrap(), middle[1].as_f64().unwrap(), -240.0);
    }
    browser.wait_true("dots in the close view", "Number(document.querySelector('#map').dataset.dots) >= 5");
    let (_, near) = look_at_map(browser);
    assert_ne!(near, far, "the close view looks like the whole");
    wait_for("movement on the map", Duration::from_secs(20), || {
        (look_at_map(browser).1 != near).then_some(())
    });
}

fn check_layout(browser: &mut Browser, screen: Screen) {
    let width = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(width <= screen.width.into(), "the page is {width} wide on a screen of {}", screen.width);
    let cut = "[...document.querySelectorAll('h1, h2, th, td, dd, button')]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && one.getClientRects().length)
        .map((one) => one.textContent)";
    assert_eq!(browser.evaluate(cut), serde_json::json!([]), "reach beyond the right border");
    for plot in ["timeline", "percentiles"] {
        let loaded = format!(
            "(() => {{ const plot = document.querySelector('#{plot}');
            return plot.complete && plot.naturalWidth > 0 && plot.clientHeight > 100; }})()"
        );
        browser.wait_true(plot, &loaded);
    }
    browser.wait_true("bytes", "document.querySelectorAll('#bytes-bar i').length === 9");
    browser.wait_true("stages", "document.querySelectorAll('#stages tr').length === 8");
}

fn check_page(screen: Screen, name: &str) {
    let (zone, _herd) = realm();
    let mut browser = open(&zone, screen);
    check_numbers(&zone, &mut browser);
    check_layout(&mut browser, screen);
    browser.screenshot(&picture(&format!("{name}.png")));
    check_map(&mut browser);
    browser.screenshot(&picture(&format!("{name}-near.png")));
    assert_eq!(browser.troubles(), Vec::<String>::new());
    // A page that lost its stream takes a moment to come back.
    wait_for("one spectator", Duration::from_secs(30), || (zone.number("/spectators") == 1).then_some(()));
    browser.evaluate("document.querySelector('#zoom-all').click()");
    browser.wait_true("no dots", "document.querySelector('#map').dataset.dots === '0'");
    wait_for("the spectator to leave", Duration::from_secs(20), || {
        (zone.number("/spectators") == 0).then_some(())
    });
}

#[test]
fn the_page_shows_the_zone_on_a_desk() {
    check_page(DESK, "desk");
}

#[test]
fn the_page_shows_the_zone_on_a_phone() {
    check_page(PHONE, "phone");
}

#[test]
fn a_zone_that_falls_silent_is_shown_as_stale_and_comes_back() {
    let zone = Zone::start();
    let mut browser = open(&zone, DESK);
    zone.signal("STOP");
    browser.wait_true("the stale state", "document.body.dataset.state === 'stale'");
    let words = browser.evaluate("document.querySelector('.state').innerText");
    assert!(words.as_str().unwrap().starts_with("no answer for "), "{words}");
    browser.screenshot(&picture("stale.png"));
    zone.signal("CONT");
    browser.wait_true("life", "document.body.dataset.state === 'live'");
}

#[test]
fn text_of_the_zone_is_never_markup() {
    let zone = Zone::start();
    let mut browser = open(&zone, DESK);
    let show = "(async () => {
        const { showDrops } = await import('/page/figures.js');
        showDrops([{ class: '<img src=x onerror=window.hurt=1>', n: 1, meaning: '<b>bold</b>' }]);
        return document.querySelector('#drops').textContent;
    })()";
    assert_eq!(browser.evaluate(show), "<img src=x onerror=window.hurt=1><b>bold</b>1");
    assert_eq!(
        browser.evaluate("window.hurt === undefined && !document.querySelector('#drops b')"),
        Value::Bool(true)
    );
}
