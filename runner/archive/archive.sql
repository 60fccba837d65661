-- reach --
-- The month before which rows may be archived, and whether `before` is too late: the next run looks
-- back at older rows.
select
    to_char(
        date_trunc(
            'month', (%(watermark)s::timestamptz - %(lookback)s::interval) at time zone 'UTC'
        ),
        'YYYY-MM'
    ) as month,
    coalesce(%(watermark)s::timestamptz - %(lookback)s::interval < %(before)s::timestamptz, true)
    as is_too_far

-- targets --
-- The targets whose builds have read the replica of a pipeline.
select distinct builds.target
from orchestrator.build_inputs as inputs
inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
where
    inputs.pipeline_id = %(pipeline_id)s
    and builds.status = 'succeeded'
order by builds.target

-- record --
-- Record that a month is in a file, in the transaction that drops its rows.
insert into orchestrator.archived_months (
    pipeline_id, low, high, rows, run_ids, file_name, sha256
)
select
    {{ pipeline_id }} as pipeline_id,
    {{ low }}::timestamptz as low,
    {{ high }}::timestamptz as high,
    count(*) as rows,
    coalesce(
        range_agg(int8range(stored._run_id, stored._run_id, '[]')), '{}'
    ) as run_ids,
    {{ file_name }} as file_name,
    {{ sha256 }} as sha256
from {{ partition }} as stored
returning rows

-- drop --
-- Drop a month. Its rows are in a file.
alter table {{ target }} detach partition {{ partition }};
drop table {{ partition }}
