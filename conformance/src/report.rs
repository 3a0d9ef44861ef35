//! What came of many lives, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use longshore_simulator::generic::Fault;
use serde_json::{Value, json};

use crate::run::Options;
use crate::seed::SeedReport;
use crate::subject::Subject;

/// The most seeds with findings that are told of.
const MOST: usize = 50;

/// What came of many seeds of one manifest.
#[derive(Clone, Debug)]
pub struct Report {
    /// The connector's id.
    pub id: String,
    /// The app's name.
    pub app: String,
    /// The seeds that were to be played.
    pub planned: u64,
    /// The seeds that were played.
    pub seeds: u64,
    /// The first of them.
    pub first: u64,
    /// All numbers added up.
    pub total: SeedReport,
    /// The seeds in which something is wrong, as far as there is room.
    pub failed: Vec<SeedReport>,
    /// How many that are.
    pub failures: u64,
    /// The faults that were to be played.
    pub faults: Vec<Fault>,
}

impl Report {
    pub(crate) fn new(subject: &Subject, options: &Options) -> Self {
        Self {
            id: subject.id.clone(),
            app: subject.app.clone(),
            planned: options.seeds,
            seeds: 0,
            first: options.first,
            total: SeedReport::default(),
            failed: Vec::new(),
            failures: 0,
            faults: options.limits.faults.iter().copied().collect(),
        }
    }

    pub(crate) fn add(&mut self, seed: SeedReport) {
        self.seeds += 1;
        let total = &mut self.total;
        total.lost += seed.lost;
        total.duplicated += seed.duplicated;
        total.reserve_broken += seed.reserve_broken;
        total.impatient += seed.impatient;
        total.unknown += seed.unknown;
        total.left_behind += seed.left_behind;
        total.hung += seed.hung;
        total.delivered += seed.delivered;
        total.requests += seed.requests;
        total.polls += seed.polls;
        total.kills += seed.kills;
        total.virtual_time = total.virtual_time.saturating_add(seed.virtual_time);
        for (fault, times) in &seed.faults {
            *total.faults.entry(*fault).or_default() += times;
        }
        if !seed.holds() {
            self.failures += 1;
            self.failed.push(seed);
            self.failed.sort_by_key(|seed| seed.seed);
            self.failed.truncate(MOST);
        }
    }

    /// Whether nothing is wrong, and all that was planned was played.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures == 0 && self.seeds == self.planned
    }

    /// The faults of requests that never came, though they were to.
    #[must_use]
    pub fn never(&self) -> Vec<Fault> {
        let faults = self.faults.iter().copied();
        faults.filter(|f| !f.is_of_seed() && !self.total.faults.contains_key(f)).collect()
    }

    fn numbers(&self) -> [(&'static str, u64); 7] {
        let total = &self.total;
        [
            ("lost", total.lost),
            ("duplicated", total.duplicated),
            ("reserve broken", total.reserve_broken),
            ("impatient", total.impatient),
            ("undeclared requests", total.unknown),
            ("left behind", total.left_behind),
            ("hung", total.hung),
        ]
    }
}

/// A report for people.
#[must_use]
pub fn render_text(report: &Report) -> String {
    let mut text = String::new();
    let total = &report.total;
    let _ = writeln!(
        text,
        "{}: {} of {} seeds from {}, {} polls, {} kills, {} requests, {} events, {} virtual days",
        report.id,
        report.seeds,
        report.planned,
        report.first,
        total.polls,
        total.kills,
        total.requests,
        total.delivered,
        days(total.virtual_time),
    );
    let numbers: Vec<_> =
        report.numbers().iter().map(|(name, number)| format!("{name} {number}")).collect();
    let _ = writeln!(text, "  {}", numbers.join(" / "));
    let faults: Vec<_> =
        total.faults.iter().map(|(fault, times)| format!("{fault} {times}")).collect();
    if !faults.is_empty() {
        let _ = writeln!(text, "  faults: {}", faults.join(", "));
    }
    let never: Vec<_> = report.never().iter().map(ToString::to_string).collect();
    if !never.is_empty() {
        let _ = writeln!(text, "  never came: {}", never.join(", "));
    }
    for seed in &report.failed {
        let _ = writeln!(text, "  seed {}:", seed.seed);
        for finding in seed.findings.iter().take(5) {
            let _ = writeln!(text, "    {finding}");
        }
    }
    text
}

fn days(time: Duration) -> u64 {
    time.as_secs() / 86_400
}

/// Reports for programs.
#[must_use]
pub fn render_json(reports: &[Report]) -> String {
    let manifests: Vec<_> = reports.iter().map(manifest_json).collect();
    let holds = reports.iter().all(Report::holds);
    format!("{:#}\n", json!({ "version": 1, "holds": holds, "manifests": manifests }))
}

