-- Earnings and redemptions whose miles are no finite number, or absurd: they count as transactions
-- of 0 miles. An incremental build looks at the rows that are new.
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
