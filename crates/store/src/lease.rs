//! The lease on a room: at most one agent answers in it.
//!
//! A lease is a key that expires, with its holder and an epoch. Epochs only grow, also when Redis forgets everything: a new
//! one is at least the server's clock in microseconds. So whoever shows a higher epoch took the room later. The last epoch
//! of a room is itself forgotten a day after its last use.
//!
//! What the holder wrote about the room outlives the lease by a minute, unless the holder gave the room back: an agent that
//! takes over reads there what it has to go on with. Whoever knows that the holder is dead need not wait for its lease to
//! run out: [`Rooms::take_over`] names the epoch that is over, so it never takes the room from anybody who came later.
//!
//! What the answers mean for an agent:
//!
//! - *before* it accepts a job, [`AcquireError::Held`] means: another has the room, reject the job.
//!   [`AcquireError::Unavailable`] means: nobody can say; the room's identity in LiveKit still keeps two agents apart.
//! - *while* it runs, [`LeaseError::Unavailable`] changes nothing: go on, renew again at the next beat. When Redis is back,
//!   renewing takes the room again under the same epoch, unless somebody else had it in between.
//! - [`LeaseError::Lost`] is the only answer after which another agent is, or was, in the room. It is a report: the holder
//!   decides how to leave, the store ends nothing.

use std::sync::LazyLock;
use std::time::Duration;

use aether_proto::{RoomName, TenantId};
use redis::Script;

use crate::room_key::RoomKey;
use crate::{RoomHolder, RoomState, Rooms};

/// How long a room's last epoch is kept after its last use. Who was away for longer may come back under an older one.
const EPOCH_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    #[error("the room is held by {} under epoch {}", .0.holder, .0.epoch)]
    Held(RoomHolder),
    #[error("redis does not answer, so nobody can say who holds the room")]
    Unavailable(#[source] redis::RedisError),
}

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// `None`: somebody took the room and left it again.
    #[error("the lease was lost: another agent took the room")]
    Lost(Option<RoomHolder>),
    #[error("redis does not answer; the lease stays valid until its time is over")]
    Unavailable(#[source] redis::RedisError),
}

/// How a lease was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    Kept,
    /// It had expired, or Redis had lost it, and nobody had taken the room since.
    Retaken,
}

/// A room taken by one holder. Dropping it leaves the room to the clock; [`RoomLease::release`] gives it back at once.
#[derive(Debug, Clone)]
pub struct RoomLease {
    rooms: Rooms,
    key: RoomKey,
    holder: String,
    epoch: u64,
    ttl: Duration,
}

// Each script answers `{outcome, holder, epoch}`. Epochs are strings inside Lua's reach of exact integers (2^53), formatted
// by hand, as Lua would write a large number with an exponent. Keys: lease, epoch, state. The arguments of all but the first:
// holder, epoch, and how long the lease, the state and the epoch last, in milliseconds.

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
        if held[1] and held[2] ~= ARGV[4] then return {'held', held[1], held[2]} end
        local now = redis.call('TIME')
        local microseconds = tonumber(now[1]) * 1000000 + tonumber(now[2])
        local last = tonumber(redis.call('GET', KEYS[2]) or '0')
        local epoch = string.format('%.0f', math.max(last + 1, microseconds))
        redis.call('SET', KEYS[2], epoch, 'PX', ARGV[3])
        redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'epoch', epoch)
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return {'taken', ARGV[1], epoch}
        ",
    )
});

static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
        if held[1] == ARGV[1] and held[2] == ARGV[2] then
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
            redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
            redis.call('PEXPIRE', KEYS[3], ARGV[4])
            return {'kept', ARGV[1], ARGV[2]}
        end
        if held[1] then return {'lost', held[1], held[2]} end
        if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[2]) then return {'lost', '', ''} end
        redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'epoch', ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
        redis.call('PEXPIRE', KEYS[3], ARGV[4])
        return {'retaken', ARGV[1], ARGV[2]}
        ",
    )
});

static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
        if held[1] == ARGV[1] and held[2] == ARGV[2] then
            redis.call('DEL', KEYS[1], KEYS[3])
            return {'released', ARGV[1], ARGV[2]}
        end
        return {'lost', held[1] or '', held[2] or ''}
        ",
    )
});

