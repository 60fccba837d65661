-- Take back what a run did to a replica: rows that it added go, rows that it changed or deleted are
-- what they were. A row that a later run changed again is left to that run. All that is touched
-- carries the number of the undo, and what it replaces is kept: the next build follows.

with former as materialized (
    select distinct on (replaced.key)
        replaced.key,
        replaced.old_row
    from orchestrator.replaced_rows as replaced
    where
        replaced.pipeline_id = {{ pipeline_id }}
        and replaced.run_id = {{ undone_run_id }}
    order by
        replaced.key,
        replaced.replaced_row_id
),

kept as (
    insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        jsonb_build_object({{ key_object }}) as key,
        to_jsonb(stored) as old_row
    from {{ target }} as stored
    where stored._run_id = {{ undone_run_id }}
),

deleted as (
    delete from {{ target }} as stored
    where
        stored._run_id = {{ undone_run_id }}
        and not exists (
            select
            from former
            where former.key = jsonb_build_object({{ key_object }})
        )
    returning 1 as one
),

restored as (
    insert into {{ target }} ({{ stored_columns }}, _run_id)
    select
        {{ restored_columns }},
        {{ run_id }} as _run_id
    from former
    cross join lateral jsonb_populate_record(null::{{ target }}, former.old_row) as fresh
    where
        not exists (
            select
            from {{ target }} as stored
            where
                {{ is_same_key }}
                and stored._run_id <> {{ undone_run_id }}
        )
        and not exists (
            select
            from orchestrator.replaced_rows as later
            where
                later.pipeline_id = {{ pipeline_id }}
                and later.run_id > {{ undone_run_id }}
                and later.key = former.key
        )
    on conflict ({{ keys }}) do update set {{ restorations }}, _run_id = excluded._run_id
    returning (xmax = 0) as is_new
)

select
    (select count(*) from former) - count(*) as left_alone,
    (select count(*) from deleted) as deleted,
    count(*) filter (where restored.is_new) as inserted,
    count(*) filter (where not restored.is_new) as updated
from restored;
