//! One measured run: warm-up, then a window in which requests, latencies, errors and the CPU of the watched trees count.

use crate::args::Args;
use crate::cpu;
use crate::histogram::Histogram;
use std::time::{Duration, Instant};

/// A run with more errors than this ends at once: nothing it says would mean anything.
const ERRORS_MAX: u64 = 1000;

pub struct Run {
    pub warmup: Duration,
    pub duration: Duration,
    watch: Vec<u32>,
    measuring: bool,
    began: Instant,
    cpu_began: u64,
    latencies: Histogram,
    errors: u64,
    first_error: String,
}

impl Run {
    pub fn new(args: &Args) -> Run {
        Run {
            warmup: Duration::from_secs_f64(args.number("warmup", 1.0)),
            duration: Duration::from_secs_f64(args.number("duration", 3.0)),
            watch: args.text("watch", "").split(',').filter_map(|pid| pid.parse().ok()).collect(),
            measuring: false,
            began: Instant::now(),
            cpu_began: 0,
            latencies: Histogram::new(),
            errors: 0,
            first_error: String::new(),
        }
    }

    pub fn begin(&mut self) {
        self.measuring = true;
        self.cpu_began = cpu::nanos(&self.watch);
        self.began = Instant::now();
    }

    pub fn record(&mut self, started: Instant, outcome: Result<(), String>) {
        match outcome {
            Ok(()) if self.measuring => self.latencies.record(started.elapsed().as_nanos() as u64),
            Ok(()) => {}
            Err(reason) => {
                self.errors += 1;
                if self.first_error.is_empty() {
                    self.first_error = reason;
                }
                if self.errors > ERRORS_MAX {
                    self.print();
                    std::process::exit(1);
                }
            }
        }
    }

    pub fn print(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let requests = self.latencies.total();
        let cpu = cpu::nanos(&self.watch).saturating_sub(self.cpu_began) as f64 / 1000.0;
        println!(
            "{{\"requests\":{requests},\"perSecond\":{:.0},\"cpuUs\":{:.3},\"cpuShare\":{:.3},\"p50Us\":{:.1},\"p99Us\":{:.1},\"p999Us\":{:.1},\"residentMiB\":{:.1},\"errors\":{},\"firstError\":\"{}\"}}",
            requests as f64 / seconds,
            if requests == 0 { 0.0 } else { cpu / requests as f64 },
            cpu / 1e6 / seconds,
            self.latencies.percentile_us(50.0),
            self.latencies.percentile_us(99.0),
            self.latencies.percentile_us(99.9),
            cpu::resident(&self.watch) as f64 / 1048576.0,
            self.errors,
            self.first_error.replace(['"', '\\', '\n'], " "),
        );
    }
}
