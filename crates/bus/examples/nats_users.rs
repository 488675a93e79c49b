//! Writes the users of NATS as docker-compose.yml has them, with passwords that come from the server's environment.
//!
//! `cargo run --quiet -p aether-bus --example nats_users > deploy/nats/users.conf`

fn main() {
    print!("{}", aether_bus::authorization(|user| format!("${}_PASSWORD", user.to_uppercase())));
}
