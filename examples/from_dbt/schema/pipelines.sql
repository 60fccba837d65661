insert into orchestrator.pipeline_definitions (
    pipeline_name,
    source_relation,
    cursor_column,
    key_columns,
    write_mode,
    on_delete,
    description
)
values
(
    'event_stream',
    'public.event_stream',
    'created_at',
    '{event_id}',
    'append',
    'apply',
    'What users did in the app.'
)
on conflict (pipeline_name) do nothing;
