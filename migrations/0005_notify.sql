-- Schema `notify`: what people are told without having asked, and what they wish about it. Written by the notifier only.
--
-- As everywhere a row belongs to its tenant. Only a webhook that arrives can't name one: one function finds a source by its
-- exact id in all tenants, as keys are found.

CREATE SCHEMA notify;
GRANT USAGE ON SCHEMA notify TO aether_service;

CREATE TABLE notify.notifications (
    tenant_id       text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id        text        NOT NULL CHECK (agent_id <> ''),
    notification_id uuid        NOT NULL,
    source          text        NOT NULL CHECK (source <> ''),
    -- The source's own.
    event_id        text        NOT NULL CHECK (event_id <> ''),
    kind            text        NOT NULL,
    person_id       text        NOT NULL CHECK (person_id <> ''),
    title           text        NOT NULL,
    text            text        NOT NULL,
    url             text        NOT NULL,
    -- As in `aether.v1.Urgency`.
    urgency         smallint    NOT NULL CHECK (urgency BETWEEN 0 AND 4),
    state           text        NOT NULL CHECK (state IN (
        'undecided', 'waiting', 'digest', 'never', 'delivering', 'delivered', 'undeliverable')),
    -- Why it is so, for a person.
    reason          text        NOT NULL,
    -- Told not before.
    due_at          timestamptz,
    expires_at      timestamptz,
    -- Grows each time it is to be told anew: what was delivered before counts no more.
    round           integer     NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz,
    feedback        text        CHECK (feedback IN ('engaged', 'dismissed', 'muted')),
    feedback_at     timestamptz,
    PRIMARY KEY (tenant_id, notification_id),
    UNIQUE (tenant_id, agent_id, source, event_id)
);
CALL agents.isolate('notify.notifications');
CREATE INDEX notifications_by_person ON notify.notifications (tenant_id, agent_id, person_id, notification_id);
CREATE INDEX notifications_by_kind ON notify.notifications (tenant_id, agent_id, person_id, source, kind, created_at);

-- What became of a notification at one target, in one round.
CREATE TABLE notify.deliveries (
    tenant_id       text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id        text        NOT NULL CHECK (agent_id <> ''),
    notification_id uuid        NOT NULL,
    round           integer     NOT NULL,
    -- `page`, `room`, or the id of a target.
    target          text        NOT NULL CHECK (target <> ''),
    delivered       boolean     NOT NULL,
    reason          text        NOT NULL DEFAULT '',
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, notification_id, round, target),
    FOREIGN KEY (tenant_id, notification_id) REFERENCES notify.notifications ON DELETE CASCADE
);
CALL agents.isolate('notify.deliveries');

-- Where a person can be told beside room and page.
CREATE TABLE notify.targets (
    tenant_id     text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id      text        NOT NULL CHECK (agent_id <> ''),
    target_id     uuid        NOT NULL,
    person_id     text        NOT NULL CHECK (person_id <> ''),
    channel       text        NOT NULL CHECK (channel IN ('push', 'email', 'webhook')),
    address       text        NOT NULL CHECK (address <> ''),
    -- Of a browser.
    push_key      text        NOT NULL DEFAULT '',
    push_auth     text        NOT NULL DEFAULT '',
    least_urgency smallint    NOT NULL CHECK (least_urgency BETWEEN 1 AND 4),
    -- Why it will never work again.
    broken        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, target_id),
    UNIQUE (tenant_id, agent_id, person_id, channel, address)
);
CALL agents.isolate('notify.targets');

-- What was learned from a person's feedback.
CREATE TABLE notify.rules (
    tenant_id    text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id     text        NOT NULL CHECK (agent_id <> ''),
    rule_id      uuid        NOT NULL,
    person_id    text        NOT NULL CHECK (person_id <> ''),
    source       text        NOT NULL,
    kind         text        NOT NULL,
    decision     text        NOT NULL CHECK (decision IN ('now', 'digest', 'never')),
    reason       text        NOT NULL,
    learned_at   timestamptz NOT NULL DEFAULT now(),
    -- The feedback until then teaches nothing more.
    forgotten_at timestamptz,
    PRIMARY KEY (tenant_id, rule_id),
    UNIQUE (tenant_id, agent_id, person_id, source, kind)
);
CALL agents.isolate('notify.rules');

CREATE TABLE notify.settings (
    tenant_id     text     NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id      text     NOT NULL CHECK (agent_id <> ''),
    person_id     text     NOT NULL CHECK (person_id <> ''),
    -- Such as 22:00; both or neither.
    quiet_from    text,
    quiet_until   text,
    time_zone     text     NOT NULL,
    digest_at     text[]   NOT NULL,
    most_per_hour integer  NOT NULL CHECK (most_per_hour > 0),
    PRIMARY KEY (tenant_id, agent_id, person_id),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);
CALL agents.isolate('notify.settings');

-- Who may send events by webhook, and whom they are for. The signing secret is derived from the id and kept nowhere.
CREATE TABLE notify.sources (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id   text        NOT NULL CHECK (agent_id <> ''),
    source_id  text        NOT NULL CHECK (source_id <> ''),
    name       text        NOT NULL CHECK (name <> ''),
    person_id  text        NOT NULL CHECK (person_id <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source_id),
    -- Whoever sends an event names no tenant.
    UNIQUE (source_id),
    UNIQUE (tenant_id, agent_id, person_id, name)
);
CALL agents.isolate('notify.sources');

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'aether_source_reader') THEN
        CREATE ROLE aether_source_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA notify TO aether_source_reader;
GRANT SELECT (tenant_id, agent_id, source_id, name, person_id) ON notify.sources TO aether_source_reader;
CREATE POLICY source_look_up ON notify.sources FOR SELECT TO aether_source_reader USING (true);

CREATE FUNCTION notify.find_source(wanted text)
    RETURNS TABLE (tenant_id text, agent_id text, name text, person_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT source.tenant_id, source.agent_id, source.name, source.person_id
    FROM notify.sources AS source
    WHERE source.source_id = wanted
$$;
REVOKE EXECUTE ON FUNCTION notify.find_source(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notify.find_source(text) TO aether_service;

-- As in `identity`: giving a function away needs these rights for this moment.
GRANT CREATE ON SCHEMA notify TO aether_source_reader;
DO $$
DECLARE
    is_member boolean := pg_has_role(current_user, 'aether_source_reader', 'SET');
BEGIN
    IF NOT is_member THEN
        EXECUTE format('GRANT aether_source_reader TO %I', current_user);
    END IF;
    ALTER FUNCTION notify.find_source(text) OWNER TO aether_source_reader;
    IF NOT is_member THEN
        EXECUTE format('REVOKE aether_source_reader FROM %I', current_user);
    END IF;
END
$$;
REVOKE CREATE ON SCHEMA notify FROM aether_source_reader;
