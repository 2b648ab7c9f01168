//! The result for people.

use super::check::Check;
use super::parallel::Parallel;
use super::{Report, Spreads};
use engine::Stage;

pub(super) fn print(report: &Report) {
    println!(
        "{} players + {} creatures, {}, {} thread(s), {} x {} ticks",
        report.players, report.creatures, report.scenario, report.threads, report.repeat, report.ticks
    );
    let cpu = &report.tick_cpu_ms;
    println!(
        "  tick   {:.3} ms CPU mean, {:.3} p50, {:.3} p99, {:.3} max",
        cpu.mean, cpu.p50, cpu.p99, cpu.max
    );
    if report.repeat > 1 {
        print_ranges(&report.tick_cpu_ms_range);
    }
    for stage in Stage::ALL {
        println!("  {:>4}   {:>9} ns", stage.name(), report.stage_ns[stage.name()]);
    }
    println!(
        "  client {:.0} ns, {:.1} B per tick, {:.1} slots in use, {:.4} allocations per tick",
        report.client_ns, report.bytes_per_client_tick, report.visible_mean, report.allocations_per_tick
    );
    let ages = &report.ages;
    println!(
        "  sends  {}: {:.1} snapshots per client and second; news waits {:.0} ms p50, {:.0} p99; near ({:.1} %) {:.1} mean",
        report.send,
        report.snapshots_per_client_second,
        ages.added_age_ms.p50,
        ages.added_age_ms.p99,
        ages.near_share * 100.0,
        ages.near_added_age_ms
    );
    println!(
        "  alone  {:.0} ns per search of interest, {:.0} ns per encoded snapshot",
        report.interest_ns_per_run, report.encode_ns_per_client
    );
    println!(
        "  motion published by {:.1} % of entities per tick; {:.0} casts and {:.0} hits per second",
        report.published_share * 100.0,
        report.casts_per_second,
        report.hits_per_second
    );
    println!("  memory {}", report.memory);
    println!("  {}; meanwhile {}", report.calibrate, report.strain);
    if let Some(parallel) = &report.parallel {
        print_parallel(report, parallel);
    }
    if let Some(check) = &report.check {
        print_check(check);
    }
}

fn print_ranges(ranges: &Spreads) {
    let Spreads { mean, p50, p99, max } = ranges;
    println!(
        "  range  {:.3}-{:.3}          {:.3}-{:.3}      {:.3}-{:.3}      {:.3}-{:.3}",
        mean.min, mean.max, p50.min, p50.max, p99.min, p99.max, max.min, max.max
    );
}

fn print_parallel(report: &Report, parallel: &Parallel) {
    let Parallel { parallel_ratio: ratio, parallel_ratio_range: range, .. } = parallel;
    println!(
        "  {} threads: the slowest of each part {:.3} ms, one thread {:.3} ms, ratio {ratio:.3} ({:.3} to {:.3})",
        report.threads,
        parallel.slowest_ns / 1e6,
        parallel.one_thread_ns / 1e6,
        range.min,
        range.max
    );
    println!("  stage    slowest  one thread      serial  ns");
    for stage in Stage::ALL.map(Stage::name) {
        let of = |costs: &std::collections::BTreeMap<&str, u64>| costs[stage];
        println!(
            "  {stage:>5}  {:>9}   {:>9}   {:>9}",
            of(&parallel.slowest_stage_ns),
            of(&parallel.one_thread_stage_ns),
            of(&parallel.serial_stage_ns)
        );
    }
}

fn print_check(check: &Check) {
    let error = &check.error_mm;
    println!(
        "  check  recall {:.3}, stale vitals {:.5}, error p50 {} p99 {} p99.9 {} max {} mm",
        check.recall, check.stale_vitals, error.p50, error.p99, error.p999, error.max
    );
    let parts: Vec<String> =
        check.decoded_bytes_by_part.iter().map(|(name, bytes)| format!("{name} {bytes:.1}")).collect();
    println!(
        "         {:.1} B per client and tick decoded, {:.3} introductions: {}",
        check.decoded_bytes_per_client_tick,
        check.introductions_per_client_tick,
        parts.join(", ")
    );
}
