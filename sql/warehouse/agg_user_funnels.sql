-- warehouse.agg_user_funnels
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: changed keys; replaces the funnels of changed users that were not finished before their
--        oldest changed day.
-- Why:   each step is the first such event after the step before, so what lies behind the oldest
--        change stays: a funnel that was finished by then can not change, and another one goes on
--        from its last step. A look-up by the key of a fact finds the next, whatever the history.

with changed as (
    select
        days.user_id,
        min(days.event_date) as since
    from {{ warehouse }}.changed_user_days as days
    group by days.user_id
),

-- Nothing in a full build, where the table is empty.
stored as (
    select
        funnels.user_id,
        funnels.slice,
        funnels.slice_value,
        funnels.first_day,
        funnels.search_date,
        funnels.searched_at,
        funnels.earn_date,
        funnels.earned_at,
        funnels.redeem_date,
        funnels.redeemed_at,
        changed.since,
        coalesce(funnels.redeem_date >= changed.since, true) as is_open
    from {{ this }} as funnels
    inner join changed on changed.user_id = funnels.user_id
),

active as (
    select
        activity.user_id,
        activity.slice,
        activity.slice_value,
        activity.active_days[1] as first_day
    from {{ warehouse }}.agg_user_activity as activity
    {{ incremental }} inner join changed on changed.user_id = activity.user_id
),

fresh as (
    select
        active.user_id,
        active.slice,
        active.slice_value,
        active.first_day,
        searches.event_date as search_date,
        searches.event_time as searched_at,
        earns.event_date as earn_date,
        earns.event_time as earned_at,
        redemptions.event_date as redeem_date,
        redemptions.event_time as redeemed_at
    from active
    left join stored
        on
            stored.user_id = active.user_id
            and stored.slice = active.slice
            and stored.slice_value = active.slice_value
    left join lateral (
        select
            events.event_date,
            events.event_time,
            events.event_id
        from {{ warehouse }}.fact_reward_searches as events
        where
            events.user_id = active.user_id
            and events.event_date
            >= greatest(active.first_day, least(stored.search_date, stored.since))
            and case active.slice
                when 'country' then events.country
                when 'platform' then events.platform
                when 'utm_source' then events.utm_source
                else 'all'
            end = active.slice_value
        order by events.event_date, events.event_time, events.event_id
        limit 1
    ) as searches on true
    left join lateral (
        select
            events.event_date,
            events.event_time,
            events.event_id
        from {{ warehouse }}.fact_miles_earned as events
        where
            events.user_id = active.user_id
            and events.event_date
            >= greatest(searches.event_date, least(stored.earn_date, stored.since))
            and (events.event_time, events.event_id) > (searches.event_time, searches.event_id)
            and case active.slice
                when 'country' then events.country
                when 'platform' then events.platform
                when 'utm_source' then events.utm_source
                else 'all'
            end = active.slice_value
        order by events.event_date, events.event_time, events.event_id
        limit 1
    ) as earns on true
    left join lateral (
        select
            events.event_date,
            events.event_time
        from {{ warehouse }}.fact_miles_redeemed as events
        where
            events.user_id = active.user_id
            and events.event_date
            >= greatest(earns.event_date, least(stored.redeem_date, stored.since))
            and (events.event_time, events.event_id) > (earns.event_time, earns.event_id)
            and case active.slice
                when 'country' then events.country
                when 'platform' then events.platform
                when 'utm_source' then events.utm_source
                else 'all'
            end = active.slice_value
        order by events.event_date, events.event_time, events.event_id
        limit 1
    ) as redemptions on true
    where stored.is_open is not false
),

gone as (
    delete from {{ this }} as funnels
    using stored
    where
        stored.is_open
        and funnels.user_id = stored.user_id
        and funnels.slice = stored.slice
        and funnels.slice_value = stored.slice_value
    returning funnels.user_id
)

insert into {{ this }} (
    user_id,
    slice,
    slice_value,
    first_day,
    search_date,
    searched_at,
    earn_date,
    earned_at,
    redeem_date,
    redeemed_at
)
select
    fresh.user_id,
    fresh.slice,
    fresh.slice_value,
    fresh.first_day,
    fresh.search_date,
    fresh.searched_at,
    fresh.earn_date,
    fresh.earned_at,
    fresh.redeem_date,
    fresh.redeemed_at
from fresh
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0
order by fresh.user_id, fresh.slice, fresh.slice_value;
