-- The replica of a source: its columns, and the run that brought each row.

create table {{ target }} (
    {{ definitions }},
    _run_id bigint not null
    {{ key_constraint }}
)
{{ partitioning }};

comment on table {{ target }} is {{ table_comment }};
{{ column_comments }}
comment on column {{ target }}._run_id is 'The run that brought the row: orchestrator.runs.run_id.';

-- Builds read the rows of a few runs. Appended rows are stored in the order of their runs, for
-- which a BRIN index is enough; updated rows are scattered.
create index on {{ target }} using {{ run_index }} (_run_id);