fn manifest_json(report: &Report) -> Value {
    let total = &report.total;
    let named = |faults: &BTreeMap<Fault, u64>| -> BTreeMap<String, u64> {
        faults.iter().map(|(fault, times)| (fault.to_string(), *times)).collect()
    };
    let failed: Vec<_> = report
        .failed
        .iter()
        .map(|seed| {
            json!({
                "seed": seed.seed,
                "lost": seed.lost,
                "duplicated": seed.duplicated,
                "reserve_broken": seed.reserve_broken,
                "impatient": seed.impatient,
                "undeclared_requests": seed.unknown,
                "left_behind": seed.left_behind,
                "hung": seed.hung,
                "findings": seed.findings,
            })
        })
        .collect();
    json!({
        "id": report.id,
        "app": report.app,
        "holds": report.holds(),
        "planned": report.planned,
        "seeds": report.seeds,
        "first_seed": report.first,
        "lost": total.lost,
        "duplicated": total.duplicated,
        "reserve_broken": total.reserve_broken,
        "impatient": total.impatient,
        "undeclared_requests": total.unknown,
        "left_behind": total.left_behind,
        "hung": total.hung,
        "events": total.delivered,
        "requests": total.requests,
        "polls": total.polls,
        "kills": total.kills,
        "virtual_days": days(total.virtual_time),
        "faults": named(&total.faults),
        "faults_that_never_came":
            report.never().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "failures": report.failures,
        "failed": failed,
    })
}

/// Reports as one HTML page that needs nothing else.
#[must_use]
pub fn render_html(reports: &[Report]) -> String {
    let mut page = String::from(HEAD);
    let holds = reports.iter().all(Report::holds);
    let verdict = if holds { "holds" } else { "does not hold" };
    let _ =
        writeln!(page, "<h1>Conformance: <span class=\"{}\">{verdict}</span></h1>", class(holds));
    page.push_str("<table><tr><th>connector<th>seeds<th>lost<th>duplicated<th>reserve broken<th>impatient<th>undeclared<th>left behind<th>hung<th>events<th>requests<th>kills<th>virtual days</tr>\n");
    for report in reports {
        let total = &report.total;
        let _ = write!(
            page,
            "<tr class=\"{}\"><td>{}<td>{} of {}",
            class(report.holds()),
            escaped(&report.id),
            report.seeds,
            report.planned
        );
        for (_, number) in report.numbers() {
            let _ = write!(page, "<td class=\"{}\">{number}", class(number == 0));
        }
        let _ = writeln!(
            page,
            "<td>{}<td>{}<td>{}<td>{}</tr>",
            total.delivered,
            total.requests,
            total.kills,
            days(total.virtual_time)
        );
    }
    page.push_str("</table>\n");
    for report in reports {
        let _ = writeln!(page, "<h2>{} ({})</h2>", escaped(&report.app), escaped(&report.id));
        page.push_str("<table><tr><th>fault<th>times</tr>\n");
        for fault in &report.faults {
            let times = report.total.faults.get(fault).copied().unwrap_or_default();
            let shown =
                if fault.is_of_seed() { "of the seed".to_owned() } else { times.to_string() };
            let _ = writeln!(page, "<tr><td>{fault}<td>{shown}</tr>");
        }
        page.push_str("</table>\n");
        for seed in &report.failed {
            let _ = writeln!(page, "<h3 class=\"bad\">seed {}</h3><ul>", seed.seed);
            for finding in &seed.findings {
                let _ = writeln!(page, "<li>{}", escaped(finding));
            }
            page.push_str("</ul>\n");
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn class(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Longshore conformance</title>\n<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:right}th:first-child,td:first-child{text-align:left}.bad{color:#a00;font-weight:bold}h1 .good{color:#070}</style></head><body>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_was_found_and_runs_none_of_it() {
        let seed = SeedReport {
            seed: 7,
            lost: 1,
            findings: vec!["<script>alert(\"1\")</script> & 'more'".to_owned()],
            ..SeedReport::default()
        };
        let mut report = Report {
            id: "app".to_owned(),
            app: "<App>".to_owned(),
            planned: 1,
            seeds: 0,
            first: 7,
            total: SeedReport::default(),
            failed: Vec::new(),
            failures: 0,
            faults: vec![Fault::Cut],
        };
        report.add(seed);
        assert!(!report.holds());
        assert_eq!(report.never(), [Fault::Cut]);
        let page = render_html(&[report.clone()]);
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;")
        );
        assert!(!page.contains("<script") && page.contains("seed 7"));
        let json: Value = serde_json::from_str(&render_json(&[report.clone()])).unwrap();
        assert_eq!((&json["holds"], &json["manifests"][0]["lost"]), (&json!(false), &json!(1)));
        assert!(render_text(&report).contains("lost 1 / duplicated 0"));
    }
}
