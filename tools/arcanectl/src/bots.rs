//! `arcanectl bots`: load with real sockets, and what players would feel of it.
//!
//! Progress goes to stderr, the report to stdout. SIGINT and SIGTERM end the window early; the report still comes.

use crate::Exit;
use anyhow::Context as _;
use bot::{BotsConfig, JoinCode, Mix, Progress, Report};
use clap::{Parser, ValueEnum};
use jobs::CoreList;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Exit code of a process that was told twice to end.
const EXIT_INSISTED: i32 = 130;
/// Away from a terminal, a progress line comes this often.
const QUIET: Duration = Duration::from_secs(5);

/// Arguments of `arcanectl bots`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The zone: address and port, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR", value_parser = address, required_unless_present = "join")]
    to: Option<SocketAddr>,
    /// The zone: the join code that `arcane up --lan` prints; instead of --to and --pin.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["to", "pin"])]
    join: Option<JoinCode>,
    /// How many bots.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    n: u32,
    /// How they connect; mixed is half and half.
    #[arg(long, value_enum, default_value = "quic")]
    transport: Transport,
    /// SHA-256 of the zone's public key in hex, as the zone prints it; needed for QUIC beyond this machine.
    #[arg(long, value_name = "HEX", value_parser = pin)]
    pin: Option<Pin>,
    /// Length of the measuring window, such as 20s or 5m; without it, until a signal comes.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    window: Option<Duration>,
    /// Connects are spread evenly over this many seconds.
    #[arg(long, value_name = "S", default_value = "10", value_parser = duration)]
    seconds_to_connect: Duration,
    /// Bots that are not in this long after the last connect are given up.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    patience: Duration,
    /// Cores that the bots may use, such as 1 or 2-3.
    #[arg(long, value_name = "LIST")]
    cores: Option<CoreList>,
    /// Seed of what the bots do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the bots that decode whole snapshots, 0 to 1; the others look at header and own body.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    decode_share: f64,
    /// Bots do not predict their own body.
    #[arg(long)]
    no_predict: bool,
    /// Two commands share a datagram unless one is urgent, and are planned a tick further ahead.
    #[arg(long)]
    pack: bool,
    /// Lose this share of all datagrams on purpose, both ways, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    lose: f64,
    /// Bots pick up, give, trade and capture nothing.
    #[arg(long)]
    no_trade: bool,
    /// Write every answer to an order to this file: player, request, outcome. Replaces the file.
    #[arg(long, value_name = "FILE")]
    orders_log: Option<PathBuf>,
    /// Record the first bot's session: all that came in, and sums of what it showed. Replaces the file.
    #[arg(long, value_name = "FILE")]
    record_session: Option<PathBuf>,
    /// The report as one JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Transport {
    Quic,
    #[value(alias = "ws")]
    Websocket,
    Mixed,
}

#[derive(Clone, Copy, Debug)]
struct Pin([u8; 32]);

impl Args {
    fn addr(&self) -> SocketAddr {
        self.join.map(|code| code.addr).or(self.to).expect("clap wants one of the two")
    }

