//! The last ten minutes for programs, and pictures of ticks for people.

use jobs::plot::{self, Moment};
use jobs::{Durations, Quantiles, STAGES};
use serde_json::{Map, Value, json};

use super::board::{Board, Second, Tally};

impl Board {
    /// The last ten minutes: one list per figure, all of the same length, oldest second first.
    pub(super) fn history(&self) -> Value {
        let mut lists = Map::new();
        let mut list = |name: &str, figure: &dyn Fn(&Second) -> Value| {
            lists.insert(name.to_owned(), self.history.iter().map(figure).collect());
        };
        let ms = |ns: u64| json!(Quantiles::ms(ns));
        list("ended_ms", &|second| json!(second.ended_ms));
        list("ticks", &|second| json!(second.n_ticks));
        list("players", &|second| json!(second.players));
        list("tick_p50_ms", &|second| ms(second.p50_ns));
        list("tick_p99_ms", &|second| ms(second.p99_ns));
        list("tick_max_ms", &|second| ms(second.max_ns));
        list("tick_cpu_mean_ms", &|second| ms(second.cpu_mean_ns));
        list("overruns_own", &|second| json!(second.overruns_own));
        list("overruns_stolen", &|second| json!(second.overruns_stolen));
        list("run_queue_ms", &|second| ms(second.strain.run_queue_ns));
        list("steal_ms", &|second| ms(second.strain.steal_ns));
        list("minor_faults", &|second| json!(second.strain.minor_faults));
        for (at, stage) in STAGES.iter().enumerate() {
            list(&format!("stage_{stage}_mean_ms"), &|second| ms(second.stage_mean_ns[at]));
            list(&format!("stage_{stage}_max_ms"), &|second| ms(second.stage_max_ns[at]));
        }
        lists.into()
    }

    /// The last ten minutes of ticks as lines.
    pub(super) fn timeline(&self) -> String {
        let moment = |second: &Second| Moment {
            at_s: second.ended_ms as f64 / 1e3,
            p50_ns: second.p50_ns,
            p99_ns: second.p99_ns,
            max_ns: second.max_ns,
        };
        let moments: Vec<Moment> = self.history.iter().map(moment).collect();
        plot::timeline(&moments, "Ticks of the last ten minutes")
    }

    /// Ticks and stages of the measuring window as percentile curves.
    pub(super) fn percentiles_of_window(&self) -> String {
        percentiles(&self.window, "Tick and stages in this window")
    }

    /// The same since the start.
    pub(super) fn percentiles_of_total(&self) -> String {
        percentiles(&self.total, "Tick and stages since the start")
    }
}

fn percentiles(tally: &Tally, title: &str) -> String {
    let series: Vec<(String, &Durations)> =
        tally.times.named().map(|(tag, times)| (tag.to_owned(), times)).collect();
    plot::percentiles(&series, title)
}
