-- warehouse.agg_user_activity
-- Grain: one row per user and slice value (user_id, slice, slice_value). Where the days are those
--        of all, as for most users in their only country, there is no list: it is written once.
-- Rerun: difference; puts the changed days of users into their lists as they are now, and moves
--        warehouse.agg_period_activity by what differs between the lists: nothing, the second time.
-- Why:   who is new, retained, resurrected or churned is a matter of the active days beside a day.
--        A sorted list has them side by side: what lies before the first change is not looked at,
--        and one pass serves days, weeks and months in every slice.

-- Nobody in a full build, where all days are taken anew.
with changed as (
    select
        user_id,
        min(event_date) as first_changed_day
    from {{ warehouse }}.changed_user_days
    group by user_id
),

-- The lists as they are, and how many days of each lie before every change.
stored as materialized (
    select
        own.user_id, own.slice, own.slice_value, own_days, known.active_days,
        coalesce(width_bucket(first_changed_day - 1, known.active_days), 0) as kept_days
    from (select user_id, slice, slice_value, active_days as own_days from {{ this }}) as own
    inner join {{ this }} as whole on whole.user_id = own.user_id and whole.slice = 'all'
    cross join lateral (select coalesce(own_days, whole.active_days) as active_days) as known
    left join changed on changed.user_id = own.user_id
    {{ incremental }} where first_changed_day is not null
),

