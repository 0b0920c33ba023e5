//! The test as a page: one line a kind of packet.

use super::matrix::{Report, Verdict};

pub(super) fn show(report: &Report) -> String {
    let lockdown = if report.lockdown { ", lockdown" } else { "" };
    let mut page = format!("state: {}{lockdown}\n", report.state);
    if !report.lines.is_empty() {
        page.push_str(&format!(
            "{:<26} {:<12} {:<10} SEEN\n",
            "SENT", "EXPECTED", "VERDICT"
        ));
    }
    for line in &report.lines {
        let verdict = match line.verdict {
            Verdict::Ok => "OK",
            Verdict::Leak => "LEAK",
            Verdict::NotTested => "NOT TESTED",
        };
        page.push_str(&format!(
            "{:<26} {:<12} {verdict:<10} {}\n",
            line.sent, line.expected, line.seen
        ));
    }
    if let Some(obstacle) = &report.obstacle {
        page.push_str(&format!("not tested: {obstacle}\n"));
    }
    page.push_str(&format!(
        "not tried here: {}\n",
        report.not_tried.join("; ")
    ));
    page.push_str(&match report.status() {
        0 => format!(
            "no leak: {} kinds of packets, {} of them left this machine as the state lets them",
            report.lines.len(),
            report.left()
        ),
        1 => format!("LEAK: {} kinds of packets", report.count(Verdict::Leak)),
        _ => "not proven: something could not be tested".to_owned(),
    });
    page
}
