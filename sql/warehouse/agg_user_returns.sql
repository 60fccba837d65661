-- warehouse.agg_user_returns
-- Grain: one row per user and slice value with an event (user_id, slice, slice_value).
-- Rerun: difference; writes the changed users whose rows differ, and adds the difference to
--        warehouse.agg_cohort_users. A second run finds no difference.
-- Why:   whether a user came back follows from the first active day, the next one, and some fixed
--        days after the first. So most events of older users change nothing here: the stored row
--        tells whether a change matters, without reading the user's other days.

with changed as (
    select
        user_id,
        min(event_date) as since,
        array_agg(event_date) as days
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
),

-- None in a full build, where the table is empty. A row is open if a change since then can alter
-- it.
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

-- In a full build all. Otherwise the open ones, and slice values without a row: their first event
-- lies on a changed day.
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

-- first_day is null where no event is left.
computed as materialized (
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

old_rows as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from stored
    where is_open
    except
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from computed
),

new_rows as materialized (
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from computed
    except
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from stored
    where is_open
),

removed as (
    delete from {{ this }} as returns
    using new_rows
    where
        returns.user_id = new_rows.user_id
        and returns.slice = new_rows.slice
        and returns.slice_value = new_rows.slice_value
        and new_rows.first_day is null
),

written as (
    insert into {{ this }} (
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    )
    select
        user_id, slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from new_rows
    where first_day is not null
    order by user_id, slice, slice_value
    on conflict (user_id, slice, slice_value) do update set
        first_day = excluded.first_day, active_ages = excluded.active_ages,
        returned_within = excluded.returned_within,
        first_redeemed_day = excluded.first_redeemed_day
),

signed_rows as (
    select
        -1 as sign,
        slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from old_rows
    union all
    select
        1 as sign,
        slice, slice_value, first_day, active_ages, returned_within, first_redeemed_day
    from new_rows
    where first_day is not null
),

figures as (
    select
        sign, slice, slice_value,
        'active' as figure,
        first_day as cohort_start,
        age as number
    from signed_rows
    cross join lateral unnest(active_ages) as ages (age)
    union all
    select sign, slice, slice_value, figure, cohort_start, number
    from signed_rows
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
    ) as cohort_figures
    where number is not null
)

insert into {{ state }} as cohorts (slice, slice_value, figure, cohort_start, number, users)
select
    slice, slice_value, figure, cohort_start, number,
    sum(sign) as users
from figures
group by slice, slice_value, figure, cohort_start, number
having sum(sign) <> 0
on conflict (slice, slice_value, figure, cohort_start, number) do update set
    users = cohorts.users + excluded.users;

-- Where no user is left there is no row, as in a full build.
delete from {{ state }} as cohorts
where users = 0;
