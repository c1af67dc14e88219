//! CPU time of process trees, from /proc/PID/task/*/schedstat (nanoseconds on a CPU); utime of /proc/PID/stat has ticks of
//! 10 ms, too coarse for short runs. Threads and processes that end between two reads are lost: the contenders keep theirs.

use std::fs;

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let pid = found[at];
        at += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

/// Nanoseconds that the trees have run so far.
pub fn nanos(roots: &[u32]) -> u64 {
    let mut total = 0;
    for pid in roots.iter().flat_map(|root| tree(*root)) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            total += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    total
}

/// Resident memory of the trees in bytes.
pub fn resident(roots: &[u32]) -> u64 {
    let mut pages = 0;
    for pid in roots.iter().flat_map(|root| tree(*root)) {
        let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        pages += text.split_whitespace().nth(1).and_then(|second| second.parse::<u64>().ok()).unwrap_or(0);
    }
    pages * 4096
}
