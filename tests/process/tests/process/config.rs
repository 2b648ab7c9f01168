//! Wrong configuration: the error names the key, the place and what would have been right.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use process_tests::wait_for;
use process_tests::zone::{Zone, command};
use tempfile::TempDir;

const USAGE: i32 = 2;
const IO: i32 = 3;

/// Runs a zone that must not start; returns what it says.
fn refused(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The same with a configuration file.
fn refused_file(content: &str) -> String {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("arcane.toml");
    fs::write(&file, content).unwrap();
    let mut command = command(dir.path());
    command.arg("--config").arg(&file);
    refused(command, USAGE)
}

#[test]
fn a_wrong_file_is_refused_with_line_and_key() {
    let text = refused_file("[zone]\nseed = 1\ncreaturs = 5\n");
    assert!(text.contains("arcane.toml line 3: zone.creaturs is not a setting"), "{text}");
    assert!(text.contains("did you mean zone.creatures?"), "{text}");
    let text = refused_file("zone.ticks_per_second = 25");
    assert!(text.contains("arcane.toml line 1: zone.ticks_per_second = 25 is not accepted"), "{text}");
    assert!(text.contains("20 or 30"), "{text}");
    let text = refused_file("[zone\n");
    assert!(text.contains("arcane.toml line 1: "), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = TempDir::new().unwrap();
    let mut missing = command(dir.path());
    missing.args(["--config", "/no/such/arcane.toml"]);
    let text = refused(missing, USAGE);
    assert!(text.contains("cannot read the configuration file /no/such/arcane.toml"), "{text}");
    let mut binary = command(dir.path());
    fs::write(dir.path().join("binary"), [0xff, 0xfe]).unwrap();
    binary.arg("--config").arg(dir.path().join("binary"));
    assert!(refused(binary, USAGE).contains("cannot read the configuration file"), "not UTF-8");
}

#[test]
fn variables_and_flags_are_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let mut variable = command(dir.path());
    variable.env("ARCANE_LOG_LEVEL", "loud");
    let text = refused(variable, USAGE);
    assert!(text.contains("environment variable ARCANE_LOG_LEVEL: log.level = loud"), "{text}");
    let mut unknown = command(dir.path());
    unknown.env("ARCANE_ZONE_SPEED", "9");
    assert!(refused(unknown, USAGE).contains("ARCANE_ZONE_SPEED"), "unknown variables are refused");
    let mut flag = command(dir.path());
    flag.args(["--side-m", "1"]);
    let text = refused(flag, USAGE);
    assert!(text.contains("flag --side-m: zone.side_m = 1") && text.contains("from 64 to 4194"), "{text}");
    let mut cores = command(dir.path());
    cores.args(["--cores", "1000"]);
    assert!(refused(cores, USAGE).contains("core 1000 is not usable here"), "cores that are not there");
    let mut public = command(dir.path());
    public.args(["--admin", "0.0.0.0:0"]);
    assert!(refused(public, USAGE).contains("loopback"), "the admin page is for this machine");
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_chose_it() {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (tcp, udp);
        }
    };
    let addr = tcp.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    for (flag, key) in [("--listen", "listen.addr, flag --listen"), ("--admin", "admin.addr, flag --admin")] {
        let mut taken = command(dir.path());
        taken.args([flag, &addr]);
        let text = refused(taken, IO);
        assert!(text.contains(&addr) && text.contains(key) && text.contains("in use"), "{text}");
    }
    drop(tcp);
    // Now only UDP is taken.
    let mut taken = command(dir.path());
    taken.args(["--listen", &addr]);
    let text = refused(taken, IO);
    assert!(text.contains("UDP port") && text.contains("in use"), "{text}");
    drop(udp);
}

#[test]
fn a_data_directory_that_cannot_be_had_is_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("data"), "a file").unwrap();
    let text = refused(command(dir.path()), IO);
    assert!(text.contains("data (data_dir)"), "{text}");
}

#[test]
fn the_effective_settings_are_printed_with_their_sources() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("arcane.toml");
    fs::write(&file, "zone.seed = 9").unwrap();
    let mut print = command(dir.path());
    print.env("ARCANE_ZONE_TICKS_PER_SECOND", "30").arg("--print-config").arg("--config").arg(&file);
    let output = print.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let source = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once("# from ").unwrap().1.to_owned()
    };
    assert!(output.status.success());
    assert_eq!(source("zone.seed = 9"), format!("{} line 1", file.display()));
    assert_eq!(source("zone.ticks_per_second = 30"), "environment variable ARCANE_ZONE_TICKS_PER_SECOND");
    assert_eq!(source("zone.side_m = 128"), "flag --side-m");
    assert_eq!(source("cores = \"auto\""), "the default");
}

#[test]
fn a_zone_of_thirty_ticks_runs_from_a_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("arcane.toml");
    fs::write(&file, "[zone]\nticks_per_second = 30\n").unwrap();
    let zone = Zone::start_with(&["--config", file.to_str().unwrap()]);
    zone.wait_number("/total/ticks", 15);
    wait_for("more than 21 ticks per second", Duration::from_secs(60), || {
        let status = zone.status();
        let rate = status["total"]["ticks"].as_f64()? / status["total"]["seconds"].as_f64()?;
        (rate > 21.0).then_some(())
    });
}
