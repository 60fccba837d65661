-- lock --
lock table {table} in share row exclusive mode

-- newest --
select max({cursor}) as newest from {table}

-- count --
select count(*) as rows from {table}

-- is_empty --
select not exists (select from {table}) as is_empty

-- span --
-- The period of the data. An append ends now at the latest; a first seed ends with yesterday.
select
    coalesce(
        %(newest)s::timestamptz,
        asked.end_time - make_interval(hours => 24 * %(days)s)
    ) as start_time,
    asked.end_time,
    asked.end_time > now() as is_future
from (
    select
        coalesce(
            %(end)s::timestamptz,
            case
                when %(newest)s::timestamptz is null then date_trunc('day', now())
                else least(
                    %(newest)s::timestamptz + make_interval(hours => 24 * %(days)s),
                    now()
                )
            end
        ) as end_time
) as asked

-- watermark --
select max(runs.high) as high
from orchestrator.runs as runs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = runs.pipeline_id
where
    pipelines.source_relation = %(source)s
    and runs.kind = 'window'
    and runs.status = 'succeeded'

-- arrive --
-- Only the rows that this transaction has inserted.
update {table}
set {cursor} = %(watermark)s
where
    xmin = pg_current_xact_id()::xid
    and {cursor} < %(watermark)s
