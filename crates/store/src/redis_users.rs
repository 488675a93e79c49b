//! Who may do what in Redis: each service has a user of its own, and this is the only place that says what it may.
//!
//! The user `default`, as whom everybody comes who gives no name, can't come in.

/// The user that may do everything: for the owner's own commands, and for looking around.
pub const REDIS_OWNER: &str = "owner";

/// A service's keys and commands. The agent writes about its rooms, in scripts; the others look.
const ACCESS: [(&str, &str); 3] = [
    ("gateway", "%R~aether:*:room:* +ping +get +hmget +scan"),
    ("agent", "~aether:*:room:* +ping +get +hmget +set +hset +pexpire +del +time +evalsha +script|load"),
    ("notifier", "%R~aether:*:room:*:state +ping +get +scan"),
];

/// The services that log in to Redis.
pub fn redis_services() -> impl Iterator<Item = &'static str> {
    ACCESS.into_iter().map(|(service, _)| service)
}

/// The users as lines of the server's configuration. `password` is one without spaces, or what will become one.
pub fn redis_users(password: impl Fn(&str) -> String) -> String {
    let owner = (REDIS_OWNER, "~* &* +@all");
    let users = std::iter::once(owner).chain(ACCESS);
    let lines = users.map(|(user, access)| format!("user {user} on >{} {access}\n", password(user)));
    std::iter::once("user default reset\n".to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_have_the_same_users() {
        let compose = include_str!("../../../docker-compose.yml");
        let lines: Vec<_> = compose.lines().map(str::trim).collect();
        for user in redis_users(|user| format!("$${}_PASSWORD", user.to_uppercase())).lines() {
            assert!(lines.contains(&user), "docker-compose.yml needs for Valkey the line: {user}");
        }
    }
}
