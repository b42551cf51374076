-- The rules of a pin, and the one way into the queue.

-- What a URL's path ends in: 'image', 'video', NULL where it does not say, or the ending that Pinterest does not take.
CREATE FUNCTION pin_media_kind(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT
        CASE
            WHEN e.ending IN ('jpg', 'jpeg', 'png', 'gif', 'webp', 'bmp', 'tif', 'tiff') THEN 'image'
            WHEN e.ending IN ('mp4', 'mov', 'm4v', 'avi', 'mkv', 'mpg', 'mpeg', 'wmv', 'webm') THEN 'video'
            ELSE '.' || e.ending
        END
    FROM (
        SELECT lower(substring(substring(url FROM '^https://[^/?#]+(/[^?#]*)') FROM '\.([A-Za-z0-9]{2,5})$')) AS ending
    ) e
);

-- These three return NULL where nothing is wrong, and for NULL.
CREATE FUNCTION pin_text_problem(what text, value text, longest integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN char_length(value) > longest
    THEN format('%s has %s characters; at most %s are taken', what, char_length(value), longest)
    WHEN value ~ '[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]' THEN format('%s holds control characters', what)
END;

CREATE FUNCTION pin_url_problem(what text, url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN char_length(url) > 2048 THEN format('%s has %s characters; at most 2048 are taken', what, char_length(url))
    WHEN url = '' THEN format('%s is empty', what)
    WHEN url ~ ',\s*https?://' THEN format('%s holds several addresses; separate them by |: %s', what, left(url, 80))
    WHEN url !~ '^https://' THEN format('%s does not begin with https://: %s', what, left(url, 80))
    WHEN url !~ '^https://[A-Za-z0-9._~%-]+(:[0-9]+)?([/?#][^[:space:][:cntrl:]]*)?$'
    THEN format('%s is not an address: %s', what, left(url, 80))
END;

CREATE FUNCTION pin_carousel_problem(carousel jsonb, images integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(carousel) <> 'array' OR jsonb_path_exists(carousel, 'strict $[*] ? (@.type() <> "object")')
    THEN 'the carousel is not a list of {"title", "link", "description"}'
    WHEN jsonb_array_length(carousel) NOT BETWEEN 2 AND 5 THEN 'the carousel has fewer than 2 or more than 5 entries'
    WHEN jsonb_array_length(carousel) > images
    THEN format('the carousel has %s entries for %s images', jsonb_array_length(carousel), images)
    ELSE (
        SELECT string_agg(c.problem, '; ' ORDER BY c.place)
        FROM (
            SELECT e.place, coalesce(
                CASE
                    WHEN f.key NOT IN ('title', 'link', 'description')
                    THEN format('carousel entry %s has an unknown %s', e.place, left(f.key, 40))
                    WHEN jsonb_typeof(f.value) <> 'string'
                    THEN format('%s of carousel entry %s is not a text', f.key, e.place)
                    WHEN f.key = 'link'
                    THEN pin_url_problem(format('the link of carousel entry %s', e.place), f.value #>> '{}')
                END,
                pin_text_problem(
                    format('the %s of carousel entry %s', f.key, e.place), f.value #>> '{}',
                    CASE f.key WHEN 'title' THEN 100 WHEN 'description' THEN 500 ELSE 2048 END
                )
            ) AS problem
            FROM jsonb_array_elements(carousel) WITH ORDINALITY AS e (entry, place)
            CROSS JOIN LATERAL jsonb_each(e.entry) AS f
        ) c
    )
END;

CREATE FUNCTION pin_media_problem(place bigint, url text, urls integer, thumbnail_url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
    pin_url_problem(format('media URL %s', place), coalesce(url, '')),
    CASE
        -- Ayrshare follows no redirect and shows no page.
        WHEN url ~* '^https://((drive|docs|photos)\.google\.com|photos\.app\.goo\.gl|1drv\.ms|onedrive\.live\.com)/'
            OR (url ~* '^https://(www\.)?dropbox\.com/' AND url !~* '[?&](raw|dl)=1')
        THEN format('media URL %s is a page that shows a file, not the file: %s', place, left(url, 80))
        WHEN pin_media_kind(url) IS NULL THEN
            CASE WHEN urls > 1 AND thumbnail_url IS NOT NULL THEN 'a thumbnail_url is for a single video' END
        WHEN pin_media_kind(url) = 'image' THEN
            CASE
                WHEN thumbnail_url IS NOT NULL
                THEN format('a thumbnail_url is for a video, and media URL %s is an image', place)
            END
        WHEN pin_media_kind(url) <> 'video' THEN
            format(
                'media URL %s ends in %s; Pinterest takes JPEG, PNG, GIF, WEBP, BMP and TIFF, and video',
                place, pin_media_kind(url)
            )
        WHEN urls > 1 THEN format('media URL %s is a video, which goes alone', place)
        WHEN thumbnail_url IS NULL THEN 'a video needs a thumbnail_url'
    END
);

-- Everything that is wrong with a pin: the limits of Ayrshare's POST /post, and what the queue itself needs.
CREATE FUNCTION pin_problems(
    client_ref text, media_urls text[], description text, title text, link text, board_id text, alt_texts text[],
    carousel jsonb, thumbnail_url text, note text, publish_at timestamptz
) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = public, pg_temp AS $$
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
$$;

-- When a profile whose posts of the month are used up may post again: on the 1st from 00:07 UTC. That takes Ayrshare
-- some minutes, so what is refused soon after is tried again soon.
CREATE FUNCTION quota_reset_at() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT
        CASE
            WHEN m.today < m.first + interval '1 hour'
            THEN greatest(m.first + interval '7 minutes', m.today + interval '10 minutes')
            ELSE m.first + interval '1 month 7 minutes'
        END AT TIME ZONE 'UTC'
    FROM (
        SELECT now() AT TIME ZONE 'UTC' AS today, date_trunc('month', now() AT TIME ZONE 'UTC') AS first
    ) m
);

CREATE FUNCTION pin_past_problem(publish_at timestamptz, past boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN NOT past AND publish_at < now() - interval '1 day'
    THEN format(
        'publish_at is past, so the pin would go out at once: %s UTC',
        to_char(publish_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
    )
END;

-- The names of what differs from a pin that is known, of those that were given (NULL: all). A time is compared while
-- the pin waits for it, and where there is one: "at once" is no time.
CREATE FUNCTION pin_differences(
    known pin, given text[], media_urls text[], description text, title text, link text, board_id text,
    alt_texts text[], carousel jsonb, thumbnail_url text, note text, publish_at timestamptz
) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT d.name
    FROM (
        VALUES
            ('publish_at', (known).state = 'queued' AND (known).attempts = 0 AND publish_at <> (known).publish_at),
            ('description', (known).description <> coalesce(description, '')),
            ('media_urls', (known).media_urls <> media_urls),
            ('title', (known).title IS DISTINCT FROM title),
            ('link', (known).link IS DISTINCT FROM link),
            ('board_id', (known).board_id IS DISTINCT FROM board_id),
            ('alt_texts', (known).alt_texts <> coalesce(alt_texts, '{}')),
            ('carousel', (known).carousel IS DISTINCT FROM carousel),
            ('thumbnail_url', (known).thumbnail_url IS DISTINCT FROM thumbnail_url),
            ('note', (known).note IS DISTINCT FROM note)
    ) d (name, differs)
    WHERE d.differs
      AND (given IS NULL OR d.name = ANY (given))
);

-- The comfortable way into the queue; the command line, imports and other programs come through here. The pin is queued
-- when the caller's transaction commits. A client_ref that the profile has had before changes nothing, and returns the
-- first pin with created = false and the names of what it has that this one has not. publish_at NULL is at once. Raises
-- invalid_parameter_value with everything that is wrong.
CREATE FUNCTION enqueue_pin(
    profile text, client_ref text, media_urls text[], description text DEFAULT '', title text DEFAULT NULL,
    link text DEFAULT NULL, board_id text DEFAULT NULL, alt_texts text[] DEFAULT '{}', carousel jsonb DEFAULT NULL,
    thumbnail_url text DEFAULT NULL, note text DEFAULT NULL, publish_at timestamptz DEFAULT NULL,
    past boolean DEFAULT false, OUT id bigint, OUT created boolean, OUT differs text[]
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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

COMMENT ON FUNCTION enqueue_pin IS 'Queue a pin; the same client_ref again returns the first one';
