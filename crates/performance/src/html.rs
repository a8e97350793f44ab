//! A report as one page: it loads nothing from elsewhere, and is read on a telephone or a desk, in light or dark.

use crate::chart::{Kind, LogScale, Page, axis, escaped, latency_bar, value_bar};
use crate::comparison::Comparison;
use crate::numbers::{bytes, count, seconds, several};
use crate::report::{Latency, Loop, Operation, Report, Run};

const STYLE: &str = "\
:root{--ink:#1c1f24;--soft:#5b6470;--paper:#fff;--line:#dfe3e8;--bar:#2f6db3;--tail:#a9c8ea;--old:#8a8f98;--oldtail:#ced1d6;--good:#1c7a3d;--bad:#b3261e;color-scheme:light dark}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a2abb6;--paper:#16181c;--line:#33383f;--bar:#6ea8e6;--tail:#33557c;--old:#8d949e;--oldtail:#474c54;--good:#6fcf8e;--bad:#f2948c}}\
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1rem;color:var(--ink);background:var(--paper)}\
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}\
p{margin:.4rem 0}.soft{color:var(--soft);font-size:.875rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.5rem 0;font-size:.9rem}\
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}.big{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;margin:1rem 0}.big div b{display:block;font-size:1.8rem;line-height:1.2}\
.row{margin:.5rem 0}.row>span{display:flex;justify-content:space-between;gap:.6rem;font-size:.875rem}.row>span>em{font-style:normal;color:var(--soft);white-space:nowrap}\
.track{position:relative;height:12px;background:var(--line);border-radius:3px;margin:2px 0;overflow:hidden}.track i{position:absolute;top:0;bottom:0;background:var(--bar)}\
.track i.tail{background:var(--tail)}.old,.service{height:6px}.old i{background:var(--old)}.old i.tail{background:var(--oldtail)}.service i{background:var(--good)}.service i.tail{background:var(--good);opacity:.4}\
.axis{position:relative;height:1.4rem;font-size:.75rem;color:var(--soft)}.axis b{position:absolute;transform:translateX(-50%);font-weight:400;white-space:nowrap}.axis b.first{transform:none}.axis b.last{transform:translateX(-100%)}\
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.875rem;color:var(--soft);margin:.5rem 0;padding:0;list-style:none}.legend i{display:inline-block;width:1.1rem;height:.7rem;border-radius:2px;margin-right:.35rem;vertical-align:-1px}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;width:100%}td,th{padding:.25rem .6rem .25rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\
td:first-child,th:first-child{text-align:left;white-space:normal;min-width:9rem}td.name{white-space:pre-wrap}.better{color:var(--good)}.worse{color:var(--bad)}.warn{border-left:3px solid var(--bad);padding-left:.6rem}";

impl Report {
    /// One page with all of it.
    pub fn to_html(&self) -> String {
        page(self, None)
    }

    /// The page, with an old report beside.
    pub fn to_html_beside(&self, old: &Self) -> String {
        page(self, Some(old))
    }
}

