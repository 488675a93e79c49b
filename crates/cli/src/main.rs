use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    aether_cli::run().await
}
