-- Days that another program recorded, imported from a file: they say so, and give way to what a poll brings.

ALTER TABLE daily_metric ADD COLUMN source text;
ALTER TABLE daily_metric_revision ADD COLUMN source text;

COMMENT ON COLUMN daily_metric.source IS 'Where an imported day comes from; NULL: a poll read it';
COMMENT ON COLUMN daily_metric_revision.source IS 'Where an imported version came from; NULL: a poll read it';