    fn pin(&self) -> Option<[u8; 32]> {
        self.join.map(|code| code.pin()).or(self.pin.map(|pin| pin.0))
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(mistake) = mistake(args) {
        eprintln!("arcanectl: {mistake}");
        return Ok(Exit::Usage);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal asks, the second one insists.
        signal_hook::flag::register_conditional_shutdown(signal, EXIT_INSISTED, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let mut reporter = Reporter::new();
    let report = bot::run(&config(args), &stop, |progress| reporter.show(progress))?;
    reporter.end();
    if let (Some(path), Some(tape)) = (&args.record_session, &report.tape) {
        std::fs::write(path, tape).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&report).context("the report has no JSON form")?);
    } else {
        print_report(&report);
    }
    Ok(if report.is_complete() { Exit::Ok } else { Exit::CheckFailed })
}

fn config(args: &Args) -> BotsConfig {
    let mix = match args.transport {
        Transport::Quic => Mix::Quic,
        Transport::Websocket => Mix::WebSocket,
        Transport::Mixed => Mix::Mixed,
    };
    BotsConfig {
        mix,
        pin: args.pin(),
        connect_over: args.seconds_to_connect,
        patience: Some(args.patience),
        window: args.window,
        cores: args.cores.clone(),
        seed: args.seed,
        decode_share: args.decode_share,
        predict: !args.no_predict,
        pack: args.pack,
        lose: args.lose,
        trades: !args.no_trade,
        orders_log: args.orders_log.clone(),
        tape: args.record_session.as_ref().map(|_| label(args)),
        ..BotsConfig::new(args.addr(), args.n as usize)
    }
}

/// What a recorded session is called.
fn label(args: &Args) -> String {
    let link = if matches!(args.transport, Transport::Websocket) { "WebSocket" } else { "QUIC" };
    format!("bot of {} over {link}, {} % lost", args.n, args.lose * 100.0)
}

/// What is wrong with the arguments together, if something is.
fn mistake(args: &Args) -> Option<String> {
    let addr = args.addr();
    let needs_pin =
        !matches!(args.transport, Transport::Websocket) && !addr.ip().to_canonical().is_loopback();
    if needs_pin && args.pin().is_none() {
        return Some(format!("{addr} is not this machine: give --pin, the zone prints it at start"));
    }
    if !(0.0..=1.0).contains(&args.decode_share) {
        return Some(format!("--decode-share {} is not between 0 and 1", args.decode_share));
    }
    if !(0.0..1.0).contains(&args.lose) {
        return Some(format!("--lose {} is not between 0 and 1", args.lose));
    }
    let usable = args.cores.as_ref().zip(CoreList::usable().ok());
    usable
        .and_then(|(cores, usable)| cores.check_usable(&usable).err())
        .map(|error| format!("--cores: {error}"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; write an address and a port, such as 127.0.0.1:8080"))?
        .collect();
    // A name may mean both families; a zone listens on IPv4 unless told otherwise.
    let chosen = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    chosen.copied().ok_or_else(|| "the name has no address".to_owned())
}

fn pin(text: &str) -> Result<Pin, String> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err(format!("a pin is 64 hex digits, this has {} characters", text.chars().count()));
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|error| error.to_string())?;
    }
    Ok(Pin(bytes))
}

/// `20s`, `500ms`, `5m`, `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end_of_number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end_of_number);
    let seconds_per_unit = match unit {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("{unit:?} is no unit of time: write 500ms, 20s, 5m or 1h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no length of time: write 20s"))?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|error| error.to_string())
}

/// One line about how it goes: rewritten in place on a terminal, now and then elsewhere.
struct Reporter {
    is_terminal: bool,
    shown_at: Option<Instant>,
    has_line: bool,
}

impl Reporter {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), shown_at: None, has_line: false }
    }

    fn show(&mut self, progress: &Progress) {
        if let Some(trouble) = &progress.trouble {
            self.line(&format!("bots: {trouble}"));
        }
        // Other programs wait for this line: it keeps its wording.
        if let Some(after) = progress.all_connected_after {
            self.line(&format!("bots: all connected after {after:.1} s"));
        }
        if self.is_terminal {
            eprint!("\r\x1b[K{}", status(progress));
            let _ = std::io::stderr().flush();
            self.has_line = true;
        } else if self.shown_at.is_none_or(|at| at.elapsed() >= QUIET) {
            self.shown_at = Some(Instant::now());
            eprintln!("{}", status(progress));
        }
    }

    fn line(&mut self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.has_line) {
            eprintln!();
        }
    }
}

fn status(progress: &Progress) -> String {
    format!(
        "bots: {:.0} s, {} of {} connected, {:.1} snapshots per second each, {:.0} visible{}",
        progress.seconds,
        progress.connected,
        progress.bots,
        progress.snapshots_per_client_second,
        progress.visible_mean,
        if progress.is_measuring { "" } else { ", not measuring yet" },
    )
}

