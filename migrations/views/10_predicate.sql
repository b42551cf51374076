-- What several views and queries ask of a day, in one place. The planner puts them into the query that uses them.
--
-- A day is settled when it was at least SETTLE_DAYS old when Ayrshare last read it from Pinterest
-- (profile.settled_through) and Pinterest does not call it an estimate. A profile that is no longer read keeps its last
-- days provisional: nobody has seen what became of them.

-- Written so that TimescaleDB filters whole batches of the columnstore by it, which it cannot by a CASE or coalesce().
CREATE FUNCTION is_settled_status(data_status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN data_status IS NULL OR data_status NOT IN ('PROCESSING', 'ESTIMATE');

COMMENT ON FUNCTION is_settled_status IS 'Whether Pinterest does not call the numbers of the day an estimate';

CREATE FUNCTION is_settled(day date, settled_through date, data_status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day <= settled_through AND is_settled_status(data_status);

COMMENT ON FUNCTION is_settled IS 'Whether the day will not move; NULL as long as nothing of the profile is settled';

-- The newest day that should be there by now, whether or not the profile is still read.
CREATE FUNCTION newest_day_due(settle_days smallint) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (now() AT TIME ZONE 'UTC')::date - settle_days;

CREATE FUNCTION is_behind(last_day date, settle_days smallint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(last_day < newest_day_due(settle_days), false);

COMMENT ON FUNCTION is_behind IS 'Whether a day is due that a poll would bring';

-- How many days back Ayrshare can be asked: 30 by its documents, up to 90 by Pinterest's, or what was seen in between.
CREATE FUNCTION fetchable_days(window_days smallint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(greatest(coalesce(window_days, 30), 30), 90);
