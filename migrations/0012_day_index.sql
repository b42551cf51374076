-- Finds the days of the whole fleet by their date without reading the years before. Days arrive in the order of time,
-- so a BRIN index of a few pages does, and costs the polls nothing.

CREATE INDEX daily_metric_day_idx ON daily_metric USING brin (day);
