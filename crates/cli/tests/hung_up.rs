//! Whoever reads only the beginning of an output, as `| head` does, hears no complaint about it.

use std::process::{Command, Stdio};

#[test]
fn a_reader_who_hangs_up_is_no_reason_to_panic() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [["models", "list"], ["config", "--json"]] {
        let mut aether = Command::new(env!("CARGO_BIN_EXE_aether"))
            .args(arguments)
            .env("AETHER_HOME", home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(aether.stdout.take());
        let output = aether.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "aether {}", arguments.join(" "));
    }
}
