//! The report as one HTML page without anything from elsewhere: to be kept, sent and read on a phone.

use std::fmt::Write as _;

use super::judge::{Duck, Outcome, TOO_LATE};
use super::report::{Report, amount};
use crate::bench::ms;

const STYLE: &str = include_str!("page.css");
/// A picture's own units; the page scales it.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 290.0;
/// Room for what is written at the left, the right, above and below.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;
/// More numbers do not fit beside each other.
const MOST_STEPS: f64 = 8.0;
/// The bars of the histogram.
const BIN_MS: f64 = 100.0;

pub(super) fn html(report: &Report) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = write!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Aether: spoken turns, {}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Spoken turns, measured</h1>\n<p>{}</p>\n",
        escaped(&report.measured_at),
        escaped(&report.headline()),
    );
    aims(&mut page, report);
    figure(
        &mut page,
        "End of speech → first audio",
        "How many answers came how late, at the person, both network legs included. Dashed: the median.",
        &histogram(report),
    );
    figure(
        &mut page,
        "Where the time goes",
        "The median of each stage, and in the lighter part the slowest answer in twenty.",
        &stages(report),
    );
    figure(
        &mut page,
        "Patience",
        "Each dot is an answer: how late it came, by the longest pause of the utterance. A cross is a pause that was taken for \
         the end, and when. To the left of a dot lie the pauses that were waited for.",
        &patience(report),
    );
    if !report.sweep.is_empty() {
        figure(
            &mut page,
            "Settings",
            "Median latency against false cut-offs; lower and further left is better. Filled: no other setting beats it in both.",
            &front(report),
        );
        settings(&mut page, report);
    }
    overlaps(&mut page, report);
    answers(&mut page, report);
    parts(&mut page, report);
    for note in report.notes() {
        let _ = writeln!(page, "<p>{}</p>", escaped(&note));
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn aims(page: &mut String, report: &Report) {
    page.push_str("<ul class=\"aims\">\n");
    for aim in &report.aims {
        let class = match aim.value {
            value if value.is_nan() => "unknown",
            _ if aim.is_met() => "met",
            _ => "missed",
        };
        let _ = writeln!(
            page,
            "<li class=\"{class}\"><span>{}</span><strong>{}</strong><span>at most {} {}: {}</span></li>",
            escaped(aim.name),
            amount(aim.value, aim.unit),
            aim.most,
            aim.unit,
            aim.verdict(),
        );
    }
    page.push_str("</ul>\n");
}

fn figure(page: &mut String, title: &str, caption: &str, picture: &str) {
    let (title, caption) = (escaped(title), escaped(caption));
    let _ = writeln!(page, "<h2>{title}</h2>\n<figure>{picture}<figcaption>{caption}</figcaption></figure>");
}

/// A pair of axes, and where on the picture their values are.
struct Axes {
    svg: String,
    most_x: f64,
    most_y: f64,
}

impl Axes {
    fn new(
        label: &str,
        (most_x, step_x, unit_x): (f64, f64, &str),
        (most_y, step_y, unit_y): (f64, f64, &str),
    ) -> Self {
        let mut axes = Self { svg: String::new(), most_x, most_y };
        let _ =
            write!(axes.svg, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escaped(label));
        let (base, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for value in steps(most_x, step_x) {
            let x = axes.x(value);
            let _ = write!(axes.svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{value}</text>", base + 16.0);
        }
        for value in steps(most_y, step_y) {
            let y = axes.y(value);
            let _ = write!(
                axes.svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick left\" x=\"{:.1}\" y=\"{:.1}\">{value}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        let _ = write!(
            axes.svg,
            "<text class=\"unit\" x=\"{end}\" y=\"{:.1}\">{unit_x}</text>\
             <text class=\"unit\" x=\"{end}\" y=\"{:.1}\">{unit_y}</text>",
            HEIGHT - 6.0,
            TOP - 8.0
        );
        axes
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (value / self.most_x).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / self.most_y).clamp(0.0, 1.0)
    }

    fn upright(&mut self, class: &str, value: f64) {
        if value.is_finite() {
            let x = self.x(value);
            let base = HEIGHT - BOTTOM;
            let _ =
                write!(self.svg, "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{base}\"/>");
        }
    }

    fn dot(&mut self, class: &str, x: f64, y: f64, title: &str) {
        let (x, y, title) = (self.x(x), self.y(y), escaped(title));
        let _ = write!(
            self.svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{title}</title></circle>"
        );
    }

    fn cross(&mut self, x: f64, y: f64, title: &str) {
        let (x, y, title) = (self.x(x), self.y(y), escaped(title));
        let _ = write!(
            self.svg,
            "<path class=\"cross\" d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\"><title>{title}</title></path>",
            x - 5.0,
            y - 5.0
        );
    }

    fn done(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}

fn steps(most: f64, step: f64) -> impl Iterator<Item = f64> {
    let step = step * (most / step / MOST_STEPS).ceil().max(1.0);
    let count = (most / step).floor() as u32;
    (0..=count).map(move |number| f64::from(number) * step)
}

/// The next round number, so that all of it is to be seen.
fn rounded_up(value: f64, step: f64, least: f64) -> f64 {
    if value.is_finite() { ((value / step).ceil() * step).max(least) } else { least }
}

fn histogram(report: &Report) -> String {
    let latencies: Vec<f64> = report.answers.iter().filter_map(|answer| answer.latency_ms).collect();
    let slowest = latencies.iter().copied().fold(0.0, f64::max);
    let most_x = rounded_up(slowest + 1.0, 500.0, 2_000.0);
    let mut bins = vec![0u32; (most_x / BIN_MS) as usize];
    for latency in latencies {
        if let Some(bin) = bins.get_mut((latency / BIN_MS) as usize) {
            *bin += 1;
        }
    }
    let most = f64::from(bins.iter().copied().max().unwrap_or_default());
    let step_y = (most / 4.0).ceil().max(1.0);
    let label = "Histogram of the time from the end of speech to the first audio";
    let mut axes = Axes::new(label, (most_x, 500.0, "ms"), (rounded_up(most, step_y, 1.0), step_y, "answers"));
    for (place, count) in bins.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        let from = place as f64 * BIN_MS;
        let (x, y) = (axes.x(from), axes.y(f64::from(count)));
        let (width, height) = (axes.x(from + BIN_MS) - x - 1.5, HEIGHT - BOTTOM - y);
        let class = if from >= ms(TOO_LATE) { "bar late" } else { "bar" };
        let _ = write!(
            axes.svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
             <title>{count} at {from} ms</title></rect>"
        );
    }
    axes.upright("median", report.figures.latency_ms.p50);
    axes.done()
}

fn stages(report: &Report) -> String {
    const ROW: f64 = 38.0;
    let rows = &report.figures.stages;
    let most = rows.iter().map(|row| row.ms.p95).filter(|value| value.is_finite()).fold(1.0, f64::max);
    let height = ROW * rows.len() as f64;
    let label = "Median and slow times of each stage";
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">");
    for (place, row) in rows.iter().enumerate() {
        let y = place as f64 * ROW;
        let [p50, p95] = [row.ms.p50, row.ms.p95].map(|value| if value.is_finite() { value } else { 0.0 });
        let [short, long] = [p50, p95].map(|value| (WIDTH - 4.0) * value / most);
        let _ = write!(
            svg,
            "<text class=\"row\" x=\"0\" y=\"{:.1}\">{}</text><text class=\"unit\" x=\"{WIDTH}\" y=\"{:.1}\">{} / {} ms</text>\
             <rect class=\"bar slow\" x=\"0\" y=\"{:.1}\" width=\"{long:.1}\" height=\"12\"/>\
             <rect class=\"bar\" x=\"0\" y=\"{:.1}\" width=\"{short:.1}\" height=\"12\"/>",
            y + 14.0,
            escaped(&row.name),
            y + 14.0,
            amount(row.ms.p50, ""),
            amount(row.ms.p95, ""),
            y + 19.0,
            y + 19.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

fn patience(report: &Report) -> String {
    let longest = |pauses: &[f64]| pauses.iter().copied().fold(0.0, f64::max);
    let answers = || report.answers.iter().filter(|answer| answer.latency_ms.is_some());
    let cut_offs = || {
        report.answers.iter().flat_map(|answer| {
            answer
                .cut_offs
                .iter()
                .filter_map(move |cut_off| Some((answer, *answer.pauses_ms.get(cut_off.pause?)?, cut_off.after_ms)))
        })
    };
    let most_x = report.answers.iter().map(|answer| longest(&answer.pauses_ms)).fold(0.0, f64::max);
    let latest = answers().filter_map(|answer| answer.latency_ms).chain(cut_offs().map(|(_, _, after)| after));
    let most_y = rounded_up(latest.fold(0.0, f64::max), 500.0, 2_000.0);
    let label = "Latency of each answer by the longest pause of its utterance, with the pauses that were cut off";
    let mut axes = Axes::new(
        label,
        (rounded_up(most_x, 250.0, 1_500.0), 250.0, "longest pause, ms"),
        (most_y, 500.0, "latency, ms"),
    );
    for answer in answers() {
        if let Some(latency) = answer.latency_ms {
            let pause = longest(&answer.pauses_ms);
            axes.dot(
                "dot",
                pause,
                latency,
                &format!("{}: {latency:.0} ms after a longest pause of {pause:.0} ms", answer.said),
            );
        }
    }
    for (answer, pause, after) in cut_offs() {
        axes.cross(pause, after, &format!("{}: cut off {after:.0} ms into a pause of {pause:.0} ms", answer.said));
    }
    axes.done()
}

fn front(report: &Report) -> String {
    let measured = || report.sweep.iter().filter(|point| point.latency_ms.p50.is_finite() && point.cut_offs.of > 0);
    let most_x = rounded_up(measured().map(|point| point.latency_ms.p50).fold(0.0, f64::max), 250.0, 1_500.0);
    let most_y = rounded_up(measured().map(|point| point.cut_offs.percent()).fold(0.0, f64::max), 5.0, 10.0);
    let label = "Median latency and false cut-offs of each setting";
    let step_y = (most_y / 4.0).ceil();
    let mut axes = Axes::new(label, (most_x, 250.0, "p50, ms"), (most_y, step_y, "false cut-offs, %"));
    let mut best: Vec<_> = measured().filter(|point| point.is_on_front).collect();
    best.sort_by(|one, other| one.latency_ms.p50.total_cmp(&other.latency_ms.p50));
    let line: Vec<_> = best
        .iter()
        .map(|point| format!("{:.1},{:.1}", axes.x(point.latency_ms.p50), axes.y(point.cut_offs.percent())))
        .collect();
    let _ = write!(axes.svg, "<polyline class=\"front\" points=\"{}\"/>", line.join(" "));
    for point in measured() {
        let class = if point.is_on_front { "dot" } else { "dot hollow" };
        axes.dot(class, point.latency_ms.p50, point.cut_offs.percent(), &point.settings);
    }
    axes.done()
}

fn settings(page: &mut String, report: &Report) {
    let rows = report.sweep.iter().map(|point| {
        vec![
            point.settings.clone(),
            amount(point.latency_ms.p50, "ms"),
            amount(point.latency_ms.p95, "ms"),
            amount(point.cut_offs.percent(), "%"),
            if point.is_on_front { "yes" } else { "" }.to_owned(),
        ]
    });
    table(page, &["settings", "p50", "p95", "false cut-offs", "on the front"], rows);
}

fn overlaps(page: &mut String, report: &Report) {
    if report.overlaps.is_empty() {
        return;
    }
    page.push_str("<h2>While the agent spoke</h2>\n");
    let rows = report.overlaps.iter().map(|overlap| {
        let outcome = match overlap.outcome {
            Outcome::WentOn => "went on".to_owned(),
            Outcome::Stopped { after_ms } => format!("stopped after {after_ms:.0} ms"),
            Outcome::Missed { after_ms: None } => "missed".to_owned(),
            Outcome::Missed { after_ms: Some(after_ms) } => format!("missed, stopped after {after_ms:.0} ms"),
            Outcome::Inconclusive => "nothing to be seen".to_owned(),
        };
        let ducked = match overlap.lowered {
            Duck::AfterMs(after) => amount(after, "ms"),
            Duck::Never => "never".to_owned(),
            Duck::Unclear => "–".to_owned(),
        };
        let taken_for = overlap.taken_for.clone().unwrap_or_default();
        vec![overlap.kind.name().to_owned(), overlap.what.clone(), outcome, ducked, taken_for]
    });
    table(page, &["kind", "what", "the voice", "lowered after", "taken for"], rows);
}

fn answers(page: &mut String, report: &Report) {
    if report.answers.is_empty() {
        return;
    }
    page.push_str("<h2>Utterances</h2>\n");
    let rows = report.answers.iter().map(|answer| {
        let latency = answer.latency_ms.map_or_else(|| "–".to_owned(), |latency| amount(latency, "ms"));
        let became = match &answer.failed {
            Some(why) => why.clone(),
            None if answer.cut_offs.is_empty() => String::new(),
            None => format!("cut off {} ×", answer.cut_offs.len()),
        };
        vec![
            answer.said.clone(),
            answer.understood.clone(),
            answer.condition.to_owned(),
            answer.pauses_ms.iter().map(|pause| format!("{pause:.0}")).collect::<Vec<_>>().join(", "),
            latency,
            became,
        ]
    });
    table(page, &["said", "understood", "heard", "pauses, ms", "latency", ""], rows);
}

fn parts(page: &mut String, report: &Report) {
    if report.figures.parts.is_empty() {
        return;
    }
    page.push_str("<h2>What it took</h2>\n");
    let rows = report.figures.parts.iter().map(|part| {
        vec![
            part.name.clone(),
            format!("{:.1} s", part.cpu_seconds_per_minute),
            amount(part.resident_mb_before, "MB"),
            amount(part.resident_mb_most, "MB"),
        ]
    });
    table(page, &["part", "CPU per minute of talk", "memory before", "memory at most"], rows);
}

fn table(page: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let cells = |tag: &str, cells: Vec<String>| {
        cells.into_iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(&cell))).collect::<String>()
    };
    let head = cells("th", head.iter().map(|name| (*name).to_owned()).collect());
    let _ = writeln!(page, "<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>");
    for row in rows {
        let _ = writeln!(page, "<tr>{}</tr>", cells("td", row));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::voice::figures::tests::scenes;
    use crate::bench::voice::report::tests::report;
    use crate::bench::voice::scene::Scenes;
    use crate::bench::voice::sweep::mark_front;
    use crate::bench::voice::sweep::tests::point;

    /// Fails where an element is not closed by its own end.
    fn assert_well_formed(page: &str) {
        const EMPTY: [&str; 2] = ["meta", "!doctype"];
        let mut open = Vec::new();
        for piece in page.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("a tag has no end: {piece}"));
            let name = tag.trim_start_matches('/').split_whitespace().next().unwrap().trim_end_matches('/');
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "closed in the wrong order");
            } else if !tag.ends_with('/') && !EMPTY.contains(&name) {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new(), "never closed");
    }

    #[test]
    fn the_page_stands_by_itself() {
        let mut points = vec![point(500.0, 4), point(700.0, 1), point(800.0, 1), point(f64::NAN, 0)];
        mark_front(&mut points);
        for report in [report(scenes(), points), report(Scenes::default(), Vec::new())] {
            let page = html(&report);
            assert_well_formed(&page);
            for elsewhere in ["http:", "https:", "//", "url(", "src=", "href=", "@import", "<script"] {
                assert!(!page.contains(elsewhere), "{elsewhere}");
            }
            assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
            assert!(page.contains("name=\"viewport\"") && page.contains("prefers-color-scheme: dark"));
        }
    }

    #[test]
    fn what_was_said_is_text_and_not_markup() {
        let page = html(&report(scenes(), Vec::new()));
        assert!(page.contains("good morning &amp; welcome") && page.contains("a &lt;machine&gt;"));
    }

    #[test]
    fn every_answer_and_every_cut_off_is_drawn() {
        let report = report(scenes(), Vec::new());
        let picture = patience(&report);
        assert_eq!((picture.matches("<circle").count(), picture.matches("<path").count()), (2, 1));
        let bars = histogram(&report);
        assert_eq!((bars.matches("class=\"bar\"").count(), bars.matches("class=\"bar late\"").count()), (1, 1));
    }
}
