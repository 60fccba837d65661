-- warehouse.agg_user_monthly
-- Grain: one row per user, month, platform, source and country with an event
--        (user_id, month, platform, utm_source, country).
-- Rerun: difference; replaces the changed months of users, and adds the difference to
--        warehouse.agg_slice_periods. A second run finds no difference.
-- Why:   lifetime figures, the number of active days, earning and redeeming users and the value of
--        cohorts all follow from a user's months. Days are stored as bits, so weeks follow too.

-- In steps:
-- 1. replace the changed months, and keep their old rows;
-- 2. from old rows (sign -1) and new ones (1), make the months and weeks in which a user counts;
-- 3. make one row per user, period and group of slices that count the user alike;
-- 4. count months by cohort, months again by number of active days, and weeks, and add that to
--    agg_slice_periods.

-- The months in which the week of a changed day lies, and all months of a user whose first month
-- may have moved in some slice. Waived: union, of the months of changed users.
create temporary table changed_months as
select
    user_id,
    {{ warehouse }}.month_start({{ warehouse }}.week_start(event_date) + day_number) as month
from {{ warehouse }}.changed_user_days
cross join (values (0), (6)) as week (day_number)
where isfinite(event_date)
union
select user_id, {{ warehouse }}.month_start(active_day) as month
from {{ warehouse }}.agg_user_activity
cross join lateral unnest(active_days) as days (active_day)
where
    slice = 'all'
    and user_id in (
        select user_id
        from {{ warehouse }}.changed_user_days
        inner join {{ warehouse }}.agg_user_activity as activity using (user_id)
        where
            isfinite(event_date)
            and activity.active_days[1] >= {{ warehouse }}.month_start(event_date)
    );

-- None in a full build.
create temporary table old_months as
select
    user_id, month, platform, utm_source, country, miles_earned, miles_redeemed, active_days,
    earning_days, redeeming_days, first_month, first_month_on_platform, first_month_from_source,
    first_month_in_country
from {{ this }}
inner join pg_temp.changed_months using (user_id, month);

delete from {{ this }} as monthly
{{ incremental }} using pg_temp.changed_months as changed
{{ incremental }} where monthly.user_id = changed.user_id
{{ incremental }}     and monthly.month = changed.month
;

insert into {{ this }} (
    user_id, month, platform, utm_source, country,
    earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
    miles_earned, miles_redeemed, first_earned_at, active_days, earning_days, redeeming_days,
    first_month, first_month_on_platform, first_month_from_source, first_month_in_country
)
with months as (
    select
        daily.user_id,
        {{ warehouse }}.month_start(event_date) as month,
        platform, utm_source, country,
        sum(earned_count) as earned_count, sum(redeemed_count) as redeemed_count,
        sum(search_count) as search_count, sum(share_count) as share_count,
        sum(like_count) as like_count, sum(unclassified_count) as unclassified_count,
        sum(miles_earned) as miles_earned, sum(miles_redeemed) as miles_redeemed,
        min(first_earned_at) as first_earned_at,
        bit_or(day_bit) as active_days,
        bit_or(case when earned_count > 0 then day_bit else 0 end) as earning_days,
        bit_or(case when redeemed_count > 0 then day_bit else 0 end) as redeeming_days
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join pg_temp.changed_months as changed
    {{ incremental }}     on changed.user_id = daily.user_id
    {{ incremental }}     and event_date >= changed.month
    {{ incremental }}     and event_date < {{ warehouse }}.next_period('month', changed.month)
    cross join lateral (select 1 << date_part('day', event_date)::integer - 1 as day_bit) as bits
    group by
        daily.user_id, {{ warehouse }}.month_start(event_date), platform, utm_source, country
)

select
    user_id, month, platform, utm_source, country,
    earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
    miles_earned, miles_redeemed, first_earned_at, active_days, earning_days, redeeming_days,
    {{ warehouse }}.month_start(first_day) as first_month,
    {{ warehouse }}.month_start(coalesce(platform_day, first_day)) as first_month_on_platform,
    {{ warehouse }}.month_start(coalesce(source_day, first_day)) as first_month_from_source,
    {{ warehouse }}.month_start(coalesce(country_day, first_day)) as first_month_in_country
from months
-- A slice value without a list of its own has the days of slice all.
cross join lateral (
    select
        min(lists.active_days[1]) as first_day,
        min(lists.active_days[1]) filter (where slice = 'platform' and slice_value = platform)
            as platform_day,
        min(lists.active_days[1]) filter (where slice = 'utm_source' and slice_value = utm_source)
            as source_day,
        min(lists.active_days[1]) filter (where slice = 'country' and slice_value = country)
            as country_day
    from {{ warehouse }}.agg_user_activity as lists
    where lists.user_id = months.user_id
) as first_days
order by user_id, month;

-- A full build counts from zero.
delete from {{ state }} as periods
{{ incremental }} where false
;

