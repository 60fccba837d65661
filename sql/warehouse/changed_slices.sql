-- warehouse.changed_slices
-- Grain: one row per slice value (slice, slice_value).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   an event changes the reports of its slice values on its day and on later ones: windows,
--        running totals, returns. Earlier days and other slice values stay. A last day that moves
--        changes all slice values from there on. A first day that moves changes all of them too: it
--        decides whether the first period is partial.

delete from {{ this }};

-- Waived: union, as events that are early, or no activity, are few.
insert into {{ this }} (slice, slice_value, since)
with arrived as (
    select country, platform, utm_source, event_date
    from {{ warehouse }}.classified_events
    where
        _run_id > {{ after.event_stream }}
        and _run_id <= {{ through.event_stream }}
        and (known_date is not null or reason = 'unknown event type')
    union all
    -- The former slices of replaced rows.
    select country, platform, utm_source, event_date
    from {{ warehouse }}.former_events
    where
        pipeline_id = {{ pipeline.event_stream }}
        and run_id > {{ after.event_stream }}
        and run_id <= {{ through.event_stream }}
        and isfinite(event_date)
),

moved as (
    select
        least(
            coalesce(former.last_day, '1900-01-01'), coalesce(now.last_day, '1900-01-01')
        ) as since
    from (select max(last_day) as last_day from {{ warehouse }}.last_day) as now
    cross join (
        select max(last_day) as last_day
        from {{ warehouse }}.changed_user_days_basis
        where through_run_id = {{ after.event_stream }}
    ) as former
    where former.last_day is distinct from now.last_day
    union all
    -- The first day has moved if something arrived on it, or left it or an earlier day.
    select min(event_date) as since
    from arrived
    having
        min(event_date) <= (
            select min(event_date)
            from {{ warehouse }}.agg_engagement_daily
            where slice = 'all'
        )
),

touched as (
    select country, platform, utm_source, event_date
    from arrived
    union all
    -- Early events may be all that a country has there.
    select country, platform, utm_source, event_date
    from {{ warehouse }}.early_events
    where event_date > (select min(since) from moved)
    union all
    -- So may events that are no activity, whose days become complete too.
    select country, platform, utm_source, event_date
    from {{ warehouse }}.fact_unclassified_events
    where reason = 'unknown event type' and event_date >= (select min(since) from moved)
)

select
    slice, slice_value,
    min(since) as since
from (
    select slice, slice_value, event_date as since
    from touched
    cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
    union all
    select slice, slice_value, since
    from {{ warehouse }}.agg_engagement_daily
    cross join moved
) as changes
group by slice, slice_value;

analyze {{ this }};
