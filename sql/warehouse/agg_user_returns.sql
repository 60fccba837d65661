-- warehouse.agg_user_returns
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: difference; writes the changed users who differ, and moves warehouse.agg_cohort_users by
--        what differs: nothing, the second time.
-- Why:   who came back is known from a user's first day, the second, and a few days after the
--        first. So a day on which an old user comes again changes nothing here.

-- Nobody in a full build, where all users are taken anew.
with changed as (
    select
        user_id,
        min(event_date) as since,
        max(event_date) as until
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
),

stored as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from {{ this }}
    {{ incremental }} inner join changed using (user_id)
),

-- A redemption before the changed days is still the first.
redeemed as (
    select
        daily.user_id, slice, slice_value,
        min(event_date) as first_day
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join changed
    {{ incremental }}     on changed.user_id = daily.user_id and event_date >= since
    cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
    where redeemed_count > 0
    group by daily.user_id, slice, slice_value
),

-- A single changed day that is none of these after the first changes no answer, as is usual.
fresh as materialized (
    select
        activity.user_id, activity.slice, activity.slice_value,
        active_days[1] as first_day,
        case
            when
                stored.first_day = active_days[1]
                and since = until
                and since - active_days[1] <> all(array[1, 3, 7, 14, 30, 60, 90])
                then stored.active_ages
            else array(
                select age
                from unnest(array[1, 3, 7, 14, 30, 60, 90]) as ages (age)
                where active_days[1] + age = any(active_days)
            )
        end as active_ages,
        case
            when active_days[2] - active_days[1] <= 90
                then (array[1, 3, 7, 14, 30, 60, 90])[
                    1 + width_bucket(
                        active_days[2] - active_days[1] - 1, array[1, 3, 7, 14, 30, 60, 90]
                    )
                ]
        end as returned_within,
        coalesce(
            case when stored.first_redeemed_day < since then stored.first_redeemed_day end,
            redeemed.first_day
        ) as first_redeemed_day
    from {{ warehouse }}.agg_user_activity as activity
    left join changed on changed.user_id = activity.user_id
    left join stored
        on
            stored.user_id = activity.user_id
            and stored.slice = activity.slice
            and stored.slice_value = activity.slice_value
    left join redeemed
        on
            redeemed.user_id = activity.user_id
            and redeemed.slice = activity.slice
            and redeemed.slice_value = activity.slice_value
    {{ incremental }} where changed.user_id is not null
),

was as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from stored
    except
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from fresh
),

now as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from fresh
    except
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from stored
),

gone as (
    delete from {{ this }} as returns
    using was
    left join fresh using (user_id, slice, slice_value)
    where
        returns.user_id = was.user_id
        and returns.slice = was.slice
        and returns.slice_value = was.slice_value
        and fresh.user_id is null
),

come as (
    insert into {{ this }} (
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    )
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from now
    order by user_id, slice, slice_value
    on conflict (user_id, slice, slice_value) do update set
        first_day = excluded.first_day,
        active_ages = excluded.active_ages,
        returned_within = excluded.returned_within,
        first_redeemed_day = excluded.first_redeemed_day
),

versions as (
    select
        -1 as sign,
        slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from was
    union all
    select
        1 as sign,
        slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from now
),

marks as (
    select
        sign, slice, slice_value,
        'active' as figure,
        first_day as cohort_start,
        age as number
    from versions
    cross join lateral unnest(active_ages) as ages (age)
    union all
    select sign, slice, slice_value, figure, cohort_start, number
    from versions
    cross join lateral (
        select 'new' as figure, first_day as cohort_start, 0 as number
        union all
        select 'returned' as figure, first_day as cohort_start, returned_within as number
        union all
        select
            'redeemed' as figure,
            {{ warehouse }}.month_start(first_day) as cohort_start,
            {{ warehouse }}.month_number(first_redeemed_day)
            - {{ warehouse }}.month_number(first_day) as number
    ) as figures
    where number is not null
)

insert into {{ state }} as cohorts (slice, slice_value, figure, cohort_start, number, users)
select
    slice, slice_value, figure, cohort_start, number,
    sum(sign) as users
from marks
group by slice, slice_value, figure, cohort_start, number
having sum(sign) <> 0
on conflict (slice, slice_value, figure, cohort_start, number) do update set
    users = cohorts.users + excluded.users;

-- Where nobody is left there is no row, as in a full build.
delete from {{ state }} as cohorts
where users = 0;
