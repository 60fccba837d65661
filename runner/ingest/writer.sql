-- count --
-- The rows of a scope, counted apart from those that moved them.
select count(*) as rows
from {{ source }} as source
where {{ scope }}

-- stage --
-- The rows of a scope, numbered, to find out which of them cannot be stored.
create temporary table fresh on commit drop as
select
    row_number() over () as _row,
    source.*
from {{ source }} as source
where {{ scope }};

-- A half of the rows is found by their numbers.
create unique index on pg_temp.fresh (_row);
analyze pg_temp.fresh;

-- forget --
drop table pg_temp.fresh

-- reject --
-- Set rows aside, with their reason. What was set aside of the same key before is settled by it; a
-- row that waits already as it is goes on waiting.
with fresh as materialized (
    select
        {{ rejected_key }} as key,
        to_jsonb(source.*) - array['_row', '_row_age'] as source_row
    from {{ source }} as source
    where {{ scope }}
),

settled as (
    update orchestrator.rejected_rows as rejected
    set resolved_run_id = {{ run_id }}
    from fresh
    where
        rejected.pipeline_id = {{ pipeline_id }}
        and rejected.resolved_run_id is null
        and rejected.key = fresh.key
        and rejected.source_row <> fresh.source_row
),

rejected as (
    insert into orchestrator.rejected_rows (run_id, pipeline_id, key, source_row, reason, sqlstate)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        fresh.key,
        fresh.source_row,
        {{ reason }} as reason,
        {{ sqlstate }} as sqlstate
    from fresh
    where
        not exists (
            select
            from orchestrator.rejected_rows as waiting
            where
                waiting.pipeline_id = {{ pipeline_id }}
                and waiting.resolved_run_id is null
                and waiting.key = fresh.key
                and waiting.source_row = fresh.source_row
        )
)

select count(*) as rows
from fresh

-- resolve --
-- What was set aside, and has been stored now.
update orchestrator.rejected_rows as rejected
set resolved_run_id = {{ run_id }}
where
    rejected.pipeline_id = {{ pipeline_id }}
    and rejected.resolved_run_id is null
    and rejected.run_id <> {{ run_id }}
    and exists (
        select
        from {{ target }} as stored
        where
            stored._run_id = {{ run_id }}
            and rejected.key = jsonb_build_object({{ key_object }})
    )

-- count_waiting --
-- How many rows of a pipeline are set aside.
select count(*) as rows
from orchestrator.rejected_rows as rejected
where
    rejected.pipeline_id = {{ pipeline_id }}
    and rejected.resolved_run_id is null

-- find_gone --
-- Rows of the replica that the source no longer has, by their keys.
create temporary table gone on commit drop as
select {{ stored_keys }}
from {{ target }} as stored
where
    {{ is_not_marked }}
    and not exists (
        select
        from {{ source }} as fresh
        where {{ is_same_key }}
    );

analyze pg_temp.gone;

-- count_gone --
-- How many there are, how many others, and some of them.
select
    count(*) as rows,
    (
        select count(*)
        from {{ target }} as stored
        where {{ is_not_marked }}
    ) - count(*) as kept,
    (
        select coalesce(jsonb_agg(to_jsonb(few.*)), '[]')
        from (select * from pg_temp.gone limit 5) as few
    ) as sample
from pg_temp.gone

-- resolve_gone --
-- What was set aside, and is no longer in the source.
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

-- keep_gone --
-- What they were, kept.
insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row)
select
    {{ run_id }} as run_id,
    {{ pipeline_id }} as pipeline_id,
    jsonb_build_object({{ key_object }}) as key,
    to_jsonb(stored.*) as old_row
from {{ target }} as stored
inner join pg_temp.gone as fresh on {{ is_same_key }}

-- mark_gone --
-- They stay, and say since when the source does without them.
update {{ target }} as stored
set
    _deleted_at = clock_timestamp(),
    _run_id = {{ run_id }}
from pg_temp.gone as fresh
where {{ is_same_key }}

-- delete_gone --
-- They go.
delete from {{ target }} as stored
using pg_temp.gone as fresh
where {{ is_same_key }}

-- delete_run --
-- Without a key a run can only have added rows.
delete from {{ target }} as stored
where stored._run_id = {{ undone_run_id }}

-- give_back_rejects --
-- What an undone run had set aside waits no longer, what it had stored waits again.
update orchestrator.rejected_rows as rejected
set
    resolved_run_id = case
        when rejected.run_id = {{ undone_run_id }} then {{ run_id }}
    end
where
    rejected.pipeline_id = {{ pipeline_id }}
    and (
        (rejected.run_id = {{ undone_run_id }} and rejected.resolved_run_id is null)
        or rejected.resolved_run_id = {{ undone_run_id }}
    )
