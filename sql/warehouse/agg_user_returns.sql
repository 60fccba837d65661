-- warehouse.agg_user_returns
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: difference; writes the changed users who differ, and moves warehouse.agg_cohort_users by
--        what differs: nothing, the second time.
-- Why:   who came back is known from a user's first day, the next one, and a few days after the
--        first. So a day on which an old user comes again changes nothing here: whom it may change
--        is told from what is stored, without a look at the days of the others.

with changed as (
    select
        user_id,
        min(event_date) as since,
        array_agg(event_date) as days
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
),

-- Nothing in a full build, where the table is empty.
stored as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day,
        case when first_redeemed_day < since then first_redeemed_day end as redeemed_before,
        since <= first_day + coalesce(returned_within, 90)
        or array[
            first_day + 1, first_day + 3, first_day + 7, first_day + 14, first_day + 30,
            first_day + 60, first_day + 90
        ] && days
        or first_redeemed_day is null
        or since <= first_redeemed_day as is_open
    from {{ this }}
    inner join changed using (user_id)
),

-- All in a full build. Else a slice value without a row has its first event on a changed day.
due as materialized (
    select user_id, slice, slice_value, redeemed_before
    from stored
    where is_open
    union all
    select
        user_id, slice, slice_value,
        null as redeemed_before
    from (
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
    ) as begun
),

redeemed as (
    select
        daily.user_id, slice, slice_value,
        min(event_date) as first_day
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join changed
    {{ incremental }}     on changed.user_id = daily.user_id and event_date >= since
    cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
    where
        redeemed_count > 0
        {{ incremental }} and daily.user_id in (
        {{ incremental }}     select user_id
        {{ incremental }}     from due
        {{ incremental }}     where redeemed_before is null
        {{ incremental }} )
    group by daily.user_id, slice, slice_value
),

-- Without a first day where no event is left.
fresh as materialized (
    select
        user_id, slice, slice_value,
        active_days[1] as first_day,
        array(
            select age
            from unnest(array[1, 3, 7, 14, 30, 60, 90]) as ages (age)
            where active_days[1] + age = any(active_days)
        ) as active_ages,
        case
            when active_days[2] - active_days[1] <= 90
                then (array[1, 3, 7, 14, 30, 60, 90])[
                    1 + width_bucket(
                        active_days[2] - active_days[1] - 1, array[1, 3, 7, 14, 30, 60, 90]
                    )
                ]
        end as returned_within,
        coalesce(redeemed_before, redeemed.first_day) as first_redeemed_day
    from due
    left join {{ warehouse }}.agg_user_active_days using (user_id, slice, slice_value)
    left join redeemed using (user_id, slice, slice_value)
),

was as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from stored
    where is_open
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
    where is_open
),

gone as (
    delete from {{ this }} as returns
    using now
    where
        returns.user_id = now.user_id
        and returns.slice = now.slice
        and returns.slice_value = now.slice_value
        and now.first_day is null
),

come as (
    insert into {{ this }} (
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    )
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from now
    where first_day is not null
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
    where first_day is not null
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
