use std::{fs, time::Duration};

use anyhow::Context as _;

/// `USER_HZ`: fixed at 100 for every architecture this runs on.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process and all its threads so far, to 10 ms.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading `{path}`"))?;
    // The name in brackets may hold anything; after it stand state (3rd), …, utime (14th), stime (15th).
    let (_, fields) = stat.rsplit_once(')').context("a process without a name")?;
    let ticks = |index: usize| -> anyhow::Result<u32> {
        Ok(fields.split_whitespace().nth(index).context("too few fields")?.parse()?)
    };
    Ok(TICK * (ticks(11)? + ticks(12)?))
}

/// (resident now, at most so far) in kilobytes.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no memory of this process")?;
        Ok(line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?)
    };
    Ok((field("VmRSS")?, field("VmHWM")?))
}
