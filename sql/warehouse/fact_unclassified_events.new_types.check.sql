-- Event types that were first seen in this build and that no fact knows. They count as activity, so
-- they change active users; name those that are none in passive_event_types in sql/manifest.toml.
-- Level: warn

select
    events.event_type,
    count(*) as events,
    count(distinct events.user_id) as users
from {{ warehouse }}.fact_unclassified_events as events
left join {{ warehouse }}.changed_events as changed using (user_id, event_date, event_id)
where
    events.reason = 'unknown event type'
    and events.event_type not in (
        select event_type
        from {{ warehouse }}.former_events
        where
            pipeline_id = {{ pipeline.event_stream }}
            and run_id > {{ after.event_stream }}
            and run_id <= {{ through.event_stream }}
            and former_run_id <= {{ after.event_stream }}
    )
group by events.event_type
having count(*) = count(changed.event_id)
order by events.event_type collate "C"
