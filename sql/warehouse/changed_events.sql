-- warehouse.changed_events
-- Grain: one row per event and place, new or former (user_id, event_date, event_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   everything downstream recomputes what these events touch, and nothing else. A place that
--        an event has left matters as much as the one it has now: its old numbers have to go. In
--        the order of the facts' keys, so that what is looked up next lies beside it. With the fact
--        of each, so that the facts look up their own events alone.

delete from {{ this }};

insert into {{ this }} (user_id, event_date, event_id, fact_table, has_been_there)
select
    user_id, event_date, event_id,
    max(fact_table) as fact_table,
    bool_or(is_former) as has_been_there
from (
    select
        user_id, event_date, event_id, fact_table,
        false as is_former
    from {{ warehouse }}.classified_events
    where
        _run_id > {{ after.event_stream }}
        and _run_id <= {{ through.event_stream }}
    union all
    -- Where a replaced row used to be.
    select
        user_id, event_date, event_id,
        null as fact_table,
        true as is_former
    from {{ warehouse }}.former_events
    where
        pipeline_id = {{ pipeline.event_stream }}
        and run_id > {{ after.event_stream }}
        and run_id <= {{ through.event_stream }}
) as places
group by user_id, event_date, event_id
order by user_id, event_date, event_id;

analyze {{ this }};
