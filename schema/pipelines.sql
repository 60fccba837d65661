-- The pipelines that ship with the project. An existing row is left as it is.

insert into orchestrator.pipeline_definitions (
    pipeline_name,
    source_relation,
    target_relation,
    cursor_column,
    key_columns,
    write_mode,
    description,
    freshness_warn_after,
    freshness_fail_after,
    event_column,
    quiet_gaps
)
values
(
    'event_stream',
    {{ source.event_stream.relation }},
    'warehouse.raw_event_stream',
    {{ source.event_stream.created_at_column }},
    array[{{ source.event_stream.event_id_column }}],
    'append',
    'What users did in the app.',
    interval '26 hours',
    interval '50 hours',
    {{ source.event_stream.event_time_column }},
    3
),
(
    'utm_campaigns',
    'public.utm_campaigns',
    null,
    'updated_at',
    '{utm_source}',
    'upsert',
    'What marketing knows of each source of users.',
    null,
    null,
    null,
    null
),
(
    'campaign_costs',
    'public.campaign_costs',
    null,
    'updated_at',
    '{utm_source,month}',
    'upsert',
    'What each source of users cost in a month.',
    null,
    null,
    null,
    null
)
on conflict (pipeline_name) do nothing;
