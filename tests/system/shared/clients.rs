//! The OpenAI clients that people install, unchanged, against the house: `tests/clients`. `scripts/setup --tests` puts their
//! packages in place.

use std::path::Path;
use std::process::Stdio;

use aether_testkit as testkit;
use tokio::process::Command;
use tokio::time::timeout;

use crate::house::{House, PATIENCE, TENANT, repository};

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_openai_clients_chat_stream_call_tools_fail_and_give_up() {
    let house = House::shared().await;
    let packages = testkit::layout().parts().join("clients-python");
    let node_packages = repository("tests/clients/node/node_modules/openai");
    for installed in [&packages.join("openai"), &node_packages] {
        assert!(installed.is_dir(), "{} is missing: run scripts/setup --tests", installed.display());
    }
    // A person each: what one client tells of a dog, the other would be asked about as a cat.
    for (person, program, script) in
        [("carla", "python3", "tests/clients/python/chat.py"), ("claus", "node", "tests/clients/node/chat.mjs")]
    {
        let key = house.key(TENANT, person).await;
        passes(&house, program, &repository(script), &key, &packages).await;
    }
}

async fn passes(house: &House, program: &str, script: &Path, key: &str, packages: &Path) {
    let run = Command::new(testkit::layout().program(program, "install it").unwrap())
        .arg(script)
        .env("AETHER_BASE_URL", format!("{}/v1", house.gateway.url))
        .env("AETHER_KEY", key)
        .env("LLM_URL", &house.llm.url)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = timeout(PATIENCE * 2, run).await;
    assert!(run.is_ok(), "{} does not end", script.display());
    let run = run.unwrap().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let last = said.lines().last().unwrap_or_default();
    assert!(run.status.success(), "{}: {last}\n{complained}", script.display());
    println!("{said}");
    assert!(said.lines().count() > 5, "{} checked next to nothing:\n{said}", script.display());
}
