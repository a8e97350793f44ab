//! One page with everything: tables, and plots in SVG. Nothing is loaded from elsewhere.
#![expect(clippy::cast_precision_loss, reason = "places on a page")]

use std::fmt::Write;

use super::report::{Latency, Report, Series, Unit};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .8rem .15rem 0;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left;white-space:pre}svg{display:block;margin:.5rem 0 1.5rem;max-width:100%}\
svg text{font:12px system-ui,sans-serif;fill:currentColor}.bar{fill:#3b6ea5}.line{fill:none;stroke:#3b6ea5;stroke-width:2}\
.grid{stroke:#ccc}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}.grid{stroke:#444}}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    page.push_str("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>cart bench</title>");
    put(
        &mut page,
        format_args!(
            "<style>{STYLE}</style><h1>cart bench</h1><p>{}</p>",
            escaped(&report.setting.describe())
        ),
    );
    page.push_str("<table>");
    for figure in &report.figures {
        let (name, value) = (escaped(&figure.name), figure.unit.display(figure.value));
        put(&mut page, format_args!("<tr><td>{name}</td><td>{value}</td></tr>"));
    }
    page.push_str("</table><h2>Times of a call</h2>");
    latency_table(&mut page, &report.latencies);
    latency_plot(&mut page, &report.latencies);
    for series in &report.series {
        put(&mut page, format_args!("<h2>{}</h2>", escaped(&series.name)));
        series_plot(&mut page, series);
    }
    page.push_str("</html>\n");
    page
}

/// Writing to a `String` does not fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn latency_table(page: &mut String, latencies: &[Latency]) {
    page.push_str("<table><tr><th></th><th>p50</th><th>p90</th><th>p95</th><th>p99</th><th>calls</th></tr>");
    for Latency { name, p50, p90, p95, p99, calls } in latencies {
        put(page, format_args!("<tr><td>{}</td>", escaped(name)));
        for &value in [p50, p90, p95, p99] {
            put(page, format_args!("<td>{}</td>", Unit::Seconds.display(value)));
        }
        put(page, format_args!("<td>{calls}</td></tr>"));
    }
    page.push_str("</table>");
}

/// A bar from p50 to p99 for each kind of call, on a logarithmic scale.
fn latency_plot(page: &mut String, latencies: &[Latency]) {
    const LEFT: f64 = 290.0;
    const WIDTH: f64 = 500.0;
    let seconds = || latencies.iter().flat_map(|latency| [latency.p50, latency.p99]).filter(|&s| s > 0.0);
    let low = seconds().fold(f64::INFINITY, f64::min).log10().floor();
    let high = seconds().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    if !low.is_finite() {
        return;
    }
    let x = |s: f64| LEFT + WIDTH * ((s.max(1e-12).log10() - low) / (high - low)).clamp(0.0, 1.0);
    let height = 24.0 * latencies.len() as f64;
    put(
        page,
        format_args!("<svg viewBox=\"0 0 830 {:.0}\" role=\"img\" aria-label=\"p50 to p99\">", height + 24.0),
    );
    let mut decade = low;
    while decade <= high {
        let (at, label) = (x(10f64.powf(decade)), Unit::Seconds.display(10f64.powf(decade)));
        put(
            page,
            format_args!("<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{height:.0}\"/>"),
        );
        put(
            page,
            format_args!(
                "<text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{label}</text>",
                height + 16.0
            ),
        );
        decade += 1.0;
    }
    for (at, latency) in latencies.iter().enumerate() {
        let y = 24.0 * at as f64;
        let (from, to) = (x(latency.p50), x(latency.p99));
        put(page, format_args!("<text x=\"0\" y=\"{:.0}\">{}</text>", y + 16.0, escaped(&latency.name)));
        let width = (to - from).max(3.0);
        put(
            page,
            format_args!(
                "<rect class=\"bar\" x=\"{from:.1}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"14\"/>",
                y + 5.0
            ),
        );
    }
    page.push_str("</svg>");
}

/// A line through the points, which stand at equal distances; from 0 up, but for shares.
fn series_plot(page: &mut String, series: &Series) {
    let values = || series.points.iter().map(|&(_, value)| value);
    let high = values().fold(f64::MIN_POSITIVE, f64::max);
    let low = if series.unit == Unit::Share { values().fold(1.0, f64::min) * 0.98 } else { 0.0 };
    let x = |at: usize| 60.0 + 560.0 * at as f64 / (series.points.len().max(2) - 1) as f64;
    let y = |value: f64| 160.0 - 130.0 * (value - low) / (high - low).max(f64::MIN_POSITIVE);
    put(
        page,
        format_args!("<svg viewBox=\"0 0 700 200\" role=\"img\" aria-label=\"{}\">", escaped(&series.name)),
    );
    page.push_str(
        "<line class=\"grid\" x1=\"40\" x2=\"660\" y1=\"160\" y2=\"160\"/><path class=\"line\" d=\"",
    );
    for (at, value) in values().enumerate() {
        put(page, format_args!("{}{:.1} {:.1} ", if at == 0 { 'M' } else { 'L' }, x(at), y(value)));
    }
    page.push_str("\"/>");
    for (at, &(setting, value)) in series.points.iter().enumerate() {
        let (x, y, value) = (x(at), y(value), series.unit.display(value));
        put(page, format_args!("<circle class=\"bar\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"));
        put(
            page,
            format_args!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>", y - 10.0),
        );
        put(
            page,
            format_args!(
                "<text x=\"{x:.1}\" y=\"180\" text-anchor=\"middle\">{} {setting}</text>",
                series.setting
            ),
        );
    }
    page.push_str("</svg>");
}
