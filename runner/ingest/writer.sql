-- count --
-- Count the rows that meet a condition.
select count(*) as rows
from {{ source }} as source
where {{ condition }}

-- balance --
-- Count the rows that meet a condition, apart from the statement that wrote them, and find the
-- newest.
select
    count(*) as rows,
    {{ newest_arrival }} as newest_arrival,
    {{ newest_event }} as newest_event
from {{ source }} as source
where {{ condition }}

-- day_gap --
-- The longest gap between two days with rows, in the 30 days before the newest; null for too few
-- days.
with days as (
    select distinct date_trunc('day', {{ moment }})::timestamp as day
    from {{ source }} as source
    where
        {{ condition }}
        and {{ is_past }}
),

gaps as (
    select
        days.day,
        days.day - lag(days.day) over (order by days.day) as gap
    from days
    where days.day > (select max(last.day) from days as last) - interval '30 days'
)

select
    case
        when count(gaps.gap) >= 5 and max(gaps.day) - min(gaps.day) >= interval '7 days'
            then max(gaps.gap)
    end as gap
from gaps

-- stage --
-- Copy and number the rows that meet a condition, to find those that cannot be stored.
create temporary table fresh on commit drop as
select
    row_number() over () as _row,
    source.*
from {{ source }} as source
where {{ condition }};

-- Halves of the rows are read by their numbers.
create unique index on pg_temp.fresh (_row);
analyze pg_temp.fresh;

-- drop_staged --
-- Drop the staged rows.
drop table pg_temp.fresh

-- reject --
-- Set rows aside, with the reason. This resolves an older rejected row of the same key, unless it
-- is the same row, which stays.
with fresh as materialized (
    select
        {{ rejected_key }} as key,
        {{ rejected_row }} as source_row,
        (source.*)::{{ source }} as whole
    from {{ source }} as source
    where {{ condition }}
),

waiting as materialized (
    select
        rejected.rejected_row_id,
        rejected.key,
        rejected.source_row,
        orchestrator.row_of_key(rejected.key, null::{{ source }}) as key_row
    from orchestrator.rejected_rows as rejected
    where
        rejected.pipeline_id = {{ pipeline_id }}
        and rejected.resolved_run_id is null
),

met as (
    select
        waiting.rejected_row_id,
        waiting.source_row <> fresh.source_row as is_another
    from waiting
    inner join fresh on fresh.key = waiting.key
    union
    select
        waiting.rejected_row_id,
        waiting.source_row <> fresh.source_row as is_another
    from waiting
    inner join fresh on {{ is_waiting }}
),

settled as (
    update orchestrator.rejected_rows as rejected
    set resolved_run_id = {{ run_id }}
    from met
    where
        rejected.rejected_row_id = met.rejected_row_id
        and met.is_another
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
            from waiting
            where
                waiting.key = fresh.key
                and waiting.source_row = fresh.source_row
        )
)

select count(*) as rows
from fresh

-- resolve --
-- Resolve rejected rows whose keys are stored now, even if spelled differently.
with waiting as materialized (
    select
        rejected.rejected_row_id,
        rejected.key,
        orchestrator.row_of_key(rejected.key, null::{{ target }}) as key_row
    from orchestrator.rejected_rows as rejected
    where
        rejected.pipeline_id = {{ pipeline_id }}
        and rejected.resolved_run_id is null
        and rejected.run_id <> {{ run_id }}
)

update orchestrator.rejected_rows as rejected
set resolved_run_id = {{ run_id }}
from waiting
where
    rejected.rejected_row_id = waiting.rejected_row_id
    and exists (
        select
        from {{ target }} as stored
        where
            stored._run_id = {{ run_id }}
            and {{ is_waiting_stored }}
    )

-- count_waiting --
-- Count the rejected rows of a pipeline.
select count(*) as rows
from orchestrator.rejected_rows as rejected
where
    rejected.pipeline_id = {{ pipeline_id }}
    and rejected.resolved_run_id is null
