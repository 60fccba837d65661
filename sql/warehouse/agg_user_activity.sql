-- warehouse.agg_user_activity
-- Grain: one row per user and slice value (user_id, slice, slice_value).
-- Rerun: difference; puts the changed days of users into their lists as they are now, and moves
--        warehouse.agg_period_activity by what differs between the lists: nothing, the second time.
-- Why:   who is new, retained, resurrected or churned is a matter of the active days beside a day.
--        A sorted list has them side by side: what lies before the first change is not looked at,
--        and one pass serves days, weeks and months in every slice.

-- Nobody in a full build, where all days are taken anew.
with changed as (
    select
        days.user_id,
        min(days.event_date) as first_changed_day
    from {{ warehouse }}.changed_user_days as days
    group by days.user_id
),

-- The lists as they are, and how many days of each lie before every change.
stored as materialized (
    select
        activity.user_id,
        activity.slice,
        activity.slice_value,
        activity.active_days,
        coalesce(width_bucket(changed.first_changed_day - 1, activity.active_days), 0) as kept_days
    from {{ this }} as activity
    left join changed on changed.user_id = activity.user_id
    {{ incremental }} where changed.user_id is not null
),

-- The other days: what the changed ones hold now, and those between and behind them.
later as (
    select
        days.user_id,
        days.slice,
        days.slice_value,
        array_agg(distinct days.active_day order by days.active_day) as active_days
    from (
        select
            daily.user_id,
            slices.slice,
            slices.slice_value,
            daily.event_date as active_day
        from {{ warehouse }}.agg_user_daily as daily
        {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
        {{ incremental }}     on changed.user_id = daily.user_id
        {{ incremental }}     and changed.event_date = daily.event_date
        cross join lateral (
            values
            ('all', 'all'),
            ('country', daily.country),
            ('platform', daily.platform),
            ('utm_source', daily.utm_source)
        ) as slices (slice, slice_value)
        {{ incremental }} union all
        {{ incremental }} select
        {{ incremental }}     stored.user_id,
        {{ incremental }}     stored.slice,
        {{ incremental }}     stored.slice_value,
        {{ incremental }}     days.active_day
        {{ incremental }} from stored
        {{ incremental }} cross join lateral
        {{ incremental }}     unnest(stored.active_days[stored.kept_days + 1:]) as days (active_day)
        {{ incremental }} where not exists (
        {{ incremental }}     select
        {{ incremental }}     from {{ warehouse }}.changed_user_days as changed
        {{ incremental }}     where
        {{ incremental }}         changed.user_id = stored.user_id
        {{ incremental }}         and changed.event_date = days.active_day
        {{ incremental }} )
    ) as days
    group by
        days.user_id,
        days.slice,
        days.slice_value
),

lists as materialized (
    select
        user_id,
        slice,
        slice_value,
        coalesce(stored.active_days, '{}') as days_before,
        coalesce(stored.active_days[:stored.kept_days], '{}')
        || coalesce(later.active_days, '{}') as days_now,
        -- The last day that stays is the first that can have another day after it.
        greatest(stored.kept_days, 1) as first_place
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
        and lists.days_now = '{}'
),

come as (
    insert into {{ this }} as activity (
        user_id,
        slice,
        slice_value,
        active_days
    )
    select
        lists.user_id,
        lists.slice,
        lists.slice_value,
        lists.days_now as active_days
    from lists
    where
        lists.days_now <> '{}'
        and lists.days_now <> lists.days_before
    order by
        lists.user_id,
        lists.slice,
        lists.slice_value
    on conflict (user_id, slice, slice_value) do update set
        active_days = excluded.active_days
),

-- A day with the active days beside it.
days as (
    select
        lists.slice,
        lists.slice_value,
        versions.sign,
        versions.active_days[1] as first_day,
        days.previous_day,
        days.active_day,
        days.next_day
    from lists
    cross join lateral (
        values
        (-1, lists.days_before),
        (1, lists.days_now)
    ) as versions (sign, active_days)
    cross join lateral unnest(
        (null::date || versions.active_days)[lists.first_place:],
        versions.active_days[lists.first_place:],
        versions.active_days[lists.first_place + 1:]
    ) as days (previous_day, active_day, next_day)
    where
        lists.days_now <> lists.days_before
        and days.active_day is not null
),

-- Days, and the weeks and months that a day opens or closes: inside of one it says nothing of it.
periods as (
    select
        days.slice,
        days.slice_value,
        days.sign,
        periods.grain,
        periods.length,
        periods.cohort_start,
        periods.previous_period,
        periods.period_start,
        periods.next_period
    from days
    cross join lateral (
        values
        (
            'day',
            interval '1 day',
            '-infinity',
            days.previous_day,
            days.active_day,
            days.next_day
        ),
        (
            'week',
            interval '1 week',
            date_trunc('week', days.first_day::timestamp)::date,
            date_trunc('week', days.previous_day::timestamp)::date,
            date_trunc('week', days.active_day::timestamp)::date,
            date_trunc('week', days.next_day::timestamp)::date
        ),
        (
            'month',
            interval '1 month',
            date_trunc('month', days.first_day::timestamp)::date,
            date_trunc('month', days.previous_day::timestamp)::date,
            date_trunc('month', days.active_day::timestamp)::date,
            date_trunc('month', days.next_day::timestamp)::date
        )
    ) as periods (grain, length, cohort_start, previous_period, period_start, next_period)
    where
        periods.previous_period is distinct from periods.period_start
        or periods.next_period is distinct from periods.period_start
),

-- Users who are alike in all that counts are counted together.
alike as (
    select
        periods.slice,
        periods.slice_value,
        periods.grain,
        periods.cohort_start,
        periods.period_start,
        coalesce(periods.previous_period < periods.period_start, true)::integer as is_active,
        (periods.previous_period is null)::integer as is_new,
        coalesce(periods.previous_period = periods.period_start - periods.length, false)::integer
            as is_retained,
        case
            when coalesce(periods.next_period > periods.period_start + periods.length, true)
                then (periods.period_start + periods.length)::date
        end as churned_on,
        case
            when periods.grain = 'day' then least(periods.period_start + 7, periods.next_period)
        end as left_7_on,
        case
            when periods.grain = 'day' then least(periods.period_start + 28, periods.next_period)
        end as left_28_on,
        sum(periods.sign) as users
    from periods
    group by
        periods.slice,
        periods.slice_value,
        periods.grain,
        periods.cohort_start,
        periods.period_start,
        is_active,
        is_new,
        is_retained,
        churned_on,
        left_7_on,
        left_28_on
    having sum(periods.sign) <> 0
)

-- One active period counts in up to four places: in itself, as churn in the calendar period after
-- it, and on the two days on which it leaves the trailing windows, which are of days only.
insert into {{ state }} as activity (
    slice,
    slice_value,
    grain,
    cohort_start,
    period_start,
    active_users,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    trailing_7_day_change,
    trailing_28_day_change
)
select
    alike.slice,
    alike.slice_value,
    alike.grain,
    alike.cohort_start,
    places.period_start,
    sum(alike.users * places.active) as active_users,
    sum(alike.users * places.active * alike.is_new) as new_users,
    sum(alike.users * places.active * alike.is_retained) as retained_users,
    sum(
        alike.users * places.active * (alike.is_active - alike.is_new - alike.is_retained)
    ) as resurrected_users,
    sum(alike.users * places.churned) as churned_users,
    sum(alike.users * places.trailing_7) as trailing_7_day_change,
    sum(alike.users * places.trailing_28) as trailing_28_day_change
from alike
cross join lateral (
    values
    (
        alike.period_start,
        alike.is_active,
        0,
        (alike.grain = 'day')::integer,
        (alike.grain = 'day')::integer
    ),
    (alike.churned_on, 0, 1, 0, 0),
    (alike.left_7_on, 0, 0, -1, 0),
    (alike.left_28_on, 0, 0, 0, -1)
) as places (period_start, active, churned, trailing_7, trailing_28)
where places.period_start is not null
group by
    alike.slice,
    alike.slice_value,
    alike.grain,
    alike.cohort_start,
    places.period_start
on conflict (slice, slice_value, grain, cohort_start, period_start) do update set
    active_users = activity.active_users + excluded.active_users,
    new_users = activity.new_users + excluded.new_users,
    retained_users = activity.retained_users + excluded.retained_users,
    resurrected_users = activity.resurrected_users + excluded.resurrected_users,
    churned_users = activity.churned_users + excluded.churned_users,
    trailing_7_day_change = activity.trailing_7_day_change + excluded.trailing_7_day_change,
    trailing_28_day_change = activity.trailing_28_day_change + excluded.trailing_28_day_change;

-- Where nothing is left there is no row, as in a full build.
delete from {{ state }} as activity
where
    activity.active_users = 0
    and activity.new_users = 0
    and activity.retained_users = 0
    and activity.resurrected_users = 0
    and activity.churned_users = 0
    and activity.trailing_7_day_change = 0
    and activity.trailing_28_day_change = 0;
