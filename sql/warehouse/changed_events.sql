-- warehouse.changed_events
-- Grain: one row per event and each user and day that it has or had (user_id, event_date,
--        event_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   every later script recomputes what these events touch, and nothing else. That includes the
--        user and day that an event has left, whose old numbers have to go. Rows have the order of
--        the facts' keys, so that look-ups there are sequential, and the name of the fact, so that
--        each fact looks up its own events only.

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
    -- The user and day of a row before it was replaced or deleted.
    select
        user_id, event_date, event_id,
        null as fact_table,
        true as is_former
    from {{ warehouse }}.former_events
    where
        pipeline_id = {{ pipeline.event_stream }}
        and run_id > {{ after.event_stream }}
        and run_id <= {{ through.event_stream }}
) as events
group by user_id, event_date, event_id
order by user_id, event_date, event_id;

analyze {{ this }};
