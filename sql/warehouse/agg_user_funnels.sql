-- warehouse.agg_user_funnels
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: changed keys; recomputes the funnels that a change can affect, and writes those that
--        differ.
-- Why:   how far each user came within conversion_days x 24 hours of the first event. A funnel that
--        was over or complete before the first change stays as it is. The next step is one look-up
--        by the key of a fact, however long the history.

-- In a full build all. Otherwise the open ones, and slice values without a funnel: their first
-- event lies on a changed day.
create temporary table due as
with changed as (
    select
        user_id,
        min(event_date) as since
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
),

-- None in a full build, where the table is empty. A funnel is open if it was neither over nor
-- complete before the first change.
stored as materialized (
    select
        user_id, slice, slice_value,
        since <= over_on
        and (
            redeemed_at is null
            or since <= {{ warehouse }}.day_of(redeemed_at, {{ reporting_timezone }})
        ) as is_open
    from {{ this }}
    inner join changed using (user_id)
)

select user_id, slice, slice_value
from stored
where is_open
union all
(
    select user_id, slice, slice_value
    from {{ warehouse }}.agg_user_activity
    {{ incremental }} where false
    {{ incremental }} union all
    {{ incremental }} select daily.user_id, slice, slice_value
    {{ incremental }} from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
    {{ incremental }} cross join lateral
    {{ incremental }}     {{ warehouse }}.slices('all', country, platform, utm_source)
    except
    select user_id, slice, slice_value
    from stored
);

analyze pg_temp.due;

delete from {{ this }} as funnels
using pg_temp.due
left join {{ warehouse }}.agg_user_activity as activity using (user_id, slice, slice_value)
where
    funnels.user_id = due.user_id
    and funnels.slice = due.slice
    and funnels.slice_value = due.slice_value
    and activity.user_id is null;

insert into {{ this }} as funnels (
    user_id, slice, slice_value, first_day, first_at, over_on, searched_at, earned_at, redeemed_at,
    has_earned, has_redeemed
)
with firsts as (
    select
        activity.user_id, activity.slice, activity.slice_value,
        activity.active_days[1] as first_day,
        first_events.first_at,
        first_at + make_interval(hours => 24 * {{ conversion_days }}) as until
    from {{ warehouse }}.agg_user_active_days as activity
    inner join pg_temp.due using (user_id, slice, slice_value)
    cross join lateral (
        select min(first_event_at) as first_at
        from {{ warehouse }}.agg_user_daily as daily
        where
            daily.user_id = activity.user_id
            and event_date = activity.active_days[1]
            and {{ warehouse }}.slice_value(activity.slice, country, platform, utm_source)
            = activity.slice_value
    ) as first_events
),

spans as (
    select
        user_id, slice, slice_value, first_day, first_at, until,
        {{ warehouse }}.over_on(until, {{ reporting_timezone }}) as over_on,
        least({{ warehouse }}.over_on(until, {{ reporting_timezone }}), last_day) as last_day
    from firsts
    cross join {{ warehouse }}.last_day
)

select
    spans.user_id, spans.slice, spans.slice_value, first_day, first_at, over_on,
    searches.event_time as searched_at,
    earns.event_time as earned_at,
    redemptions.event_time as redeemed_at,
    earns.event_time is not null or any_earns.event_time is not null as has_earned,
    redemptions.event_time is not null or any_redemptions.event_time is not null as has_redeemed
from spans
left join lateral (
    select event_date, event_time, event_id
    from {{ warehouse }}.fact_reward_searches as events
    where
        events.user_id = spans.user_id
        and event_date between first_day and spans.last_day
        and event_time <= until
        and {{ warehouse }}.slice_value(spans.slice, country, platform, utm_source)
        = spans.slice_value
    order by event_date, event_time, event_id
    limit 1
) as searches on true
left join lateral (
    select event_date, event_time, event_id
    from {{ warehouse }}.fact_miles_earned as events
    where
        events.user_id = spans.user_id
        and event_date between searches.event_date and spans.last_day
        and event_time <= until
        and (event_time, event_id) > (searches.event_time, searches.event_id)
        and {{ warehouse }}.slice_value(spans.slice, country, platform, utm_source)
        = spans.slice_value
    order by event_date, event_time, event_id
    limit 1
) as earns on true
left join lateral (
    select event_date, event_time, event_id
    from {{ warehouse }}.fact_miles_redeemed as events
    where
        events.user_id = spans.user_id
        and event_date between earns.event_date and spans.last_day
        and event_time <= until
        and (event_time, event_id) > (earns.event_time, earns.event_id)
        and {{ warehouse }}.slice_value(spans.slice, country, platform, utm_source)
        = spans.slice_value
    order by event_date, event_time, event_id
    limit 1
) as redemptions on true
left join lateral (
    select event_time
    from {{ warehouse }}.fact_miles_earned as events
    where
        earns.event_time is null
        and events.user_id = spans.user_id
        and event_date between first_day and spans.last_day
        and event_time <= until
        and {{ warehouse }}.slice_value(spans.slice, country, platform, utm_source)
        = spans.slice_value
    order by event_date
    limit 1
) as any_earns on true
left join lateral (
    select event_time
    from {{ warehouse }}.fact_miles_redeemed as events
    where
        redemptions.event_time is null
        and events.user_id = spans.user_id
        and event_date between first_day and spans.last_day
        and event_time <= until
        and {{ warehouse }}.slice_value(spans.slice, country, platform, utm_source)
        = spans.slice_value
    order by event_date
    limit 1
) as any_redemptions on true
order by user_id, slice, slice_value
on conflict (user_id, slice, slice_value) do update set
    first_day = excluded.first_day, first_at = excluded.first_at, over_on = excluded.over_on,
    searched_at = excluded.searched_at, earned_at = excluded.earned_at,
    redeemed_at = excluded.redeemed_at, has_earned = excluded.has_earned,
    has_redeemed = excluded.has_redeemed
where funnels is distinct from excluded;

drop table pg_temp.due;
