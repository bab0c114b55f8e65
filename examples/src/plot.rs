//! The loss curve as SVG.

use std::path::Path;

use plotters::prelude::*;
use tooltune::sft::StepReport;

/// Draws training loss, and held-out loss where it was measured, over the steps.
///
/// # Errors
/// When the file cannot be written.
pub fn loss_curve(path: &Path, history: &[StepReport]) -> Result<(), Box<dyn std::error::Error>> {
    let steps = history.last().map_or(1, |report| report.step) as f64;
    let losses = history.iter().flat_map(|report| [Some(report.loss), report.eval_loss]).flatten();
    let highest = losses.fold(0.0, f64::max).max(1e-3) * 1.05;
    let root = SVGBackend::new(path, (800, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(15)
        .x_label_area_size(35)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..steps, 0.0..highest)?;
    chart.configure_mesh().x_desc("step").y_desc("loss per trained token").draw()?;
    chart.draw_series(LineSeries::new(
        history.iter().map(|report| (report.step as f64, report.loss)),
        &BLUE,
    ))?;
    let held_out = history.iter().filter_map(|report| Some((report.step as f64, report.eval_loss?)));
    chart.draw_series(held_out.map(|point| Circle::new(point, 4, RED.filled())))?;
    root.present()?;
    Ok(())
}
