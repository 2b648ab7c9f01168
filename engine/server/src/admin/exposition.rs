//! Writing Prometheus text. Source: Prometheus, "Exposition formats", text-based format 0.0.4.

use std::fmt::Write as _;

use jobs::Durations;

/// A page in the making. Values follow their family; labels are pairs of name and value.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

/// Label names and values of one series.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// Upper bounds of a histogram's buckets in seconds, ascending; infinity is added.
pub(super) type Bounds = &'static [f64];

impl Page {
    /// Begins a family: what follows belongs to it.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        debug_assert!(kind != "counter" || name.ends_with("_total"), "{name} is a counter");
        self.family = name;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}.\n# TYPE {name} {kind}"));
    }

    /// One value of the family.
    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.series("", labels, None, value);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.value(&[], value);
    }

    /// A counter without labels.
    pub(super) fn count(&mut self, name: &'static str, help: &str, n: u64) {
        self.family(name, "counter", help);
        self.value(&[], n as f64);
    }

    /// One histogram of the family, in seconds. A time counts as the largest one that its own bucket stands for, so
    /// times just below a bound (0.1 %) may be in the next bucket.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, bounds: Bounds, times: &Durations) {
        let mut counts = times.counts().peekable();
        let mut n = 0;
        for bound in bounds {
            while let Some((_, more)) = counts.next_if(|(ns, _)| *ns as f64 <= bound * 1e9) {
                n += more;
            }
            self.series("_bucket", labels, Some(bound), n as f64);
        }
        self.series("_bucket", labels, Some(&f64::INFINITY), times.n() as f64);
        self.series("_sum", labels, None, times.sum_ns() as f64 / 1e9);
        self.series("_count", labels, None, times.n() as f64);
    }

    /// The whole page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&f64>, value: f64) {
        let mut pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        pairs.extend(le.map(|le| format!("le=\"{}\"", number(*le))));
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let family = self.family;
        self.line(format_args!("{family}{suffix}{labels} {}", number(value)));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{text}").expect("a String takes every text");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_the_format_says() {
        let mut page = Page::default();
        page.family("a_b", "gauge", "A \\ and\na line");
        page.value(&[("l", "q\" b\\ n\n"), ("m", "x")], 0.5);
        let expected =
            "# HELP a_b A \\\\ and\\na line.\n# TYPE a_b gauge\na_b{l=\"q\\\" b\\\\ n\\n\",m=\"x\"} 0.5\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn buckets_count_everything_up_to_their_bound() {
        let mut times = Durations::new();
        for ms in [1, 2, 3, 900] {
            times.record_ns(ms * 1_000_000);
        }
        let mut page = Page::default();
        page.family("t_seconds", "histogram", "Time");
        page.histogram(&[("s", "1")], &[0.0005, 0.0025, 0.5], &times);
        let text = page.finish();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "t_seconds_bucket{s=\"1\",le=\"0.0005\"} 0",
                "t_seconds_bucket{s=\"1\",le=\"0.0025\"} 2",
                "t_seconds_bucket{s=\"1\",le=\"0.5\"} 3",
                "t_seconds_bucket{s=\"1\",le=\"+Inf\"} 4",
                "t_seconds_sum{s=\"1\"} 0.906",
                "t_seconds_count{s=\"1\"} 4",
            ]
        );
    }
}