insert into {{ state }} as periods (
    slice, slice_value, grain, period_start, cohort_start, active_days,
    users, earning_users, redeeming_users, miles_earned, miles_redeemed
)
with signed_months as (  -- Waived: union, of changed months alone; a full build has no old rows.
    {{ incremental }} select
    {{ incremental }}     -1 as sign,
    {{ incremental }}     user_id, month, platform, utm_source, country, miles_earned,
    {{ incremental }}     miles_redeemed, active_days, earning_days, redeeming_days, first_month,
    {{ incremental }}     first_month_on_platform, first_month_from_source, first_month_in_country
    {{ incremental }} from pg_temp.old_months
    {{ incremental }} union all
    select
        1 as sign,
        user_id, month, platform, utm_source, country, miles_earned, miles_redeemed, active_days,
        earning_days, redeeming_days, first_month, first_month_on_platform,
        first_month_from_source, first_month_in_country
    from {{ this }}
    {{ incremental }} inner join pg_temp.changed_months using (user_id, month)
),

-- Of a week only who earns or redeems is counted, not miles, days and cohorts. One that lies in two
-- months has its days in the bits of both.
periods as (
    select
        sign, user_id,
        'month' as grain,
        month as period_start,
        platform, utm_source, country, miles_earned, miles_redeemed,
        active_days, earning_days, redeeming_days,
        first_month, first_month_on_platform, first_month_from_source, first_month_in_country
    from signed_months
    union all
    select
        sign, user_id,
        'week' as grain,
        week as period_start,
        platform, utm_source, country,
        0 as miles_earned, 0 as miles_redeemed, 0 as active_days,
        earning_days & {{ warehouse }}.week_bits(month, week) as earning_days,
        redeeming_days & {{ warehouse }}.week_bits(month, week) as redeeming_days,
        '-infinity' as first_month, '-infinity' as first_month_on_platform,
        '-infinity' as first_month_from_source, '-infinity' as first_month_in_country
    from signed_months
    cross join generate_series(0, 5) as numbers (number)
    cross join lateral (select {{ warehouse }}.week_start(month) + 7 * number as week) as weeks
    where
        (earning_days | redeeming_days) & {{ warehouse }}.week_bits(month, week) <> 0
        {{ incremental }} and (user_id, week) in (
        {{ incremental }}     select user_id, {{ warehouse }}.week_start(event_date) as week
        {{ incremental }}     from {{ warehouse }}.changed_user_days
        {{ incremental }}     where isfinite(event_date)
        {{ incremental }} )
),

-- Whether country and source count the user as slice all does: the period has one of each, and the
-- cohort is the same. And whether the platform does.
user_periods as (
    select
        periods.*,
        min(country) over user_period = max(country) over user_period
        and min(utm_source) over user_period = max(utm_source) over user_period
        and first_month_in_country = first_month
        and first_month_from_source = first_month as has_one_origin,
        min(platform) over user_period = max(platform) over user_period
        and first_month_on_platform = first_month as has_one_platform
    from periods
    window user_period as (partition by sign, user_id, grain, period_start)
),

-- slice_groups() makes groups of slice values that count the user together, slices() unfolds them.
users_by_slices as (
    select
        sign, grain, period_start, everybody, of_country, of_platform, of_source,
        min(
            case
                when everybody is not null then first_month
                when of_country is not null then first_month_in_country
                when of_platform is not null then first_month_on_platform
                else first_month_from_source
            end
        ) as cohort_start,
        bit_count(bit_or(active_days)::bit(32))::integer as active_days,
        (bit_or(earning_days) <> 0)::integer as is_earning,
        (bit_or(redeeming_days) <> 0)::integer as is_redeeming,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from user_periods
    cross join lateral {{ warehouse }}.slice_groups(
        has_one_origin, has_one_platform, country, platform, utm_source
    )
    group by sign, user_id, grain, period_start, everybody, of_country, of_platform, of_source
),

group_counts as (
    select
        grain, period_start, keys.cohort_start, keys.active_days,
        everybody, of_country, of_platform, of_source,
        sum(sign) as users, sum(sign * is_earning) as earning_users,
        sum(sign * is_redeeming) as redeeming_users, sum(sign * miles_earned) as miles_earned,
        sum(sign * miles_redeemed) as miles_redeemed
    from users_by_slices as users
    cross join lateral (
        select users.cohort_start, 0 as active_days
        union all
        select '-infinity' as cohort_start, users.active_days
        where users.active_days > 0
    ) as keys
    group by
        grain, period_start, keys.cohort_start, keys.active_days,
        everybody, of_country, of_platform, of_source
)

select
    slice, slice_value, grain, period_start, cohort_start, active_days,
    sum(users) as users,
    sum(earning_users) as earning_users,
    sum(redeeming_users) as redeeming_users,
    trim_scale(sum(miles_earned)) as miles_earned,
    trim_scale(sum(miles_redeemed)) as miles_redeemed
from group_counts
cross join lateral {{ warehouse }}.slices(everybody, of_country, of_platform, of_source)
group by slice, slice_value, grain, period_start, cohort_start, active_days
on conflict (slice, slice_value, grain, period_start, cohort_start, active_days) do update set
    users = periods.users + excluded.users,
    earning_users = periods.earning_users + excluded.earning_users,
    redeeming_users = periods.redeeming_users + excluded.redeeming_users,
    miles_earned = trim_scale(periods.miles_earned + excluded.miles_earned),
    miles_redeemed = trim_scale(periods.miles_redeemed + excluded.miles_redeemed);

-- Where nobody is left there is no row, as in a full build.
delete from {{ state }} as periods
where users = 0;

drop table pg_temp.old_months, pg_temp.changed_months;