fn print_report(report: &Report) {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1} ms"));
    let mm = |value: Option<u64>| value.map_or("-".to_owned(), |value| format!("{value} mm"));
    let (gap, ack, error) = (&report.snapshot_gap_ms, &report.input_ack_ms, &report.prediction_error_mm);
    println!(
        "bots            {} of {} ({} QUIC, {} WebSocket)",
        report.connected, report.bots, report.quic, report.websocket
    );
    match report.connect_seconds {
        Some(seconds) => println!("connected after {seconds:.1} s"),
        None => println!("connected after never all of them"),
    }
    println!("window          {:.1} s, {:.2} s of CPU", report.window_seconds, report.cpu_seconds);
    println!(
        "visible         {}",
        report.visible_mean.map_or("-".to_owned(), |mean| format!("{mean:.1} entities"))
    );
    println!(
        "snapshots       {:.2} per client and second, {:.1} bytes per client and tick",
        report.snapshots_per_client_second, report.bytes_per_client_tick
    );
    println!(
        "snapshot gap    QUIC p50 {} p99 {}, WebSocket p50 {} p99 {}",
        ms(gap.quic_p50),
        ms(gap.quic_p99),
        ms(gap.websocket_p50),
        ms(gap.websocket_p99)
    );
    println!("input to ack    p50 {}, p99 {}", ms(ack.p50), ms(ack.p99));
    println!("prediction off  p50 {}, p99 {}, at most {}", mm(error.p50), mm(error.p99), mm(error.max));
    println!("inputs in time  {:.2} % ({} late)", report.inputs_sent_share * 100.0, report.inputs_late);
    let orders = &report.orders;
    println!(
        "orders          {} given, {} done, {} refused, {} of them because nothing could be kept",
        orders.asked,
        orders.done,
        orders.refused + orders.read_only,
        orders.read_only
    );
    println!(
        "errors          {} snapshots and {} records did not decode, {} reconnects",
        report.decode_errors, report.record_errors, report.reconnects
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, expected_ms) in
            [("20s", 20_000), ("500ms", 500), ("1.5", 1_500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected_ms)), "{text}");
        }
        for text in ["", "s", "5 parsecs", "-1", "1e999s", "."] {
            assert!(duration(text).is_err(), "{text:?} passed");
        }
    }

    #[test]
    fn a_pin_is_sixty_four_hex_digits_and_nothing_else() {
        assert_eq!(pin(&"0a".repeat(32)).map(|pin| pin.0), Ok([10; 32]));
        assert!(pin("0a").is_err() && pin(&"g0".repeat(32)).is_err() && pin(&"ä".repeat(32)).is_err());
    }

    #[test]
    fn a_join_code_says_where_and_whom_and_a_mistyped_one_what_is_wrong() {
        let code = JoinCode::new(([10, 1, 2, 3], 8080).into(), &[7; 32]).to_string();
        let args = Args::try_parse_from(["bots", "--join", &code]).unwrap();
        assert_eq!((args.addr(), mistake(&args)), (([10, 1, 2, 3], 8080).into(), None));
        assert_eq!(config(&args).pin.map(|pin| pin[..16].to_vec()), Some(vec![7; 16]));
        let mistyped = code.replacen(&code[6..7], if &code[6..7] == "Z" { "Y" } else { "Z" }, 1);
        let text = Args::try_parse_from(["bots", "--join", &mistyped]).unwrap_err().to_string();
        assert!(text.contains("typing mistake"), "{text}");
        assert!(Args::try_parse_from(["bots", "--join", &code, "--to", "10.1.2.3:8080"]).is_err());
        assert!(Args::try_parse_from(["bots"]).is_err());
    }

    #[test]
    fn another_machine_needs_a_pin_unless_only_websockets_go_there() {
        let parsed = |more: &[&str]| Args::parse_from([&["bots", "--to"], more].concat());
        assert!(mistake(&parsed(&["10.1.2.3:8080"])).is_some_and(|text| text.contains("--pin")));
        assert_eq!(mistake(&parsed(&["10.1.2.3:8080", "--transport", "websocket"])), None);
        assert_eq!(mistake(&parsed(&["127.0.0.1:8080"])), None);
        assert!(mistake(&parsed(&["127.0.0.1:8080", "--decode-share", "2"])).is_some());
    }
}
