//! Log-linear histogram of nanoseconds: 64 steps per power of two, so that a percentile is off by 1.6 % at most.

const STEPS: usize = 64;
const STEP_BITS: u32 = 6;

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; STEPS * 40], total: 0 }
    }

    fn index(nanos: u64) -> usize {
        if nanos < STEPS as u64 {
            return nanos as usize;
        }
        let shift = 63 - nanos.leading_zeros() - STEP_BITS;
        ((shift as usize + 1) * STEPS) + ((nanos >> shift) as usize - STEPS)
    }

    pub fn record(&mut self, nanos: u64) {
        let index = Histogram::index(nanos).min(self.counts.len() - 1);
        self.counts[index] += 1;
        self.total += 1;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The lower bound of the bucket that holds the percentile, in microseconds.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let wanted = ((self.total as f64) * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let (group, step) = (index / STEPS, index % STEPS);
                let nanos = if group == 0 { step as u64 } else { ((STEPS + step) as u64) << (group - 1) };
                return nanos as f64 / 1000.0;
            }
        }
        0.0
    }
}
