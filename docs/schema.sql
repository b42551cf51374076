-- The present schema, written by `make docs` from the migrations. Do not change this file by hand.
--
-- With TimescaleDB the tables of metrics are hypertables, and the views week_sum and fleet_day read the continuous
-- aggregates weekly_metric_aggregate and fleet_day_aggregate.

CREATE FUNCTION check_pin() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    problems constant text[] := pin_problems(
        NEW.client_ref, NEW.media_urls, NEW.description, NEW.title, NEW.link, NEW.board_id, NEW.alt_texts, NEW.carousel,
        NEW.thumbnail_url, NEW.note, NEW.publish_at
    );
BEGIN
    IF problems <> '{}' THEN
        RAISE invalid_parameter_value USING MESSAGE = array_to_string(problems, '; ');
    END IF;
    RETURN NEW;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE daily_metric (
    profile_id bigint NOT NULL,
    day date NOT NULL,
    impression bigint,
    engagement bigint,
    engagement_rate double precision,
    save bigint,
    save_rate double precision,
    pin_click bigint,
    pin_click_rate double precision,
    outbound_click bigint,
    outbound_click_rate double precision,
    data_status text,
    extra jsonb,
    revision integer DEFAULT 1 NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    source text
);

COMMENT ON TABLE daily_metric IS 'One row a profile and UTC day: the numbers as they were last read';

COMMENT ON COLUMN daily_metric.extra IS 'Numbers that have no column, by their snake_case name';

COMMENT ON COLUMN daily_metric.revision IS 'How often the day was seen to change, from 1; all versions are in daily_metric_version';

COMMENT ON COLUMN daily_metric.source IS 'Where an imported day comes from; NULL: a poll read it';

CREATE TABLE daily_metric_revision (
    profile_id bigint NOT NULL,
    day date NOT NULL,
    revision integer NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    superseded_at timestamp with time zone DEFAULT now() NOT NULL,
    impression bigint,
    engagement bigint,
    engagement_rate double precision,
    save bigint,
    save_rate double precision,
    pin_click bigint,
    pin_click_rate double precision,
    outbound_click bigint,
    outbound_click_rate double precision,
    data_status text,
    extra jsonb,
    source text
);

COMMENT ON TABLE daily_metric_revision IS 'Former versions of days that were restated; the present ones are in daily_metric';

COMMENT ON COLUMN daily_metric_revision.observed_at IS 'When a poll first brought this version';

COMMENT ON COLUMN daily_metric_revision.last_seen_at IS 'The last good poll before the one that brought the next version';

COMMENT ON COLUMN daily_metric_revision.superseded_at IS 'When a poll brought the next version';

COMMENT ON COLUMN daily_metric_revision.source IS 'Where an imported version came from; NULL: a poll read it';

CREATE VIEW daily_metric_version AS
 SELECT daily_metric_revision.profile_id,
    daily_metric_revision.day,
    daily_metric_revision.revision,
    daily_metric_revision.observed_at,
    LEAST(daily_metric_revision.last_seen_at, daily_metric_revision.superseded_at) AS last_seen_at,
    daily_metric_revision.superseded_at,
    daily_metric_revision.impression,
    daily_metric_revision.engagement,
    daily_metric_revision.engagement_rate,
    daily_metric_revision.save,
    daily_metric_revision.save_rate,
    daily_metric_revision.pin_click,
    daily_metric_revision.pin_click_rate,
    daily_metric_revision.outbound_click,
    daily_metric_revision.outbound_click_rate,
    daily_metric_revision.data_status,
    daily_metric_revision.extra,
    daily_metric_revision.source
   FROM daily_metric_revision
UNION ALL
 SELECT daily_metric.profile_id,
    daily_metric.day,
    daily_metric.revision,
    daily_metric.updated_at AS observed_at,
    NULL::timestamp with time zone AS last_seen_at,
    NULL::timestamp with time zone AS superseded_at,
    daily_metric.impression,
    daily_metric.engagement,
    daily_metric.engagement_rate,
    daily_metric.save,
    daily_metric.save_rate,
    daily_metric.pin_click,
    daily_metric.pin_click_rate,
    daily_metric.outbound_click,
    daily_metric.outbound_click_rate,
    daily_metric.data_status,
    daily_metric.extra,
    daily_metric.source
   FROM daily_metric;

COMMENT ON VIEW daily_metric_version IS 'Every version of every day; last_seen_at and superseded_at of the present one are NULL';

CREATE FUNCTION daily_metric_as_of(at timestamp with time zone) RETURNS SETOF daily_metric_version
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT v.profile_id,
     v.day,
     v.revision,
     v.observed_at,
     v.last_seen_at,
     v.superseded_at,
     v.impression,
     v.engagement,
     v.engagement_rate,
     v.save,
     v.save_rate,
     v.pin_click,
     v.pin_click_rate,
     v.outbound_click,
     v.outbound_click_rate,
     v.data_status,
     v.extra,
     v.source
    FROM daily_metric_version v
   WHERE ((v.observed_at <= daily_metric_as_of.at) AND ((v.superseded_at > daily_metric_as_of.at) OR (v.superseded_at IS NULL)));
END;

COMMENT ON FUNCTION daily_metric_as_of(at timestamp with time zone) IS 'The days as they were known at that time';

CREATE FUNCTION drop_old_chunks(days integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM unnest('{daily_metric,daily_metric_revision,account_snapshot,pin_metric}'::text[]) AS name
        CROSS JOIN LATERAL drop_chunks(name::regclass, older_than => days * interval '1 day')
    );
END
$$;

COMMENT ON FUNCTION drop_old_chunks(days integer) IS 'Delete whole chunks of what has a retention; for TimescaleDB';

