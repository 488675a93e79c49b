-- Each service logs in as itself and can do what its own statements do, table by table. Rows are kept apart by tenant as
-- before: `tenant_rows` holds for every login.
--
-- A migration that makes a table grants what each service needs of it; crates/store/tests/logins.rs holds the same list and
-- tries the rest.

DO $$
DECLARE
    login text;
BEGIN
    FOREACH login IN ARRAY ARRAY['aether_gateway', 'aether_brain', 'aether_scheduler', 'aether_notifier'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = login) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', login);
        END IF;
    END LOOP;
END
$$;

-- The one login of all services until now. The role stays, as earlier migrations name it, and can do nothing.
ALTER ROLE aether_service NOLOGIN PASSWORD NULL;
REVOKE ALL ON ALL TABLES IN SCHEMA agents, identity, jobs, notify FROM aether_service;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA agents FROM aether_service;
REVOKE ALL ON SCHEMA agents, identity, jobs, notify FROM aether_service;

CREATE OR REPLACE PROCEDURE agents.isolate(target regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    -- The setting reads as NULL before its first use in a connection and as '' after a transaction; neither is a tenant.
    EXECUTE format(
        'CREATE POLICY tenant_rows ON %s USING (tenant_id = current_setting(''app.tenant'', true)) '
        'WITH CHECK (tenant_id = current_setting(''app.tenant'', true))',
        target
    );
END
$$;

-- The gateway knows people and keys, and shows what the others have written.
GRANT USAGE ON SCHEMA agents, identity, jobs, notify TO aether_gateway;
GRANT SELECT, INSERT ON identity.tenants TO aether_gateway;
GRANT SELECT, INSERT, UPDATE ON identity.people, identity.api_keys TO aether_gateway;
GRANT SELECT ON agents.sessions, agents.turns TO aether_gateway;
GRANT SELECT ON jobs.jobs, jobs.steps, jobs.schedules TO aether_gateway;
GRANT SELECT ON notify.notifications, notify.targets, notify.rules, notify.settings, notify.sources TO aether_gateway;

-- Brain keeps conversations and what is remembered of them, and looks up reminders.
GRANT USAGE ON SCHEMA agents, jobs TO aether_brain;
GRANT SELECT, INSERT, UPDATE ON agents.sessions TO aether_brain;
GRANT SELECT, INSERT, UPDATE, DELETE ON agents.turns TO aether_brain;
GRANT SELECT, INSERT ON agents.turn_steps, agents.memories, agents.learned_turns TO aether_brain;
GRANT SELECT, INSERT, DELETE ON agents.facts TO aether_brain;
GRANT SELECT ON jobs.jobs, jobs.schedules TO aether_brain;

-- The scheduler keeps jobs, and reads the turns that are to be learned from.
GRANT USAGE ON SCHEMA agents, jobs TO aether_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.jobs TO aether_scheduler;
GRANT INSERT ON jobs.steps TO aether_scheduler;
GRANT SELECT, INSERT, UPDATE ON jobs.schedules TO aether_scheduler;
GRANT SELECT ON agents.turns, agents.learned_turns TO aether_scheduler;

GRANT USAGE ON SCHEMA notify TO aether_notifier;
GRANT SELECT, INSERT, UPDATE ON notify.notifications, notify.deliveries, notify.rules, notify.settings TO aether_notifier;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.targets, notify.sources TO aether_notifier;

-- Who may call a function only its owner can say, and the owner of these is a role that nobody can become: as when they were
-- given away, this needs a membership for this moment.
DO $$
DECLARE
    given record;
    is_member boolean;
BEGIN
    FOR given IN
        SELECT signature, owner, login FROM (VALUES
            ('identity.find_key(text)', 'aether_key_reader', 'aether_gateway'),
            ('notify.find_source(text)', 'aether_source_reader', 'aether_gateway'),
            ('jobs.waiting(text, integer)', 'aether_job_clerk', 'aether_scheduler'),
            ('jobs.claim(text[], uuid[], text, interval)', 'aether_job_clerk', 'aether_scheduler'),
            ('jobs.renew(text, interval)', 'aether_job_clerk', 'aether_scheduler'),
            ('jobs.overdue(integer)', 'aether_job_clerk', 'aether_scheduler'),
            ('jobs.due_schedules(integer)', 'aether_job_clerk', 'aether_scheduler'),
            ('jobs.queues()', 'aether_job_clerk', 'aether_scheduler')
        ) AS function (signature, owner, login)
    LOOP
        is_member := pg_has_role(current_user, given.owner, 'USAGE');
        IF NOT is_member THEN
            EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE', given.owner, current_user);
        END IF;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM aether_service', given.signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', given.signature, given.login);
        IF NOT is_member THEN
            EXECUTE format('REVOKE %I FROM %I', given.owner, current_user);
        END IF;
    END LOOP;
END
$$;
