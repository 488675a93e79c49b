//! What a supervised part does when it is killed, stopped, orphaned or kept from its port. The part is a real NATS server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use aether_supervisor::{Component, Launch, Layout, Port, Probe, Signal, Stack, State, Supervised, free_port, part};
use nix::{sys::signal::killpg, unistd::Pid};
use tokio::time::timeout;

fn nats(dir: &Path) -> Component {
    let nats =
        part::Nats { port: free_port().unwrap(), state: dir.join("nats"), users: None, log: dir.join("nats.log") };
    nats.component(&Layout::find().unwrap()).unwrap()
}

/// A program that lives until it is told to stop, and a child of its own that ignores being told.
fn stubborn_family(dir: &Path) -> Component {
    let port = free_port().unwrap();
    let script = format!(
        "import http.server, os, signal, time\n\
         if os.fork() == 0:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(1000)\n\
         open({:?}, 'w').write(str(os.getpid()))\n\
         http.server.HTTPServer(('127.0.0.1', {port}), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
        dir.join("pid")
    );
    let layout = Layout::find().unwrap();
    let program = layout.program("python3", "install Python").unwrap();
    Component {
        launch: Launch::new("family", program, dir.join("family.log")).arguments(["-c", &script]),
        ports: vec![Port::Tcp(port)],
        instead: "nothing".into(),
        probe: Probe::Http(format!("http://127.0.0.1:{port}/")),
        ready_within: Duration::from_secs(20),
        url: String::new(),
    }
}

fn ready_pid(state: &State) -> Option<u32> {
    match state {
        State::Ready { pid } => Some(*pid),
        _ => None,
    }
}

/// Running processes of the group: zombies are nobody any more.
fn members(group: u32) -> usize {
    let output = Command::new("ps").args(["-eo", "pgid=,stat="]).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(pgid, state)| *pgid == group.to_string() && !state.trim().starts_with('Z'))
        .count()
}

#[tokio::test]
async fn a_killed_part_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = Supervised::launch(nats(dir.path())).unwrap();
    part.ready().await.unwrap();
    let first = ready_pid(&part.state()).unwrap();

    Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap();
    let mut states = part.watch();
    let second =
        timeout(Duration::from_secs(10), states.wait_for(|state| ready_pid(state).is_some_and(|pid| pid != first)));
    let second = ready_pid(&second.await.unwrap().unwrap()).unwrap();
    assert_ne!(first, second);
    part.component().probe.check().await.unwrap();

    part.stop().await;
    assert!(matches!(part.state(), State::Stopped));
    assert!(part.component().probe.check().await.is_err());
    assert_eq!(members(second), 0);
}

#[tokio::test]
async fn a_stop_takes_the_whole_group_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut stack = Stack::new();
    let mut ready = Vec::new();
    stack.start(vec![nats(dir.path())], |part, _| ready.push(part.name().to_owned())).await.unwrap();
    stack.start(vec![stubborn_family(dir.path())], |part, _| ready.push(part.name().to_owned())).await.unwrap();
    assert_eq!(ready, ["nats", "family"]);
    let pids: Vec<u32> = stack.reports().iter().filter_map(|report| report.pid).collect();
    assert_eq!(pids.len(), 2);
    assert_eq!(members(pids[1]), 2);

    stack.stop().await;
    assert!(stack.parts().is_empty());
    for pid in pids {
        assert_eq!(members(pid), 0);
    }
}

#[tokio::test]
async fn dropping_a_part_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let component = stubborn_family(dir.path());
    let process = component.start().await.unwrap();
    let pid = process.pid();
    assert_eq!(members(pid), 2);
    drop(process);
    assert_eq!(members(pid), 0);
}

#[tokio::test]
async fn a_part_that_ends_at_once_says_how_and_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut component = nats(dir.path());
    component.launch.arguments.extend(["--config".into(), "/no/such/file".into()]);
    let error = Supervised::launch(component).unwrap().ready().await.unwrap_err().to_string();
    assert!(error.starts_with("nats ended before it was ready (exit status"), "{error}");
    assert!(error.contains("/no/such/file"), "{error}");
}

#[tokio::test]
async fn a_taken_port_stops_the_start_before_anything_is_launched() {
    let dir = tempfile::tempdir().unwrap();
    let component = nats(dir.path());
    let Port::Tcp(port) = component.ports[0] else { unreachable!() };
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = Supervised::launch(component).unwrap_err().to_string();
    assert!(error.contains(&format!("port {port} is taken")) && error.contains("nats needs it"), "{error}");
    assert!(error.contains(&format!("set NATS_URL=nats://127.0.0.1:{port}")), "{error}");
}

/// Runs the test below in a process of its own, kills that, and looks for what it had started.
#[tokio::test]
async fn a_part_dies_with_its_supervisor() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervisor_of_the_test_above", "--ignored"])
        .env("SUPERVISOR_TEST_DIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(&pid_file).ok().and_then(|text| text.parse::<u32>().ok());
    let pid = timeout(Duration::from_secs(20), async {
        loop {
            if let Some(pid) = read() {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let pid = pid.await.unwrap();
    let process = format!("/proc/{pid}/cmdline");
    assert!(Path::new(&process).exists());

    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let gone = timeout(Duration::from_secs(5), async {
        while std::fs::read(&process).is_ok_and(|text| !text.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.unwrap();
    // Its own child ignores nothing but SIGTERM and belongs to nobody now; the test cleans up after itself.
    // Not by the command: procps' `kill` takes only the first digit of a group's number, and -1 is everybody.
    let _ = killpg(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
}

#[tokio::test]
#[ignore = "started by a_part_dies_with_its_supervisor"]
async fn supervisor_of_the_test_above() {
    let Some(dir) = std::env::var_os("SUPERVISOR_TEST_DIR") else { return };
    let _part = Supervised::launch(stubborn_family(Path::new(&dir))).unwrap();
    std::future::pending::<()>().await;
}
