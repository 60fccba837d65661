-- warehouse.changed_events
-- Grain: one row per event and place, new or former (user_id, event_date, event_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   everything downstream recomputes what these events touch, and nothing else. A place that
--        an event has left matters as much as the one it has now: its old numbers have to go. In
--        the order of the facts' keys, so that what is looked up next lies beside it.

delete from {{ this }};

insert into {{ this }} (user_id, event_date, event_id)
select
    user_id, event_date, event_id
from {{ warehouse }}.classified_events
where
    _run_id > {{ after.event_stream }}
    and _run_id <= {{ through.event_stream }}
union
-- Where a replaced row used to be. The case is the one of classified_events.
select
    {{ warehouse }}.member(replaced.old_row ->> 'user_id') as user_id,
    coalesce(
        case
            when
                (replaced.old_row ->> 'event_time')::timestamptz
                between '1900-01-01 00:00+00' and '9999-12-30 00:00+00'
                then
                    (
                        (replaced.old_row ->> 'event_time')::timestamptz
                        at time zone {{ reporting_timezone }}
                    )::date
        end,
        '-infinity'
    ) as event_date,
    (replaced.old_row ->> 'event_id')::bigint as event_id
from orchestrator.replaced_rows as replaced
where
    replaced.pipeline_id = {{ pipeline.event_stream }}
    and replaced.run_id > {{ after.event_stream }}
    and replaced.run_id <= {{ through.event_stream }}
order by user_id, event_date, event_id;

analyze {{ this }};
