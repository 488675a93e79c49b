use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;

/// How long the end waits for calls that can't be interrupted, such as the look-up of a name that nobody answers.
const GOODBYE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("aether: nothing can be started here: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(aether_cli::run());
    runtime.shutdown_timeout(GOODBYE);
    code
}
