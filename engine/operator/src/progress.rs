//! Shows a run while it goes on: a line with rate and time left on a terminal, plain lines otherwise. On stderr, from
//! the engine's events alone.

use crate::output::Output;
use crate::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sync_runtime::{Event, Events, StepReport};

/// Plain lines about one phase come no more often than this.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    output: Output,
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    last_plain: Instant,
}

impl Progress {
    pub(crate) fn new(output: Output) -> Self {
        let wants_bar = output.is_terminal() && !output.quiet;
        let bar = wants_bar.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(spinner());
            bar
        });
        Progress { output, state: Mutex::new(State { bar, last_plain: Instant::now() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that stays, above the bar where there is one.
    fn line(&self, line: &str) {
        match &self.state().bar {
            Some(bar) => bar.suspend(|| self.output.talk(line)),
            None => self.output.talk(line),
        }
    }

    fn progress(&self, connector: &str, phase: &str, done: u64, total: Option<u64>, rate: f64) {
        let message = format!("{connector}: {phase}");
        let mut state = self.state();
        match &state.bar {
            Some(bar) => {
                if let Some(total) = total {
                    if bar.length() != Some(total) {
                        bar.set_style(measured());
                        bar.set_length(total);
                    }
                } else {
                    bar.set_style(spinner());
                }
                bar.set_position(done);
                bar.set_message(message);
            }
            None if state.last_plain.elapsed() >= PLAIN_EVERY => {
                state.last_plain = Instant::now();
                drop(state);
                self.output.talk(&format!("{message}: {}", progress_text(done, total, rate)));
            }
            None => {}
        }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {human_pos} ({per_sec})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn measured() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} [{bar:24}] {human_pos}/{human_len} ({per_sec}, {eta} left)")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Objects from which on a rate is shown.
const MEASURABLE: u64 = 100;

/// `1,200 of 20,000, 4,000/s, 4.7 s left`.
fn progress_text(done: u64, total: Option<u64>, rate: f64) -> String {
    let rated = text::rate(rate);
    match total {
        // A rate of a handful of objects says nothing.
        None if done < MEASURABLE => text::count(done),
        Some(total) if rate > 0.0 && done >= MEASURABLE => {
            let left = total.saturating_sub(done) as f64 / rate;
            format!("{} of {}, {rated}, {} left", text::count(done), text::count(total), text::duration(left))
        }
        Some(total) => format!("{} of {}", text::count(done), text::count(total)),
        None => format!("{}, {rated}", text::count(done)),
    }
}

/// `ad full-import: success, 61 objects, 0.1 s`.
fn step_line(connector: &str, step: &str, status: &str, report: &StepReport) -> String {
    let objects = text::counted(report.processed, "object", "objects");
    let mut line = format!("{connector} {step}: {status}, {objects}, {}", text::duration(report.seconds));
    if report.errors > 0 {
        line.push_str(&format!(", {}", text::counted(report.errors, "error", "errors")));
    }
    if !report.message.is_empty() {
        line.push_str(&format!("\n  {}", report.message));
    }
    if !report.remedy.is_empty() {
        line.push_str(&format!("\n  what to do: {}", report.remedy));
    }
    line
}

impl Events for Progress {
    fn emit(&self, event: &Event) {
        match event {
            Event::StepStarted { connector, step } => {
                let mut state = self.state();
                state.last_plain = Instant::now();
                if let Some(bar) = &state.bar {
                    bar.reset();
                    bar.set_message(format!("{connector} {step}"));
                    bar.enable_steady_tick(Duration::from_millis(120));
                }
            }
            Event::Progress { connector, phase, done, total, rate, .. } => {
                self.progress(connector, phase, *done, *total, *rate)
            }
            Event::Note { connector, message, .. } => self.line(&format!("{connector}: {message}")),
            Event::StepEnded { connector, step, status, report } => {
                self.line(&step_line(connector, step, status, report))
            }
            Event::RunEnded { .. } | Event::CycleEnded { .. } => {
                if let Some(bar) = &self.state().bar {
                    bar.disable_steady_tick();
                    bar.finish_and_clear();
                }
            }
            // Object errors and guards are in the step's report, which the command prints.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_and_time_left_only_when_it_can() {
        assert_eq!(progress_text(1_200, Some(20_000), 4_000.0), "1,200 of 20,000, 4,000/s, 4.7 s left");
        assert_eq!(progress_text(0, Some(20_000), 0.0), "0 of 20,000");
        assert_eq!(progress_text(500, None, 250.0), "500, 250/s");
    }
}
