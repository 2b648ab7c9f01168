//! Every bad network on both links, as a table: `cargo run -p process-tests --bin badnet [SECONDS] [CASE]`. Ends with 1
//! when a client saw what it must not.

use std::process::ExitCode;
use std::time::Duration;

use badnet::cases::{CASES, Outcome, run};
use badnet::fair::joins_beside_a_transfer;
use process_tests::zone::Zone;
use transport::Link;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(10);
    let only = words.next().unwrap_or_default();
    let mut n_bad = 0;
    println!("{}", Outcome::HEAD);
    for case in CASES.into_iter().filter(|case| case.name.contains(&only)) {
        for link in [Link::Quic, Link::WebSocket] {
            let zone = Zone::start_with(&["--creatures", "150"]);
            let levels = &mut || zone.budget_levels();
            match run(case, &zone.target(link), link, Duration::from_secs(seconds), levels) {
                Ok(outcome) => {
                    println!("{outcome}");
                    let complaints = outcome.complaints();
                    n_bad += usize::from(!complaints.is_empty());
                    complaints.iter().for_each(|complaint| println!("    ! {complaint}"));
                }
                Err(error) => {
                    println!("{}: {error}", case.name);
                    n_bad += 1;
                }
            }
        }
    }
    for link in [Link::Quic, Link::WebSocket].into_iter().filter(|_| only.is_empty()) {
        let zone = Zone::start_with(&["--creatures", "150"]);
        match joins_beside_a_transfer(&zone.target(link), link) {
            Ok(shares) => {
                println!("{link:?}, {shares}");
                n_bad += usize::from(!shares.are_fair());
            }
            Err(error) => {
                println!("beside a transfer: {error}");
                n_bad += 1;
            }
        }
    }
    if n_bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
