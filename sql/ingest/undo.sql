-- Take back what a run did to a replica: rows that it added go, rows that it changed or deleted are
-- what they were. A row that a later run changed is left to that run, unless that one was undone
-- before. All that is touched carries the number of the undo, and what it replaces is kept: the
-- next build follows.

-- Whose work a row is: what an undo gave back is the work of the run that had made it.
create temporary table owned on commit drop as
with recursive candidates (run_id) as (
    values ({{ undone_run_id }}::bigint)
    union all
    select undos.run_id
    from orchestrator.runs as undos
    where
        undos.pipeline_id = {{ pipeline_id }}
        and undos.kind = 'undo'
        and undos.status = 'succeeded'
        and undos.run_id > {{ undone_run_id }}
),

owners (key, run_id) as (
    select
        jsonb_build_object({{ key_object }}) as key,
        stored._run_id as run_id
    from {{ target }} as stored
    where stored._run_id in (select candidates.run_id from candidates)
    union
    select
        owners.key,
        (images.old_row ->> '_run_id')::bigint as run_id
    from owners
    inner join orchestrator.runs as undos
        on undos.run_id = owners.run_id and undos.kind = 'undo'
    inner join orchestrator.replaced_rows as images
        on images.pipeline_id = {{ pipeline_id }}
        and images.run_id = undos.parent_run_id
        and images.key = owners.key
)

select owners.key
from owners
where owners.run_id = {{ undone_run_id }};

analyze pg_temp.owned;

-- What they were before the run.
create temporary table former on commit drop as
select distinct on (replaced.key)
    replaced.key,
    replaced.old_row,
    owned.key is not null as is_owned
from orchestrator.replaced_rows as replaced
left join pg_temp.owned as owned on owned.key = replaced.key
where
    replaced.pipeline_id = {{ pipeline_id }}
    and replaced.run_id = {{ undone_run_id }}
order by
    replaced.key,
    replaced.replaced_row_id;

analyze pg_temp.former;

with kept as (
    insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        owned.key,
        to_jsonb(stored.*) as old_row
    from {{ target }} as stored
    inner join pg_temp.owned as owned on owned.key = jsonb_build_object({{ key_object }})
),

deleted as (
    delete from {{ target }} as stored
    using pg_temp.owned as owned
    where
        owned.key = jsonb_build_object({{ key_object }})
        and not exists (
            select
            from pg_temp.former as former
            where former.key = owned.key
        )
    returning 1 as one
),

restored as (
    insert into {{ target }} ({{ stored_columns }}, _run_id)
    select
        {{ restored_columns }},
        {{ run_id }} as _run_id
    from pg_temp.former as former
    cross join lateral jsonb_populate_record(null::{{ target }}, former.old_row) as fresh
    where
        former.is_owned
        -- The run had deleted it, and nobody had to do with it since.
        or (
            not exists (
                select
                from {{ target }} as stored
                where {{ is_same_key }}
            )
            and not exists (
                select
                from orchestrator.replaced_rows as later
                inner join orchestrator.runs as runs on runs.run_id = later.run_id
                where
                    later.pipeline_id = {{ pipeline_id }}
                    and later.run_id > {{ undone_run_id }}
                    and later.key = former.key
                    and runs.kind <> 'undo'
                    and runs.status = 'succeeded'
            )
        )
    on conflict ({{ keys }}) do update set {{ restorations }}, _run_id = excluded._run_id
    returning (xmax = 0) as is_new
)

select
    (select count(*) from pg_temp.former) - count(*) as left_alone,
    (select count(*) from deleted) as deleted,
    count(*) filter (where restored.is_new) as inserted,
    count(*) filter (where not restored.is_new) as updated
from restored;
