//! Players on bad networks: what they see grows old by what the network takes and little more, nobody is lost, and when
//! the network is good again, so is what they see. The long form, with every case on both links, is
//! `cargo run -p process-tests --bin badnet`.

use std::time::Duration;

use badnet::cases::{CASES, Case, Outcome, run};
use process_tests::attempt;
use process_tests::zone::Zone;
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
