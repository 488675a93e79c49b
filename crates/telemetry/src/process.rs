//! What this process takes of the machine, as Linux counts it.

use std::fmt::Write as _;
use std::fs;

use crate::metric::{PROCESS_CPU, PROCESS_MEMORY};

/// In these parts of a second Linux tells a process's time, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Two metrics as Prometheus reads them. Nothing where the system does not tell.
pub(crate) fn render(text: &mut String) {
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status)) {
        write_metric(text, PROCESS_MEMORY, "gauge", bytes);
    }
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat)) {
        write_metric(text, PROCESS_CPU, "counter", seconds);
    }
}

fn write_metric(text: &mut String, name: &str, kind: &str, value: f64) {
    let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}\n");
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kibibytes: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Of all threads, also of those that have ended.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name, in which there may be anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut of_user_and_system = fields.split(' ').skip(11).map_while(|field| field.parse::<f64>().ok());
    Some((of_user_and_system.next()? + of_user_and_system.next()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let status = "Name:\tagent\nVmHWM:\t  90000 kB\nVmRSS:\t   84321 kB\nThreads:\t9\n";
        assert_eq!(resident_bytes(status), Some(84_321.0 * 1024.0));
        let stat =
            "7 (a) name (b) S 1 7 7 0 -1 4194304 5000 0 3 0 1234 66 0 0 20 0 9 0 100 200 300 18446744073709551615";
        assert_eq!(cpu_seconds(stat), Some(13.0));
        assert_eq!((resident_bytes(""), cpu_seconds(""), cpu_seconds("7 (x) S")), (None, None, None));
    }
}
