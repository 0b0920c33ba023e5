//! Plots as SVG: lines over linear or logarithmic axes, bars, a legend. Just what the reports need.

use std::fmt::Write;

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// What is drawn, in the order of the legend.
    pub lines: Vec<Line>,
}

/// One axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures and in which unit.
    pub label: String,
    /// Its end; it begins at 0, or at `from` when it is logarithmic.
    pub to: f64,
    /// The begin of a logarithmic axis.
    pub logarithmic_from: Option<f64>,
}

/// One line, or one set of bars.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Through the points.
    Plain,
    /// Through the points, each with a dot.
    Dots,
    /// A bound or a reference, in gray dashes.
    Bound,
    /// A bar up to each point.
    Bars,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 58.0;
/// Told apart also by those who see few colors (Okabe and Ito).
const COLORS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// For bounds and references.
const GRAYS: [&str; 2] = ["#777777", "#222222"];

impl Axis {
    /// From 0 to a round number at or above `most`.
    pub fn linear(label: &str, most: f64) -> Axis {
        let step = step(most);
        Axis {
            label: label.to_owned(),
            to: (most / step).ceil().max(1.0) * step,
            logarithmic_from: None,
        }
    }

    /// Exactly from 0 to `to`.
    pub fn until(label: &str, to: f64) -> Axis {
        Axis {
            label: label.to_owned(),
            to,
            logarithmic_from: None,
        }
    }

    /// Powers of ten apart.
    pub fn logarithmic(label: &str, from: f64, to: f64) -> Axis {
        Axis {
            label: label.to_owned(),
            to,
            logarithmic_from: Some(from),
        }
    }

    /// Where a value lies, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        match self.logarithmic_from {
            Some(from) => (value.max(from) / from).ln() / (self.to / from).ln(),
            None => value / self.to,
        }
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        match self.logarithmic_from {
            Some(from) => {
                let mut power = 10f64.powf(from.log10().floor());
                while power <= self.to * 1.001 {
                    let steps = [1.0, 3.0].map(|step| step * power);
                    let inside = |tick: &f64| *tick >= from * 0.999 && *tick <= self.to * 1.001;
                    ticks.extend(steps.into_iter().filter(inside));
                    power *= 10.0;
                }
            }
            None => {
                let step = step(self.to);
                let mut tick = 0.0;
                while tick <= self.to * 1.001 {
                    ticks.push(tick);
                    tick += step;
                }
            }
        }
        ticks
    }
}

impl Plot {
    /// The picture as text of an SVG file.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>",
            escaped(&self.title)
        );
        text(&mut svg, (LEFT, 24.0), "start", 15.0, &self.title);
        self.axes(&mut svg);
        let (mut color, mut bounds) = (0, 0);
        for (place, line) in self.lines.iter().enumerate() {
            let stroke = match line.style {
                Style::Bound => {
                    bounds += 1;
                    GRAYS[(bounds - 1) % GRAYS.len()]
                }
                Style::Plain | Style::Dots | Style::Bars => {
                    color += 1;
                    COLORS[(color - 1) % COLORS.len()]
                }
            };
            self.line(&mut svg, line, stroke);
            legend(&mut svg, place, line, stroke);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let right = LEFT + self.x.share(x).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
        let down = HEIGHT - BOTTOM - self.y.share(y).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM);
        (right, down)
    }

    fn axes(&self, svg: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in self.y.ticks() {
            let (_, down) = self.at((0.0, tick));
            segment(svg, (LEFT, down), (right, down), "#e4e4e4");
            text(svg, (LEFT - 8.0, down + 4.0), "end", 12.0, &number(tick));
        }
        for tick in self.x.ticks() {
            let (across, _) = self.at((tick, 0.0));
            segment(svg, (across, bottom), (across, bottom + 5.0), "#333333");
            text(svg, (across, bottom + 19.0), "middle", 12.0, &number(tick));
        }
        segment(svg, (LEFT, bottom), (right, bottom), "#333333");
        segment(svg, (LEFT, TOP), (LEFT, bottom), "#333333");
        let middle = (LEFT + right) / 2.0;
        text(svg, (middle, HEIGHT - 16.0), "middle", 13.0, &self.x.label);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\" \
             fill=\"#222222\">{}</text>",
            (TOP + bottom) / 2.0,
            escaped(&self.y.label)
        );
    }

    fn line(&self, svg: &mut String, line: &Line, stroke: &str) {
        let points: Vec<(f64, f64)> = line.points.iter().map(|point| self.at(*point)).collect();
        if line.style == Style::Bars {
            let bottom = HEIGHT - BOTTOM;
            let room = (WIDTH - LEFT - RIGHT) / self.x.to.max(1.0);
            for (across, down) in points {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{down:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{stroke}\"/>",
                    across - 0.4 * room,
                    0.8 * room,
                    bottom - down
                );
            }
            return;
        }
        let path: Vec<String> = points
            .iter()
            .map(|(across, down)| format!("{across:.1},{down:.1}"))
            .collect();
        let dash = match line.style {
            Style::Bound => " stroke-dasharray=\"6 4\"",
            Style::Plain | Style::Dots | Style::Bars => "",
        };
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\"{dash}/>",
            path.join(" ")
        );
        if line.style == Style::Dots {
            for (across, down) in points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3.5\" fill=\"{stroke}\"/>"
                );
            }
        }
    }
}

fn legend(svg: &mut String, place: usize, line: &Line, stroke: &str) {
    let row = f64::from(u16::try_from(place).unwrap_or(u16::MAX));
    let (across, down) = (WIDTH - RIGHT + 14.0, TOP + 10.0 + 20.0 * row);
    let dash = match line.style {
        Style::Bound => " stroke-dasharray=\"6 4\"",
        Style::Plain | Style::Dots | Style::Bars => "",
    };
    let width = match line.style {
        Style::Bars => 9,
        Style::Plain | Style::Dots | Style::Bound => 2,
    };
    let _ = writeln!(
        svg,
        "<line x1=\"{across:.1}\" y1=\"{down:.1}\" x2=\"{:.1}\" y2=\"{down:.1}\" \
         stroke=\"{stroke}\" stroke-width=\"{width}\"{dash}/>",
        across + 22.0
    );
    text(svg, (across + 28.0, down + 4.0), "start", 12.0, &line.name);
}

fn segment(svg: &mut String, from: (f64, f64), to: (f64, f64), stroke: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{stroke}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, size: f64, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
         fill=\"#222222\">{}</text>",
        at.0,
        at.1,
        escaped(words)
    );
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A round step that parts the way to `most` in four to ten.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most.max(1e-9) / 4.0).log10().floor());
    let parts = most.max(1e-9) / 4.0 / power;
    match parts {
        5.0.. => 5.0 * power,
        2.0.. => 2.0 * power,
        _ => power,
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest.is_empty() {
        true => grouped,
        false => format!("{grouped}.{rest}"),
    }
}
