-- The role that the daemon works with, for who does not want it to own the tables. It reads and writes rows: no DDL, no
-- TRUNCATE, no trigger. What happened it may add and, when it is old, delete, but not rewrite; the marks of migrations
-- and of a move are the owner's.
--
-- As with grafana_reader, the role may be there already. It has no password until `collector migrate` gives it
-- COLLECTOR_DAEMON_PASSWORD. Where the owner may not create roles there is none, and the daemon works as the owner.

-- Only the owner of a hypertable may drop its chunks.
CREATE FUNCTION drop_old_chunks(days integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM unnest('{daily_metric,daily_metric_revision,account_snapshot,pin_metric}'::text[]) AS name
        CROSS JOIN LATERAL drop_chunks(name::regclass, older_than => days * interval '1 day')
    );
END
$$;

COMMENT ON FUNCTION drop_old_chunks IS 'Delete whole chunks of what has a retention; for TimescaleDB';
REVOKE EXECUTE ON FUNCTION drop_old_chunks FROM PUBLIC;

CREATE FUNCTION grant_daemon(daemon name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    thing record;
BEGIN
    -- Everybody may, unless somebody took it away; an owner of tables that does not own the schema could not give it.
    IF NOT has_schema_privilege(daemon, 'public', 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', daemon);
    END IF;
    EXECUTE format('GRANT EXECUTE ON FUNCTION drop_old_chunks TO %I', daemon);
    -- Tables of an extension, or of somebody else, are not ours to give.
    FOR thing IN
        SELECT
            c.relname AS name,
            CASE
                WHEN c.relkind = 'v' AND to_regclass('_timescaledb_catalog.continuous_agg') IS NOT NULL
                    AND c.relname LIKE '%\_aggregate' THEN 'SELECT, DELETE'
                WHEN c.relkind = 'v' OR c.relname IN ('schema_migration', 'moved_to') THEN 'SELECT'
                WHEN c.relname = 'writer_lock' THEN 'SELECT, UPDATE'
                WHEN c.relname IN (
                    'daily_metric_revision', 'account_snapshot', 'poll_log', 'pin_metric', 'profile_state_change'
                ) THEN 'SELECT, INSERT, DELETE'
                ELSE 'SELECT, INSERT, UPDATE, DELETE'
            END AS privileges
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace
          AND c.relkind IN ('r', 'v')
          AND c.relowner = current_user::regrole
          AND NOT EXISTS (
                SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
            )
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %I', thing.name, daemon);
        EXECUTE format('GRANT %s ON %I TO %I', thing.privileges, thing.name, daemon);
    END LOOP;
END
$$;

COMMENT ON FUNCTION grant_daemon IS 'Let a role do what the daemon does, and no more';
REVOKE EXECUTE ON FUNCTION grant_daemon FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'collector_daemon') THEN
        CREATE ROLE collector_daemon LOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
        NULL;
END
$$;

SELECT grant_daemon('collector_daemon')
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'collector_daemon');
