-- Earned or redeemed miles that are not a finite number, or absurdly many: they count as
-- transactions of 0 miles. An incremental build checks the new rows.
-- Level: warn

select
    event_type,
    count(*) as events,
    (array_agg(event_id order by event_id))[1] as first_event_id
from (
    select
        {{ source.event_stream.event_id }} as event_id,
        {{ source.event_stream.event_type }} as event_type,
        {{ source.event_stream.miles_amount }} as miles_amount,
        _run_id
    from {{ raw }}.raw_event_stream
) as events
where
    event_type in ('miles_earned', 'miles_redeemed')
    and {{ warehouse }}.amount(miles_amount) <> miles_amount
    {{ incremental }} and _run_id > {{ after.event_stream }}
    {{ incremental }} and _run_id <= {{ through.event_stream }}
group by event_type
