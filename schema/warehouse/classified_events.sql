-- A view: the one place that decides what the day of an event is, what stands for a missing
-- attribute and which fact an event belongs to. The manifest says which column of the source is
-- which.

create or replace view {{ warehouse }}.classified_events as
select
    judged.user_id,
    judged.event_date,
    judged.event_id,
    case
        when judged.reason is not null then 'fact_unclassified_events'
        when judged.event_type in ('like', 'share') then 'fact_social_engagements'
        when judged.event_type = 'reward_search' then 'fact_reward_searches'
        else 'fact_' || judged.event_type
    end as fact_table,
    judged.reason,
    judged.event_type,
    judged.transaction_category,
    judged.platform,
    judged.utm_source,
    judged.country,
    judged.miles_amount,
    judged.event_time,
    case
        when
            judged.reason is null
            or (
                judged.reason = 'unknown event type'
                and not judged.event_type = any({{ passive_event_types }}::text[])
            )
            then judged.known_date
    end as known_date,
    judged.created_date,
    judged._run_id
from (
    select
        {{ warehouse }}.member(events.user_id) as user_id,
        {{ warehouse }}.day_of(events.event_time, {{ reporting_timezone }}) as event_date,
        -- If the clock of the event runs ahead, the day on which it arrived counts.
        {{ warehouse }}.day_of(
            least(events.event_time, events.created_at), {{ reporting_timezone }}
        ) as known_date,
        coalesce((events.created_at at time zone 'UTC')::date, '-infinity') as created_date,
        events.event_id,
        case
            when nullif(events.user_id, '') is null then 'no user_id'
            when
                events.event_time is null
                or events.event_time < '2000-01-01 00:00+00'
                or events.event_time >= '9999-12-30 00:00+00'
                or events.event_time > events.created_at + interval '24 hours'
                then 'insane time'
            when
                events.event_type is null
                or events.event_type not in (
                    'miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like'
                )
                then 'unknown event type'
        end as reason,
        {{ warehouse }}.member(events.event_type) as event_type,
        {{ warehouse }}.member(events.transaction_category) as transaction_category,
        {{ warehouse }}.member(events.platform) as platform,
        {{ warehouse }}.member(events.utm_source) as utm_source,
        {{ warehouse }}.member(events.country) as country,
        {{ warehouse }}.amount(events.miles_amount) as miles_amount,
        coalesce(events.event_time, '-infinity') as event_time,
        events._run_id
    from (
        select
            {{ source.event_stream.event_id }} as event_id,
            {{ source.event_stream.event_time }} as event_time,
            {{ source.event_stream.created_at }} as created_at,
            {{ source.event_stream.user_id }} as user_id,
            {{ source.event_stream.event_type }} as event_type,
            {{ source.event_stream.transaction_category }} as transaction_category,
            {{ source.event_stream.miles_amount }} as miles_amount,
            {{ source.event_stream.platform }} as platform,
            {{ source.event_stream.utm_source }} as utm_source,
            {{ source.event_stream.country }} as country,
            _run_id
        from {{ raw }}.raw_event_stream
    ) as events
) as judged;

comment on view {{ warehouse }}.classified_events is
'Every row of raw_event_stream with its day and its fact; unknown stands for missing attributes. '
'One row per event.';
comment on column {{ warehouse }}.classified_events.user_id is
'The user; unknown where the source had none.';
comment on column {{ warehouse }}.classified_events.event_date is
'Calendar day in reporting_timezone; -infinity where the time is missing or out of range.';
comment on column {{ warehouse }}.classified_events.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.classified_events.fact_table is
'The one fact that the event belongs to.';
comment on column {{ warehouse }}.classified_events.reason is
'Why it fits no other fact, the first that applies; null where it does.';
comment on column {{ warehouse }}.classified_events.event_type is 'What the source called it.';
comment on column {{ warehouse }}.classified_events.transaction_category is 'Category or partner.';
comment on column {{ warehouse }}.classified_events.platform is 'Platform.';
comment on column {{ warehouse }}.classified_events.utm_source is 'Campaign source.';
comment on column {{ warehouse }}.classified_events.country is 'Country.';
comment on column {{ warehouse }}.classified_events.miles_amount is
'Miles; 0 where the source gave none, or an absurd number.';
comment on column {{ warehouse }}.classified_events.event_time is 'When it happened.';
comment on column {{ warehouse }}.classified_events.known_date is
'The last day of the data is at least this day: event_date, or the day of created_at where that '
'is earlier. Null where the event does not count.';
comment on column {{ warehouse }}.classified_events.created_date is
'UTC day on which the source wrote the row; -infinity where it has no time.';
comment on column {{ warehouse }}.classified_events._run_id is 'The run that loaded the row.';