-- The other days: what the changed ones hold now, and those between and behind them.
later as (
    select
        user_id, slice, slice_value,
        array_agg(distinct active_day order by active_day) as active_days
    from (
        select
            daily.user_id, slice, slice_value,
            daily.event_date as active_day
        from {{ warehouse }}.agg_user_daily as daily
        {{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
        cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
        {{ incremental }} union all
        {{ incremental }} select stored.user_id, slice, slice_value, active_day
        {{ incremental }} from stored
        {{ incremental }} cross join lateral
        {{ incremental }}     unnest(active_days[kept_days + 1:]) as days (active_day)
        {{ incremental }} left join {{ warehouse }}.changed_user_days as changed_days
        {{ incremental }}     on changed_days.user_id = stored.user_id
        {{ incremental }}     and changed_days.event_date = active_day
        {{ incremental }} where kept_days < cardinality(active_days)
        {{ incremental }}     and changed_days.user_id is null
    ) as days
    group by user_id, slice, slice_value
),

lists as materialized (
    select
        user_id, slice, slice_value,
        stored.user_id is null as is_new,
        own_days,
        coalesce(stored.active_days, '{}') as days_before,
        coalesce(stored.active_days[:kept_days], '{}') || coalesce(later.active_days, '{}')
            as days_now,
        -- The last day that stays is the first that can have another day after it.
        greatest(kept_days, 1) as first_place
    from stored
    full join later using (user_id, slice, slice_value)
),

gone as (
    delete from {{ this }} as activity
    using lists
    where
        activity.user_id = lists.user_id
        and activity.slice = lists.slice
        and activity.slice_value = lists.slice_value
        and days_now = '{}'
),

come as (
    insert into {{ this }} as activity (user_id, slice, slice_value, active_days)
    select
        lists.user_id, lists.slice, lists.slice_value,
        days_to_keep as active_days
    from lists
    inner join lists as whole on whole.user_id = lists.user_id and whole.slice = 'all'
    cross join lateral (
        select case when lists.slice = 'all' or lists.days_now <> whole.days_now
            then lists.days_now end as days_to_keep
    ) as kept
    where lists.days_now <> '{}' and (lists.is_new or days_to_keep is distinct from lists.own_days)
    order by lists.user_id, lists.slice, lists.slice_value
    on conflict (user_id, slice, slice_value) do update set active_days = excluded.active_days
),

-- A user of one country and source has the same list in three slices: it is counted once for all of
-- them. Two values of a slice that share a list are counted apart.
places as (
    select
        days_before, days_now, first_place,
        max(slice_value) filter (where slice = 'all') as everybody,
        max(slice_value) filter (where slice = 'country') as of_country,
        max(slice_value) filter (where slice = 'platform') as of_platform,
        max(slice_value) filter (where slice = 'utm_source') as of_source
    from (
        select
            lists.*,
            row_number() over (
                partition by user_id, days_before, days_now, slice order by slice_value
            ) as number
        from lists
        where days_now <> days_before
    ) as changed_lists
    group by user_id, days_before, days_now, first_place, number
),

-- A day with the active days beside it.
days as materialized (
    select
        everybody, of_country, of_platform, of_source,
        sign,
        active_days[1] as first_day,
        previous_day, active_day, next_day
    from places
    cross join lateral (
        select -1 as sign, days_before as active_days
        union all
        select 1 as sign, days_now as active_days
    ) as versions
    cross join lateral unnest(
        (null::date || active_days)[first_place:],
        active_days[first_place:],
        active_days[first_place + 1:]
    ) as days (previous_day, active_day, next_day)
    where active_day is not null
),

-- The day, week and month of an active day, and how many of them lie between it and its neighbours.
periods as (
    select
        everybody, of_country, of_platform, of_source, sign,
        'day' as grain,
        '-infinity'::date as cohort_start,
        active_day as period_start,
        active_day - previous_day as since,
        next_day - active_day as until
    from days
    union all
    select
        everybody, of_country, of_platform, of_source, sign,
        'week' as grain,
        {{ warehouse }}.week_start(first_day) as cohort_start,
        {{ warehouse }}.week_start(active_day) as period_start,
        {{ warehouse }}.week_number(active_day) - {{ warehouse }}.week_number(previous_day)
            as since,
        {{ warehouse }}.week_number(next_day) - {{ warehouse }}.week_number(active_day)
            as until
    from days
    union all
    select
        everybody, of_country, of_platform, of_source, sign,
        'month' as grain,
        {{ warehouse }}.month_start(first_day) as cohort_start,
        {{ warehouse }}.month_start(active_day) as period_start,
        {{ warehouse }}.month_number(active_day) - {{ warehouse }}.month_number(previous_day)
            as since,
        {{ warehouse }}.month_number(next_day) - {{ warehouse }}.month_number(active_day)
            as until
    from days
),

-- Users who are alike in all that counts are counted together. Distances become classes: 0, 1, to
-- 7, to 28, more; who never comes again leaves as one who comes after more. Inside of a period, at
-- distance 0 on both sides, nothing counts.
alike as (
    select
        everybody, of_country, of_platform, of_source, grain, cohort_start, period_start,
        width_bucket(since, array[1, 2, 8, 29]) as since,
        coalesce(width_bucket(until, array[1, 2, 8, 29]), 4) as until,
        sum(sign) as users
    from periods
    where since is distinct from 0 or until is distinct from 0
    group by
        everybody, of_country, of_platform, of_source, grain, cohort_start, period_start,
        width_bucket(since, array[1, 2, 8, 29]),
        coalesce(width_bucket(until, array[1, 2, 8, 29]), 4)
    having sum(sign) <> 0
)

-- One active period counts in up to four places: in itself, as churn in the calendar period after
-- it, and on the two days on which it leaves the trailing windows, which are of days only.
insert into {{ state }} as activity (
    slice, slice_value, grain, cohort_start, period_start,
    active_users, new_users, retained_users, resurrected_users, churned_users,
    trailing_7_day_change, trailing_28_day_change
)
select
    slice, slice_value, grain, cohort_start, moments.period_start,
    coalesce(sum(users) filter (where is_active), 0) as active_users,
    coalesce(sum(users) filter (where is_active and since is null), 0) as new_users,
    coalesce(sum(users) filter (where is_active and since = 1), 0) as retained_users,
    coalesce(sum(users) filter (where is_active and since > 1), 0) as resurrected_users,
    coalesce(sum(users) filter (where is_churned), 0) as churned_users,
    coalesce(sum(users * change_7), 0) as trailing_7_day_change,
    coalesce(sum(users * change_28), 0) as trailing_28_day_change
from alike
cross join lateral (
    select
        period_start,
        coalesce(since <> 0, true) as is_active,
        false as is_churned,
        (grain = 'day' and coalesce(since > 2, true))::integer as change_7,
        (grain = 'day' and coalesce(since > 3, true))::integer as change_28
    union all
    select
        {{ warehouse }}.next_period(grain, period_start) as period_start,
        false as is_active,
        until > 1 as is_churned,
        0 as change_7,
        0 as change_28
    union all
    select
        period_start + days as period_start,
        false as is_active,
        false as is_churned,
        -(days = 7)::integer as change_7,
        -(days = 28)::integer as change_28
    from (values (7, 2), (28, 3)) as windows (days, distance)
    where grain = 'day' and until > distance
) as moments
cross join lateral {{ warehouse }}.slices(everybody, of_country, of_platform, of_source)
where is_active or is_churned or change_7 <> 0 or change_28 <> 0
group by slice, slice_value, grain, cohort_start, moments.period_start
on conflict (slice, slice_value, grain, cohort_start, period_start) do update set
    active_users = activity.active_users + excluded.active_users,
    new_users = activity.new_users + excluded.new_users,
    retained_users = activity.retained_users + excluded.retained_users,
    resurrected_users = activity.resurrected_users + excluded.resurrected_users,
    churned_users = activity.churned_users + excluded.churned_users,
    trailing_7_day_change = activity.trailing_7_day_change + excluded.trailing_7_day_change,
    trailing_28_day_change = activity.trailing_28_day_change + excluded.trailing_28_day_change;

-- Where nothing is left there is no row, as in a full build.
delete from {{ state }}
where
    active_users = 0 and new_users = 0 and retained_users = 0 and resurrected_users = 0
    and churned_users = 0 and trailing_7_day_change = 0 and trailing_28_day_change = 0;
