//! `--name value` pairs.

use std::collections::HashMap;

pub struct Args(HashMap<String, String>);

impl Args {
    pub fn parse(words: impl Iterator<Item = String>) -> Args {
        let mut values = HashMap::new();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let name = word.trim_start_matches("--").to_string();
            let value = match words.peek() {
                Some(next) if !next.starts_with("--") => words.next().unwrap_or_default(),
                _ => "true".to_string(),
            };
            values.insert(name, value);
        }
        Args(values)
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| default.to_string())
    }

    pub fn number(&self, name: &str, default: f64) -> f64 {
        match self.0.get(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| panic!("--{name}: '{text}' is not a number")),
        }
    }

    pub fn count(&self, name: &str, default: usize) -> usize {
        self.number(name, default as f64) as usize
    }

    pub fn port(&self) -> u16 {
        self.number("port", 0.0) as u16
    }
}
