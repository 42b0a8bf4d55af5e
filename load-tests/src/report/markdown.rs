//! The report for people.

use std::fmt::Write as _;

use super::{BarReport, Figures, Report, RowReport};
use crate::statistics::Spread;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _infallible = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let date = report.date.as_deref().map(|date| format!(", {date}")).unwrap_or_default();
    writeln!(out, "# Load: {}{date}\n", report.scenario)?;
    writeln!(out, "{}\n", setting(report))?;
    writeln!(out, "Figures are medians of the rounds with the least and the greatest.\n")?;

    writeln!(out, "## As fast as it goes\n")?;
    writeln!(
        out,
        "| row | requests/s | CPU s per 100k | user part | core used | p50 / p99 / p99.9 µs \
         | RSS MiB | bad | access lines |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in &report.rows {
        closed(out, row)?;
    }

    for (index, open) in report.rows.first().map(|row| &row.open).into_iter().flatten().enumerate()
    {
        writeln!(out, "\n## At {} requests/s\n", open.rate)?;
        writeln!(
            out,
            "| row | p50 µs | p99 µs | p99.9 µs | CPU s per 100k |\n|---|---|---|---|---|"
        )?;
        for row in &report.rows {
            let Some(open) = row.open.get(index) else { continue };
            at_a_rate(out, &row.name, &open.figures)?;
        }
    }

    if !report.bars.is_empty() {
        writeln!(out, "\n## Bars\n")?;
        writeln!(
            out,
            "| row | against | CPU a request, ratio | at most | p99.9 at a rate, µs more | at most \
             | holds |\n|---|---|---|---|---|---|---|"
        )?;
    }
    report.bars.iter().try_for_each(|bar| verdict(out, bar))
}

fn setting(report: &Report) -> String {
    let (machine, cores, versions) = (&report.machine, &report.cores, &report.versions);
    format!(
        "{}, {} cores, Linux {}, load before the run {}.\n\
         Proxy with one worker on core {}, generator and origin on core {}; {} keep-alive \
         connections, 1 KiB of JSON; {} rounds with a closed loop of {} s each.\n\
         Edge: {} (hyper {}, pingora-core {}, tokio {}). Peers: hyper {}, pingora-proxy {}, tokio {}.",
        machine.model,
        machine.cores,
        machine.kernel,
        machine.load_before,
        cores.proxy,
        cores.load,
        report.connections,
        report.rounds,
        report.closed_seconds,
        versions.edge,
        versions.edge_hyper,
        versions.edge_pingora_core,
        versions.edge_tokio,
        versions.peer_hyper,
        versions.peer_pingora_proxy,
        versions.peer_tokio,
    )
}

fn closed(out: &mut String, row: &RowReport) -> std::fmt::Result {
    let figures = &row.closed;
    writeln!(
        out,
        "| {} | {} | {} | {} | {:.2} | {:.0} / {:.0} / {:.0} | {:.0} | {} | {} |",
        row.name,
        spread(figures.requests_per_second, 0),
        cpu(figures.cpu_per_100k),
        cpu(figures.cpu_user_per_100k),
        figures.busy.median,
        figures.p50_us.median,
        figures.p99_us.median,
        figures.p999_us.median,
        row.resident_mib,
        row.bad,
        row.lines_per_answer
            .map_or_else(|| "–".to_owned(), |lines| format!("{:.1} %", lines * 100.0)),
    )
}

fn at_a_rate(out: &mut String, name: &str, figures: &Figures) -> std::fmt::Result {
    writeln!(
        out,
        "| {name} | {} | {} | {} | {} |",
        spread(figures.p50_us, 0),
        spread(figures.p99_us, 0),
        spread(figures.p999_us, 0),
        cpu(figures.cpu_per_100k),
    )
}

fn verdict(out: &mut String, bar: &BarReport) -> std::fmt::Result {
    let is_bar = bar.cpu_max.is_some() || bar.p999_more_max_us.is_some();
    let holds = match (bar.holds, is_bar) {
        (false, _) => "**no**",
        (true, true) => "yes",
        (true, false) => "–",
    };
    let max = |max: Option<f64>| max.map_or_else(|| "–".to_owned(), |max| max.to_string());
    let (ratio, more) = (spread(bar.cpu, 2), spread(bar.p999_more_us, 0));
    let (cpu_max, more_max) = (max(bar.cpu_max), max(bar.p999_more_max_us));
    let (row, against) = (&bar.row, &bar.against);
    writeln!(out, "| {row} | {against} | {ratio} | {cpu_max} | {more} | {more_max} | {holds} |")
}

fn spread(spread: Spread, digits: usize) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
}

fn cpu(figure: Option<Spread>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| spread(figure, 2))
}
