-- coverage --
-- The covered ranges and the gaps of a pipeline, from its start to its watermark. `begins` and
-- `ends` are their places in a bar, from 0 to 1. If the start is minus infinity, the bar shows the
-- first window no longer than all the others together.
with windows as (
    select
        pipelines.start_at,
        pipelines.window_size,
        runs.run_id,
        runs.kind,
        runs.status,
        runs.low,
        runs.high
    from orchestrator.pipeline_definitions as pipelines
    inner join orchestrator.runs as runs on runs.pipeline_id = pipelines.pipeline_id
    where
        pipelines.pipeline_id = %(pipeline_id)s
        and runs.low < runs.high
        and (
            (runs.kind = 'window' and runs.status in ('succeeded', 'rolled_back'))
            or (runs.kind = 'backfill' and runs.status = 'succeeded')
        )
    union all
    select
        pipelines.start_at,
        pipelines.window_size,
        null as run_id,
        'window' as kind,
        'succeeded' as status,
        lower(spans.span) as low,
        upper(spans.span) as high
    from orchestrator.pipeline_definitions as pipelines
    inner join orchestrator.pruned_runs as pruned on pruned.pipeline_id = pipelines.pipeline_id
    cross join lateral unnest(pruned.covered) as spans (span)
    where pipelines.pipeline_id = %(pipeline_id)s
),

hull as (
    select
        case
            when max(windows.high) filter (where windows.kind = 'window') > min(windows.start_at)
                then
                    tstzrange(
                        min(windows.start_at),
                        max(windows.high) filter (where windows.kind = 'window')
                    )
        end as span,
        case
            when isfinite(min(windows.start_at)) then min(windows.start_at)
            else
                least(
                    min(windows.high) - least(
                        min(windows.window_size),
                        greatest(max(windows.high) - min(windows.high), interval '1 day')
                    ),
                    min(windows.low) filter (where isfinite(windows.low))
                )
        end as drawn_from
    from windows
),

-- All windows, minus the gaps: undone windows that nothing has filled since.
covered as (
    select
        (
            range_agg(tstzrange(windows.low, windows.high))
            - coalesce(
                (
                    select range_agg(tstzrange(gaps.low::timestamptz, gaps.high::timestamptz))
                    from (
{{ gaps }}
                    ) as gaps
                ),
                '{}'
            )
        )
        * (select tstzmultirange(hull.span) from hull) as spans
    from windows
),

parts as (
    select
        spans.span,
        true as is_covered
    from covered
    cross join lateral unnest(covered.spans) as spans (span)
    union all
    select
        spans.span,
        false as is_covered
    from covered
    cross join hull
    cross join lateral unnest(tstzmultirange(hull.span) - covered.spans) as spans (span)
)

select
    lower(parts.span)::text as low,
    upper(parts.span)::text as high,
    parts.is_covered,
    case when not parts.is_covered then coalesce(undone.why, 'never read') end as why,
    case
        when isfinite(lower(parts.span))
            then extract(epoch from lower(parts.span) - hull.drawn_from) / drawn.seconds
        else 0
    end::double precision as begins,
    (extract(epoch from upper(parts.span) - hull.drawn_from) / drawn.seconds)::double precision
        as ends
from parts
cross join hull
cross join lateral (
    select extract(epoch from upper(hull.span) - hull.drawn_from) as seconds
) as drawn
cross join lateral (
    select
        case count(*)
            when 0 then null
            when 1 then 'run ' || min(windows.run_id) || ' was undone'
            else
                format(
                    '%%s runs were undone: %%s to %%s',
                    count(*), min(windows.run_id), max(windows.run_id)
                )
        end as why
    from windows
    where
        windows.status = 'rolled_back'
        and tstzrange(windows.low, windows.high) && parts.span
) as undone
order by parts.span
