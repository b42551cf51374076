-- The calendar of pins: which are due on some days, of whatever state.

-- By the day alone, so that no planner takes it for a way to the oldest pins first: with a million old pins it would
-- walk all of them to the queue's head.
CREATE INDEX pin_due_day_idx ON pin (((publish_at AT TIME ZONE 'UTC')::date));