fn page(report: &Report, old: Option<&Report>) -> String {
    let mut page = Page::default();
    page.text("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    let name = escaped(&report.setting.artifact);
    page.put(format_args!("<title>{name}: performance</title><style>{STYLE}</style></head><body>"));
    page.put(format_args!("<h1>{name}: performance</h1>"));
    setting(&mut page, report);
    summary(&mut page, report, old);
    legend(&mut page, report, old.is_some());
    throughput(&mut page, "Searches a second", Operation::Search, report, old);
    latencies(
        &mut page,
        "Time of a search, closed loop",
        &|run| is(run, Operation::Search, true),
        report,
        old,
    );
    latencies(
        &mut page,
        "Time of a search, open loop: from when it was due",
        &|run| is(run, Operation::Search, false),
        report,
        old,
    );
    throughput(&mut page, "Records got a second", Operation::Get, report, old);
    latencies(&mut page, "Time of a get", &|run| run.operation == Operation::Get, report, old);
    throughput(&mut page, "Records added a second, each batch on disk", Operation::Add, report, old);
    latencies(&mut page, "Time of a batch", &|run| run.operation == Operation::Add, report, old);
    recall(&mut page, report, old);
    figures(&mut page, report, old);
    if let Some(old) = old {
        comparison(&mut page, &report.compare(old));
    }
    table(&mut page, report);
    page.text("</body></html>\n");
    page.0
}

fn is(run: &Run, operation: Operation, is_closed: bool) -> bool {
    run.operation == operation && (run.mode == Loop::Closed) == is_closed
}

fn setting(page: &mut Page, report: &Report) {
    let setting = &report.setting;
    let release = if setting.is_release { "" } else { " (a debug build: its figures say little)" };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (records, disk) = (count(setting.records as f64), bytes(setting.disk_bytes as f64));
    let spaces = if setting.spaces.is_empty() { "none".to_owned() } else { setting.spaces.join(", ") };
    let lines = [
        ("date", format!("{} UTC", setting.date)),
        ("commit", setting.commit.clone().unwrap_or_else(|| "not given".to_owned())),
        ("version", format!("{}{release}", setting.version)),
        ("machine", format!("{}, {}", setting.processor, several(setting.threads as u64, "thread"))),
        ("records", format!("{records}, {disk} on disk")),
        ("vector spaces", spaces),
        ("each load", format!("{} s after {} s of warm-up", setting.seconds, setting.warm_up_seconds)),
    ];
    page.text("<dl>");
    for (name, value) in lines {
        page.put(format_args!("<dt>{name}</dt><dd>{}</dd>", escaped(&value)));
    }
    page.text("</dl>");
}

fn summary(page: &mut Page, report: &Report, old: Option<&Report>) {
    page.text("<div class=\"big\">");
    let mut big = |name: &str, value: String, before: Option<String>| {
        let before = before.map_or(String::new(), |before| format!(" (was {before})"));
        page.put(format_args!("<div><b>{value}</b><span class=\"soft\">{name}{before}</span></div>"));
    };
    if report.has_searches() {
        let text = |value: f64| format!("{}/s", count(value));
        big("max_throughput, searches", text(report.max_throughput), old.map(|old| text(old.max_throughput)));
        big("p95_latency", seconds(report.p95_latency), old.map(|old| seconds(old.p95_latency)));
    }
    page.text("</div>");
    for skipped in &report.skipped {
        page.put(format_args!("<p class=\"soft\">Not measured: {}.</p>", escaped(skipped)));
    }
}

/// Numbers of whoever measured more.
fn figures(page: &mut Page, report: &Report, old: Option<&Report>) {
    if report.figures.is_empty() {
        return;
    }
    page.text("<h2>More figures</h2><div class=\"scroll\"><table>");
    for figure in &report.figures {
        let before = old.and_then(|old| old.figures.iter().find(|other| other.name == figure.name));
        let before = before.map_or(String::new(), |before| {
            format!("<span class=\"soft\">was {}</span> ", before.unit.display(before.value))
        });
        let (name, value) = (escaped(&figure.name), figure.unit.display(figure.value));
        page.put(format_args!("<tr><td class=\"name\">{name}</td><td>{before}{value}</td></tr>"));
    }
    page.text("</table></div>");
}

fn legend(page: &mut Page, report: &Report, has_old: bool) {
    page.text("<ul class=\"legend\">");
    let mut item = |color: &str, text: &str| {
        page.put(format_args!("<li><i style=\"background:var(--{color})\"></i>{text}</li>"));
    };
    item("bar", "throughput; of times, p50 to p95 (the numbers beside: p50 · p95 · p99)");
    item("tail", "p95 to p99");
    if report.runs.iter().any(|run| run.service.is_some()) {
        item("good", "the call alone, without the wait of an open loop");
    }
    if has_old {
        item("old", "the run before");
    }
    page.text("</ul><p class=\"soft\">Times are on a logarithmic scale. In a closed loop a client waits for its last call before the next, so that percentiles leave out those who would have come meanwhile; an open loop counts them.</p>");
}

/// The run of an old report that one is compared with.
fn before<'a>(run: &Run, old: Option<&'a Report>, report: &Report) -> Option<&'a Run> {
    let same = |other: &&Run| other.key() == run.key();
    let place = report.runs.iter().filter(same).position(|other| std::ptr::eq(other, run))?;
    old?.runs.iter().filter(same).nth(place)
}

fn throughput(page: &mut Page, title: &str, operation: Operation, report: &Report, old: Option<&Report>) {
    let runs: Vec<&Run> = report.runs.iter().filter(|run| is(run, operation, true)).collect();
    if runs.is_empty() {
        return;
    }
    page.put(format_args!("<h2>{title}</h2>"));
    let others = runs.iter().filter_map(|run| before(run, old, report));
    let most = runs.iter().copied().chain(others).map(|run| run.throughput).fold(0.0, f64::max);
    for run in runs {
        let written = run.written();
        let written = if written.is_empty() { written } else { format!(", written {written}") };
        page.put(format_args!(
            "<div class=\"row\"><span>{}<em>{}/s{written}</em></span>",
            run.name(),
            count(run.throughput)
        ));
        value_bar(page, run.throughput, most, Kind::New);
        if let Some(before) = before(run, old, report) {
            value_bar(page, before.throughput, most, Kind::Old);
        }
        page.text("</div>");
    }
}

