-- reporting.engagement_funnel
-- Grain: one row per month of the first event and slice value (cohort_start, slice, slice_value).
-- Rerun: changed keys; the cohorts that have gained or lost users, those of eligible users who have
--        changed, and those in which other users are eligible by now.
-- Why:   how many users go from a search to earning and on to redeeming, and how long it takes. The
--        median of an even number of users is the mean of the two in the middle: a fraction just
--        above a half asks for the upper one.

-- Waived: union, of the cohorts of changed users.
with sizes as (
    select
        slice, slice_value, cohort_start, last_day,
        active_users as users,
        {{ warehouse }}.over_on(
            {{ warehouse }}.day_start(
                {{ warehouse }}.next_period('month', cohort_start), {{ reporting_timezone }}
            ) + make_interval(hours => 24 * {{ conversion_days }}),
            {{ reporting_timezone }}
        ) <= last_day as is_complete
    from {{ warehouse }}.agg_period_activity
    cross join {{ warehouse }}.last_day
    where grain = 'month' and period_start = cohort_start and active_users > 0
),

changed as (
    select
        user_id,
        min(event_date) as since
    from {{ warehouse }}.changed_user_days
    where isfinite(event_date)
    group by user_id
),

due as materialized (
    select slice, slice_value, cohort_start
    from sizes
    full join {{ this }} as report using (slice, slice_value, cohort_start)
    where (report.users, report.is_complete) is distinct from (sizes.users, sizes.is_complete)
    union
    -- A user who is new in a cohort may replace one who left, and the numbers stay the same.
    select slice, slice_value, {{ warehouse }}.month_start(first_day) as cohort_start
    from {{ warehouse }}.agg_user_funnels
    inner join changed using (user_id)
    cross join {{ warehouse }}.last_day
    where since <= first_day or since <= over_on and over_on <= last_day
    union
    select slice, slice_value, {{ warehouse }}.month_start(first_day) as cohort_start
    from {{ warehouse }}.agg_user_funnels
    cross join {{ warehouse }}.last_day as now
    inner join {{ warehouse }}.changed_user_days_basis as former
        on through_run_id = {{ after.event_stream }}
    where
        over_on > least(former.last_day, now.last_day)
        and over_on <= greatest(former.last_day, now.last_day)
),

removed as (
    delete from {{ this }}
    where (slice, slice_value, cohort_start) in (select slice, slice_value, cohort_start from due)
    returning cohort_start
),

-- The users of a month become eligible conversion_days after its first day to a day or two after
-- that of its last. A list of these days makes the index scan read no others.
funnels as (
    select
        cohort_start, slice, slice_value, searched_at, earned_at, redeemed_at, has_earned,
        has_redeemed
    from {{ warehouse }}.agg_user_funnels
    inner join due using (slice, slice_value)
    where
        over_on = any(
            array(
                select distinct months.cohort_start + {{ conversion_days }} + days
                from due as months
                cross join generate_series(0, 32) as days
                inner join {{ warehouse }}.last_day
                    on months.cohort_start + {{ conversion_days }} + days <= last_day
            )
        )
        and {{ warehouse }}.month_start(first_day) = cohort_start
),

cohorts as materialized (
    select
        cohort_start, slice, slice_value,
        count(*) as eligible_users, count(searched_at) as searched, count(earned_at) as earned,
        count(redeemed_at) as redeemed,
        count(*) filter (where has_earned) as earned_any,
        count(*) filter (where has_redeemed) as redeemed_any,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by earned_at - searched_at)
            as to_earn,
        percentile_disc(array[0.5, 0.5 + 1e-9]) within group (order by redeemed_at - earned_at)
            as to_redeem
    from funnels
    group by cohort_start, slice, slice_value
)

insert into {{ this }} (
    cohort_start, slice, slice_value, users, eligible_users, searched, earned, redeemed, earned_any,
    redeemed_any, search_rate, earn_rate, redeem_rate, overall_rate, median_days_to_earn,
    median_days_to_redeem, is_complete
)
select
    cohort_start, slice, slice_value, users,
    coalesce(eligible_users, 0) as eligible_users, coalesce(searched, 0) as searched,
    coalesce(earned, 0) as earned, coalesce(redeemed, 0) as redeemed,
    coalesce(earned_any, 0) as earned_any, coalesce(redeemed_any, 0) as redeemed_any,
    trim_scale(round(searched::numeric / eligible_users, 6)) as search_rate,
    trim_scale(round(earned::numeric / nullif(searched, 0), 6)) as earn_rate,
    trim_scale(round(redeemed::numeric / nullif(earned, 0), 6)) as redeem_rate,
    trim_scale(round(redeemed::numeric / eligible_users, 6)) as overall_rate,
    trim_scale(round(extract(epoch from to_earn[1] + to_earn[2]) / (2 * 86400), 6))
        as median_days_to_earn,
    trim_scale(round(extract(epoch from to_redeem[1] + to_redeem[2]) / (2 * 86400), 6))
        as median_days_to_redeem,
    is_complete
from sizes
left join cohorts using (cohort_start, slice, slice_value)
where
    (slice, slice_value, cohort_start) in (select slice, slice_value, cohort_start from due)
    -- Reading what the delete returns makes it run before the insert.
    and (select count(*) from removed) >= 0;
