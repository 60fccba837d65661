-- warehouse.agg_user_funnels
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: changed keys; replaces the funnels of changed users that were not finished before their
--        oldest changed day.
-- Why:   each step is the first such event after the step before, so what lies behind the oldest
--        change stays: a funnel that was finished by then can not change, and another one goes on
--        from its last step. A look-up by the key of a fact finds the next, whatever the history.

with changed as (
    select
        user_id,
        min(event_date) as since
    from {{ warehouse }}.changed_user_days
    group by user_id
),

-- Nothing in a full build, where the table is empty.
stored as (
    select
        user_id, slice, slice_value,
        least(search_date, since) as search_from,
        least(earn_date, since) as earn_from,
        least(redeem_date, since) as redeem_from,
        coalesce(redeem_date >= since, true) as is_open
    from {{ this }}
    inner join changed using (user_id)
),

active as (
    select
        user_id, slice, slice_value,
        active_days[1] as first_day,
        last_day
    from {{ warehouse }}.agg_user_activity
    cross join {{ warehouse }}.last_day
    {{ incremental }} inner join changed using (user_id)
),

fresh as (
    select
        active.user_id, active.slice, active.slice_value, active.first_day,
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
        select event_date, event_time, event_id
        from {{ warehouse }}.fact_reward_searches as events
        where
            events.user_id = active.user_id
            and event_date between greatest(first_day, search_from) and last_day
            and {{ warehouse }}.slice_value(active.slice, country, platform, utm_source)
            = active.slice_value
        order by event_date, event_time, event_id
        limit 1
    ) as searches on true
    left join lateral (
        select event_date, event_time, event_id
        from {{ warehouse }}.fact_miles_earned as events
        where
            events.user_id = active.user_id
            and event_date between greatest(searches.event_date, earn_from) and last_day
            and (event_time, event_id) > (searches.event_time, searches.event_id)
            and {{ warehouse }}.slice_value(active.slice, country, platform, utm_source)
            = active.slice_value
        order by event_date, event_time, event_id
        limit 1
    ) as earns on true
    left join lateral (
        select event_date, event_time
        from {{ warehouse }}.fact_miles_redeemed as events
        where
            events.user_id = active.user_id
            and event_date between greatest(earns.event_date, redeem_from) and last_day
            and (event_time, event_id) > (earns.event_time, earns.event_id)
            and {{ warehouse }}.slice_value(active.slice, country, platform, utm_source)
            = active.slice_value
        order by event_date, event_time, event_id
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
    user_id, slice, slice_value, first_day,
    search_date, searched_at, earn_date, earned_at, redeem_date, redeemed_at
)
select
    user_id, slice, slice_value, first_day,
    search_date, searched_at, earn_date, earned_at, redeem_date, redeemed_at
from fresh
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0
order by user_id, slice, slice_value;
