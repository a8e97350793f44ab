//! Bars of a page, in HTML and CSS: they stay readable on a telephone.

use std::fmt::{Arguments, Write};

use crate::numbers::seconds;
use crate::report::Latency;

/// A page that grows.
#[derive(Debug, Default)]
pub(crate) struct Page(pub(crate) String);

impl Page {
    /// Writing to a `String` does not fail.
    pub(crate) fn put(&mut self, text: Arguments<'_>) {
        let _ = self.0.write_fmt(text);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Places on a logarithmic scale of time, in percent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogScale {
    low: f64,
    high: f64,
}

impl LogScale {
    /// Whole decades around all values above 0.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|&value| value > 0.0)
            .fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() {
            return Self { low: -6.0, high: 0.0 };
        }
        let low = low.log10().floor();
        Self { low, high: high.log10().ceil().max(low + 1.0) }
    }

    fn percent(self, value: f64) -> f64 {
        let place = (value.max(1e-12).log10() - self.low) / (self.high - self.low);
        100.0 * place.clamp(0.0, 1.0)
    }

    /// The decades, with their places.
    fn decades(self) -> Vec<(f64, f64)> {
        let mut decades = Vec::new();
        let mut at = self.low;
        while at <= self.high {
            let value = 10f64.powf(at);
            decades.push((value, self.percent(value)));
            at += 1.0;
        }
        decades
    }
}

/// What a bar is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    New,
    Old,
    Service,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Service => "service",
        }
    }
}

/// A bar from p50 to p95, and on to p99.
pub(crate) fn latency_bar(page: &mut Page, scale: LogScale, latency: &Latency, kind: Kind) {
    let [from, middle, to] = [latency.p50, latency.p95, latency.p99].map(|value| scale.percent(value));
    let class = kind.class();
    let title =
        format!("p50 {}, p95 {}, p99 {}", seconds(latency.p50), seconds(latency.p95), seconds(latency.p99));
    page.put(format_args!("<div class=\"track {class}\" title=\"{title}\">"));
    page.put(format_args!("<i style=\"left:{from:.2}%;width:{:.2}%\"></i>", (middle - from).max(0.4)));
    page.put(format_args!(
        "<i class=\"tail\" style=\"left:{middle:.2}%;width:{:.2}%\"></i></div>",
        (to - middle).max(0.2)
    ));
}

/// The decades under bars of times.
pub(crate) fn axis(page: &mut Page, scale: LogScale) {
    page.text("<div class=\"axis\">");
    let decades = scale.decades();
    let last = decades.len().saturating_sub(1);
    for (at, (value, place)) in decades.into_iter().enumerate() {
        let side = match at {
            0 => "first",
            at if at == last => "last",
            _ => "",
        };
        page.put(format_args!("<b class=\"{side}\" style=\"left:{place:.2}%\">{}</b>", decade(value)));
    }
    page.text("</div>");
}

/// A power of ten seconds.
fn decade(value: f64) -> String {
    let (value, unit) = match value {
        v if v > 0.5 => (v, "s"),
        v if v > 0.5e-3 => (v * 1e3, "ms"),
        v if v > 0.5e-6 => (v * 1e6, "us"),
        v => (v * 1e9, "ns"),
    };
    format!("{value:.0} {unit}")
}

/// A bar from 0 on.
pub(crate) fn value_bar(page: &mut Page, value: f64, most: f64, kind: Kind) {
    let width = if most > 0.0 { (100.0 * value / most).clamp(0.3, 100.0) } else { 0.3 };
    let class = kind.class();
    page.put(format_args!("<div class=\"track {class}\"><i style=\"left:0;width:{width:.2}%\"></i></div>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_of_times_has_whole_decades() {
        let scale = LogScale::around([0.0, 2e-4, 3e-2].into_iter());
        let names: Vec<String> = scale.decades().iter().map(|(value, _)| decade(*value)).collect();
        assert_eq!(names, ["100 us", "1 ms", "10 ms", "100 ms"]);
        assert!((scale.percent(1e-4), scale.percent(1e-1)) == (0.0, 100.0));
        assert!(scale.percent(0.0).abs() < 1e-9);
        assert_eq!(LogScale::around(std::iter::empty()).decades().len(), 7);
    }
}