static WRITE_STATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
        if held[1] == ARGV[1] and held[2] == ARGV[2] then
            redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[4])
            return {'written', ARGV[1], ARGV[2]}
        end
        return {'lost', held[1] or '', held[2] or ''}
        ",
    )
});

impl Rooms {
    /// Takes a room that nobody holds, for `ttl`; renew it about every third of that.
    pub async fn acquire(
        &self,
        tenant: &TenantId,
        room: &RoomName,
        holder: &str,
        ttl: Duration,
    ) -> Result<RoomLease, AcquireError> {
        self.take(tenant, room, holder, ttl, None).await
    }

    /// Takes a room that nobody holds, or whose holder is known to be dead: the one of `dead_epoch`. Anybody who took the
    /// room since keeps it. What the dead holder wrote about the room stays until the new one writes.
    pub async fn take_over(
        &self,
        tenant: &TenantId,
        room: &RoomName,
        holder: &str,
        ttl: Duration,
        dead_epoch: u64,
    ) -> Result<RoomLease, AcquireError> {
        self.take(tenant, room, holder, ttl, Some(dead_epoch)).await
    }

    async fn take(
        &self,
        tenant: &TenantId,
        room: &RoomName,
        holder: &str,
        ttl: Duration,
        dead_epoch: Option<u64>,
    ) -> Result<RoomLease, AcquireError> {
        let key = RoomKey::new(tenant, room);
        let answer: Answer = ACQUIRE
            .key(key.lease())
            .key(key.epoch())
            .arg(holder)
            .arg(milliseconds(ttl))
            .arg(milliseconds(EPOCH_KEPT))
            .arg(dead_epoch.map(|epoch| epoch.to_string()).unwrap_or_default())
            .invoke_async(&mut self.connection.clone())
            .await
            .map_err(AcquireError::Unavailable)?;
        let (outcome, by) = read(answer);
        match by {
            Some(by) if outcome == "taken" => {
                Ok(RoomLease { rooms: self.clone(), key, holder: by.holder, epoch: by.epoch, ttl })
            }
            by => Err(AcquireError::Held(by.unwrap_or(RoomHolder { holder: String::new(), epoch: 0 }))),
        }
    }
}

impl RoomLease {
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Another `ttl` from now.
    pub async fn renew(&self) -> Result<Renewal, LeaseError> {
        match self.run(&RENEW, "").await?.as_str() {
            "retaken" => Ok(Renewal::Retaken),
            _ => Ok(Renewal::Kept),
        }
    }

    /// Publishes what happens in the room. It stays [`RoomState::OUTLIVES_LEASE`] longer than the lease.
    pub async fn write_state(&self, state: &RoomState) -> Result<(), LeaseError> {
        // A struct of strings and numbers always has a JSON form.
        let json = serde_json::to_string(state).unwrap_or_default();
        self.run(&WRITE_STATE, &json).await.map(drop)
    }

    /// Gives the room back, and its state with it: nobody has to go on here. After [`LeaseError::Lost`] it belongs to another, and stays so.
    pub async fn release(self) -> Result<(), LeaseError> {
        self.run(&RELEASE, "").await.map(drop)
    }

    async fn run(&self, script: &Script, payload: &str) -> Result<String, LeaseError> {
        let answer: Answer = script
            .key(self.key.lease())
            .key(self.key.epoch())
            .key(self.key.state())
            .arg(&self.holder)
            .arg(self.epoch)
            .arg(milliseconds(self.ttl))
            .arg(milliseconds(self.ttl.saturating_add(RoomState::OUTLIVES_LEASE)))
            .arg(milliseconds(EPOCH_KEPT))
            .arg(payload)
            .invoke_async(&mut self.rooms.connection.clone())
            .await
            .map_err(LeaseError::Unavailable)?;
        match read(answer) {
            (outcome, by) if outcome == "lost" => Err(LeaseError::Lost(by)),
            (outcome, _) => Ok(outcome),
        }
    }
}

type Answer = (String, String, String);

fn read((outcome, holder, epoch): Answer) -> (String, Option<RoomHolder>) {
    (outcome, epoch.parse().ok().map(|epoch| RoomHolder { holder, epoch }))
}

/// Redis refuses an expiry of 0.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 2).max(1)
}
