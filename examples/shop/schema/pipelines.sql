-- What is read from this database. `pipelines add` adds the refunds, which are in another one.

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
    'customers',
    'public.customers',
    'updated_at',
    '{customer_id}',
    'upsert',
    'Who has an account.',
    interval '26 hours',
    interval '50 hours'
),
(
    'orders',
    'public.orders',
    'updated_at',
    '{order_id}',
    'upsert',
    'What customers ordered, as it is now.',
    interval '26 hours',
    interval '50 hours'
)
on conflict (pipeline_name) do nothing;
