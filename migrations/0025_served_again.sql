-- When a profile is answered again before the wait after 429 is over, its pins need not wait any longer either: their
-- lane was planned for the end of the wait.

CREATE TRIGGER profile_served_again
AFTER UPDATE OF rate_limited_until ON profile
FOR EACH ROW
WHEN (NEW.rate_limited_until IS NULL AND OLD.rate_limited_until IS NOT NULL)
EXECUTE FUNCTION wake_lane_of_profile();
