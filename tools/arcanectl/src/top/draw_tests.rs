//! What a frame looks like, for the busiest zone, for none, and for terminals of any size.

use super::*;

const SMALL: Size = Size { columns: 80, rows: 24 };

fn admin() -> SocketAddr {
    ([127, 0, 0, 1], 65_535).into()
}

/// A zone as busy as one can be.
fn busy() -> Picture {
    let times = Times { p50: Some(48.123), p99: Some(149.9), max: Some(12_345.678) };
    let link = Link {
        clients: Some(10_000.0),
        rtt_p50: Some(45.67),
        rtt_p99: Some(1_234.5),
        loss_share: Some(0.9999),
        bytes_in: Some(123_456_789.0),
        bytes_out: Some(9_876_543_210.0),
        queued: Some(64_000_000.0),
    };
    let dense = Dense { tile: (63, 63), bin: 63, players: 20_000, others: 200_000 };
    Picture {
        health: Some("draining".to_owned()),
        tick: Some(4_000_000_000.0),
        ticks_per_second: Some(30.0),
        uptime_seconds: Some(99.0 * 86_400.0 + 86_399.0),
        shed_level: Some(12.0),
        period_ms: Some(100.0),
        players: Some(20_000.0),
        attached: Some(20_000.0),
        creatures: Some(200_000.0),
        connections: Some(25_256.0),
        spectators: Some(16.0),
        last_second: times,
        last_minute: times,
        total: times,
        p99_by_second: (0..60).map(f64::from).collect(),
        overruns_own: [Some(1_800.0), Some(123_456_789.0)],
        overruns_stolen: [Some(1_800.0), Some(123_456_789.0)],
        late: Some(123_456_789.0),
        run_queue_ms: Some(999.99),
        steal_ms: Some(999.99),
        minor_faults: Some(1_234_567.0),
        tick_cpu_ms: Some(99.9),
        stages_ms: [Some(12.345); STAGES.len()],
        links: [link; 2],
        snapshots_per_second: Some(600_000.0),
        inputs_per_second: Some(600_000.0),
        tiles: vec![dense; 4096],
        cells: vec![dense; 4096],
    }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text(false) + "\n").collect()
}

#[test]
fn the_busiest_zone_fits_80_by_24_and_nothing_is_cut() {
    let wide = Size { columns: 80, rows: 24 };
    let lines = frame(&busy(), admin(), None, wide);
    assert_eq!(lines.len(), 24, "\n{}", text(&lines));
    for line in &lines {
        assert!(line.width() <= 80, "{} columns: {}", line.width(), line.text(false));
    }
    // As if there were room without end: every line must end as it does with 80 columns.
    let uncut = [
        vec![title(&busy(), admin(), "draining", 80), people(&busy(), None)],
        ticks(&busy(), 80),
        stages_and_links(&busy(), 80),
        dense(&busy(), 3),
    ]
    .concat();
    for line in uncut {
        assert!(line.width() <= 80, "{} columns: {}", line.width(), line.text(false));
        let shown = line.text(false);
        let is_there = lines.iter().any(|other| other.text(false).trim_end() == shown.trim_end());
        assert!(is_there, "cut: {shown}");
    }
}

#[test]
fn every_number_has_a_blank_before_it() {
    let shown = text(&frame(&busy(), admin(), None, SMALL));
    for (row, line) in shown.lines().enumerate() {
        let mut before = ' ';
        let mut is_number = false;
        for letter in line.chars() {
            let begins = letter.is_ascii_digit() && !is_number;
            assert!(
                !(begins && before.is_ascii_alphanumeric()) || row == 0 || before == 'p',
                "row {row}: {line}"
            );
            is_number = letter.is_ascii_digit() || (is_number && matches!(letter, '.' | ',' | ':'));
            before = letter;
        }
    }
}

#[test]
fn a_zone_that_was_never_there_gives_a_sentence_and_no_numbers() {
    let lines = frame(&Picture::default(), admin(), Some("no zone answers; trying again"), SMALL);
    let shown = text(&lines);
    assert!(lines.len() < 5 && shown.contains("no zone answers") && !shown.contains("STAGES"), "{shown}");
}

#[test]
fn a_zone_that_went_away_keeps_its_last_numbers_below_the_sentence() {
    let shown = text(&frame(&busy(), admin(), Some("the zone is away since 7 s"), SMALL));
    assert!(shown.contains("away since 7 s") && shown.contains("STAGES"), "{shown}");
    assert!(shown.starts_with(" zone 127.0.0.1:65535  away,"), "{shown}");
}

#[test]
fn smaller_terminals_get_less_and_larger_ones_more() {
    for (columns, rows) in [(1, 1), (20, 5), (79, 23), (80, 24), (200, 60), (400, 300)] {
        let lines = frame(&busy(), admin(), None, Size { columns, rows });
        assert!(
            lines.len() <= rows && lines.iter().all(|line| line.width() <= columns),
            "{columns} by {rows}"
        );
    }
    let n_tiles =
        |rows| text(&frame(&busy(), admin(), None, Size { columns: 80, rows })).matches(" tile ").count();
    assert_eq!((n_tiles(24), n_tiles(44)), (3, 23));
    let width = |columns| frame(&busy(), admin(), None, Size { columns, rows: 24 })[10].width();
    assert!(width(120) > width(80));
}

#[test]
fn colours_are_only_there_when_they_are_wanted() {
    let lines = frame(&busy(), admin(), None, SMALL);
    assert!(!text(&lines).contains('\x1b'));
    assert!(lines.iter().any(|line| line.text(true).contains("\x1b[1;31m")), "own overruns are red");
}

#[test]
fn numbers_stay_within_their_columns() {
    for value in
        [0.0, 0.004, 9.999, 999.994, 999.996, 99_999.4, 99_999.6, 1e6, 99_950.0, 9.9995e6, 1e12, 1e16, 1e300]
    {
        assert!(ms(Some(value)).chars().count() <= 7, "{value}: {:?}", ms(Some(value)));
        assert!(count(Some(value)).chars().count() <= 7, "{value}: {:?}", count(Some(value)));
    }
    assert_eq!(
        [0.0, 9_999.0, 20_000.0, 123_456.0, 9_876_543_210.0].map(|n| count(Some(n))),
        ["0", "9999", "20,000", "123k", "9877M"]
    );
    assert_eq!((bar(0.5, 4), bar(1.0, 3), bar(0.0, 3)), ("██".to_owned(), "███".to_owned(), String::new()));
    assert_eq!(clock(3_725.9), "1:02:05");
}
