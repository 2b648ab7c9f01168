//! Players on bad networks: what they see grows old by what the network takes and little more, nobody is lost, and when
//! the network is good again, so is what they see. The long form, with every case on both links, is
//! `cargo run -p process-tests --bin badnet`.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use badnet::cases::{CASES, Case, DEAF, Outcome, run, run_on};
use process_tests::deaf::{Deaf, RMEM_MAX};
use process_tests::zone::Zone;
use process_tests::{attempt, network, shaped};
use transport::Link;

const TIME: Duration = Duration::from_secs(5);

fn check(name: &str, link: Link) -> Outcome {
    let case: Case = *CASES.iter().find(|case| case.name == name).unwrap();
    let outcome = attempt(|| {
        let zone = Zone::start_with(&["--creatures", "150"]);
        let outcome = run(case, &zone.target(link), link, TIME, &mut || zone.budget_levels())
            .map_err(|e| e.to_string())?;
        let complaints = outcome.complaints();
        if complaints.is_empty() { Ok(outcome) } else { Err(format!("{complaints:?}\n{outcome}")) }
    });
    println!("{outcome}");
    outcome
}

#[test]
fn a_twentieth_lost_on_a_long_way_costs_a_player_little() {
    let outcome = check("loss 5 %, rtt 150 ms", Link::Quic);
    assert!(outcome.carried[1].n_lost > 3, "{:?}", outcome.carried);
}

#[test]
fn four_players_behind_64_kbit_s_get_less_and_later_all_of_it() {
    let outcome = check("64 kbit/s for four", Link::Quic);
    assert!(outcome.levels[1..].iter().sum::<u32>() > 0, "nobody was given less: {:?}", outcome.levels);
}

#[test]
fn a_player_on_a_stream_behind_64_kbit_s_sees_what_is_new() {
    check("64 kbit/s", Link::WebSocket);
}

#[test]
fn a_way_that_grows_longer_in_play_is_no_queue() {
    let outcome = check("rtt from 50 to 200 ms", Link::Quic);
    assert_eq!(outcome.levels[0], 3, "all have full detail again: {:?}", outcome.levels);
}

#[test]
fn players_behind_a_kernels_bottleneck_see_what_is_new_and_later_all_of_it() {
    if !network::is_allowed() {
        eprintln!("NOT RUN: network namespaces need root, and a container that allows them");
        return;
    }
    let seconds = TIME.as_secs().to_string();
    attempt(|| {
        let mut command = shaped::inside(env!("CARGO_BIN_EXE_badnet"));
        let output = command.args([&seconds, "for four"]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_there = text.matches("tbf 64 kbit/s for four").count() == 2;
        if output.status.success() && is_there {
            println!("{text}");
            return Ok(());
        }
        Err(format!("{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
    });
}

#[test]
fn what_the_kernel_drops_at_the_zones_own_socket_is_counted_and_costs_no_player_detail() {
    attempt(|| {
        let zone = Arc::new(Zone::start_with_buffer(RMEM_MAX, &["--creatures", "150"]));
        let (mut way, target) = (Deaf::new(Arc::clone(&zone)), zone.target(Link::Quic));
        let levels = &mut || zone.budget_levels();
        let outcome = run_on(&mut way, DEAF, &target, Link::Quic, TIME, levels).map_err(|e| e.to_string())?;
        println!("{outcome}");
        let n_drops = zone.number("/sockets/drops_kernel");
        assert!(n_drops > 5_000, "the kernel dropped {n_drops} packets");
        let [loss, overflow, silence] =
            ["loss", "overflow", "silence"].map(|cause| zone.number(&format!("/budgets/falls/{cause}")));
        assert_eq!((loss, overflow, silence), (0, 0, 0), "nobody's path lost anything");
        let complaints = outcome.complaints();
        if complaints.is_empty() { Ok(()) } else { Err(format!("{complaints:?}\n{outcome}")) }
    });
}
