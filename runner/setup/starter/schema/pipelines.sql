-- The pipeline. If the row exists already, it stays as it is.
-- For another source, add another row: its replica is warehouse.raw_<table>, in the manifest
-- raw.<table>.

insert into orchestrator.pipeline_definitions (
    pipeline_name,
    source_relation,
    cursor_column,
    key_columns,
    write_mode,
    description,
    freshness_warn_after,
    freshness_fail_after
)
values
(
    'orders',
    'public.orders',
    'updated_at',
    '{order_id}',
    'upsert',
    'The rows of public.orders, as they are now.',
    interval '26 hours',
    interval '50 hours'
)
on conflict (pipeline_name) do nothing;