CREATE FUNCTION enqueue_pin(profile text, client_ref text, media_urls text[], description text DEFAULT ''::text, title text DEFAULT NULL::text, link text DEFAULT NULL::text, board_id text DEFAULT NULL::text, alt_texts text[] DEFAULT '{}'::text[], carousel jsonb DEFAULT NULL::jsonb, thumbnail_url text DEFAULT NULL::text, note text DEFAULT NULL::text, publish_at timestamp with time zone DEFAULT NULL::timestamp with time zone, past boolean DEFAULT false, OUT id bigint, OUT created boolean, OUT differs text[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    owner_id bigint := (SELECT p.id FROM profile p WHERE p.name = enqueue_pin.profile);
    moment constant timestamptz := coalesce(enqueue_pin.publish_at, now());
    problem constant text := pin_past_problem(moment, enqueue_pin.past);
BEGIN
    IF owner_id IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = array_to_string(
            array_prepend(
                format('no such profile: %s', left(enqueue_pin.profile, 80)),
                pin_problems(
                    enqueue_pin.client_ref, enqueue_pin.media_urls, enqueue_pin.description, enqueue_pin.title,
                    enqueue_pin.link, enqueue_pin.board_id, enqueue_pin.alt_texts, enqueue_pin.carousel,
                    enqueue_pin.thumbnail_url, enqueue_pin.note, moment
                )
            ),
            '; '
        );
    END IF;
    INSERT INTO pin AS p (
        profile_id, client_ref, publish_at, description, title, link, board_id, media_urls, alt_texts, carousel,
        thumbnail_url, note
    )
    VALUES (
        owner_id, enqueue_pin.client_ref, moment, coalesce(enqueue_pin.description, ''),
        enqueue_pin.title, enqueue_pin.link, enqueue_pin.board_id, enqueue_pin.media_urls,
        coalesce(enqueue_pin.alt_texts, '{}'), enqueue_pin.carousel, enqueue_pin.thumbnail_url, enqueue_pin.note
    )
    ON CONFLICT (profile_id, client_ref) DO NOTHING
    RETURNING p.id INTO enqueue_pin.id;
    created := enqueue_pin.id IS NOT NULL;
    differs := '{}';
    -- Only of a new one: an import of last month can be repeated.
    IF created AND problem IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = problem, HINT = 'past => true allows it';
    END IF;
    IF NOT created THEN
        SELECT p.id, pin_differences(
            p, NULL, enqueue_pin.media_urls, enqueue_pin.description, enqueue_pin.title, enqueue_pin.link,
            enqueue_pin.board_id, enqueue_pin.alt_texts, enqueue_pin.carousel, enqueue_pin.thumbnail_url,
            enqueue_pin.note, enqueue_pin.publish_at
        )
        INTO enqueue_pin.id, enqueue_pin.differs
        FROM pin p
        WHERE p.profile_id = owner_id AND p.client_ref = enqueue_pin.client_ref;
    END IF;
END
$$;

COMMENT ON FUNCTION enqueue_pin(profile text, client_ref text, media_urls text[], description text, title text, link text, board_id text, alt_texts text[], carousel jsonb, thumbnail_url text, note text, publish_at timestamp with time zone, past boolean, OUT id bigint, OUT created boolean, OUT differs text[]) IS 'Queue a pin; the same client_ref again returns the first one';

CREATE FUNCTION fetchable_days(window_days smallint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN LEAST(GREATEST(COALESCE((window_days)::integer, 30), 30), 90);

CREATE FUNCTION follow_pin() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO pin_result (profile_id, pin_id, next_at)
    VALUES (
        NEW.profile_id, NEW.id,
        NEW.published_at + interval '1 day' + (NEW.id * 0.6180339887498949) % 1 * interval '12 hours'
    )
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION grant_daemon(daemon name) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION grant_daemon(daemon name) IS 'Let a role do what the daemon does, and no more';

CREATE FUNCTION grant_dashboards(reader name) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION grant_dashboards(reader name) IS 'Let a role read what the dashboards show';

CREATE FUNCTION newest_day_due(settle_days smallint) RETURNS date
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (((now() AT TIME ZONE 'UTC'::text))::date - (settle_days)::integer);

CREATE FUNCTION is_behind(last_day date, settle_days smallint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((last_day < newest_day_due(settle_days)), false);

COMMENT ON FUNCTION is_behind(last_day date, settle_days smallint) IS 'Whether a day is due that a poll would bring';

CREATE FUNCTION is_settled_status(data_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((data_status IS NULL) OR (data_status <> ALL (ARRAY['PROCESSING'::text, 'ESTIMATE'::text])));

COMMENT ON FUNCTION is_settled_status(data_status text) IS 'Whether Pinterest does not call the numbers of the day an estimate';

CREATE FUNCTION is_settled(day date, settled_through date, data_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((day <= settled_through) AND is_settled_status(data_status));

COMMENT ON FUNCTION is_settled(day date, settled_through date, data_status text) IS 'Whether the day will not move; NULL as long as nothing of the profile is settled';

CREATE FUNCTION note_state_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO profile_state_change (profile_id, changed_at, former, state, reason)
    VALUES (NEW.id, NEW.state_since, OLD.state, NEW.state, NEW.state_reason);
    RETURN NULL;
END
$$;

CREATE FUNCTION pin_text_problem(what text, value text, longest integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (char_length(value) > longest) THEN format('%s has %s characters; at most %s are taken'::text, what, char_length(value), longest) WHEN (value ~ '[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]'::text) THEN format('%s holds control characters'::text, what) ELSE NULL::text END;

CREATE FUNCTION pin_url_problem(what text, url text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (char_length(url) > 2048) THEN format('%s has %s characters; at most 2048 are taken'::text, what, char_length(url)) WHEN (url = ''::text) THEN format('%s is empty'::text, what) WHEN (url ~ ',\s*https?://'::text) THEN format('%s holds several addresses; separate them by |: %s'::text, what, "left"(url, 80)) WHEN (url !~ '^https://'::text) THEN format('%s does not begin with https://: %s'::text, what, "left"(url, 80)) WHEN (url !~ '^https://[A-Za-z0-9._~%-]+(:[0-9]+)?([/?#][^[:space:][:cntrl:]]*)?$'::text) THEN format('%s is not an address: %s'::text, what, "left"(url, 80)) ELSE NULL::text END;

CREATE FUNCTION pin_carousel_problem(carousel jsonb, images integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((jsonb_typeof(carousel) <> 'array'::text) OR jsonb_path_exists(carousel, 'strict $[*]?(@.type() != "object")'::jsonpath)) THEN 'the carousel is not a list of {"title", "link", "description"}'::text WHEN ((jsonb_array_length(carousel) < 2) OR (jsonb_array_length(carousel) > 5)) THEN 'the carousel has fewer than 2 or more than 5 entries'::text WHEN (jsonb_array_length(carousel) > images) THEN format('the carousel has %s entries for %s images'::text, jsonb_array_length(carousel), images) ELSE (SELECT string_agg(c.problem, '; '::text ORDER BY c.place) AS string_agg FROM (SELECT e.place, COALESCE(CASE WHEN (f.key <> ALL (ARRAY['title'::text, 'link'::text, 'description'::text])) THEN format('carousel entry %s has an unknown %s'::text, e.place, "left"(f.key, 40)) WHEN (jsonb_typeof(f.value) <> 'string'::text) THEN format('%s of carousel entry %s is not a text'::text, f.key, e.place) WHEN (f.key = 'link'::text) THEN pin_url_problem(format('the link of carousel entry %s'::text, e.place), (f.value #>> '{}'::text[])) ELSE NULL::text END, pin_text_problem(format('the %s of carousel entry %s'::text, f.key, e.place), (f.value #>> '{}'::text[]), CASE f.key WHEN 'title'::text THEN 100 WHEN 'description'::text THEN 500 ELSE 2048 END)) AS problem FROM (jsonb_array_elements(pin_carousel_problem.carousel) WITH ORDINALITY e(entry, place) CROSS JOIN LATERAL jsonb_each(e.entry) f(key, value))) c) END;

CREATE TABLE pin (
    id bigint NOT NULL,
    profile_id bigint NOT NULL,
    client_ref text NOT NULL,
    token uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    publish_at timestamp with time zone DEFAULT now() NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    title text,
    link text,
    board_id text,
    media_urls text[] NOT NULL,
    alt_texts text[] DEFAULT '{}'::text[] NOT NULL,
    carousel jsonb,
    thumbnail_url text,
    note text,
    state text DEFAULT 'queued'::text NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    refusals integer DEFAULT 0 NOT NULL,
    last_error text,
    ayrshare_id text,
    pinterest_pin_id text,
    pin_url text,
    published_at timestamp with time zone,
    looks integer DEFAULT 0 NOT NULL,
    next_look_at timestamp with time zone,
    look_until timestamp with time zone,
    owner text,
    lease_until timestamp with time zone,
    CONSTRAINT pin_alt_texts_check CHECK ((array_position(alt_texts, NULL::text) IS NULL)),
    CONSTRAINT pin_media_urls_check CHECK ((array_position(media_urls, NULL::text) IS NULL)),
    CONSTRAINT pin_publish_at_check CHECK (((publish_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (publish_at <= '2100-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT pin_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'published'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text])))
);

COMMENT ON TABLE pin IS 'Pins to publish and what became of them; the queue never deletes a row';

COMMENT ON COLUMN pin.client_ref IS 'The caller''s own name for the pin: enqueueing it again changes nothing';

COMMENT ON COLUMN pin.token IS 'Sent in the notes of every attempt, followed by its number; Ayrshare''s history returns it';

COMMENT ON COLUMN pin.carousel IS 'Texts of a carousel''s images: a list of {"title", "link", "description"}';

COMMENT ON COLUMN pin.refusals IS 'Refusals in a row after which Ayrshare said that it may be sent again';

COMMENT ON COLUMN pin.published_at IS 'When it was known to be live; from then on it is not sent again';

COMMENT ON COLUMN pin.looks IS 'Looks into the history since the pin became unknown that did not find it';

COMMENT ON COLUMN pin.next_look_at IS 'When an unknown pin is looked for next; NULL after the last look';

COMMENT ON COLUMN pin.look_until IS 'Until then somebody is looking for it, and it is not sent again';

COMMENT ON COLUMN pin.owner IS 'Who sends it, or sent it last; with attempts, the fence of the outcome';

CREATE FUNCTION pin_differences(known pin, given text[], media_urls text[], description text, title text, link text, board_id text, alt_texts text[], carousel jsonb, thumbnail_url text, note text, publish_at timestamp with time zone) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT d.name FROM (VALUES ('publish_at'::text,(((pin_differences.known).state = 'queued'::text) AND ((pin_differences.known).attempts = 0) AND (pin_differences.publish_at <> (pin_differences.known).publish_at))), ('description'::text,((pin_differences.known).description <> COALESCE(pin_differences.description, ''::text))), ('media_urls'::text,((pin_differences.known).media_urls <> pin_differences.media_urls)), ('title'::text,((pin_differences.known).title IS DISTINCT FROM pin_differences.title)), ('link'::text,((pin_differences.known).link IS DISTINCT FROM pin_differences.link)), ('board_id'::text,((pin_differences.known).board_id IS DISTINCT FROM pin_differences.board_id)), ('alt_texts'::text,((pin_differences.known).alt_texts <> COALESCE(pin_differences.alt_texts, '{}'::text[]))), ('carousel'::text,((pin_differences.known).carousel IS DISTINCT FROM pin_differences.carousel)), ('thumbnail_url'::text,((pin_differences.known).thumbnail_url IS DISTINCT FROM pin_differences.thumbnail_url)), ('note'::text,((pin_differences.known).note IS DISTINCT FROM pin_differences.note))) d(name, differs) WHERE (d.differs AND ((pin_differences.given IS NULL) OR (d.name = ANY (pin_differences.given)))));

CREATE FUNCTION pin_engagement(save bigint, pin_click bigint, outbound_click bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (num_nonnulls(save, pin_click, outbound_click) > 0) THEN ((COALESCE(save, (0)::bigint) + COALESCE(pin_click, (0)::bigint)) + COALESCE(outbound_click, (0)::bigint)) ELSE NULL::bigint END;

COMMENT ON FUNCTION pin_engagement(save bigint, pin_click bigint, outbound_click bigint) IS 'What Pinterest calls the engagement of a pin; NULL where none of it is known';

CREATE FUNCTION pin_media_kind(url text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT CASE WHEN (e.ending = ANY (ARRAY['jpg'::text, 'jpeg'::text, 'png'::text, 'gif'::text, 'webp'::text, 'bmp'::text, 'tif'::text, 'tiff'::text])) THEN 'image'::text WHEN (e.ending = ANY (ARRAY['mp4'::text, 'mov'::text, 'm4v'::text, 'avi'::text, 'mkv'::text, 'mpg'::text, 'mpeg'::text, 'wmv'::text, 'webm'::text])) THEN 'video'::text ELSE ('.'::text || e.ending) END AS "case" FROM (SELECT lower("substring"("substring"(pin_media_kind.url, '^https://[^/?#]+(/[^?#]*)'::text), '\.([A-Za-z0-9]{2,5})$'::text)) AS ending) e);

CREATE FUNCTION pin_media_problem(place bigint, url text, urls integer, thumbnail_url text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE(pin_url_problem(format('media URL %s'::text, place), COALESCE(url, ''::text)), CASE WHEN ((url ~* '^https://((drive|docs|photos)\.google\.com|photos\.app\.goo\.gl|1drv\.ms|onedrive\.live\.com)/'::text) OR ((url ~* '^https://(www\.)?dropbox\.com/'::text) AND (url !~* '[?&](raw|dl)=1'::text))) THEN format('media URL %s is a page that shows a file, not the file: %s'::text, place, "left"(url, 80)) WHEN (pin_media_kind(url) IS NULL) THEN CASE WHEN ((urls > 1) AND (thumbnail_url IS NOT NULL)) THEN 'a thumbnail_url is for a single video'::text ELSE NULL::text END WHEN (pin_media_kind(url) = 'image'::text) THEN CASE WHEN (thumbnail_url IS NOT NULL) THEN format('a thumbnail_url is for a video, and media URL %s is an image'::text, place) ELSE NULL::text END WHEN (pin_media_kind(url) <> 'video'::text) THEN format('media URL %s ends in %s; Pinterest takes JPEG, PNG, GIF, WEBP, BMP and TIFF, and video'::text, place, pin_media_kind(url)) WHEN (urls > 1) THEN format('media URL %s is a video, which goes alone'::text, place) WHEN (thumbnail_url IS NULL) THEN 'a video needs a thumbnail_url'::text ELSE NULL::text END);

CREATE FUNCTION pin_past_problem(publish_at timestamp with time zone, past boolean) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ((NOT past) AND (publish_at < (now() - '1 day'::interval))) THEN format('publish_at is past, so the pin would go out at once: %s UTC'::text, to_char((publish_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI'::text)) ELSE NULL::text END;

CREATE FUNCTION pin_problems(client_ref text, media_urls text[], description text, title text, link text, board_id text, alt_texts text[], carousel jsonb, thumbnail_url text, note text, publish_at timestamp with time zone) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
    images constant integer := coalesce(cardinality(media_urls), 0);
BEGIN
    RETURN array_remove(ARRAY[
        CASE WHEN coalesce(trim(client_ref), '') = ''
        THEN 'the client_ref is empty; it keeps a pin from being queued twice' END,
        pin_text_problem('the client_ref', client_ref, 200),
        pin_text_problem('the description', description, 500),
        pin_text_problem('the title', title, 100),
        pin_url_problem('the link', link),
        CASE WHEN board_id !~ '^[0-9]{1,100}$'
        THEN format('the board_id is not a number in digits: %s', left(board_id, 80)) END,
        pin_text_problem('the note', note, 1000),
        pin_url_problem('the thumbnail_url', thumbnail_url),
        CASE WHEN publish_at IS NULL OR NOT publish_at BETWEEN '2000-01-01 00:00+00' AND '2100-01-01 00:00+00'
        THEN 'publish_at is not a time between 2000 and 2100' END,
        CASE WHEN array_ndims(media_urls) > 1 OR array_lower(media_urls, 1) <> 1
        THEN 'the media URLs are not a plain list' END,
        CASE
            WHEN array_ndims(alt_texts) > 1 OR array_lower(alt_texts, 1) <> 1
                OR array_position(alt_texts, NULL) IS NOT NULL
            THEN 'the alt texts are not a plain list of texts'
        END,
        CASE WHEN images = 0 THEN 'there is no media URL; a pin needs an image, or a video with its thumbnail' END,
        CASE WHEN images > 5
        THEN format('there are %s media URLs; a pin takes one, or 2 to 5 images for a carousel', images) END,
        CASE WHEN cardinality(alt_texts) > images
        THEN format('there are %s alt texts for %s images', cardinality(alt_texts), images) END,
        pin_carousel_problem(carousel, images)
    ] || ARRAY(
        SELECT pin_media_problem(m.place, m.url, images, thumbnail_url)
        FROM unnest(media_urls[1:5]) WITH ORDINALITY AS m (url, place)
        ORDER BY m.place
    ) || ARRAY(
        SELECT pin_text_problem(format('alt text %s', a.place), a.value, 500)
        FROM unnest(alt_texts[1:5]) WITH ORDINALITY AS a (value, place)
        ORDER BY a.place
    ), NULL);
END
$_$;

CREATE FUNCTION quota_reset_at() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT (CASE WHEN (m.today < (m.first + '01:00:00'::interval)) THEN GREATEST((m.first + '00:07:00'::interval), (m.today + '00:10:00'::interval)) ELSE (m.first + '1 mon 00:07:00'::interval) END AT TIME ZONE 'UTC'::text) AS timezone FROM (SELECT (now() AT TIME ZONE 'UTC'::text) AS today, date_trunc('month'::text, (now() AT TIME ZONE 'UTC'::text)) AS first) m);

CREATE TABLE pin_arrival (
    id bigint NOT NULL,
    profile_id bigint NOT NULL,
    due_at timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_threshold='1000', autovacuum_vacuum_scale_factor='0');

COMMENT ON TABLE pin_arrival IS 'Lanes to look at, from whoever gave them work; publishers empty it';

CREATE FUNCTION wake_lane(profile_id bigint, due_at timestamp with time zone) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO pin_arrival (profile_id, due_at)
   VALUES (wake_lane.profile_id, wake_lane.due_at);
 SELECT pg_notify('collector_pin'::text, ''::text) AS pg_notify
   WHERE (due_at <= (now() + '00:00:01'::interval));
END;

COMMENT ON FUNCTION wake_lane(profile_id bigint, due_at timestamp with time zone) IS 'Tell the publishers that a lane has something to do at that time';

CREATE FUNCTION wake_lane_of_pin() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM wake_lane(NEW.profile_id, NEW.publish_at);
    RETURN NULL;
END
$$;

CREATE FUNCTION wake_lane_of_profile() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM wake_lane(NEW.id, now());
    RETURN NULL;
END
$$;

CREATE TABLE account_snapshot (
    profile_id bigint NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    impression bigint,
    engagement bigint,
    engagement_rate double precision,
    save bigint,
    save_rate double precision,
    pin_click bigint,
    pin_click_rate double precision,
    outbound_click bigint,
    outbound_click_rate double precision,
    followers bigint,
    extra jsonb
);

COMMENT ON TABLE account_snapshot IS 'The sums over Ayrshare''s window and the account''s counters, by the time of Ayrshare''s data';

CREATE TABLE api_token (
    id bigint NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    client text,
    may_change boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT api_token_client_check CHECK ((client <> ''::text)),
    CONSTRAINT api_token_name_check CHECK ((name <> ''::text)),
    CONSTRAINT api_token_sha256_check CHECK ((octet_length(sha256) = 32))
);

COMMENT ON TABLE api_token IS 'Tokens of `collector tokens`; a revoked one is deleted';

COMMENT ON COLUMN api_token.client IS 'The only client whose rows it may see and change; NULL: all';

COMMENT ON COLUMN api_token.may_change IS 'Whether it may change anything, or only look';

ALTER TABLE api_token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME api_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE client (
    name text NOT NULL,
    country text,
    time_zone text,
    CONSTRAINT client_country_check CHECK ((country ~ '^[A-Z]{2}$'::text))
);

COMMENT ON TABLE client IS 'Settings of clients; one that has none is not here';

COMMENT ON COLUMN client.country IS 'ISO 3166 code; its public holidays are no drops. NULL: those of many countries';

COMMENT ON COLUMN client.time_zone IS 'Name of an IANA zone, in which the times of its pins are compared. NULL: UTC';

CREATE VIEW fleet_day AS
 SELECT day,
    (sum(impression))::bigint AS impression,
    (sum(engagement))::bigint AS engagement,
    (sum(save))::bigint AS save,
    (sum(pin_click))::bigint AS pin_click,
    (sum(outbound_click))::bigint AS outbound_click,
    (count(*))::integer AS profiles
   FROM daily_metric
  GROUP BY day;

COMMENT ON VIEW fleet_day IS 'Sums over all profiles by day; profiles counts those that have the day';

CREATE TABLE profile (
    id bigint NOT NULL,
    name text NOT NULL,
    client text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    ref_id text,
    key_ciphertext bytea NOT NULL,
    key_fingerprint bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    state_reason text,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    first_day date,
    last_day date,
    settled_through date,
    settle_days smallint,
    seam_day date,
    replaced_at timestamp with time zone,
    account_changed_at timestamp with time zone,
    account_name text,
    former_account_name text,
    account_name_asked_at timestamp with time zone,
    window_days smallint,
    answer_digest bigint,
    answer_day date,
    rate_limit_max integer,
    rate_limit_count integer,
    rate_limited_on date,
    rate_limited_count integer DEFAULT 0 NOT NULL,
    days_changed_at timestamp with time zone,
    last_outcome text,
    last_error text,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    last_success_at timestamp with time zone,
    last_poll_at timestamp with time zone,
    next_poll_at timestamp with time zone DEFAULT now(),
    lease_until timestamp with time zone,
    lease_owner text,
    behind boolean DEFAULT false NOT NULL,
    lost_through date,
    rate_limited_in_row integer DEFAULT 0 NOT NULL,
    rate_limited_until timestamp with time zone,
    CONSTRAINT profile_client_check CHECK ((client <> ''::text)),
    CONSTRAINT profile_name_check CHECK ((name <> ''::text)),
    CONSTRAINT profile_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'unlinked'::text, 'suspended'::text, 'key_invalid'::text])))
)
WITH (fillfactor='64', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.05');

COMMENT ON TABLE profile IS 'Client profiles, their encrypted keys and the leases of their polls';

COMMENT ON COLUMN profile.key_ciphertext IS 'Fernet token of the Ayrshare profile key';

COMMENT ON COLUMN profile.key_fingerprint IS 'First 16 bytes of SHA-256 of the key: finds a key registered twice, reveals nothing';

COMMENT ON COLUMN profile.first_day IS 'Oldest day that was ever read';

COMMENT ON COLUMN profile.last_day IS 'Newest day that was ever read';

COMMENT ON COLUMN profile.settled_through IS 'Newest day that was old enough not to be restated when Ayrshare last read it';

COMMENT ON COLUMN profile.settle_days IS 'COLLECTOR_SETTLE_DAYS at the last good poll';

COMMENT ON COLUMN profile.seam_day IS 'First day of the present Pinterest account; the days before it are another account''s. NULL: all are of one';

COMMENT ON COLUMN profile.replaced_at IS 'When a poll last replaced most settled days; with a seam, versions that ended by then are the former account''s';

COMMENT ON COLUMN profile.account_changed_at IS 'Since when the profile is marked: another account may be linked. NULL: never, or an operator has decided';

COMMENT ON COLUMN profile.account_name IS 'What Ayrshare calls the Pinterest account, when it was asked';

COMMENT ON COLUMN profile.former_account_name IS 'What the account was called before the mark';

COMMENT ON COLUMN profile.window_days IS 'Days in the window of the last answer that had any';

COMMENT ON COLUMN profile.answer_digest IS 'Of the last answer stored: the same again on the same UTC day (answer_day) holds nothing to compare';

COMMENT ON COLUMN profile.rate_limit_count IS 'x-ratelimit-count of the last answer, out of rate_limit_max in five minutes';

COMMENT ON COLUMN profile.rate_limited_count IS 'Answers of 429 on the UTC day rate_limited_on; 1,000 suspend the profile';

COMMENT ON COLUMN profile.days_changed_at IS 'When a poll last brought a settled day that was new or different';

COMMENT ON COLUMN profile.behind IS 'The last poll brought nothing, and a day is due that was never read: polled before others';

COMMENT ON COLUMN profile.lost_through IS 'Up to this day, all that is missing is lost, and is in lost_day';

COMMENT ON COLUMN profile.rate_limited_in_row IS 'Answers of 429 since the last good one, of which those that came during a wait count as one';

COMMENT ON COLUMN profile.rate_limited_until IS 'Until when nobody asks because of them; polls go first';

CREATE VIEW client_day AS
 SELECT ''::text AS client,
    fleet_day.day,
    fleet_day.impression,
    fleet_day.engagement,
    fleet_day.save,
    fleet_day.pin_click,
    fleet_day.outbound_click,
    fleet_day.profiles
   FROM fleet_day
UNION ALL
 SELECT p.client,
    m.day,
    (sum(m.impression))::bigint AS impression,
    (sum(m.engagement))::bigint AS engagement,
    (sum(m.save))::bigint AS save,
    (sum(m.pin_click))::bigint AS pin_click,
    (sum(m.outbound_click))::bigint AS outbound_click,
    (count(*))::integer AS profiles
   FROM (profile p
     JOIN daily_metric m ON ((m.profile_id = p.id)))
  GROUP BY p.client, m.day;

COMMENT ON VIEW client_day IS 'Sums by client and day, and of the whole fleet as client ''''';

CREATE VIEW client_settled AS
 SELECT ''::text AS client,
    percentile_disc((0.05)::double precision) WITHIN GROUP (ORDER BY profile.settled_through) AS settled_through
   FROM profile
  WHERE (profile.state = 'active'::text)
UNION ALL
 SELECT profile.client,
    COALESCE(min(profile.settled_through) FILTER (WHERE (profile.state = 'active'::text)), max(profile.settled_through)) AS settled_through
   FROM profile
  GROUP BY profile.client;

COMMENT ON VIEW client_settled IS 'Newest day that is settled for a client''s active profiles, of the fleet for 95 % of them';

CREATE TABLE daemon (
    owner text NOT NULL,
    version text NOT NULL,
    roles text[] NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    stopped_at timestamp with time zone,
    encrypts_with bytea
);

COMMENT ON TABLE daemon IS 'Processes of `collector run`, as they report themselves; forgotten a week after the last report';

COMMENT ON COLUMN daemon.stopped_at IS 'When it was told to stop; NULL while it runs, and where it was killed';

COMMENT ON COLUMN daemon.encrypts_with IS 'A mark of the key that it encrypts profile keys with; NULL without one';

CREATE TABLE drop_band (
    profile_id bigint NOT NULL,
    since date NOT NULL,
    expected real[] NOT NULL,
    low real[] NOT NULL
);

COMMENT ON TABLE drop_band IS 'The engagements that were expected of each profile''s newest settled days';

COMMENT ON COLUMN drop_band.since IS 'First day of both arrays';

COMMENT ON COLUMN drop_band.expected IS 'What was expected, a day each; NaN where nothing could be said';

COMMENT ON COLUMN drop_band.low IS 'Lower bound of what is normal, a day each';

CREATE TABLE drop_dismissal (
    profile_id bigint NOT NULL,
    metric text NOT NULL,
    first_day date NOT NULL,
    dismissed_note text NOT NULL,
    dismissed_by text NOT NULL,
    dismissed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT drop_dismissal_dismissed_note_check CHECK ((dismissed_note <> ''::text))
);

COMMENT ON TABLE drop_dismissal IS 'Drops of which somebody said that they are not a problem';

COMMENT ON COLUMN drop_dismissal.dismissed_note IS 'Why not';

COMMENT ON COLUMN drop_dismissal.dismissed_by IS 'The name of the token, or where it was said without one';

CREATE TABLE drop_episode (
    profile_id bigint NOT NULL,
    metric text NOT NULL,
    detected_day date NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    observed double precision NOT NULL,
    expected double precision NOT NULL,
    expected_low double precision NOT NULL,
    score double precision NOT NULL,
    lost_share double precision NOT NULL,
    usual_since date,
    closed_on date,
    close_reason text,
    decided_by text DEFAULT ''::text NOT NULL,
    window_days integer DEFAULT 0 NOT NULL,
    window_score double precision DEFAULT 0 NOT NULL,
    threshold double precision DEFAULT 0 NOT NULL,
    window_loss double precision DEFAULT 0 NOT NULL,
    least_loss double precision DEFAULT 0 NOT NULL,
    also_fell text DEFAULT ''::text NOT NULL,
    why text DEFAULT ''::text NOT NULL,
    inhibited boolean DEFAULT false NOT NULL,
    sentence text NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL,
    CONSTRAINT drop_episode_metric_check CHECK ((metric = ANY (ARRAY['engagement'::text, 'impression'::text, 'outbound_click'::text, 'save'::text])))
);

COMMENT ON TABLE drop_episode IS 'Drops, open and closed';

COMMENT ON COLUMN drop_episode.detected_day IS 'Newest settled day that the decision needed';

COMMENT ON COLUMN drop_episode.observed IS 'Mean a day from first_day to last_day, as expected and expected_low';

COMMENT ON COLUMN drop_episode.usual_since IS 'First of the newest days that are usual again, of a drop that is not closed yet; NULL while it lasts';

COMMENT ON COLUMN drop_episode.decided_by IS 'What raised the alarm: a metric, all of them together, or a silence that was too long';

COMMENT ON COLUMN drop_episode.window_days IS 'Days that the decision rests on: window_score and window_loss are theirs; threshold and least_loss were needed';

COMMENT ON COLUMN drop_episode.also_fell IS 'Other metrics that fell with it, with commas';

COMMENT ON COLUMN drop_episode.why IS 'The decision in two sentences';

COMMENT ON COLUMN drop_episode.inhibited IS 'It began with a drop of the whole fleet, and is not the client''s';

ALTER TABLE drop_episode ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME drop_episode_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE drop_sensitivity (
    scope text NOT NULL,
    name text NOT NULL,
    sensitivity text NOT NULL,
    threshold double precision,
    CONSTRAINT drop_sensitivity_scope_check CHECK ((scope = ANY (ARRAY['client'::text, 'profile'::text]))),
    CONSTRAINT drop_sensitivity_sensitivity_check CHECK ((sensitivity = ANY (ARRAY['low'::text, 'normal'::text, 'high'::text])))
);

COMMENT ON TABLE drop_sensitivity IS 'How small a drop is worth an alarm; a profile''s own wins over its client''s, and normal is what is not here';

COMMENT ON COLUMN drop_sensitivity.threshold IS 'Calibrated on the client''s own history; NULL: that of the sensitivity';

CREATE TABLE drop_verdict (
    profile_id bigint NOT NULL,
    settled_through date,
    last_poll_at timestamp with time zone,
    state text,
    sensitivity text NOT NULL,
    judged_since date,
    expected double precision,
    expected_low double precision,
    score double precision,
    silence text,
    decided_by text DEFAULT ''::text NOT NULL,
    window_days integer DEFAULT 0 NOT NULL,
    window_score double precision DEFAULT 0 NOT NULL,
    threshold double precision DEFAULT 0 NOT NULL,
    window_loss double precision DEFAULT 0 NOT NULL,
    least_loss double precision DEFAULT 0 NOT NULL,
    also_fell text DEFAULT ''::text NOT NULL,
    unmet text,
    why text DEFAULT ''::text NOT NULL,
    own_threshold double precision,
    country text,
    evaluated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE drop_verdict IS 'What the detector says of the newest settled day of each profile, and of which rows it knew';

COMMENT ON COLUMN drop_verdict.state IS 'The profile''s state, which the sentences of its drops may name';

COMMENT ON COLUMN drop_verdict.judged_since IS 'First day on which the profile had enough history to be judged';

COMMENT ON COLUMN drop_verdict.silence IS 'Why it says nothing; NULL where it judged';

COMMENT ON COLUMN drop_verdict.unmet IS 'The first condition of a drop that the window nearest to one does not fulfil; NULL where all are';

COMMENT ON COLUMN drop_verdict.why IS 'Why the day was called a drop, or was not';

COMMENT ON COLUMN drop_verdict.own_threshold IS 'The calibrated threshold that it knew, as it knew the country';

CREATE VIEW engagement_drop AS
 SELECT e.id,
    p.name AS profile,
    p.client,
    e.profile_id,
    e.metric,
    e.first_day,
    e.detected_day,
    e.last_day,
    e.observed,
    e.expected,
    e.expected_low,
    e.score,
    e.lost_share,
    e.usual_since,
    ((e.closed_on IS NULL) AND (p.state <> 'paused'::text)) AS open,
    e.closed_on,
    e.close_reason,
    e.decided_by,
    e.window_days,
    e.window_score,
    e.threshold,
    e.window_loss,
    e.least_loss,
    e.also_fell,
    e.inhibited,
    ((e.closed_on IS NULL) AND (p.state <> 'paused'::text) AND (NOT e.inhibited) AND (d.profile_id IS NULL)) AS told,
    d.dismissed_note,
    d.dismissed_by,
    d.dismissed_at,
    e.sentence,
    e.why,
    e.opened_at,
    e.updated_at
   FROM ((drop_episode e
     JOIN profile p ON ((p.id = e.profile_id)))
     LEFT JOIN drop_dismissal d ON (((d.profile_id = e.profile_id) AND (d.metric = e.metric) AND (d.first_day = e.first_day))));

COMMENT ON VIEW engagement_drop IS 'Drops with their profile and client, and what was said of them';

CREATE VIEW expected_day AS
 SELECT p.name AS profile,
    p.client,
    p.id AS profile_id,
    ((d.since + (b.place)::integer) - 1) AS day,
    b.expected,
    b.expected_low
   FROM ((drop_band d
     JOIN profile p ON ((p.id = d.profile_id)))
     CROSS JOIN LATERAL UNNEST(d.expected, d.low) WITH ORDINALITY b(expected, expected_low, place))
  WHERE (b.expected <> 'NaN'::real);

COMMENT ON VIEW expected_day IS 'Engagements that the detector expected of each recent settled day, and the lower bound of what is normal';

CREATE TABLE fleet_drop (
    first_day date NOT NULL,
    last_day date NOT NULL,
    profiles integer NOT NULL,
    share double precision NOT NULL,
    open boolean NOT NULL,
    sentence text NOT NULL
);

COMMENT ON TABLE fleet_drop IS 'Days on which a large share of the healthy profiles dropped together';

CREATE VIEW judged_profile AS
 SELECT p.id AS profile_id,
    p.name AS profile,
    p.client,
    p.state,
    p.state_since,
    p.settled_through,
    p.settle_days,
    p.seam_day,
    p.replaced_at,
    p.last_poll_at,
    p.days_changed_at,
    COALESCE(s.sensitivity, c.sensitivity, 'normal'::text) AS sensitivity,
        CASE
            WHEN (s.name IS NULL) THEN c.threshold
            ELSE s.threshold
        END AS own_threshold,
    c.country
   FROM ((profile p
     LEFT JOIN drop_sensitivity s ON (((s.scope = 'profile'::text) AND (s.name = p.name))))
     LEFT JOIN ( SELECT COALESCE(k.name, f.name) AS name,
            k.country,
            f.sensitivity,
            f.threshold
           FROM (client k
             FULL JOIN ( SELECT drop_sensitivity.scope,
                    drop_sensitivity.name,
                    drop_sensitivity.sensitivity,
                    drop_sensitivity.threshold
                   FROM drop_sensitivity
                  WHERE (drop_sensitivity.scope = 'client'::text)) f ON ((f.name = k.name)))) c ON ((c.name = p.client)));

COMMENT ON VIEW judged_profile IS 'How each profile is judged: its preset or own threshold, and whose holidays count; and until which day';

CREATE TABLE leader (
    work text NOT NULL,
    owner text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone NOT NULL
);

COMMENT ON TABLE leader IS 'Work that one process does for all replicas, and which one that is';

COMMENT ON COLUMN leader.since IS 'Since when this process leads without a break';

CREATE TABLE lost_day (
    profile_id bigint NOT NULL,
    day date NOT NULL,
    whose text NOT NULL,
    reason text NOT NULL,
    cause_first date NOT NULL,
    cause_last date NOT NULL,
    detail text,
    noted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT lost_day_whose_check CHECK ((whose = ANY (ARRAY['us'::text, 'api'::text, 'client'::text, 'pinterest'::text, 'unknown'::text])))
);

COMMENT ON TABLE lost_day IS 'Days that were never read and that Ayrshare no longer serves, with the reason';

COMMENT ON COLUMN lost_day.whose IS 'Where the reason lies: with us, Ayrshare (api), the client or Pinterest';

COMMENT ON COLUMN lost_day.cause_first IS 'The reason held from this day to cause_last, while the lost day was served';

COMMENT ON COLUMN lost_day.detail IS 'What Ayrshare last said meanwhile';

CREATE VIEW missing_day AS
 SELECT p.name AS profile,
    p.client,
    p.id AS profile_id,
    d.day,
    ((d.day + fetchable_days(p.window_days)) <= ((now() AT TIME ZONE 'UTC'::text))::date) AS lost,
    l.whose,
    l.reason
   FROM ((profile p
     CROSS JOIN LATERAL ( SELECT (generate_series((p.first_day)::timestamp with time zone, (newest_day_due(p.settle_days))::timestamp with time zone, '1 day'::interval))::date AS day) d)
     LEFT JOIN lost_day l ON (((l.profile_id = p.id) AND (l.day = d.day))))
  WHERE (NOT (EXISTS ( SELECT
           FROM daily_metric m
          WHERE ((m.profile_id = p.id) AND (m.day = d.day)))));

COMMENT ON VIEW missing_day IS 'Days between the first and the newest due one that are not there; lost when Ayrshare no longer serves them, with whose fault it is and why as soon as that is written down';

CREATE TABLE monthly_report (
    month date NOT NULL,
    client text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    owner text,
    lease_until timestamp with time zone,
    file text,
    written_at timestamp with time zone
);

COMMENT ON TABLE monthly_report IS 'Reports of clients that are written without being asked for';

COMMENT ON COLUMN monthly_report.month IS 'Its first day';

COMMENT ON COLUMN monthly_report.lease_until IS 'Until then its owner is writing it';

COMMENT ON COLUMN monthly_report.file IS 'Within COLLECTOR_REPORT_DIR: the PDF where there is one, else the HTML';

CREATE TABLE moved_to (
    place text NOT NULL,
    moved_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE moved_to IS 'One row when `collector move` took the data to another database';

CREATE TABLE native_look (
    profile_id bigint NOT NULL,
    next_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE native_look IS 'When a profile is asked next for pins that were not made here';

COMMENT ON COLUMN native_look.next_at IS 'Moved on by a day before asking: no answer, and no death, makes it more often';

CREATE TABLE native_pin (
    id bigint NOT NULL,
    profile_id bigint NOT NULL,
    pinterest_pin_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    title text,
    pin_url text
);

COMMENT ON TABLE native_pin IS 'Pins of the last 90 days that were not made here';

COMMENT ON COLUMN native_pin.created_at IS 'When it went out, as Ayrshare tells';

COMMENT ON COLUMN native_pin.title IS 'Its title, or the beginning of its description';

ALTER TABLE native_pin ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME native_pin_id_seq
    START WITH -1
    INCREMENT BY -1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE notice (
    id bigint NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    profile_id bigint,
    profile text,
    client text,
    happened_at timestamp with time zone NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    addressed boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE notice IS 'Events that people are told of; forgotten after 180 days';

COMMENT ON COLUMN notice.key IS 'What makes it the same event again';

COMMENT ON COLUMN notice.client IS 'NULL: it concerns the whole fleet';

COMMENT ON COLUMN notice.addressed IS 'Whether it was given to the targets that want it';

ALTER TABLE notice ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME notice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE notice_message (
    id bigint NOT NULL,
    target text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    last_error text,
    ended_at timestamp with time zone,
    owner text,
    lease_until timestamp with time zone,
    CONSTRAINT notice_message_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'given_up'::text])))
);

COMMENT ON TABLE notice_message IS 'Messages to targets, each of one or many notices';

COMMENT ON COLUMN notice_message.lease_until IS 'Until then its owner is sending it';

ALTER TABLE notice_message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME notice_message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE notice_target (
    name text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE notice_target IS 'Targets of COLLECTOR_NOTIFY_FILE, and since when: they are told of nothing that was found before';

CREATE TABLE notice_telling (
    notice_id bigint NOT NULL,
    target text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    message_id bigint
);

COMMENT ON TABLE notice_telling IS 'Which target is told of which notice, when, and by which message';

ALTER TABLE pin_arrival ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pin_arrival_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pin_attempt (
    pin_id bigint NOT NULL,
    attempt integer NOT NULL,
    owner text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    idempotency_key uuid DEFAULT gen_random_uuid() NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    reason text,
    http_status smallint,
    code integer,
    detail text,
    excerpt text,
    looked_at timestamp with time zone,
    look text,
    CONSTRAINT pin_attempt_outcome_check CHECK ((outcome = ANY (ARRAY['published'::text, 'failed'::text, 'requeued'::text, 'unknown'::text])))
);

COMMENT ON TABLE pin_attempt IS 'Every call that may have published a pin, committed before it was made';

COMMENT ON COLUMN pin_attempt.outcome IS 'What became of it; requeued is refused for certain and sent again later; NULL while it runs';

COMMENT ON COLUMN pin_attempt.look IS 'What the last look into Ayrshare''s history said of it';

ALTER TABLE pin ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pin_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pin_lane (
    profile_id bigint NOT NULL,
    not_before timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    failed_pins integer DEFAULT 0 NOT NULL,
    paused_reason text,
    paused_since timestamp with time zone,
    paused_detail text,
    sending_pin bigint,
    due_at timestamp with time zone
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.02');

COMMENT ON TABLE pin_lane IS 'One row a profile that ever had a pin: when it may send the next one, and why not now';

COMMENT ON COLUMN pin_lane.not_before IS 'End of the gap after the last pin, of a backoff, or of a cool-down';

COMMENT ON COLUMN pin_lane.failed_pins IS 'Calls refused since a pin went out last';

COMMENT ON COLUMN pin_lane.paused_reason IS 'The profile''s state, spam_block, not_allowed, quota, failing or fleet_refused; NULL while pins go out';

COMMENT ON COLUMN pin_lane.due_at IS 'When there is something to do; NULL when nothing is queued, or the profile cannot publish';

CREATE TABLE pin_metric (
    profile_id bigint NOT NULL,
    pin_id bigint NOT NULL,
    observed_at timestamp with time zone NOT NULL,
    impression bigint,
    save bigint,
    pin_click bigint,
    outbound_click bigint,
    extra jsonb
);

COMMENT ON TABLE pin_metric IS 'The totals of a pin over time: a row where they were other than before';

CREATE TABLE pin_result (
    profile_id bigint NOT NULL,
    pin_id bigint NOT NULL,
    next_at timestamp with time zone,
    asked_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    last_error text,
    ended text,
    observed_at timestamp with time zone,
    impression bigint,
    save bigint,
    pin_click bigint,
    outbound_click bigint,
    extra jsonb,
    week_impression bigint,
    week_engagement bigint,
    CONSTRAINT pin_result_ended_check CHECK ((ended = ANY (ARRAY['complete'::text, 'not_found'::text, 'failed'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE pin_result IS 'The newest numbers of each published pin, and when they are asked for next';

COMMENT ON COLUMN pin_result.next_at IS 'NULL when the pin is not followed any more; ended says why';

COMMENT ON COLUMN pin_result.failures IS 'Answers without numbers in a row; last_error is what the last one said';

COMMENT ON COLUMN pin_result.ended IS 'complete: 90 days are over; not_found: Ayrshare does not know the pin; failed: no answer at the end';

COMMENT ON COLUMN pin_result.observed_at IS 'When the present numbers were seen first; NULL as long as there are none';

COMMENT ON COLUMN pin_result.extra IS 'The other numbers of the answer, by name';

COMMENT ON COLUMN pin_result.week_engagement IS 'What it had when it was a week old, by which pins of any age compare; NULL where nobody asked then';

CREATE TABLE pin_upload (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    client text,
    file_name text NOT NULL,
    data bytea NOT NULL,
    time_zone text NOT NULL,
    date_format text NOT NULL,
    replaces boolean NOT NULL,
    past boolean NOT NULL,
    media jsonb NOT NULL,
    done_at timestamp with time zone,
    queued integer,
    changed integer,
    known integer,
    CONSTRAINT pin_upload_data_check CHECK ((octet_length(data) <= 5000000))
);

COMMENT ON TABLE pin_upload IS 'Uploaded tables of pins that wait for somebody to confirm them';

COMMENT ON COLUMN pin_upload.client IS 'Whose visitor uploaded it, and may see it; NULL: one who may see all clients';

COMMENT ON COLUMN pin_upload.data IS 'The file; emptied when its pins are queued';

COMMENT ON COLUMN pin_upload.time_zone IS 'The zone of times that name none; empty: there may be none';

COMMENT ON COLUMN pin_upload.media IS 'What was found of the images of carousels when it was uploaded';

CREATE TABLE poll_log (
    profile_id bigint NOT NULL,
    polled_at timestamp with time zone DEFAULT now() NOT NULL,
    outcome text NOT NULL,
    http_status smallint,
    code integer,
    duration_seconds real NOT NULL,
    rows_new integer NOT NULL,
    rows_changed integer NOT NULL,
    problems integer NOT NULL,
    detail text,
    excerpt text
);

COMMENT ON TABLE poll_log IS 'One row a poll, kept for 90 days';

COMMENT ON COLUMN poll_log.problems IS 'Things in the answer that were left out; detail names the first of them';

COMMENT ON COLUMN poll_log.excerpt IS 'Beginning of an answer that could not be read';

CREATE VIEW profile_day AS
 SELECT p.name AS profile,
    p.client,
    m.profile_id,
    m.day,
    m.impression,
    m.engagement,
    m.engagement_rate,
    m.save,
    m.save_rate,
    m.pin_click,
    m.pin_click_rate,
    m.outbound_click,
    m.outbound_click_rate,
    m.data_status,
    m.revision,
    m.first_seen_at,
    m.updated_at,
    m.source,
    COALESCE(is_settled(m.day, p.settled_through, m.data_status), false) AS settled
   FROM (daily_metric m
     JOIN profile p ON ((p.id = m.profile_id)));

COMMENT ON VIEW profile_day IS 'Every day of every profile, settled or not';

ALTER TABLE profile ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME profile_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE profile_import (
    source text NOT NULL,
    profile_id bigint NOT NULL
);

COMMENT ON TABLE profile_import IS 'The profiles that days were imported for, by their source';

CREATE TABLE profile_state_change (
    profile_id bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    former text NOT NULL,
    state text NOT NULL,
    reason text
);

COMMENT ON TABLE profile_state_change IS 'When a profile went from one state to another';

CREATE VIEW profile_status AS
 SELECT p.id,
    p.name,
    p.client,
    p.tags,
    p.ref_id,
    p.state,
    p.state_reason,
    p.state_since,
    p.created_at,
    p.next_poll_at,
    p.last_poll_at,
    p.last_success_at,
    p.last_outcome,
    p.last_error,
    p.consecutive_failures,
    p.rate_limit_max,
    p.rate_limit_count,
        CASE
            WHEN (p.rate_limited_on = t.today) THEN p.rate_limited_count
            ELSE 0
        END AS rate_limited_today,
    NULLIF(p.rate_limited_in_row, 0) AS rate_limited_in_row,
    p.first_day,
    p.last_day,
    p.settled_through,
    p.account_changed_at,
    p.seam_day,
    p.account_name,
    p.former_account_name,
    d.day AS settled_day,
    d.impression,
    d.engagement,
    d.engagement_rate,
    d.save,
    d.save_rate,
    d.pin_click,
    d.pin_click_rate,
    d.outbound_click,
    d.outbound_click_rate,
    s.observed_at AS snapshot_at,
    s.impression AS window_impression,
    s.engagement AS window_engagement,
    s.engagement_rate AS window_engagement_rate,
    s.save AS window_save,
    s.save_rate AS window_save_rate,
    s.pin_click AS window_pin_click,
    s.pin_click_rate AS window_pin_click_rate,
    s.outbound_click AS window_outbound_click,
    s.outbound_click_rate AS window_outbound_click_rate,
    s.followers,
    COALESCE(g.missing_days, 0) AS missing_days,
    GREATEST(0, ((COALESCE(
        CASE
            WHEN (g.missing_days > 0) THEN ( SELECT min((c.day)::date) AS min
               FROM generate_series((g.since)::timestamp with time zone, (g.due)::timestamp with time zone, '1 day'::interval) c(day)
              WHERE ((((c.day)::date + fetchable_days(p.window_days)) > t.today) AND (NOT (EXISTS ( SELECT
                       FROM daily_metric m
                      WHERE ((m.profile_id = p.id) AND (m.day = (c.day)::date)))))))
            ELSE NULL::date
        END, (p.last_day + 1), ((COALESCE(p.last_success_at, p.created_at) AT TIME ZONE 'UTC'::text))::date) + fetchable_days(p.window_days)) - t.today)) AS days_until_data_loss,
    v.expected AS engagement_expected,
    v.expected_low AS engagement_expected_low,
    v.score AS engagement_drop_score,
        CASE
            WHEN ((v.profile_id IS NOT NULL) AND ((v.silence IS NULL) OR (e.open_drops > 0))) THEN e.open_drops
            ELSE NULL::bigint
        END AS engagement_drop
   FROM ((((((profile p
     CROSS JOIN LATERAL ( SELECT ((now() AT TIME ZONE 'UTC'::text))::date AS today) t)
     CROSS JOIN LATERAL ( SELECT b.since,
            b.due,
            (GREATEST((0)::bigint, (((b.due - b.since) + 1) - ( SELECT count(*) AS count
                   FROM daily_metric m
                  WHERE ((m.profile_id = p.id) AND ((m.day >= b.since) AND (m.day <= b.due)))))))::integer AS missing_days
           FROM ( SELECT
                        CASE
                            WHEN (p.first_day IS NOT NULL) THEN GREATEST(p.first_day, (t.today - 90))
                            ELSE NULL::date
                        END AS since,
                    newest_day_due(p.settle_days) AS due) b) g)
     LEFT JOIN LATERAL ( SELECT m.profile_id,
            m.day,
            m.impression,
            m.engagement,
            m.engagement_rate,
            m.save,
            m.save_rate,
            m.pin_click,
            m.pin_click_rate,
            m.outbound_click,
            m.outbound_click_rate,
            m.data_status,
            m.extra,
            m.revision,
            m.first_seen_at,
            m.updated_at,
            m.source
           FROM daily_metric m
          WHERE ((m.profile_id = p.id) AND is_settled(m.day, p.settled_through, m.data_status) AND (m.impression IS NOT NULL))
          ORDER BY m.day DESC
         LIMIT 1) d ON (true))
     LEFT JOIN LATERAL ( SELECT a.profile_id,
            a.observed_at,
            a.impression,
            a.engagement,
            a.engagement_rate,
            a.save,
            a.save_rate,
            a.pin_click,
            a.pin_click_rate,
            a.outbound_click,
            a.outbound_click_rate,
            a.followers,
            a.extra
           FROM account_snapshot a
          WHERE (a.profile_id = p.id)
          ORDER BY a.observed_at DESC
         LIMIT 1) s ON (true))
     LEFT JOIN drop_verdict v ON ((v.profile_id = p.id)))
     CROSS JOIN LATERAL ( SELECT count(*) AS open_drops
           FROM engagement_drop o
          WHERE ((o.profile_id = p.id) AND o.told)) e);

COMMENT ON VIEW profile_status IS 'One row a profile: state, freshness, newest settled day, newest snapshot, gaps of the last 90 days';

CREATE VIEW restatement AS
 SELECT p.name AS profile,
    p.client,
    r.profile_id,
    r.day,
    r.revision,
    b.superseded_at AS observed_at,
    (((b.superseded_at AT TIME ZONE 'UTC'::text))::date - r.day) AS age_days,
    ((b.superseded_at - b.last_seen_at) <= '36:00:00'::interval) AS dated,
    (((((r.impression IS DISTINCT FROM b.impression) OR (r.engagement IS DISTINCT FROM b.engagement)) OR (r.save IS DISTINCT FROM b.save)) OR (r.pin_click IS DISTINCT FROM b.pin_click)) OR (r.outbound_click IS DISTINCT FROM b.outbound_click)) AS moved,
    b.impression AS impression_before,
    r.impression,
    b.engagement AS engagement_before,
    r.engagement,
    b.save AS save_before,
    r.save,
    b.pin_click AS pin_click_before,
    r.pin_click,
    b.outbound_click AS outbound_click_before,
    r.outbound_click
   FROM ((daily_metric_version r
     JOIN daily_metric_revision b ON (((b.profile_id = r.profile_id) AND (b.day = r.day) AND (b.revision = (r.revision - 1)))))
     JOIN profile p ON ((p.id = r.profile_id)))
  WHERE ((b.source IS NULL) AND ((p.seam_day IS NULL) OR (b.superseded_at > p.replaced_at)));

COMMENT ON VIEW restatement IS 'A day that came with other numbers than before (moved), or another status: how old it was, and both';

CREATE TABLE schema_migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    objects text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE VIEW settled_metric AS
 SELECT p.name AS profile,
    p.client,
    m.profile_id,
    m.day,
    m.impression,
    m.engagement,
    m.engagement_rate,
    m.save,
    m.save_rate,
    m.pin_click,
    m.pin_click_rate,
    m.outbound_click,
    m.outbound_click_rate,
    m.data_status,
    m.extra,
    m.revision,
    m.first_seen_at,
    m.updated_at,
    m.source
   FROM (daily_metric m
     JOIN profile p ON ((p.id = m.profile_id)))
  WHERE is_settled(m.day, p.settled_through, m.data_status);

COMMENT ON VIEW settled_metric IS 'Days that will not move';

CREATE VIEW top_pin AS
 SELECT f.name AS profile,
    f.client,
    r.profile_id,
    r.pin_id,
    p.client_ref,
    p.title,
    p.pin_url,
    p.published_at,
    r.impression,
    pin_engagement(r.save, r.pin_click, r.outbound_click) AS engagement,
    ((pin_engagement(r.save, r.pin_click, r.outbound_click))::double precision / (NULLIF(r.impression, 0))::double precision) AS engagement_rate,
    r.save,
    r.pin_click,
    r.outbound_click,
    r.extra,
    r.week_impression,
    r.week_engagement,
    r.observed_at,
    r.asked_at,
    r.next_at,
    r.ended,
    false AS native
   FROM ((pin_result r
     JOIN pin p ON ((p.id = r.pin_id)))
     JOIN profile f ON ((f.id = r.profile_id)))
  WHERE (r.observed_at IS NOT NULL)
UNION ALL
 SELECT f.name AS profile,
    f.client,
    r.profile_id,
    r.pin_id,
    n.pinterest_pin_id AS client_ref,
    n.title,
    n.pin_url,
    n.created_at AS published_at,
    r.impression,
    pin_engagement(r.save, r.pin_click, r.outbound_click) AS engagement,
    ((pin_engagement(r.save, r.pin_click, r.outbound_click))::double precision / (NULLIF(r.impression, 0))::double precision) AS engagement_rate,
    r.save,
    r.pin_click,
    r.outbound_click,
    r.extra,
    r.week_impression,
    r.week_engagement,
    r.observed_at,
    r.asked_at,
    r.next_at,
    r.ended,
    true AS native
   FROM ((native_pin n
     JOIN pin_result r ON (((r.profile_id = n.profile_id) AND (r.pin_id = n.id))))
     JOIN profile f ON ((f.id = r.profile_id)))
  WHERE (r.observed_at IS NOT NULL);

COMMENT ON VIEW top_pin IS 'Published pins with the newest of their totals; order by the one that counts';

COMMENT ON COLUMN top_pin.native IS 'It was not made here; client_ref is Pinterest''s id of it';

CREATE VIEW week_sum AS
 SELECT profile_id,
    (date_trunc('week'::text, (day)::timestamp without time zone))::date AS week,
    (sum(impression))::bigint AS impression,
    (sum(engagement))::bigint AS engagement,
    (sum(save))::bigint AS save,
    (sum(pin_click))::bigint AS pin_click,
    (sum(outbound_click))::bigint AS outbound_click,
    (count(impression))::integer AS days
   FROM daily_metric
  GROUP BY profile_id, ((date_trunc('week'::text, (day)::timestamp without time zone))::date);

COMMENT ON VIEW week_sum IS 'Sums by profile and week from Monday';

CREATE VIEW weekly_metric AS
 SELECT p.name AS profile,
    p.client,
    w.profile_id,
    w.week,
    w.impression,
    w.engagement,
    ((w.engagement)::double precision / (NULLIF(w.impression, 0))::double precision) AS engagement_rate,
    w.save,
    ((w.save)::double precision / (NULLIF(w.impression, 0))::double precision) AS save_rate,
    w.pin_click,
    ((w.pin_click)::double precision / (NULLIF(w.impression, 0))::double precision) AS pin_click_rate,
    w.outbound_click,
    ((w.outbound_click)::double precision / (NULLIF(w.impression, 0))::double precision) AS outbound_click_rate,
    w.days,
    COALESCE(((w.week + 6) <= p.settled_through), false) AS settled
   FROM (week_sum w
     JOIN profile p ON ((p.id = w.profile_id)));

COMMENT ON VIEW weekly_metric IS 'Sums by week from Monday, the rates made from the sums; days counts the days with a number';

CREATE TABLE writer_lock (
    name text NOT NULL
);

COMMENT ON TABLE writer_lock IS 'What one process at a time does: whoever does it has locked the row';

ALTER TABLE ONLY account_snapshot
    ADD CONSTRAINT account_snapshot_pkey PRIMARY KEY (profile_id, observed_at);

ALTER TABLE ONLY api_token
    ADD CONSTRAINT api_token_name_key UNIQUE (name);

ALTER TABLE ONLY api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api_token
    ADD CONSTRAINT api_token_sha256_key UNIQUE (sha256);

ALTER TABLE ONLY client
    ADD CONSTRAINT client_pkey PRIMARY KEY (name);

ALTER TABLE ONLY daemon
    ADD CONSTRAINT daemon_pkey PRIMARY KEY (owner);

ALTER TABLE ONLY daily_metric
    ADD CONSTRAINT daily_metric_pkey PRIMARY KEY (profile_id, day);

ALTER TABLE ONLY daily_metric_revision
    ADD CONSTRAINT daily_metric_revision_pkey PRIMARY KEY (profile_id, day, revision, superseded_at);

ALTER TABLE ONLY drop_band
    ADD CONSTRAINT drop_band_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY drop_dismissal
    ADD CONSTRAINT drop_dismissal_pkey PRIMARY KEY (profile_id, metric, first_day);

ALTER TABLE ONLY drop_episode
    ADD CONSTRAINT drop_episode_pkey PRIMARY KEY (profile_id, metric, detected_day);

ALTER TABLE ONLY drop_sensitivity
    ADD CONSTRAINT drop_sensitivity_pkey PRIMARY KEY (scope, name);

ALTER TABLE ONLY drop_verdict
    ADD CONSTRAINT drop_verdict_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY fleet_drop
    ADD CONSTRAINT fleet_drop_pkey PRIMARY KEY (first_day);

ALTER TABLE ONLY leader
    ADD CONSTRAINT leader_pkey PRIMARY KEY (work);

ALTER TABLE ONLY lost_day
    ADD CONSTRAINT lost_day_pkey PRIMARY KEY (profile_id, day);

ALTER TABLE ONLY monthly_report
    ADD CONSTRAINT monthly_report_pkey PRIMARY KEY (month, client);

ALTER TABLE ONLY native_look
    ADD CONSTRAINT native_look_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY native_pin
    ADD CONSTRAINT native_pin_pkey PRIMARY KEY (id);

ALTER TABLE ONLY native_pin
    ADD CONSTRAINT native_pin_profile_id_pinterest_pin_id_key UNIQUE (profile_id, pinterest_pin_id);

ALTER TABLE ONLY notice
    ADD CONSTRAINT notice_key_key UNIQUE (key);

ALTER TABLE ONLY notice_message
    ADD CONSTRAINT notice_message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (id);

ALTER TABLE ONLY notice_target
    ADD CONSTRAINT notice_target_pkey PRIMARY KEY (name);

ALTER TABLE ONLY notice_telling
    ADD CONSTRAINT notice_telling_pkey PRIMARY KEY (notice_id, target);

ALTER TABLE ONLY pin_arrival
    ADD CONSTRAINT pin_arrival_pkey PRIMARY KEY (id);

ALTER TABLE ONLY pin_attempt
    ADD CONSTRAINT pin_attempt_pkey PRIMARY KEY (pin_id, attempt);

ALTER TABLE ONLY pin_lane
    ADD CONSTRAINT pin_lane_pkey PRIMARY KEY (profile_id);

ALTER TABLE ONLY pin_metric
    ADD CONSTRAINT pin_metric_pkey PRIMARY KEY (profile_id, pin_id, observed_at);

ALTER TABLE ONLY pin
    ADD CONSTRAINT pin_pkey PRIMARY KEY (id);

ALTER TABLE ONLY pin
    ADD CONSTRAINT pin_profile_id_client_ref_key UNIQUE (profile_id, client_ref);

ALTER TABLE ONLY pin_result
    ADD CONSTRAINT pin_result_pkey PRIMARY KEY (profile_id, pin_id);

ALTER TABLE ONLY pin_upload
    ADD CONSTRAINT pin_upload_pkey PRIMARY KEY (id);

ALTER TABLE ONLY profile_import
    ADD CONSTRAINT profile_import_pkey PRIMARY KEY (source, profile_id);

ALTER TABLE ONLY profile
    ADD CONSTRAINT profile_name_key UNIQUE (name);

ALTER TABLE ONLY profile
    ADD CONSTRAINT profile_pkey PRIMARY KEY (id);

ALTER TABLE ONLY schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY writer_lock
    ADD CONSTRAINT writer_lock_pkey PRIMARY KEY (name);

CREATE INDEX daily_metric_day_idx ON daily_metric USING brin (day);

CREATE INDEX drop_episode_detected_day_idx ON drop_episode USING btree (detected_day);

CREATE UNIQUE INDEX drop_episode_id_idx ON drop_episode USING btree (id);

CREATE INDEX drop_episode_open_idx ON drop_episode USING btree (profile_id) WHERE (closed_on IS NULL);

CREATE INDEX monthly_report_written_at_idx ON monthly_report USING btree (written_at);

CREATE UNIQUE INDEX moved_to_once_idx ON moved_to USING btree ((true));

CREATE INDEX native_pin_created_at_idx ON native_pin USING btree (created_at);

CREATE INDEX notice_addressed_idx ON notice USING btree (id) WHERE (NOT addressed);

CREATE INDEX notice_message_target_idx ON notice_message USING btree (target, id DESC);

CREATE UNIQUE INDEX notice_message_waiting_idx ON notice_message USING btree (target) WHERE (state = 'waiting'::text);

CREATE INDEX notice_profile_id_idx ON notice USING btree (profile_id, kind);

CREATE INDEX notice_telling_due_at_idx ON notice_telling USING btree (target, due_at) WHERE (message_id IS NULL);

CREATE INDEX notice_telling_message_id_idx ON notice_telling USING btree (message_id);

CREATE INDEX pin_due_day_idx ON pin USING btree ((((publish_at AT TIME ZONE 'UTC'::text))::date));

CREATE INDEX pin_failed_idx ON pin USING btree (state_since) WHERE (state = 'failed'::text);

CREATE INDEX pin_lane_due_at_idx ON pin_lane USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (sending_pin IS NULL));

CREATE INDEX pin_queued_idx ON pin USING btree (profile_id, publish_at, id) WHERE (state = 'queued'::text);

CREATE INDEX pin_result_next_at_idx ON pin_result USING btree (next_at) WHERE (next_at IS NOT NULL);

CREATE UNIQUE INDEX pin_sending_idx ON pin USING btree (profile_id) WHERE (state = 'sending'::text);

CREATE INDEX pin_settled_idx ON pin USING btree (state, id) WHERE (state = ANY (ARRAY['published'::text, 'failed'::text, 'cancelled'::text]));

CREATE INDEX pin_unknown_idx ON pin USING btree (profile_id, next_look_at) WHERE (state = 'unknown'::text);

CREATE INDEX pin_upload_created_at_idx ON pin_upload USING btree (created_at);

CREATE INDEX poll_log_polled_at_idx ON poll_log USING brin (polled_at) WITH (pages_per_range='16');

CREATE INDEX poll_log_profile_id_polled_at_idx ON poll_log USING btree (profile_id, polled_at DESC) WHERE (outcome <> 'unchanged'::text);

CREATE INDEX profile_behind_idx ON profile USING btree (next_poll_at) WHERE (behind AND (next_poll_at IS NOT NULL));

CREATE INDEX profile_client_idx ON profile USING btree (client);

CREATE INDEX profile_import_profile_id_idx ON profile_import USING btree (profile_id);

CREATE INDEX profile_next_poll_at_idx ON profile USING btree (next_poll_at) WHERE (next_poll_at IS NOT NULL);

CREATE INDEX profile_state_change_profile_id_idx ON profile_state_change USING btree (profile_id, changed_at);

CREATE TRIGGER pin_content BEFORE INSERT OR UPDATE OF client_ref, media_urls, description, title, link, board_id, alt_texts, carousel, thumbnail_url, note, publish_at ON pin FOR EACH ROW WHEN ((new.state <> 'published'::text)) EXECUTE FUNCTION check_pin();

CREATE TRIGGER pin_is_followed AFTER INSERT OR UPDATE OF published_at, ayrshare_id, pinterest_pin_id ON pin FOR EACH ROW WHEN (((new.published_at > (now() - '90 days'::interval)) AND ((new.ayrshare_id IS NOT NULL) OR (new.pinterest_pin_id IS NOT NULL)))) EXECUTE FUNCTION follow_pin();

CREATE TRIGGER pin_moved AFTER UPDATE OF publish_at ON pin FOR EACH ROW WHEN (((new.state = 'queued'::text) AND (new.publish_at <> old.publish_at))) EXECUTE FUNCTION wake_lane_of_pin();

CREATE TRIGGER pin_queued AFTER INSERT ON pin FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_lane_of_pin();

CREATE TRIGGER profile_active_again AFTER UPDATE OF state ON profile FOR EACH ROW WHEN (((new.state = 'active'::text) AND (old.state <> 'active'::text))) EXECUTE FUNCTION wake_lane_of_profile();

CREATE TRIGGER profile_served_again AFTER UPDATE OF rate_limited_until ON profile FOR EACH ROW WHEN (((new.rate_limited_until IS NULL) AND (old.rate_limited_until IS NOT NULL))) EXECUTE FUNCTION wake_lane_of_profile();

CREATE TRIGGER profile_state_changed AFTER UPDATE OF state ON profile FOR EACH ROW WHEN ((new.state <> old.state)) EXECUTE FUNCTION note_state_change();

ALTER TABLE ONLY native_look
    ADD CONSTRAINT native_look_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id) ON DELETE CASCADE;

ALTER TABLE ONLY native_pin
    ADD CONSTRAINT native_pin_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id) ON DELETE CASCADE;

ALTER TABLE ONLY notice_message
    ADD CONSTRAINT notice_message_target_fkey FOREIGN KEY (target) REFERENCES notice_target(name);

ALTER TABLE ONLY notice_telling
    ADD CONSTRAINT notice_telling_message_id_fkey FOREIGN KEY (message_id) REFERENCES notice_message(id) ON DELETE SET NULL;

ALTER TABLE ONLY notice_telling
    ADD CONSTRAINT notice_telling_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES notice(id) ON DELETE CASCADE;

ALTER TABLE ONLY notice_telling
    ADD CONSTRAINT notice_telling_target_fkey FOREIGN KEY (target) REFERENCES notice_target(name);

ALTER TABLE ONLY pin_attempt
    ADD CONSTRAINT pin_attempt_pin_id_fkey FOREIGN KEY (pin_id) REFERENCES pin(id) ON DELETE CASCADE;

ALTER TABLE ONLY pin_lane
    ADD CONSTRAINT pin_lane_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id) ON DELETE CASCADE;

ALTER TABLE ONLY pin
    ADD CONSTRAINT pin_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id);

ALTER TABLE ONLY pin_result
    ADD CONSTRAINT pin_result_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id) ON DELETE CASCADE;

ALTER TABLE ONLY profile_import
    ADD CONSTRAINT profile_import_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES profile(id) ON DELETE CASCADE;
