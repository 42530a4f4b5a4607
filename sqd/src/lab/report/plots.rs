//! The plots, as SVG texts.
//!
//! plotters draws them with its SVG backend alone, which measures texts by guess: places are left with room.

use super::DimensionReport;
use crate::lab::measure::{Cell, CellOrder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// What a plot could not be drawn for; the backend writes to memory, so nothing it does fails.
pub(super) type PlotError = DrawingAreaErrorKind<std::io::Error>;
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
/// Lines of a plot beyond which they cannot be told apart.
const MOST_LINES: usize = 10;
/// Orders that are left out first where there are too many.
const LEFT_OUT: [&str; 6] = [
    "cardinality",
    "snake",
    "snake-ranks",
    "morton",
    "gray",
    "peano",
];
/// Colours that are told apart with most kinds of colour blindness (after Okabe and Ito), and greys.
const COLOURS: [RGBColor; MOST_LINES] = [
    RGBColor(120, 120, 120),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(102, 51, 153),
    RGBColor(170, 150, 40),
];

/// A plot of this size.
pub(super) fn plot(
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>,
) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// A text at a place, by the middle of its left or right edge or by its centre.
pub(super) fn label(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    horizontal: HPos,
) -> Result<(), PlotError> {
    let style = (FONT, size).into_font().color(&BLACK);
    let style = style.pos(Pos::new(horizontal, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The orders that are drawn as lines, by index.
fn shown(orders: &[CellOrder]) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..orders.len()).collect();
    for name in LEFT_OUT {
        if shown.len() <= MOST_LINES {
            break;
        }
        shown.retain(|&at| orders[at].order != name);
    }
    shown.truncate(MOST_LINES);
    shown
}

/// One figure of each order against the number of free dimensions, a panel for each class.
pub(super) fn against_free(
    dimension: &DimensionReport,
    what: &str,
    of: fn(&CellOrder) -> f64,
) -> Result<String, PlotError> {
    let cells = &dimension.counted.cells;
    let first = cells.first().map_or(&[][..], |cell| &cell.orders);
    let shown = shown(first);
    plot((1180, 400), |area| {
        let title = format!(
            "{what}, mean, in {} dimensions",
            dimension.counted.dimensions
        );
        label(area, &title, (20, 18), 17, HPos::Left)?;
        let (panels, legend) = area.margin(34, 4, 4, 4).split_horizontally(1000);
        let panels = panels.split_evenly((1, 3));
        let range = range(cells, &shown, of);
        for (panel, class) in panels.iter().zip(["prefix", "wildcard", "box"]) {
            let cells: Vec<&Cell> = cells.iter().filter(|c| c.class.name() == class).collect();
            lines(panel, class, &cells, &shown, range.clone(), of)?;
        }
        for (line, &at) in shown.iter().enumerate() {
            let y = 30 + 24 * line as i32;
            let colour = COLOURS[line].stroke_width(3);
            legend.draw(&PathElement::new([(8, y), (36, y)], colour))?;
            label(&legend, first[at].order, (44, y), 14, HPos::Left)?;
        }
        Ok(())
    })
}

/// What the values of all panels lie in; above zero, for the axis is logarithmic.
fn range(cells: &[Cell], shown: &[usize], of: fn(&CellOrder) -> f64) -> std::ops::Range<f64> {
    let values = cells
        .iter()
        .flat_map(|cell| shown.iter().map(|&at| of(&cell.orders[at])));
    let (least, greatest) = values.fold((f64::INFINITY, 0.0f64), |(least, greatest), value| {
        (least.min(value), greatest.max(value))
    });
    let least = if least.is_finite() {
        least.max(0.5)
    } else {
        0.5
    };
    least / 1.3..greatest.max(least) * 1.5
}

fn lines(
    panel: &Area<'_>,
    class: &str,
    cells: &[&Cell],
    shown: &[usize],
    range: std::ops::Range<f64>,
    of: fn(&CellOrder) -> f64,
) -> Result<(), PlotError> {
    let free = |cell: &&Cell| cell.free as f64;
    let (first, last) = (
        cells.first().map_or(0.0, free),
        cells.last().map_or(1.0, free),
    );
    let mut chart = ChartBuilder::on(panel)
        .caption(class, (FONT, 16))
        .margin(6)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(first - 0.3..last + 0.3, range.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_labels(cells.len().max(2))
        .x_label_formatter(&|x| match (x - x.round()).abs() < 0.01 {
            true => format!("{x:.0}"),
            false => String::new(),
        })
        .y_label_formatter(&|y| short(*y))
        .x_desc("free dimensions")
        .label_style((FONT, 13))
        .draw()?;
    for (line, &at) in shown.iter().enumerate() {
        let colour = COLOURS[line];
        let points: Vec<(f64, f64)> = cells
            .iter()
            .map(|cell| (cell.free as f64, of(&cell.orders[at]).max(0.5)))
            .collect();
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, 3, colour.filled()));
        chart.draw_series(dots)?;
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// A number as an axis has room for.
fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{}M", n / 1e6),
        n if n >= 1e3 => format!("{}k", n / 1e3),
        n => format!("{n}"),
    }
}

/// The rates at which accesses of a session hit L1, a pair of bars for each order.
pub(super) fn hit_rates(dimension: &DimensionReport) -> Result<String, PlotError> {
    const ROW: i32 = 38;
    const LEFT: i32 = 150;
    const WIDTH: f64 = 420.0;
    let orders = &dimension.counted.orders;
    let height = 96 + ROW * orders.len() as i32;
    plot((840, height as u32), |area| {
        let title = format!(
            "Simulated L1 hit rate of a drifting session, in {} dimensions",
            dimension.counted.dimensions
        );
        label(area, &title, (20, 18), 17, HPos::Left)?;
        let traces = [
            ("codes in key blocks", COLOURS[5]),
            ("lines of records", COLOURS[2]),
        ];
        for (at, (name, colour)) in traces.into_iter().enumerate() {
            let x = LEFT + 220 * at as i32;
            area.draw(&Rectangle::new([(x, 40), (x + 14, 54)], colour.filled()))?;
            label(area, name, (x + 22, 47), 14, HPos::Left)?;
        }
        for (at, order) in orders.iter().enumerate() {
            let y = 72 + ROW * at as i32;
            label(area, order.order, (LEFT - 8, y + 14), 14, HPos::Right)?;
            let rows = [
                (
                    order.session.keys.l1_hit_percent,
                    order.keys_l1_over_random_percent,
                ),
                (
                    order.session.records.l1_hit_percent,
                    order.records_l1_over_random_percent,
                ),
            ];
            for (bar, (percent, over)) in rows.into_iter().enumerate() {
                let top = y + 14 * bar as i32;
                let end = LEFT + (percent / 100.0 * WIDTH) as i32;
                let colour = traces[bar].1;
                area.draw(&Rectangle::new(
                    [(LEFT, top), (end, top + 12)],
                    colour.filled(),
                ))?;
                let over = over.map_or(String::new(), |over| format!(", {over:+.1} % over random"));
                let text = format!("{percent:.1} %{over}");
                label(area, &text, (end + 8, top + 6), 12, HPos::Left)?;
            }
        }
        Ok(())
    })
}

/// The first cells of each curve in two dimensions, joined in order.
pub(super) fn curves() -> Result<String, PlotError> {
    const SIDE: i32 = 216;
    let pictures = super::pictures::all();
    let width = 40 + (SIDE + 20) * pictures.len() as i32;
    plot((width.unsigned_abs(), 300), |area| {
        label(
            area,
            "Two dimensions: the first cells along each curve",
            (20, 18),
            17,
            HPos::Left,
        )?;
        for (at, picture) in pictures.iter().enumerate() {
            let (left, top) = (20 + (SIDE + 20) * at as i32, 62);
            let title = format!("{}, {} by {}", picture.name, picture.side, picture.side);
            label(area, &title, (left + SIDE / 2, 46), 14, HPos::Center)?;
            let cell = f64::from(SIDE) / f64::from(picture.side);
            let place = |&(x, y): &(u32, u32)| {
                let along = |n: u32| ((f64::from(n) + 0.5) * cell) as i32;
                (left + along(x), top + SIDE - along(y))
            };
            let path: Vec<(i32, i32)> = picture.cells.iter().map(place).collect();
            let last = path.len() as f64;
            for (step, pair) in path.windows(2).enumerate() {
                let colour = HSLColor(0.62 * step as f64 / last, 0.75, 0.42);
                area.draw(&PathElement::new(pair.to_vec(), colour.stroke_width(2)))?;
            }
        }
        Ok(())
    })
}

/// Times of the engine by class, a bar for each store.
pub(super) fn engine_times(dimension: &DimensionReport) -> Option<Result<String, PlotError>> {
    let engine = dimension.engine.as_ref()?;
    let stores = engine.stores.len().min(MOST_LINES);
    let cells: Vec<_> = engine
        .cells
        .iter()
        .filter(|cell| cell.free.is_none_or(|free| [0, 2, 4, 6, 8].contains(&free)))
        .collect();
    let row = 12 * stores as i32 + 14;
    let height = 70 + row * cells.len() as i32;
    let greatest = cells
        .iter()
        .flat_map(|c| c.microseconds.iter().map(|p| p.p50));
    let greatest = greatest.fold(10.0, f64::max).log10().ceil();
    Some(plot((1000, height as u32), |area| {
        label(
            area,
            "Time of a query through the engine, median, on a logarithmic scale",
            (20, 18),
            17,
            HPos::Left,
        )?;
        for (at, store) in engine.stores.iter().take(stores).enumerate() {
            let x = 20 + 150 * at as i32;
            area.draw(&Rectangle::new(
                [(x, 36), (x + 12, 48)],
                COLOURS[at].filled(),
            ))?;
            label(area, &store.order, (x + 18, 42), 13, HPos::Left)?;
        }
        for (at, cell) in cells.iter().enumerate() {
            let y = 60 + row * at as i32;
            let name = match cell.free {
                Some(free) => format!("{}, {free} free", cell.class),
                None => cell.class.to_owned(),
            };
            label(area, &name, (132, y + row / 2 - 6), 13, HPos::Right)?;
            for (store, taken) in cell.microseconds.iter().take(stores).enumerate() {
                let top = y + 12 * store as i32;
                let share = (taken.p50.max(0.1) * 10.0).log10() / (greatest + 1.0);
                let end = 140 + (share.clamp(0.0, 1.0) * 740.0) as i32;
                area.draw(&Rectangle::new(
                    [(140, top), (end, top + 10)],
                    COLOURS[store].filled(),
                ))?;
                label(
                    area,
                    &format!("{:.1} us", taken.p50),
                    (end + 6, top + 5),
                    11,
                    HPos::Left,
                )?;
            }
        }
        Ok(())
    }))
}
