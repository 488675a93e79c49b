-- Schema `identity`: who may speak for a tenant, and who its people are. Written by the gateway only.
--
-- As in schema `agents`, a row belongs to its tenant and no statement names one. Only the look-up of a key can't know the
-- tenant yet: that is what it finds out. So there is one function that looks, by the key's exact prefix, in all tenants.

CREATE SCHEMA identity;
GRANT USAGE ON SCHEMA identity TO aether_service;

-- Made when something of the tenant is first written.
CREATE TABLE identity.tenants (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id)
);
CALL agents.isolate('identity.tenants');

-- A human being, the same to every agent of the tenant.
CREATE TABLE identity.people (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    person_id  text        NOT NULL CHECK (person_id <> ''),
    -- What they want to be called; empty until somebody says.
    name       text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id) REFERENCES identity.tenants ON DELETE CASCADE
);
CALL agents.isolate('identity.people');

-- A key is known by its prefix, which may be shown, and by a keyed hash of its text, which is kept nowhere.
CREATE TABLE identity.api_keys (
    tenant_id    text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id     text        NOT NULL CHECK (agent_id <> ''),
    prefix       text        NOT NULL CHECK (prefix <> ''),
    -- NULL: a program that says each time whom it speaks for.
    person_id    text,
    name         text        NOT NULL DEFAULT '',
    hash         bytea       NOT NULL CHECK (octet_length(hash) = 32),
    -- Names with a space between them.
    scopes       text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    PRIMARY KEY (tenant_id, prefix),
    -- Whoever shows a key names no tenant.
    UNIQUE (prefix),
    FOREIGN KEY (tenant_id) REFERENCES identity.tenants ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.people ON DELETE CASCADE
);
CALL agents.isolate('identity.api_keys');

-- The look-up runs as a role that nobody can become and that can do this one thing: read these columns, in every tenant.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'aether_key_reader') THEN
        CREATE ROLE aether_key_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA identity TO aether_key_reader;
GRANT SELECT (tenant_id, agent_id, person_id, prefix, hash, scopes, expires_at, revoked_at)
    ON identity.api_keys TO aether_key_reader;
CREATE POLICY key_look_up ON identity.api_keys FOR SELECT TO aether_key_reader USING (true);

CREATE FUNCTION identity.find_key(wanted text)
    RETURNS TABLE (
        tenant_id text, agent_id text, person_id text, hash bytea, scopes text,
        expires_at timestamptz, revoked_at timestamptz
    )
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT key.tenant_id, key.agent_id, key.person_id, key.hash, key.scopes, key.expires_at, key.revoked_at
    FROM identity.api_keys AS key
    WHERE key.prefix = wanted
$$;
REVOKE EXECUTE ON FUNCTION identity.find_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.find_key(text) TO aether_service;

-- To give a function away, an owner who is no superuser must be a member of the receiving role, and that role must be
-- allowed to make functions in the schema: both for this moment only.
GRANT CREATE ON SCHEMA identity TO aether_key_reader;
DO $$
DECLARE
    is_member boolean := pg_has_role(current_user, 'aether_key_reader', 'SET');
BEGIN
    IF NOT is_member THEN
        EXECUTE format('GRANT aether_key_reader TO %I', current_user);
    END IF;
    ALTER FUNCTION identity.find_key(text) OWNER TO aether_key_reader;
    IF NOT is_member THEN
        EXECUTE format('REVOKE aether_key_reader FROM %I', current_user);
    END IF;
END
$$;
REVOKE CREATE ON SCHEMA identity FROM aether_key_reader;
