-- warehouse.changed_events
-- Grain: one row per event and place, new or former.
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   later scripts recompute the events, days and users that these rows name, and nothing else.

delete from {{ this }};

insert into {{ this }} (event_id, event_date, user_id, transaction_category)
select
    event_id,
    (event_time at time zone 'UTC')::date as event_date,
    user_id,
    nullif(transaction_category, '') as transaction_category
from {{ raw }}.raw_event_stream
where _run_id > {{ after.event_stream }} and _run_id <= {{ through.event_stream }}
union all
select
    former.event_id,
    (former.event_time at time zone 'UTC')::date as event_date,
    former.user_id,
    nullif(former.transaction_category, '') as transaction_category
from orchestrator.replaced_rows as replaced
cross join lateral jsonb_populate_record(
    null::{{ raw }}.raw_event_stream, replaced.old_row
) as former
where
    replaced.pipeline_id = {{ pipeline.event_stream }}
    and replaced.run_id > {{ after.event_stream }}
    and replaced.run_id <= {{ through.event_stream }};

analyze {{ this }};
