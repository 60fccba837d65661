-- Earnings and redemptions whose miles are no finite number, or absurd: they count as transactions
-- of 0 miles. An incremental build looks at the rows that are new.
-- Level: warn

select
    event_type,
    count(*) as events,
    min(event_id) as first_event_id
from {{ raw }}.raw_event_stream
where
    event_type in ('miles_earned', 'miles_redeemed')
    and {{ warehouse }}.amount(miles_amount) <> miles_amount
    {{ incremental }} and _run_id > {{ after.event_stream }}
    {{ incremental }} and _run_id <= {{ through.event_stream }}
group by event_type
