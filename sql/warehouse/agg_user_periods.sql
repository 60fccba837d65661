-- warehouse.agg_user_periods
-- Grain: one row per user, grain and period (user_id, grain, period_start).
-- Rerun: difference; recomputes the changed users, writes the rows that differ, and moves
--        warehouse.agg_period_activity by what differs: nothing, the second time.
-- Why:   whether a user is new, retained, resurrected or churned is a matter of the periods beside
--        it, so each row carries its neighbours; distinct users of any window are then sums of
--        small counts.

with active as (
    select distinct
        daily.user_id,
        periods.grain,
        periods.period_start
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join {{ warehouse }}.changed_users as changed
    {{ incremental }}     on changed.user_id = daily.user_id
    cross join lateral (
        values
        ('day', daily.event_date),
        ('week', date_trunc('week', daily.event_date::timestamp)::date),
        ('month', date_trunc('month', daily.event_date::timestamp)::date)
    ) as periods (grain, period_start)
),

fresh as materialized (
    select
        active.user_id,
        active.grain,
        active.period_start,
        first_value(active.period_start) over periods as first_period,
        lag(active.period_start) over periods as previous_period,
        lead(active.period_start) over periods as next_period
    from active
    window periods as (partition by active.user_id, active.grain order by active.period_start)
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
    {{ incremental }} inner join {{ warehouse }}.changed_users as changed
    {{ incremental }}     on changed.user_id = periods.user_id
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

signed as (
    select
        -1 as sign,
        gone.*,
        (gone.period_start - ('1 ' || gone.grain)::interval)::date as preceding_period,
        (gone.period_start + ('1 ' || gone.grain)::interval)::date as following_period
    from gone
    union all
    select
        1 as sign,
        come.*,
        (come.period_start - ('1 ' || come.grain)::interval)::date as preceding_period,
        (come.period_start + ('1 ' || come.grain)::interval)::date as following_period
    from come
)

-- One active period counts in up to four places: in itself, as churn in the calendar period after
-- it, and on
-- the two days on which it leaves the trailing windows.
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
    signed.grain,
    case when signed.grain = 'day' then '-infinity' else signed.first_period end as cohort_start,
    counts.period_start,
    sum(signed.sign * counts.active) as active_users,
    sum(signed.sign * counts.new) as new_users,
    sum(signed.sign * counts.retained) as retained_users,
    sum(signed.sign * counts.resurrected) as resurrected_users,
    sum(signed.sign * counts.churned) as churned_users,
    sum(signed.sign * counts.trailing_7) as trailing_7_day_change,
    sum(signed.sign * counts.trailing_28) as trailing_28_day_change
from signed
cross join lateral (
    values
    (
        signed.period_start,
        1,
        (signed.previous_period is null)::integer,
        coalesce(signed.previous_period = signed.preceding_period, false)::integer,
        coalesce(signed.previous_period < signed.preceding_period, false)::integer,
        0,
        (signed.grain = 'day')::integer,
        (signed.grain = 'day')::integer
    ),
    (
        signed.following_period,
        0,
        0,
        0,
        0,
        (signed.next_period is distinct from signed.following_period)::integer,
        0,
        0
    ),
    (
        least(signed.period_start + 7, signed.next_period),
        0,
        0,
        0,
        0,
        0,
        -(signed.grain = 'day')::integer,
        0
    ),
    (
        least(signed.period_start + 28, signed.next_period),
        0,
        0,
        0,
        0,
        0,
        0,
        -(signed.grain = 'day')::integer
    )
) as counts (period_start, active, new, retained, resurrected, churned, trailing_7, trailing_28)
group by 1, 2, 3
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
