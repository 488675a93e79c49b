use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

type Job = (Command, SyncSender<io::Result<Child>>);

/// Forks on one thread that lives as long as this process.
///
/// The kernel sends a child its parent-death signal when the *thread* that forked it ends. Runtime worker threads come and
/// go (each test has its own runtime), so none of them may fork a child that should outlive them.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<SyncSender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = sync_channel::<Job>(16);
        // When the thread can't be made the queue is dropped with the closure, and the send below reports it.
        let _ = thread::Builder::new().name("spawner".into()).spawn(move || {
            for (mut command, reply) in queue {
                let _ = reply.send(command.spawn());
            }
        });
        jobs
    });
    let (reply, child) = sync_channel(1);
    spawner.send((command, reply)).map_err(|_| io::Error::other("the thread that starts children is gone"))?;
    child.recv().map_err(|_| io::Error::other("the thread that starts children is gone"))?
}
