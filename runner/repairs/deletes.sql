-- find_removed --
-- Find the rows of the replica that the source no longer has, by their keys.
create temporary table removed on commit drop as
select {{ stored_keys }}
from {{ target }} as stored
where
    {{ is_not_marked }}
    and not exists (
        select
        from {{ source }} as fresh
        where {{ is_same_key }}
    );

analyze pg_temp.removed;

-- count_removed --
-- Count these rows and the others, and show a few.
select
    count(*) as rows,
    (
        select count(*)
        from {{ target }} as stored
        where {{ is_not_marked }}
    ) - count(*) as kept,
    (
        select coalesce(jsonb_agg(to_jsonb(few.*)), '[]')
        from (select * from pg_temp.removed limit 5) as few
    ) as sample
from pg_temp.removed

-- resolve_removed --
-- Resolve rejected rows that are no longer in the source.
update orchestrator.rejected_rows as rejected
set resolved_run_id = {{ run_id }}
where
    rejected.pipeline_id = {{ pipeline_id }}
    and rejected.resolved_run_id is null
    and rejected.key is not null
    and rejected.key not in (
        select {{ rejected_key }}
        from {{ source }} as source
    )

-- keep_removed --
-- Keep the earlier versions of these rows.
insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row, old_texts)
select
    {{ run_id }} as run_id,
    {{ pipeline_id }} as pipeline_id,
    jsonb_build_object({{ key_object }}) as key,
    {{ old_row }} as old_row,
    {{ old_texts }} as old_texts
from {{ target }} as stored
inner join pg_temp.removed as fresh on {{ is_same_key }}

-- mark_removed --
-- Mark these rows with the time since when the source no longer has them.
update {{ target }} as stored
set
    _deleted_at = clock_timestamp(),
    _run_id = {{ run_id }}
from pg_temp.removed as fresh
where {{ is_same_key }}

-- delete_removed --
-- Delete these rows.
delete from {{ target }} as stored
using pg_temp.removed as fresh
where {{ is_same_key }}
