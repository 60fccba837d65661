-- warehouse.agg_user_periods
-- Grain: one row per user, grain and period (user_id, grain, period_start).
-- Rerun: difference; recomputes changed users from the last period before the change on, writes the
--        rows that differ, and moves warehouse.agg_period_activity by what differs: nothing, the
--        second time.
-- Why:   whether a user is new, retained, resurrected or churned is a matter of the periods beside
--        it, so each row carries its neighbours; distinct users of any window are then sums of
--        small counts.

-- The periods from which on a changed user can differ: those of the last active day that is older
-- than every change, as others may follow them now. Without such a day everything can differ. In a
-- full build no user has changed.
with stretches as (
    select
        changed.user_id,
        grains.grain,
        date_trunc(grains.grain, latest.event_date::timestamp)::date as period_start
    from (
        select
            days.user_id,
            min(days.event_date) as event_date
        from {{ warehouse }}.changed_user_days as days
        group by days.user_id
    ) as changed
    cross join lateral (
        select coalesce(max(daily.event_date), '-infinity') as event_date
        from {{ warehouse }}.agg_user_daily as daily
        where daily.user_id = changed.user_id and daily.event_date < changed.event_date
    ) as latest
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

active as (
    select distinct
        daily.user_id,
        periods.grain,
        periods.period_start
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join stretches
    {{ incremental }}     on stretches.user_id = daily.user_id
    {{ incremental }}     and stretches.grain = 'day'
    {{ incremental }}     and stretches.period_start <= daily.event_date
    cross join lateral (
        values
        ('day', daily.event_date),
        ('week', date_trunc('week', daily.event_date::timestamp)::date),
        ('month', date_trunc('month', daily.event_date::timestamp)::date)
    ) as periods (grain, period_start)
),

stored as materialized (
    select
        periods.user_id,
        periods.grain,
        periods.period_start,
        periods.first_period,
        periods.previous_period,
        periods.next_period
    from {{ this }} as periods
    {{ incremental }} inner join stretches
    {{ incremental }}     on stretches.user_id = periods.user_id
    {{ incremental }}     and stretches.grain = periods.grain
    {{ incremental }}     and stretches.period_start <= periods.period_start
),

-- Where a stretch begins: what was before it stays, and is known from here.
anchors as (
    select
        stored.user_id,
        stored.grain,
        stored.period_start,
        stored.first_period,
        stored.previous_period
    from stored
    inner join stretches using (user_id, grain, period_start)
),

fresh as materialized (
    select
        active.user_id,
        active.grain,
        active.period_start,
        first_value(coalesce(anchors.first_period, active.period_start)) over periods
            as first_period,
        coalesce(anchors.previous_period, lag(active.period_start) over periods)
            as previous_period,
        lead(active.period_start) over periods as next_period
    from active
    left join anchors using (user_id, grain, period_start)
    window periods as (partition by active.user_id, active.grain order by active.period_start)
),

outdated as (
    select * from stored
    except
    select * from fresh
),

gone as (
    delete from {{ this }} as periods
    using outdated
    where
        periods.user_id = outdated.user_id
        and periods.grain = outdated.grain
        and periods.period_start = outdated.period_start
    returning periods.*
),

come as (
    insert into {{ this }} (
        user_id,
        grain,
        period_start,
        first_period,
        previous_period,
        next_period
    )
    select * from fresh
    -- The old rows must be out before the new ones go in: counting them makes it so.
    where (select count(*) from gone) >= 0
    except
    select * from stored
    returning *
),

-- Users who are alike in all that counts are counted together.
alike as (
    select
        changes.grain,
        case when changes.grain = 'day' then '-infinity' else changes.first_period end
            as cohort_start,
        changes.period_start,
        (changes.previous_period is null)::integer as is_new,
        coalesce(changes.previous_period = changes.period_start - grains.length, false)::integer
            as is_retained,
        case
            when coalesce(changes.next_period <> changes.period_start + grains.length, true)
                then (changes.period_start + grains.length)::date
        end as churned_on,
        case
            when changes.grain = 'day' then least(changes.period_start + 7, changes.next_period)
        end as left_7_on,
        case
            when changes.grain = 'day' then least(changes.period_start + 28, changes.next_period)
        end as left_28_on,
        sum(changes.sign) as users
    from (
        select
            -1 as sign,
            gone.*
        from gone
        union all
        select
            1 as sign,
            come.*
        from come
    ) as changes
    inner join (
        values
        ('day', interval '1 day'),
        ('week', interval '1 week'),
        ('month', interval '1 month')
    ) as grains (grain, length)
        on grains.grain = changes.grain
    group by
        changes.grain,
        cohort_start,
        changes.period_start,
        is_new,
        is_retained,
        churned_on,
        left_7_on,
        left_28_on
)

-- One active period counts in up to four places: in itself, as churn in the calendar period after
-- it, and on the two days on which it leaves the trailing windows, which are of days only.
insert into {{ state }} as activity (
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
    alike.grain,
    alike.cohort_start,
    places.period_start,
    sum(alike.users * places.active) as active_users,
    sum(alike.users * places.active * alike.is_new) as new_users,
    sum(alike.users * places.active * alike.is_retained) as retained_users,
    sum(
        alike.users * places.active * (1 - alike.is_new - alike.is_retained)
    ) as resurrected_users,
    sum(alike.users * places.churned) as churned_users,
    sum(alike.users * places.trailing_7) as trailing_7_day_change,
    sum(alike.users * places.trailing_28) as trailing_28_day_change
from alike
cross join lateral (
    values
    (alike.period_start, 1, 0, (alike.grain = 'day')::integer, (alike.grain = 'day')::integer),
    (alike.churned_on, 0, 1, 0, 0),
    (alike.left_7_on, 0, 0, -1, 0),
    (alike.left_28_on, 0, 0, 0, -1)
) as places (period_start, active, churned, trailing_7, trailing_28)
where places.period_start is not null
group by
    alike.grain,
    alike.cohort_start,
    places.period_start
on conflict (grain, cohort_start, period_start) do update set
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
