-- warehouse.agg_user_slice_months
-- Grain: one row per user, month and slice value with an event
--        (user_id, month, slice, slice_value).
-- Rerun: difference; takes the changed months of users out, puts them back as they are now, and
--        moves warehouse.agg_slice_periods by what differs between the two: nothing, the second
--        time.
-- Why:   who earns, who is active on how many days and what a cohort is worth are matters of a
--        user's month. A month's days are bits of one number, so weeks can be told from it too.

-- The months of users to take anew: those of a change, the others that its week reaches into, and
-- all of a user who may have got another first month somewhere.
create temporary table changed as
with days as (
    select
        user_id, event_date,
        min(event_date) over (partition by user_id) as since
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
)

select
    user_id,
    {{ warehouse }}.month_start(day) as month
from days
cross join lateral (
    values
    (event_date),
    ({{ warehouse }}.week_start(event_date)),
    ({{ warehouse }}.week_start(event_date) + 6)
) as of_week (day)
union
select
    user_id,
    {{ warehouse }}.month_start(active_day) as month
from {{ warehouse }}.agg_user_activity
cross join lateral unnest(active_days) as days (active_day)
where
    slice = 'all'
    and user_id in (
        select days.user_id
        from days
        inner join {{ warehouse }}.agg_user_activity as begun using (user_id)
        where begun.active_days[1] >= {{ warehouse }}.month_start(since)
    );

analyze pg_temp.changed;

-- What these months held until now; nothing in a full build.
create temporary table was as
select
    user_id, month, slice, slice_value, cohort_start, active_days, earning_days, redeeming_days,
    miles_earned, miles_redeemed
from {{ this }}
inner join pg_temp.changed using (user_id, month);

delete from {{ this }} as months
{{ incremental }} using pg_temp.changed as changed
{{ incremental }} where months.user_id = changed.user_id
{{ incremental }}     and months.month = changed.month
;

insert into {{ this }} (
    user_id, month, slice, slice_value, cohort_start, active_days, earning_days, redeeming_days,
    miles_earned, miles_redeemed
)
with places as (
    select
        daily.user_id,
        {{ warehouse }}.month_start(event_date) as month,
        platform, utm_source, country,
        bit_or(1 << date_part('day', event_date)::integer - 1) as active_days,
        bit_or(1 << date_part('day', event_date)::integer - 1) filter (where earned_count > 0)
            as earning_days,
        bit_or(1 << date_part('day', event_date)::integer - 1) filter (where redeemed_count > 0)
            as redeeming_days,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join pg_temp.changed
    {{ incremental }}     on changed.user_id = daily.user_id
    {{ incremental }}     and event_date >= changed.month
    {{ incremental }}     and event_date < {{ warehouse }}.next_period('month', changed.month)
    group by
        daily.user_id, {{ warehouse }}.month_start(event_date), platform, utm_source, country
),

months as (
    select
        user_id, month, slice, slice_value,
        bit_or(active_days) as active_days,
        coalesce(bit_or(earning_days), 0) as earning_days,
        coalesce(bit_or(redeeming_days), 0) as redeeming_days,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from places
    cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
    group by user_id, month, slice, slice_value
)

select
    user_id, month, slice, slice_value,
    {{ warehouse }}.month_start(activity.active_days[1]) as cohort_start,
    months.active_days, earning_days, redeeming_days, miles_earned, miles_redeemed
from months
inner join {{ warehouse }}.agg_user_activity as activity using (user_id, slice, slice_value)
order by user_id, month, slice, slice_value;

-- A full build counts anew, whatever was counted before.
delete from {{ state }} as periods
{{ incremental }} where false
;

insert into {{ state }} as periods (
    slice, slice_value, grain, period_start, cohort_start, active_days,
    users, earning_users, redeeming_users, miles_earned, miles_redeemed
)
with signed as (
    {{ incremental }} select
    {{ incremental }}     -1 as sign,
    {{ incremental }}     user_id, month, slice, slice_value, cohort_start,
    {{ incremental }}     active_days, earning_days, redeeming_days, miles_earned, miles_redeemed
    {{ incremental }} from pg_temp.was
    {{ incremental }} union all
    select
        1 as sign,
        user_id, month, slice, slice_value, cohort_start,
        active_days, earning_days, redeeming_days, miles_earned, miles_redeemed
    from {{ this }}
    {{ incremental }} inner join pg_temp.changed using (user_id, month)
),

-- A week may lie in two months: its days are looked for in both.
weeks as (
    select
        sign, user_id, slice, slice_value, week,
        bool_or(earning_days & week_days <> 0) as is_earning,
        bool_or(redeeming_days & week_days <> 0) as is_redeeming
    from signed
    cross join generate_series(0, 5) as weeks (number)
    cross join lateral (
        select {{ warehouse }}.week_start(month) + 7 * number as week
    ) as begins
    cross join lateral (
        select case when week < month then 127 >> month - week else 127 << week - month end
            as week_days
    ) as bits
    where
        week - month < 31  -- the width of a month
        and (earning_days | redeeming_days) & week_days <> 0
        {{ incremental }} and (user_id, week) in (
        {{ incremental }}     select
        {{ incremental }}         user_id,
        {{ incremental }}         {{ warehouse }}.week_start(event_date) as week
        {{ incremental }}     from {{ warehouse }}.changed_user_days
        {{ incremental }}     where isfinite(event_date)
        {{ incremental }} )
    group by sign, user_id, slice, slice_value, week
)

select
    slice, slice_value,
    'month' as grain,
    month as period_start,
    groups.cohort_start, groups.active_days,
    sum(sign) as users,
    coalesce(sum(sign) filter (where earning_days <> 0), 0) as earning_users,
    coalesce(sum(sign) filter (where redeeming_days <> 0), 0) as redeeming_users,
    sum(sign * miles_earned) as miles_earned,
    sum(sign * miles_redeemed) as miles_redeemed
from signed
cross join lateral (
    values (cohort_start, 0), ('-infinity', bit_count(active_days::bit(32))::integer)
) as groups (cohort_start, active_days)
group by slice, slice_value, month, groups.cohort_start, groups.active_days
union all
select
    slice, slice_value,
    'week' as grain,
    week as period_start,
    '-infinity' as cohort_start,
    0 as active_days,
    sum(sign) as users,
    coalesce(sum(sign) filter (where is_earning), 0) as earning_users,
    coalesce(sum(sign) filter (where is_redeeming), 0) as redeeming_users,
    0 as miles_earned,
    0 as miles_redeemed
from weeks
group by slice, slice_value, week
on conflict (slice, slice_value, grain, period_start, cohort_start, active_days) do update set
    users = periods.users + excluded.users,
    earning_users = periods.earning_users + excluded.earning_users,
    redeeming_users = periods.redeeming_users + excluded.redeeming_users,
    miles_earned = periods.miles_earned + excluded.miles_earned,
    miles_redeemed = periods.miles_redeemed + excluded.miles_redeemed;

-- Where nobody is left there is no row, as in a full build.
delete from {{ state }} as periods
where users = 0;

drop table pg_temp.was;

drop table pg_temp.changed;
