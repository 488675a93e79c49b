-- Which span asked for a job, as W3C trace context: the job's own trace names it. NULL: none that is known.
ALTER TABLE jobs.jobs ADD COLUMN traceparent text;
