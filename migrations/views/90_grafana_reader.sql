-- The role that Grafana reads with. It sees what the dashboards show: no key, nothing that finds a key, and of pins
-- neither texts nor images.
--
-- Roles belong to the server and not to the database, so the role may be there already, or be made by another
-- database's migration at the same moment. It has no password, and without one nobody can log in; `collector migrate`
-- sets COLLECTOR_GRAFANA_PASSWORD. Where the collector may not create roles, an administrator does what the warning
-- says.

CREATE FUNCTION grant_dashboards(reader name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    readable constant text[] := ARRAY[
        'profile_day', 'fleet_day', 'client_day', 'client_settled', 'settled_metric', 'weekly_metric', 'missing_day',
        'engagement_drop', 'expected_day', 'daily_metric', 'daily_metric_version', 'account_snapshot', 'drop_episode',
        'fleet_drop', 'drop_verdict',
        'profile (id, name, client, tags, created_at, state, state_reason, state_since, first_day, last_day, '
            'settled_through, settle_days, window_days, rate_limit_max, rate_limit_count, rate_limited_on, '
            'rate_limited_count, last_outcome, consecutive_failures, last_success_at, last_poll_at, next_poll_at)',
        'pin (id, profile_id, client_ref, created_at, publish_at, state, state_since, attempts, last_error, pin_url, '
            'published_at, looks, next_look_at)',
        'top_pin (profile, client, profile_id, pin_id, client_ref, pin_url, published_at, impression, engagement, '
            'engagement_rate, save, pin_click, outbound_click, week_impression, week_engagement, observed_at, '
            'native)',
        'pin_attempt (pin_id, attempt, started_at, ended_at, outcome, reason, http_status, code)',
        'pin_lane (profile_id, not_before, paused_reason, paused_since, due_at)'
    ];
    thing text;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', reader);
    FOREACH thing IN ARRAY readable LOOP
        EXECUTE format(
            'GRANT SELECT %s ON %I TO %I', substring(thing FROM '\(.*\)'), split_part(thing, ' ', 1), reader
        );
    END LOOP;
END
$$;

COMMENT ON FUNCTION grant_dashboards IS 'Let a role read what the dashboards show';
REVOKE EXECUTE ON FUNCTION grant_dashboards FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN
        CREATE ROLE grafana_reader LOGIN CONNECTION LIMIT 20;
        ALTER ROLE grafana_reader SET default_transaction_read_only = on;
        -- A panel that takes longer is of no use to anybody, and the polls want the server.
        ALTER ROLE grafana_reader SET statement_timeout = '15s';
        ALTER ROLE grafana_reader SET idle_in_transaction_session_timeout = '1min';
        -- Sorting a year of pins in memory takes half of the time that it takes on disk.
        ALTER ROLE grafana_reader SET work_mem = '32MB';
        ALTER ROLE grafana_reader SET timezone = 'UTC';
        -- Compiling takes longer than these queries do.
        ALTER ROLE grafana_reader SET jit = off;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'the role grafana_reader was not created: this user may not create roles'
            USING HINT = 'As an administrator: CREATE ROLE grafana_reader LOGIN; '
                'then, as this user: SELECT grant_dashboards(''grafana_reader'')';
END
$$;

SELECT grant_dashboards('grafana_reader')
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader');