fn latencies(
    page: &mut Page,
    title: &str,
    is_shown: &dyn Fn(&Run) -> bool,
    report: &Report,
    old: Option<&Report>,
) {
    let runs: Vec<&Run> = report.runs.iter().filter(|run| is_shown(run)).collect();
    if runs.is_empty() {
        return;
    }
    page.put(format_args!("<h2>{title}</h2>"));
    let others = runs.iter().filter_map(|run| before(run, old, report));
    let services = runs.iter().filter_map(|run| run.service);
    let all = runs.iter().copied().chain(others).map(|run| run.latency).chain(services);
    let scale = LogScale::around(all.flat_map(|latency| [latency.p50, latency.p99]));
    for run in runs {
        let Latency { p50, p95, p99, .. } = run.latency;
        let times = [p50, p95, p99].map(seconds).join(" · ");
        page.put(format_args!("<div class=\"row\"><span>{}<em>{times}</em></span>", run.name()));
        latency_bar(page, scale, &run.latency, Kind::New);
        if let Some(service) = &run.service {
            latency_bar(page, scale, service, Kind::Service);
        }
        if let Some(before) = before(run, old, report) {
            latency_bar(page, scale, &before.latency, Kind::Old);
        }
        page.text("</div>");
    }
    axis(page, scale);
}

fn recall(page: &mut Page, report: &Report, old: Option<&Report>) {
    if report.recall.is_empty() {
        return;
    }
    page.text("<h2>Recall, beside an exact search</h2>");
    for recall in &report.recall {
        let width = recall.ef_search.map_or("default width".to_owned(), |ef| format!("ef_search {ef}"));
        let name = format!("{:?}, first {}, {width}", recall.space, recall.k);
        page.put(format_args!(
            "<div class=\"row\"><span>{}<em>{:.4}</em></span>",
            escaped(&name),
            recall.recall
        ));
        value_bar(page, recall.recall, 1.0, Kind::New);
        let same = |other: &&crate::report::Recall| {
            (&other.space, other.k, other.ef_search) == (&recall.space, recall.k, recall.ef_search)
        };
        if let Some(before) = old.and_then(|old| old.recall.iter().find(same)) {
            value_bar(page, before.recall, 1.0, Kind::Old);
        }
        page.text("</div>");
    }
}

fn comparison(page: &mut Page, comparison: &Comparison) {
    page.put(format_args!(
        "<h2>Beside the run before</h2><p class=\"soft\">Before: {}. Now: {}. A gain above 1 is better; two runs of the same differ by a tenth.</p>",
        escaped(&comparison.old),
        escaped(&comparison.new)
    ));
    for warning in &comparison.warnings {
        page.put(format_args!("<p class=\"warn\">Not the same: {}.</p>", escaped(warning)));
    }
    page.text("<div class=\"scroll\"><table><tr><th></th><th>before</th><th>now</th><th>gain</th></tr>");
    for change in &comparison.changes {
        let ([old, new, gain], verdict) = (change.cells(), change.verdict());
        page.put(format_args!(
            "<tr><td>{}</td><td>{old}</td><td>{new}</td><td class=\"{verdict}\">{gain}</td></tr>",
            escaped(&change.name)
        ));
    }
    page.text("</table></div>");
}

fn table(page: &mut Page, report: &Report) {
    page.text("<h2>All numbers</h2><div class=\"scroll\"><table><tr><th></th>");
    let titles = ["per s", "calls", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
    let costs = ["CPUs", "memory", "written", "written to added"];
    for title in titles.iter().chain(&costs) {
        page.put(format_args!("<th>{title}</th>"));
    }
    page.text("</tr>");
    for run in &report.runs {
        let Latency { mean, p50, p90, p95, p99, p999, max } = run.latency;
        let mut cells = vec![run.name(), count(run.throughput)];
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        cells.push(count(run.calls as f64));
        cells.extend([mean, p50, p90, p95, p99, p999, max].map(seconds));
        let length = |length: Option<u64>| {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            length.map_or_else(String::new, |length| bytes(length as f64))
        };
        cells.push(run.cost.processors.map_or_else(String::new, |processors| format!("{processors:.2}")));
        cells.extend([length(run.cost.resident_bytes), length(run.cost.written_bytes), run.written()]);
        page.text("<tr>");
        for cell in cells {
            page.put(format_args!("<td>{cell}</td>"));
        }
        page.text("</tr>");
    }
    page.text("</table></div>");
}
