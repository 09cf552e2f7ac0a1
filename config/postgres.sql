-- A role for metrics-service that owns nothing but its schemas, in a database of its own. To be run once, as a superuser and within
-- that database, before the first start; docs/production.md goes through it step by step.
create role metrics_service login nosuperuser nocreatedb nocreaterole noreplication nobypassrls connection limit 60;

-- Nobody else gets into this database, and it gets into no other.
revoke all on database metrics_db from public;
revoke connect on database postgres, template1 from public;

-- `create` is for `metrics rebuild`, which folds into schemas beside the live one and drops them; `temporary` for batches
-- that hold an event twice.
grant connect, create, temporary on database metrics_db to metrics_service;

-- The tables are in `public`. Nobody else makes or sees anything there.
revoke all on schema public from public;
alter schema public owner to metrics_service;
